"""The cells of a sweep: every combination of its axes, checked, in a folder.

An axis is `FIELD=VALUE,VALUE`, or `FIELD+FIELD=VALUE+VALUE,VALUE+VALUE` for
fields that change together.
"""

import hashlib
import itertools
import json
import pathlib
import re
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from ipixmatch_jax.configuration import saved
from ipixmatch_jax.configuration.files import change_fields
from ipixmatch_jax.experiment.validate import check_config

_BOOLS = {"true": True, "false": False}
Setting = dict[str, Any]  # fields of a config and their values


class Cell(NamedTuple):
    """One run of a sweep.

    Attributes:
      row: which row of the table it belongs to, from 0.
      config: checked; what it leaves open is resolved when it runs.
      workdir: an ordinary run's.
    """

    row: int
    config: ConfigDict
    workdir: pathlib.Path


class Grid(NamedTuple):
    """A sweep's runs.

    Attributes:
      fields: what the rows set, in the order of the command line.
      rows: the values of these fields, as text.
      cells: row by row, seed by seed.
    """

    fields: tuple[str, ...]
    rows: list[tuple[str, ...]]
    cells: list[Cell]


def make(
    config: ConfigDict,
    axes: list[str],
    baseline: str | None,
    folder: pathlib.Path,
) -> Grid:
    """Every row with every seed; no cell is left unchecked.

    Args:
      config: what the cells start from.
      axes: as in the module's first lines. The axis `seed` is averaged over;
        the product of the others makes the rows.
      baseline: an axis with one value; it becomes the first row.
      folder: of the whole sweep.

    Raises:
      ValueError: one sentence on a field, a value, a config that cannot be,
        on two cells that are one run, or on a folder that holds another run.
    """
    parsed = [_axis(config, text, "--grid") for text in axes]
    _check_fields(parsed)
    seeds = [config.seed]
    for axis in parsed:
        if "seed" in axis[0]:
            seeds = [setting["seed"] for setting in axis]
    others = [axis for axis in parsed if "seed" not in axis[0]]
    settings = _first(config, baseline) + _product(others)
    fields = tuple(dict.fromkeys(f for setting in settings for f in setting))
    cells = [
        _cell(config, row, setting, seed, folder)
        for row, setting in enumerate(settings)
        for seed in seeds
    ]
    _check_distinct(cells, folder)
    rows = [
        tuple(str(_current(cell.config, field)) for field in fields)
        for cell in cells[:: len(seeds)]
    ]
    return Grid(fields, rows, cells)


def _first(config: ConfigDict, baseline: str | None) -> list[Setting]:
    """The baseline as a list of no or one setting."""
    if baseline is None:
        return []
    settings = _axis(config, baseline, "--baseline")
    if len(settings) > 1 or "seed" in settings[0]:
        raise ValueError(
            f"--baseline {baseline} is not one row: give every field but "
            "seed one value; seeds are an axis of --grid."
        )
    return settings


def _product(axes: list[list[Setting]]) -> list[Setting]:
    """Every combination; without axes the one that sets nothing."""
    return [
        {field: v for setting in chosen for field, v in setting.items()}
        for chosen in itertools.product(*axes)
    ]


def _axis(config: ConfigDict, text: str, flag: str) -> list[Setting]:
    """The settings of one axis, their values typed as the config's."""
    left, equals, right = text.partition("=")
    if not equals or not left:
        raise ValueError(
            f"{flag} {text} is not FIELD=VALUE,VALUE, such as seed=0,1,2."
        )
    fields = left.split("+")
    settings = []
    for choice in right.split(","):
        # A lone field's value may hold a plus, as 1e+3 does.
        values = choice.split("+") if len(fields) > 1 else [choice]
        if len(values) != len(fields):
            raise ValueError(
                f"{flag} {text}: {choice!r} has {len(values)} values and "
                f"{left} has {len(fields)} fields; join both by a plus."
            )
        pairs = zip(fields, values, strict=True)
        settings.append({f: _typed(config, f, v, flag) for f, v in pairs})
    return settings


def _current(config: ConfigDict, field: str):
    """A field's value; a sentence with the right names if there is none."""
    value, path = config, "config"
    for name in field.split("."):
        if not isinstance(value, ConfigDict) or name not in value:
            names = value.keys() if isinstance(value, ConfigDict) else ()
            has = ", ".join(names) or "no fields of its own"
            raise ValueError(
                f"no such field: config.{field}; {path} has {has}."
            )
        value, path = value[name], f"{path}.{name}"
    return value


def _typed(config: ConfigDict, field: str, text: str, flag: str):
    now = _current(config, field)
    if isinstance(now, ConfigDict):
        raise ValueError(
            f"{flag} {field}={text}: that is a section; name one of its "
            f"fields, {', '.join(f'{field}.{name}' for name in now)}."
        )
    try:
        if isinstance(now, bool):
            return _BOOLS[text.lower()]
        return type(now)(text)
    except (ValueError, KeyError):
        raise ValueError(
            f"{flag} {field}={text}: {text!r} is no {type(now).__name__}, "
            f"which config.{field}={now!r} is."
        ) from None


def _check_fields(axes: list[list[Setting]]) -> None:
    """Each field in one axis; the seed in one of its own."""
    seen = set()
    for axis in axes:
        for field in axis[0]:
            if field in seen:
                raise ValueError(
                    f"{field} is in two axes: give all its values in one "
                    "--grid."
                )
            seen.add(field)
        if "seed" in axis[0] and len(axis[0]) > 1:
            raise ValueError(
                "seed is an axis of its own: it is averaged over, and the "
                f"fields beside it ({', '.join(axis[0])}) name rows."
            )


def _cell(
    config: ConfigDict,
    row: int,
    setting: Setting,
    seed: int,
    folder: pathlib.Path,
) -> Cell:
    try:
        changed = change_fields(config, {**setting, "seed": seed})
        check_config(changed)
    except ValueError as error:
        words = " ".join(f"{f}={v}" for f, v in setting.items())
        raise ValueError(
            f"The cell {words or 'of --config'}: {error}"
        ) from None
    return Cell(row, changed, folder / _name(setting) / f"seed_{seed}")


def _name(setting: Setting) -> str:
    """A folder's name: what is set, without what shells and tables split."""
    text = "_".join(f"{f}_{v}" for f, v in setting.items()) or "config"
    safe = re.sub(r"[^\w.+-]", "_", text)
    if safe == text and len(safe) <= 200:
        return safe
    # Two paths may differ in no more than what was replaced.
    return f"{safe[:150]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def plain(config: ConfigDict) -> dict:
    """A config as its JSON is read again."""
    return json.loads(json.dumps(config.to_dict()))


def _check_distinct(cells: list[Cell], folder: pathlib.Path) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        key = json.dumps(plain(cell.config), sort_keys=True)
        if key in seen:
            one, two = (
                c.workdir.relative_to(folder) for c in (seen[key], cell)
            )
            raise ValueError(
                f"The cells {one} and {two} are the same run: leave one out."
            )
        seen[key] = cell
        _check_saved(cell)


def _check_saved(cell: Cell) -> None:
    """What a cell's folder holds was begun with the cell's own config."""
    if not (cell.workdir / saved.FILE).exists():
        return
    changed = [
        f"{field} is {then!r} there and {now!r} here"
        for field, (then, now) in saved.differences(
            saved.load_config(cell.workdir), cell.config
        ).items()
    ]
    if changed:
        raise ValueError(
            f"{cell.workdir} holds a run of another config "
            f"({'; '.join(changed)}): give these fields their old values, "
            "choose another --workdir, or remove that folder."
        )
