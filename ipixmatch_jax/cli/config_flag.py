"""The --config flag, its fields as flags, and the flags beside it."""

import difflib
import logging
import sys
from typing import Any

from absl import flags
from absl import logging as absl_logging
from ml_collections import ConfigDict

from ipixmatch_jax.cli import arguments, compilation_cache
from ipixmatch_jax.cli.commands import COMMANDS, call_of
from ipixmatch_jax.cli.log_lines import TerminalLines, file_lines
from ipixmatch_jax.cli.streams import LosableStream
from ipixmatch_jax.configuration import fields, files
from ipixmatch_jax.configuration.plugins import load_plugins

# Data workers import this file again: everything heavy waits for main().
CONFIG = flags.DEFINE_string(
    "config",
    None,
    "File with get_config, then a colon and its argument; where there is no "
    "such file, one that comes with the package, such as voc.py.",
)
WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder for checkpoints, metrics and pictures; a run found there is "
    "resumed. By default runs/<config>_<argument>.",
)
_PLUGIN = flags.DEFINE_multi_string(
    "plugin",
    [],
    "A module to import first, which registers methods, data sets or networks "
    "of your own; may be given several times.",
)
_DEBUG = flags.DEFINE_bool(
    "debug", False, "Show the traceback of an error beside its sentence."
)
CACHE = flags.DEFINE_string(
    "compilation_cache", None, f"{compilation_cache.HELP}."
)
# What --config.FIELD=VALUE becomes before absl reads the command line.
_FIELDS = flags.DEFINE_multi_string(
    "config_field", [], "FIELD=VALUE of the config."
)

_EPILOG = (
    "Every field of the config is a flag too, as in --config.seed=1 or "
    "--config.train.steps=1000; python -m ipixmatch_jax.config_reference, or "
    "ipixmatch fields, lists them."
)


def parse(
    argv: list[str],
    module: str = "ipixmatch_jax.main",
    shown: tuple[str, ...] = (
        "config",
        "workdir",
        "continue-from",
        "coordinator",
        "coordinator_bind",
        "num_processes",
        "process_id",
        "heartbeat_seconds",
        "compilation_cache",
        "plugin",
        "debug",
    ),
    required: tuple[str, ...] = ("config",),
    instead: str | None = None,
) -> list[str]:
    """Parses the flags; a mistake ends the process with one sentence.

    The exit code is then 2. It is called inside `report_errors`, which
    reports what is wrong with the config file.

    Args:
      argv: the command line.
      module: the command's, for its help and its errors.
      shown: the flags that the help lists.
      required: those of them that must be given.
      instead: the flag that may take the place of --config; --workdir must
        be given then.

    Returns:
      the words that no flag took, after argv[0].

    Raises:
      FileNotFoundError, ValueError: see files.load_file.
    """
    if {"-h", "-help", "--help"} & set(argv[1:]):
        rows = [flags.FLAGS[name] for name in shown]
        arguments.print_flags(module, rows, required, _EPILOG)
        sys.exit()
    try:
        left = flags.FLAGS(_rewrite_fields(argv))
        _check_given(module, _still_required(required, instead))
        load_plugins(_PLUGIN.value)
        changes = _changes()
    except flags.UnrecognizedFlagError as error:
        words = _describe_unknown(error.flagname, shown)
        arguments.end_with(module, words, 2)
    except (flags.Error, ValueError) as error:
        arguments.end_with(module, str(error).replace("\n", " "), 2)
    if CONFIG.value is None:  # of another run, which only the command can read
        return left
    try:
        files.load_file(CONFIG.value, changes)
    except ValueError as error:  # of a recipe, whose words are a sentence
        raise ValueError(str(error)) from error
    return left


def _describe_unknown(name: str, shown: tuple[str, ...]) -> str:
    """A sentence on a flag that does not exist, with the nearest one."""
    field = name if name in fields.FIELDS else ""
    flag = difflib.get_close_matches(name, shown, 1)
    if not field and not flag:
        field = fields.find_nearest(name)
    near = f"config.{field}" if field else "".join(flag)
    hint = f"Did you mean --{near}?" if near else "--help shows the flags."
    return f"There is no flag --{name}. {hint}"


def _still_required(
    required: tuple[str, ...], instead: str | None
) -> tuple[str, ...]:
    """The flags that must be given, see `parse`."""
    given = instead is not None and flags.FLAGS[instead].value is not None
    return ("workdir",) if given and CONFIG.value is None else required


def _check_given(module: str, required: tuple[str, ...]) -> None:
    """Raises ValueError if a flag is not given that a command needs."""
    absent = [f"--{n}" for n in required if flags.FLAGS[n].value is None]
    if absent:
        name = next(n for n, c in COMMANDS.items() if c.module == module)
        raise ValueError(
            f"{' and '.join(absent)} must be given, such as "
            f"`{call_of(name)} {COMMANDS[name].example}`; --help explains more."
        )


def parse_rest(module: str, config: str, rest: list[str]) -> ConfigDict:
    """The config of a command whose own options argparse has taken.

    Args:
      module: the command's.
      config: FILE[:ARGUMENT].
      rest: the words that argparse left: fields of the config.
    """
    left = parse([module, f"--config={config}", *rest], module)
    if len(left) > 1:
        words = f"not understood: {' '.join(left[1:])}"
        arguments.end_with(module, words, 2)
    return read_config()


def read_config(of_run: ConfigDict | None = None) -> ConfigDict:
    """The config that a parsed command line names.

    Args:
      of_run: takes the place of --config where it is given.

    Raises:
      FileNotFoundError, ValueError: see files.load_file.
    """
    if of_run is not None:
        return files.change_fields(of_run, _changes())
    return files.load_file(str(CONFIG.value), _changes())


def _changes() -> dict[str, Any]:
    pairs = [text.partition("=")[::2] for text in _FIELDS.value]
    return {p: fields.find_field(p).parse(text) for p, text in pairs}


def _rewrite_fields(argv: list[str]) -> list[str]:
    """The command line with every --config.FIELD as one --config_field.

    A field that is True or False needs no value, and may have "no" before it:
    --config.ema.rampup, --noconfig.ema.rampup.

    Raises:
      ValueError: a field does not exist, or has no value.
    """
    words, done = list(argv[1:]), argv[:1]
    while words:
        word = words.pop(0)
        if word == "--":
            return [*done, word, *words]
        dashes = word[: len(word) - len(word.lstrip("-"))]
        path, equals, value = word.removeprefix(dashes).partition("=")
        no = path.startswith("noconfig.")
        path = path.removeprefix("no") if no else path
        if dashes not in ("-", "--") or not path.startswith("config."):
            done.append(word)
            continue
        field = fields.find_field(path.removeprefix("config."))
        if field.kind is bool and not equals:
            value = str(not no)
        elif not equals:
            if not words:
                raise ValueError(f"--{path} needs a value: --{path}=VALUE.")
            value = words.pop(0)
        done.append(f"--config_field={field.path}={value}")
    return done


def configure_logging() -> None:
    """Shows the package's own lines, and the libraries' warnings.

    They go to a stderr that may be lost: the command goes on without it.
    """
    sys.stderr = LosableStream(sys.stderr)
    if flags.FLAGS.verbosity == absl_logging.INFO:  # app.run's default
        absl_logging.set_verbosity(absl_logging.WARNING)
    handler = logging.StreamHandler()
    terminal = sys.stderr.isatty()
    handler.setFormatter(TerminalLines() if terminal else file_lines())
    logger = logging.getLogger("ipixmatch_jax")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
