"""The cells of a sweep: every combination of its axes, checked.

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
from ipixmatch_jax.configuration.fields import find_field, get_value
from ipixmatch_jax.configuration.files import change_fields
from ipixmatch_jax.experiment.validate import check_config

Setting = dict[str, Any]  # fields of a config and their values


class Cell(NamedTuple):
    """One run of a sweep.

    Attributes:
      row: the row of the table that it belongs to, from 0.
      config: checked; what it leaves open is resolved when the cell runs.
      workdir: of this run.
    """

    row: int
    config: ConfigDict
    workdir: pathlib.Path


class Grid(NamedTuple):
    """The runs of a sweep.

    Attributes:
      fields: those that the rows set, in the order of the command line.
      rows: the values of these fields per row, as text.
      cells: row by row, and seed by seed within a row.
    """

    fields: tuple[str, ...]
    rows: list[tuple[str, ...]]
    cells: list[Cell]


def make_grid(
    config: ConfigDict,
    axes: list[str],
    baseline: str | None,
    folder: pathlib.Path,
) -> Grid:
    """Makes a cell for every row and seed, and checks all of them.

    Args:
      config: the config that every cell changes.
      axes: as the first lines of this module describe. Results are averaged
        over the axis `seed`; the product of the others makes the rows.
      baseline: an axis with one value, which becomes the first row.
      folder: of the whole sweep.

    Raises:
      ValueError: a field or a value is wrong, a config is invalid, two
        cells are the same run, or a folder holds another run.
    """
    parsed = [_axis(text, "--grid") for text in axes]
    _check_fields(parsed)
    seeds = [config.seed]
    for axis in parsed:
        if "seed" in axis[0]:
            seeds = [setting["seed"] for setting in axis]
    others = [axis for axis in parsed if "seed" not in axis[0]]
    settings = _first(baseline) + _product(others)
    fields = tuple(dict.fromkeys(f for setting in settings for f in setting))
    cells = [
        _cell(config, row, setting, seed, folder)
        for row, setting in enumerate(settings)
        for seed in seeds
    ]
    _check_distinct(cells, folder)
    rows = [
        tuple(str(get_value(cell.config, field)) for field in fields)
        for cell in cells[:: len(seeds)]
    ]
    return Grid(fields, rows, cells)


def _first(baseline: str | None) -> list[Setting]:
    """The setting of the baseline in a list, which is empty without one."""
    if baseline is None:
        return []
    settings = _axis(baseline, "--baseline")
    if len(settings) > 1 or "seed" in settings[0]:
        raise ValueError(
            f"--baseline {baseline} is not one row: give each field one "
            "value, and give seeds with --grid."
        )
    return settings


def _product(axes: list[list[Setting]]) -> list[Setting]:
    """Every combination; without axes, one that sets nothing."""
    return [
        {field: v for setting in chosen for field, v in setting.items()}
        for chosen in itertools.product(*axes)
    ]


def _axis(text: str, flag: str) -> list[Setting]:
    """The settings of one axis, with values of the config's types."""
    left, equals, right = text.partition("=")
    if not equals or not left:
        raise ValueError(
            f"{flag} {text} is not FIELD=VALUE,VALUE, such as seed=0,1,2."
        )
    fields = left.split("+")
    settings = []
    for choice in right.split(","):
        # The value of a single field may hold a plus, as 1e+3 does.
        values = choice.split("+") if len(fields) > 1 else [choice]
        if len(values) != len(fields):
            raise ValueError(
                f"{flag} {text}: {choice!r} has {len(values)} values and "
                f"{left} has {len(fields)} fields; join both with a plus."
            )
        pairs = zip(fields, values, strict=True)
        settings.append({f: _parse(f, v, flag) for f, v in pairs})
    return settings


def _parse(field: str, text: str, flag: str) -> Any:
    try:
        return find_field(field).parse(text)
    except ValueError as error:
        raise ValueError(f"{flag} {field}={text}: {error}") from None


def _check_fields(axes: list[list[Setting]]) -> None:
    """Refuses a field in two axes, and a seed beside other fields."""
    seen = set()
    for axis in axes:
        for field in axis[0]:
            if field in seen:
                raise ValueError(
                    f"{field} is in two axes: give all of its values in one "
                    "--grid."
                )
            seen.add(field)
        if "seed" in axis[0] and len(axis[0]) > 1:
            raise ValueError(
                "Give seed an axis of its own: results are averaged over it, "
                f"but the other fields of {'+'.join(axis[0])} make rows."
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
    """The name of a folder: what is set, without special characters."""
    text = "_".join(f"{f}_{v}" for f, v in setting.items()) or "config"
    safe = re.sub(r"[^\w.+-]", "_", text)
    if safe == text and len(safe) <= 200:
        return safe
    # Two settings may differ only in what was replaced.
    return f"{safe[:150]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def to_plain(config: ConfigDict) -> dict:
    """A config as it is after being written and read as JSON."""
    return json.loads(json.dumps(config.to_dict()))


def _check_distinct(cells: list[Cell], folder: pathlib.Path) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        key = json.dumps(to_plain(cell.config), sort_keys=True)
        if key in seen:
            one, two = (
                c.workdir.relative_to(folder) for c in (seen[key], cell)
            )
            raise ValueError(
                f"The cells {one} and {two} are the same run: remove one."
            )
        seen[key] = cell
        _check_saved(cell)


def _check_saved(cell: Cell) -> None:
    """Refuses a folder whose run was begun with another config."""
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
            "choose another --workdir, or remove this folder."
        )
