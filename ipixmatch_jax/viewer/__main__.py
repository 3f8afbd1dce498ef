"""Opens a local page that predicts the images that are dropped on it:

python -m ipixmatch_jax.viewer --workdir DIR
"""

import argparse
import os
import pathlib
import sys
import webbrowser

from ipixmatch_jax.cli import arguments, compilation_cache
from ipixmatch_jax.cli.prepare_jax import prepare_jax
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.predict.model import load_model
from ipixmatch_jax.viewer import server
from ipixmatch_jax.viewer.prediction import Viewer

_MODULE = "ipixmatch_jax.viewer"


@report_errors(_MODULE)
def run() -> None:
    """Serves the page until Ctrl-C."""
    args = _arguments()
    prepare_jax(args.compilation_cache)
    load_run_config(args.workdir)  # says first that there is no such run
    with server.open_server(args.port) as page:
        model = load_model(
            args.workdir,
            checkpoint=args.checkpoint,
            network=args.network,
            root=args.root,
        )
        page.show(Viewer(model))
        print(f"{page.address} (Ctrl-C ends it)", flush=True)
        if _has_screen() if args.browser is None else args.browser:
            webbrowser.open(page.address)
        try:
            page.serve_forever()
        except KeyboardInterrupt:
            print()


def _has_screen() -> bool:
    """Whether a browser would have a window, and not take the terminal."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(
        _MODULE,
        description="Opens a page that shows what a trained network predicts "
        "for an image that is dropped on it. The page and the images stay on "
        "this machine.",
    )
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, help="a run's folder"
    )
    arguments.add_network_options(parser)
    parser.add_argument(
        "--port",
        type=port_number,
        help=f"where it listens on {server.HOST} (default: the first free one "
        f"from {server.FIRST_PORT})",
    )
    parser.add_argument(
        "--browser",
        action=argparse.BooleanOptionalAction,
        help="open the page in a browser (default: where there is a screen)",
    )
    arguments.add_plugin_option(parser)
    compilation_cache.add_cache_option(parser)
    return parser.parse_args()


def port_number(word: str) -> int:
    """A port, or 0 for any free one."""
    port = arguments.whole_number(word)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{word} is not within 0 to 65535")
    return port


if __name__ == "__main__":
    run()
