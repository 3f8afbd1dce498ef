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
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as e:
        raise ConnectionError(
            f"{name}: the hub cannot be reached: try again, or check "
            "HF_ENDPOINT and HF_HUB_OFFLINE."
        ) from e
    except (errors.HfHubHTTPError, errors.LocalTokenNotFoundError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (None, 401, 403):
            words = "this user may not: log in with `hf auth login`"
        else:
            words = f"it answers with the HTTP status {status}"
        raise ConnectionError(
            f"{name}: the hub refuses this; {words}, and check {given}."
        ) from error
    except OSError as error:
        raise ConnectionError(
            f"{name}: the hub cannot be reached ({error}): try again."
        ) from error
