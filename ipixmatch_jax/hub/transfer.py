"""Uploads and downloads repositories with huggingface_hub (extra `hub`)."""

import contextlib
import importlib.util
import os
import pathlib
from collections.abc import Iterator, Sequence

from ipixmatch_jax.models.weights.hub import parse_name


def require_extra() -> None:
    """Refuses to begin where the extra is not installed.

    Raises:
      ValueError: one sentence with the extra's name.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ValueError(
            "The Hugging Face hub needs a package that is not installed: "
            "install the extra with `pip install 'ipixmatch_jax[hub]'`."
        )


def check_name(name: str) -> None:
    """Raises ValueError unless a text has the form owner/name."""
    found = parse_name(name)
    if found is None or found.repository != name:
        raise ValueError(
            f"{name!r} is not the name of a repository, which has the form "
            "owner/name."
        )


def upload(folder: pathlib.Path, name: str, *, private: bool) -> str:
    """Makes a repository if there is none, and uploads a folder to it.

    Args:
      folder: all of its files are uploaded.
      name: owner/name.
      private: whether a new repository is private.

    Returns:
      the address of the upload.

    Raises:
      ConnectionError: the hub refuses it or cannot be reached.
    """
    from huggingface_hub import HfApi

    with _refusals(name, "--repo"):
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        api.create_repo(name, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            commit_message="Upload a network of ipixmatch_jax",
        )
    return str(done.commit_url)


def download(
    name: str, files: Sequence[str], revision: str | None = None
) -> pathlib.Path:
    """Downloads files of a repository into the hub's cache.

    Args:
      name: owner/name.
      files: those that the repository lacks are passed over.
      revision: a branch, tag or commit; None: the newest state.

    Returns:
      the folder with the files.

    Raises:
      ConnectionError: the hub has no such repository or cannot be reached.
    """
    from huggingface_hub import snapshot_download

    with _refusals(name, "the name"):
        return pathlib.Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(files),
                endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )


@contextlib.contextmanager
def _refusals(name: str, given: str) -> Iterator[None]:
    """Turns the hub's errors into one sentence with the way out."""
    from huggingface_hub import errors

    try:
        yield
    except (OSError, errors.EntryNotFoundError) as error:
        raise ConnectionError(_explain(error, name, given)) from error


def _explain(error: BaseException, name: str, given: str) -> str:
    status = _find_status(error)
    if isinstance(error, _login_errors()) or status in (401, 403):
        return (
            f"{name}: the hub does not let this user do this: log in with "
            f"`hf auth login`, and check {given}."
        )
    if status is not None:
        return (
            f"{name}: the hub answers with the HTTP status {status}: check "
            f"{given}, or try again."
        )
    return (
        f"{name}: the hub cannot be reached ({' '.join(str(error).split())}): "
        "try again, and check HF_ENDPOINT and HF_HUB_OFFLINE."
    )


def _login_errors() -> tuple[type[Exception], ...]:
    from huggingface_hub import errors

    return errors.LocalTokenNotFoundError, errors.GatedRepoError


def _find_status(error: BaseException | None) -> int | None:
    """The HTTP status of an error or of what caused it."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return int(response.status_code)
        error = error.__cause__ or error.__context__
    return None
