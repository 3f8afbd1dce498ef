"""The command that looks at every file of a data set:

python -m ipixmatch_jax.data.check --config configs/voc.py:r101_1_8
"""

import sys

from absl import flags
from ml_collections import ConfigDict
from tqdm import tqdm

from ipixmatch_jax.cli import arguments, config_flag
from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.experiment.data import open_data


def run() -> None:
    """Prints what was found; exits with 1 if training would fail."""
    args, rest = _arguments()
    config = _config(args.config, rest)
    try:
        validate.check(config)
        data = open_data(config)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
    with tqdm(total=inspect.count(data), unit="file", desc="looking") as bar:
        report = inspect.check(
            data,
            crop_size=config.data.crop_size,
            uses_unlabelled=config.method != "supervised",
            on_error=config.data.on_error,
            threads=args.threads,
            advance=bar.update,
        )
    print("\n".join(inspect.lines(report)))
    sys.exit(int(report.fails))


def _arguments():
    parser = arguments.parser(
        "ipixmatch_jax.data.check",
        description="Decodes every image and mask that a config names, says "
        "what is there, what cannot be used and why, and what to do; ends "
        "with exit code 1 if training would fail.",
        epilog="The config's fields can be set, as in training: "
        "--config.data.root=DIR.",
    )
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE[:ARGUMENT]",
        help="as of training",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=inspect.THREADS,
        help="that read and decode (default: %(default)s)",
    )
    return parser.parse_known_args()


def _config(name: str, rest: list[str]) -> ConfigDict:
    left = config_flag.parse(["check", f"--config={name}", *rest])
    if len(left) > 1:
        sys.exit(f"ipixmatch_jax: not understood: {' '.join(left[1:])}")
    config_flag.quieten()
    return flags.FLAGS["config"].value


if __name__ == "__main__":
    run()
