"""The command that looks at every file of a data set:

python -m ipixmatch_jax.data.check --config configs/voc.py:r101_1_8
"""

import sys

from tqdm import tqdm

from ipixmatch_jax.cli import arguments, config_flag
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.experiment import preflight, validate
from ipixmatch_jax.experiment.data import check_classes, open_data
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.utils.threads import READERS


@report_errors("ipixmatch_jax.data.check")
def run() -> None:
    """Prints what was found; exits with 1 if training would fail."""
    args, rest = _arguments()
    config = config_flag.parse_rest(
        "ipixmatch_jax.data.check", args.config, rest
    )
    config_flag.configure_logging()
    validate.check_config(config)
    missing = preflight.find_missing(config)
    if any(one.needed for one in missing):
        print("Missing for this config:")
        print("\n".join(preflight.describe(missing)))
        sys.exit(1)
    data = open_data(config)
    check_classes(config, data)
    with tqdm(
        total=inspect.count_files(data), unit="file", desc="looking"
    ) as bar:
        report = inspect.check_data(
            data,
            crop_size=config.data.crop_size,
            uses_unlabelled=METHODS[config.method].uses_unlabelled,
            on_error=config.data.on_error,
            threads=args.threads,
            advance=bar.update,
        )
    print("\n".join(inspect.report_lines(report)))
    if missing:
        print("Missing, but training would start without:")
        print("\n".join(preflight.describe(missing)))
    sys.exit(int(report.fails))


def _arguments():
    parser = arguments.parser(
        "ipixmatch_jax.data.check",
        description="Lists what a config needs and does not find, each with "
        "the command that gets it. Then decodes every image and mask, says "
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
        type=arguments.whole_number,
        default=READERS,
        help="that read and decode (default: %(default)s)",
    )
    arguments.add_plugin_option(parser)
    return parser.parse_known_args()


if __name__ == "__main__":
    run()
