"""Fetches the published split lists and checks each against its sha256."""

import logging
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import pooch
import requests

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.splits.published import SOURCES
from ipixmatch_jax.utils.atomic import write_file

TIMEOUT = 60  # Seconds per file.


def list_folders() -> tuple[str, ...]:
    """The folders of the published lists, one for each data set."""
    names = [name for lists in SOURCES.values() for name in lists]
    return tuple(dict.fromkeys(name.split("/")[0] for name in names))


def download_lists(
    out: pathlib.Path,
    only: Sequence[str] = (),
    sources: Mapping[str, Mapping[str, tuple[int, str]]] = SOURCES,
) -> list[pathlib.Path]:
    """Fetches the published lists, checks their sha256, and writes them.

    Nothing is written unless every list is as published.

    Args:
      out: the folder that gets `pascal/` and the others.
      only: some of `list_folders`; all if empty.
      sources: see published.SOURCES.

    Returns:
      The paths written.

    Raises:
      ConnectionError: a list cannot be fetched.
      ValueError: a list is not the published one.
    """
    wanted = [
        (address + name, name, sha256)
        for address, lists in sources.items()
        for name, (_, sha256) in lists.items()
        if not only or name.split("/")[0] in only
    ]
    with tempfile.TemporaryDirectory() as folder:
        fetched = {
            name: _fetch(address, sha256, folder, out / name)
            for address, name, sha256 in wanted
        }
        for name, path in fetched.items():
            write_file(out / name, path.read_bytes())
    return [out / name for name in fetched]


def _fetch(
    address: str, sha256: str, folder: str, to: pathlib.Path
) -> pathlib.Path:
    """The file at an address below `folder`, of the right sha256.

    Its place is `to` in the end, which an error names.
    """
    pooch.get_logger().setLevel(logging.WARNING)  # One line a file is much.
    try:
        path = pooch.retrieve(
            address,
            known_hash=f"sha256:{sha256}",
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
        )
    except requests.RequestException as error:
        answer = error.response
        status = (
            "" if answer is None else f" (HTTP status {answer.status_code})"
        )
        raise ConnectionError(
            f"Cannot fetch {address}{status}, so nothing was written: check "
            f"the connection, or download it by hand to {to}; "
            f"`{call_of('splits')} make` needs no network."
        ) from error
    except ValueError as error:  # pooch's, with both sums
        raise ValueError(
            f"{address} is not the published list, so nothing was written: "
            f"{' '.join(str(error).split())}"
        ) from error
    return pathlib.Path(path)
