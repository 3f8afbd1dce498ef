"""Everything that a config needs and that is not there, at once."""

import importlib.util
import pathlib

from ml_collections import ConfigDict

from ipixmatch_jax.data.files.file_source import name_dir
from ipixmatch_jax.data.missing_files import Missing, find_missing_lists
from ipixmatch_jax.data.registry import DATASETS
from ipixmatch_jax.loggers.registry import find_uninstalled, parse_names
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.models.weights import load
from ipixmatch_jax.utils.accelerators import find_unsupported


def find_missing(config: ConfigDict) -> list[Missing]:
    """Data, lists, masks, weights and extras that are not there.

    Nothing is downloaded, and no device is started.

    Args:
      config: checked, see validate.check_config.
    """
    found = [
        *_data(config.data),
        *_weights(config.model),
        *_loggers(config.loggers),
    ]
    idle = find_unsupported()
    if idle is not None:
        name, command = idle
        what = f"jax's extra for {name}, without which it is idle"
        found.append(Missing(what, command, needed=False))
    return found


def describe(missing: list[Missing]) -> list[str]:
    """Lines for a person: each thing, and below it the command."""
    lines = []
    for number, one in enumerate(missing, 1):
        optional = "" if one.needed else " (optional)"
        lines += [f"{number}. {one.what}{optional}", f"     {one.command}"]
    return lines


def _data(data: ConfigDict) -> list[Missing]:
    kind = DATASETS[data.name]
    if kind.find_missing is not None:
        return kind.find_missing(data.root, data.splits_dir, data.split)
    root = pathlib.Path(data.root).expanduser()
    if kind.download is None:
        return []
    found = []
    if not root.is_dir():
        get = f"{kind.download.how_to_get}; then give {name_dir(data.root)}"
        found.append(Missing(f"{data.name} at {data.root}", get))
    return found + find_missing_lists(root, data.splits_dir, data.split)


def _weights(model: ConfigDict) -> list[Missing]:
    source = str(model.pretrained)
    if not source:
        return _recommended(model)
    if load.parse_hub_name(source) is None:
        return _file(pathlib.Path(source).expanduser())
    if importlib.util.find_spec("huggingface_hub"):
        return []
    what = f"the extra that reads {source} from the Hugging Face hub"
    return [Missing(what, "pip install 'ipixmatch_jax[hub]'")]


def _loggers(text: str) -> list[Missing]:
    names = find_uninstalled(parse_names(text))
    if not names:
        return []
    what = f"the extra that logs to {' and '.join(names)}"
    return [Missing(what, "pip install 'ipixmatch_jax[loggers]'")]


def _recommended(model: ConfigDict) -> list[Missing]:
    """The weights that a recipe without any assumes."""
    entry = BACKBONES[model.backbone]
    names = entry.hub_weights
    if entry.for_cpus or not names:
        return []
    name = names.get("") or names[model.stem]
    what = (
        f"pretrained weights of {model.backbone}: model.pretrained is empty, "
        "and training would begin from random ones"
    )
    install = ""
    if not importlib.util.find_spec("huggingface_hub"):
        install = "pip install 'ipixmatch_jax[hub]', then "
    command = f"{install}add --config.model.pretrained={name}"
    return [Missing(what, command, needed=False)]


def _file(path: pathlib.Path) -> list[Missing]:
    if not path.is_file():
        what = f"the file of weights {path} (model.pretrained)"
        command = "name a file that exists with --config.model.pretrained"
        return [Missing(what, command)]
    if path.suffix == ".safetensors" or importlib.util.find_spec("torch"):
        return []
    with path.open("rb") as file:
        pickled = file.read(4).startswith((b"PK\x03\x04", b"\x80"))
    if not pickled:
        return []
    what = f"torch, which reads {path}"
    return [Missing(what, "pip install 'torch>=2.6'")]
