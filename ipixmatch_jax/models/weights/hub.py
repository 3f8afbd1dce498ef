"""Weights by a name of the Hugging Face hub: owner/repository[:file].

Needs the extra `hub`. Files are kept in the hub's own cache, so a file that
another program has downloaded is not downloaded again.
"""

import hashlib
import logging
import os
import pathlib
import re
from typing import NamedTuple

_LOGGER = logging.getLogger(__name__)

_FILE = "model.safetensors"  # the name that timm and transformers use
_PART = r"[A-Za-z0-9_][\w.-]*"
_NAME = re.compile(rf"({_PART})/({_PART})(?::({_PART}(?:/{_PART})*))?", re.A)


class HubFile(NamedTuple):
    """A file of a repository of the hub."""

    repository: str  # "owner/repository"
    file: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.file}"


def parse_name(text: str) -> HubFile | None:
    """Parses "owner/repository" or "owner/repository:file".

    Returns:
      the file, `model.safetensors` where the text names none; None for a
      text of another form.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    return HubFile(f"{found[1]}/{found[2]}", found[3] or _FILE)


def download_file(wanted: HubFile) -> pathlib.Path:
    """Downloads a file unless the hub's cache has it; logs its sha256.

    Raises:
      FileNotFoundError: the extra is not installed, the hub cannot be
        reached, or it has no such file for this user.
    """
    instead = "or download the file by hand and give its path"
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise FileNotFoundError(
            f"{wanted} is a name of the Hugging Face hub: install the extra "
            f"with `pip install 'ipixmatch_jax[hub]'`, {instead}."
        ) from error
    try:
        path = pathlib.Path(
            huggingface_hub.hf_hub_download(
                wanted.repository,
                wanted.file,
                endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )
    except errors.GatedRepoError as error:
        raise FileNotFoundError(
            f"{wanted} is gated: accept its licence on the page of "
            f"{wanted.repository} and log in with `hf auth login`, {instead}."
        ) from error
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError) as error:
        reason = (
            "the hub cannot be reached, and its cache does not hold the file"
            if isinstance(error, errors.LocalEntryNotFoundError)
            else "the hub has no such file, or it is not public"
        )
        raise FileNotFoundError(
            f"{wanted}: {reason}. Check the name and the network, {instead}."
        ) from error
    except OSError as error:  # the library's HTTP errors are OSErrors too
        raise FileNotFoundError(
            f"{wanted} could not be downloaded ({error}): try again, {instead}."
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _LOGGER.info("%s is %s, sha256 %s", wanted, path, digest)
    return path
