"""Publishes a run's network on the Hugging Face hub, and fetches one:

python -m ipixmatch_jax.hub push --workdir DIR --repo OWNER/NAME
python -m ipixmatch_jax.hub pull OWNER/NAME --workdir DIR
"""

import argparse
import pathlib

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.hub import publish, pulled, transfer
from ipixmatch_jax.utils.atomic import require_folder

_MODULE = "ipixmatch_jax.hub"


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser(
        _MODULE,
        description="Publishes a run's network on the Hugging Face hub, and "
        "fetches one.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    push = commands.add_parser(
        "push",
        help="publish a run's network",
        **arguments.describe(
            _MODULE,
            ("push",),
            epilog="The folder holds the weights, the config without paths of "
            "this machine, and a model card made from the run. Read the card "
            "before you publish it. `hf auth login` says who you are.",
        ),
    )
    _add_push_arguments(push)
    pull = commands.add_parser(
        "pull",
        help="fetch a network that `push` has published",
        **arguments.describe(_MODULE, ("pull",)),
    )
    _add_pull_arguments(pull)
    return parser


def _add_push_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, help="a run's folder"
    )
    parser.add_argument(
        "--repo",
        required=True,
        metavar="OWNER/NAME",
        help="the repository, which is made if there is none",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        help="the folder to write (default: hub/ in the workdir)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write the folder, and upload nothing",
    )
    parser.add_argument(
        "--private",
        action="store_true",
        help="make a new repository private",
    )
    parser.add_argument(
        "--license",
        default="",
        metavar="ID",
        help="of the model, such as apache-2.0 (default: that of the weights "
        "it started from, if it is known)",
    )
    parser.add_argument(
        "--checkpoint",
        choices=("best", "last"),
        default="best",
        help="which checkpoint (default: %(default)s)",
    )
    parser.add_argument(
        "--network",
        help="which network, such as student or teacher; default: the one that "
        "scored best on val",
    )
    arguments.add_plugin_option(parser)


def _add_pull_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="NAME",
        help="OWNER/NAME, or a folder that `push --dry-run` wrote",
    )
    parser.add_argument(
        "--workdir",
        type=pathlib.Path,
        required=True,
        help="a new folder, which the other commands take as a run's",
    )
    parser.add_argument(
        "--revision", help="a branch, tag or commit (default: the newest state)"
    )


def _push(args: argparse.Namespace) -> str:
    transfer.require_extra()
    transfer.check_name(args.repo)
    folder = args.out or args.workdir / "hub"
    require_folder(folder, "--out")
    written = publish.write_repository(
        args.workdir,
        folder,
        args.repo,
        checkpoint=args.checkpoint,
        network=args.network,
        licence=args.license,
    )
    what = f"the {written.network} after {written.step} steps"
    if args.dry_run:
        return f"{folder}: {what}; nothing was uploaded."
    address = transfer.upload(folder, args.repo, private=args.private)
    return f"{address}: {what}, from {folder}"


def _pull(args: argparse.Namespace) -> str:
    require_folder(args.workdir, "--workdir")
    pulled.check_new(args.workdir)
    snapshot = pathlib.Path(args.source)
    if not snapshot.is_dir():
        transfer.require_extra()
        transfer.check_name(args.source)
        snapshot = transfer.download(args.source, pulled.FILES, args.revision)
    found = pulled.make_workdir(snapshot, args.workdir, args.source)
    return f"{args.workdir}: the {found.network} after {found.step} steps"


@report_errors(_MODULE)
def main() -> None:
    """Runs `push` or `pull`."""
    args = _parser().parse_args()
    print(_push(args) if args.command == "push" else _pull(args))


if __name__ == "__main__":
    main()
