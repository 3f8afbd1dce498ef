"""Config files: found by name, run, and compared with the table of fields."""

import ast
import importlib.util
import inspect
import linecache
import pathlib
import traceback
import types
from collections.abc import Mapping
from typing import Any

import ml_collections
from ml_collections import ConfigDict

from ipixmatch_jax.configuration.check import check_names_and_types, flatten
from ipixmatch_jax.configuration.fields import (
    FIELDS,
    find_field,
    suggest_field,
)

_LIBRARY = str(pathlib.Path(ml_collections.__file__).parent)
_NAMES = {word for path in FIELDS for word in path.split(".")}


def folder() -> pathlib.Path:
    """Where the package's configs lie; in a checkout, beside the package."""
    # By name: the recipes import this package, so it must not import them.
    recipes = importlib.import_module("ipixmatch_jax.configs")
    return pathlib.Path(recipes.__path__[0])


def list_names() -> list[str]:
    """The file names of the package's configs."""
    files = sorted(folder().glob("*.py"))
    return [p.name for p in files if "def get_config(" in p.read_text("utf-8")]


def find_file(config: str) -> tuple[pathlib.Path, str | None]:
    """The path and the argument of `FILE[:ARGUMENT]`.

    A file at that path is taken as it is. Otherwise FILE, with or without
    `configs/` before it, is looked up among the package's configs.

    Raises:
      FileNotFoundError: neither exists.
      ValueError: the file at that path is not a config, and has the name of
        one of the package's.
    """
    file, colon, argument = config.partition(":")
    path = pathlib.Path(file)
    name = file.removeprefix("configs/")
    if path.is_file():
        _check_hidden(path, name)
    else:
        if name not in list_names():
            raise FileNotFoundError(
                f"No config file at {file}, and none of that name comes with "
                f"the package; these do: {', '.join(list_names())}."
            )
        path = folder() / name
    return path, argument if colon else None


def _check_hidden(path: pathlib.Path, name: str) -> None:
    """Refuses another program's file under the name of a package's config."""
    if name != path.name or name not in list_names():
        return
    if "get_config" not in path.read_text("utf-8", errors="replace"):
        raise ValueError(
            f"{path.absolute()} defines no get_config, so it is not a config, "
            f"and it hides {name} of the package: write configs/{name} for "
            "the package's, or rename the file."
        )


def load_file(
    config: str, changes: Mapping[str, Any] | None = None
) -> ConfigDict:
    """The config of `FILE[:ARGUMENT]`, with some fields changed.

    Args:
      config: a file with get_config, and its argument.
      changes: values by field, such as {"train.steps": 300}.

    Returns:
      a locked, typed config with exactly the fields of the table.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: one sentence that names the file, and the field or line.
    """
    path, argument = find_file(config)
    loaded = _call_get_config(path, argument)
    try:
        check_names_and_types(loaded)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return change_fields(ConfigDict(loaded), changes or {})


def change_fields(config: ConfigDict, changes: Mapping[str, Any]) -> ConfigDict:
    """A locked copy of a config with some fields changed.

    Raises:
      ValueError: a field does not exist, or its value has another type.
    """
    for path, value in changes.items():
        find_field(path).check_type(value)
    values = flatten(config) | dict(changes)
    copy = ConfigDict()
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        if section and section not in copy:
            copy[section] = ConfigDict()
        (copy[section] if section else copy)[name] = FIELDS[path].kind(value)
    return copy.lock()


def _call_get_config(path: pathlib.Path, argument: str | None) -> ConfigDict:
    """Calls a file's get_config; turns its mistakes into one sentence."""
    try:
        get_config = getattr(_run_file(path), "get_config", None)
        if get_config is None:
            raise ValueError(f"{path} does not define get_config(arg).")
        words = [] if argument is None else [argument]
        _check_arguments(path, get_config, words)
        config = get_config(*words)
    except SyntaxError as error:
        raise ValueError(
            f"{error.filename}, line {error.lineno}: {error.msg}."
        ) from error
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "configs":
            raise
        raise ValueError(
            f"{path} imports from configs, which exists in a checkout alone: "
            "write `from ipixmatch_jax.configs import common`."
        ) from error
    except (AttributeError, KeyError, TypeError) as error:
        sentence = _describe_refused_field(path, error)
        if sentence is None:
            raise
        raise ValueError(sentence) from error
    if not isinstance(config, ConfigDict):
        raise ValueError(
            f"{path}: get_config returns {type(config).__name__}; it is to "
            "return the config that common.base() made."
        )
    return config


def _run_file(path: pathlib.Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("config_file", path)
    if spec is None or spec.loader is None:
        raise ValueError(
            f"{path} is not a Python file: its name must end in .py."
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _check_arguments(path: pathlib.Path, get_config, words: list[str]) -> None:
    try:
        inspect.signature(get_config).bind(*words)
    except TypeError:
        given = f"the argument {words[0]!r}" if words else "no argument"
        raise ValueError(
            f"{path}: get_config does not take {given}; define it as "
            'get_config(arg="").'
        ) from None


def _describe_refused_field(path: pathlib.Path, error: Exception) -> str | None:
    """The line of a file at which the config refused a field.

    Returns:
      a sentence; None where the error is not the config's.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames[-1].filename.startswith(_LIBRARY):
        return None
    files = [f for f in frames if not f.filename.startswith(_LIBRARY)]
    at = files[-1]
    line = linecache.getline(at.filename, at.lineno or 0).strip()
    where = f"{at.filename}, line {at.lineno} ({line})"
    if isinstance(error, TypeError):
        return f"{where}: {_describe_type(line, error)}"
    unknown = [n for n in _names_in(line) if n not in _NAMES]
    name = unknown[-1] if unknown else line
    return f"{where}: there is no field {name}.{suggest_field(name)}"


def _describe_type(line: str, error: TypeError) -> str:
    """Which type the field takes that a line assigns to."""
    named = _names_in(line.partition("=")[0])
    paths = [p for p in FIELDS if p.split(".")[-len(named) :] == named]
    if not named or not paths:
        return str(error)
    return FIELDS[paths[-1]].describe_type()


def _names_in(line: str) -> list[str]:
    """Attributes, keys and keywords of a statement, in their order."""
    try:
        tree = ast.parse(line)
    except SyntaxError:
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.append((node.end_col_offset, node.attr))
        elif isinstance(node, ast.keyword) and node.arg:
            found.append((node.end_col_offset, node.arg))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append((node.end_col_offset, node.value))
    return [name for _, name in sorted(found)]
