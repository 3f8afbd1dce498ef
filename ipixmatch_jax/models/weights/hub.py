"""Files of the Hugging Face hub, by name, kept in a cache folder."""

import hashlib
import http.client
import logging
import os
import pathlib
import re
import urllib.error
import urllib.request
from typing import NamedTuple

_LOGGER = logging.getLogger(__name__)

CACHE_VARIABLE = "IPIXMATCH_CACHE"
ENDPOINT_VARIABLE = "HF_ENDPOINT"  # the hub's own name for it
_ENDPOINT = "https://huggingface.co"
_FILE = "model.safetensors"  # what timm and transformers call theirs
_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 20  # bytes
_PART = r"[A-Za-z0-9_][\w.-]*"
_NAME = re.compile(rf"({_PART})/({_PART})(?::({_PART}(?:/{_PART})*))?", re.A)


class Name(NamedTuple):
    """A file of a repository of the hub."""

    owner: str
    repository: str
    file: str

    def cached(self) -> pathlib.Path:
        """Where the file is kept, whether it is there or not."""
        folder = os.environ.get(CACHE_VARIABLE) or "~/.cache/ipixmatch_jax"
        return pathlib.Path(folder).expanduser().joinpath(*self)

    def url(self) -> str:
        """Where the file is downloaded from."""
        endpoint = os.environ.get(ENDPOINT_VARIABLE) or _ENDPOINT
        repository = f"{endpoint.rstrip('/')}/{self.owner}/{self.repository}"
        return f"{repository}/resolve/main/{self.file}"


def parse(text: str) -> Name | None:
    """ "owner/repository" or "owner/repository:file"; None: neither.

    Without a file it is model.safetensors.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    return Name(found[1], found[2], found[3] or _FILE)


def fetch(name: Name) -> pathlib.Path:
    """The file's path in the cache, downloaded if it is not there yet.

    Its sha256 is logged.

    Raises:
      FileNotFoundError: the hub has no such file, or cannot be reached; the
        sentence says where to put the file.
    """
    path = name.cached()
    fresh = not path.exists()
    if fresh:
        _download(name, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    verb = "downloaded to" if fresh else "taken from"
    _LOGGER.info("%s: %s %s, sha256 %s", name.url(), verb, path, digest)
    return path


def _download(name, path):
    url = name.url()
    way_out = f"put the file at {path}, or give the path where it is"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            _save(answer, path)
    except urllib.error.HTTPError as error:
        raise FileNotFoundError(
            f"{url} answers {error.code} {error.reason}: no such file, or it "
            f"is not public. Check the name, or {way_out}."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise FileNotFoundError(
            f"{url} could not be downloaded ({reason}): {way_out}."
        ) from error


def _save(answer, path):
    """Writes an answer's body, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
        expected = answer.headers.get("Content-Length")
        if expected is not None and part.stat().st_size != int(expected):
            raise OSError(f"{part.stat().st_size} of {expected} bytes came")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
