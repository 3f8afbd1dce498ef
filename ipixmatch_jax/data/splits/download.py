"""Fetches the published split lists and checks each against its sha256."""

import hashlib
import pathlib
import urllib.error
import urllib.request

from ipixmatch_jax.data.splits.published import ADDRESS, LISTS
from ipixmatch_jax.utils.atomic import write_file

TIMEOUT = 60  # Seconds per file.


def download(out: pathlib.Path, address: str = ADDRESS) -> list[pathlib.Path]:
    """Fetches the published lists, checks their sha256, and writes them.

    Nothing is written unless every list is as published.

    Args:
      out: the folder that gets `pascal/` and `cityscapes/`.
      address: of the folder that holds both, with a final slash.

    Returns:
      The paths written.

    Raises:
      ConnectionError: a list cannot be fetched.
      ValueError: a list is not the published one.
    """
    contents = {}
    for name, (_, sha256) in LISTS.items():
        contents[name] = _fetch(address + name)
        got = hashlib.sha256(contents[name]).hexdigest()
        if got != sha256:
            raise ValueError(
                f"{address + name} is not the published list: its sha256 is "
                f"{got}, not {sha256}; nothing was written."
            )
    for name, content in contents.items():
        write_file(out / name, content)
    return [out / name for name in contents]


def _fetch(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as response:
            return response.read()
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ConnectionError(
            f"Cannot fetch {address} ({error}); nothing was written, and "
            "`python -m ipixmatch_jax.data.splits make` needs no network."
        ) from error
