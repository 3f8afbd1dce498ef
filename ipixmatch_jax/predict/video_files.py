"""Which files are predicted as videos, and the loop over them.

For a video `a/b.mov`:

    OUT/overlays/a/b.mp4      the colours over the video, with its audio
    OUT/confidence/a/b.mp4    the probability of the class, as grey
"""

import contextlib
import logging
import pathlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ipixmatch_jax.data.files.walk import ending
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate.image_batches import Item as ReadItem
from ipixmatch_jax.predict import files
from ipixmatch_jax.predict.files import Item
from ipixmatch_jax.predict.model import Model
from ipixmatch_jax.predict.predictor import Prediction, Predictor
from ipixmatch_jax.predict.video_reader import (
    ENDINGS,
    Frame,
    VideoReader,
    import_av,
    is_installed,
)
from ipixmatch_jax.predict.video_writer import VideoWriter
from ipixmatch_jax.utils.atomic import replace_file
from ipixmatch_jax.utils.counts import count_of
from ipixmatch_jax.utils.file_names import printable

_LOGGER = logging.getLogger(__name__)


class Found(NamedTuple):
    """Files to predict: videos, and the images beside them."""

    videos: list[Item]
    images: list[Item]


def split_off(
    items: list[Item],
    kinds: tuple[str, ...],
    label_format: str,
    *,
    named: bool,
) -> Found:
    """Tells videos from images.

    Args:
      items: files of both kinds.
      kinds: the pictures to write, of files.KINDS.
      label_format: of the predictions; videos have none but pictures.
      named: whether a person named the files. Videos that were only found in
        a folder and cannot be predicted are left aside, with a warning.

    Raises:
      ValueError: a named video has no output of these.
      RunError: there is one, and PyAV is not installed.
    """
    videos = [item for item in items if ending(item.path) in ENDINGS]
    images = [item for item in items if ending(item.path) not in ENDINGS]
    if not videos:
        return Found([], images)
    problem = _describe_missing_output(kinds, label_format)
    if named or not images:
        if problem:
            raise ValueError(f"{videos[0].path} is a video, and {problem}.")
        import_av(videos[0].path)
    elif not problem and not is_installed():
        problem = (
            "videos need PyAV, which `pip install 'ipixmatch_jax[video]'` "
            "brings"
        )
    if problem:
        _LOGGER.warning(
            "%s left aside, the first %s: %s.",
            count_of(len(videos), "video"),
            printable(videos[0].path),
            problem,
        )
        videos = []
    return Found(videos, images)


def _describe_missing_output(kinds: tuple[str, ...], label_format: str) -> str:
    if label_format != "masks":
        return (
            f"the format {label_format} holds images only: leave --format "
            "out, or save the frames as images"
        )
    if not kinds:
        return "--no-overlay leaves nothing to write: add --confidence"
    return ""


def predict_videos(
    model: Model,
    predictor: Predictor,
    items: list[Item],
    out: pathlib.Path,
    kinds: tuple[str, ...],
    bar: tqdm,
) -> int:
    """Predicts videos one after the other and names bad files.

    Args:
      model: that predicts them.
      predictor: of the model.
      items: the videos.
      out: the folder to write to.
      kinds: what to write, of files.KINDS.
      bar: advances by one with each file.

    Returns:
      how many could not be read.
    """
    bad = 0
    for item in items:
        try:
            with VideoReader(item.path, model.network.channels) as reader:
                paths = files.video_paths(out, kinds, item.name)
                _predict_one(model, predictor, reader, paths)
        except BadFileError as error:
            bad += 1
            tqdm.write(f"skipped: {error}", file=sys.stderr)
        bar.update()
    return bad


def _predict_one(
    model: Model,
    predictor: Predictor,
    reader: VideoReader,
    paths: dict[str, pathlib.Path],
) -> None:
    """Writes the videos of one, each whole or not at all."""
    clip = reader.clip
    with contextlib.ExitStack() as stack:
        writers = {}
        for kind, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = stack.enter_context(replace_file(path))
            audio = reader.audio if kind == "overlays" else None
            writer = VideoWriter(str(partial), clip, audio)
            writers[kind] = writer
            stack.callback(writer.discard)
        keep = _choose_audio(reader, writers.get("overlays"))
        bar = stack.enter_context(
            tqdm(total=clip.frames or None, unit="frame", leave=False)
        )
        batch = model.config.evaluate.batch_size
        for frames in _chunks(reader.frames(keep), batch):
            for frame, found in zip(
                frames, predict_frames(predictor, frames, batch), strict=True
            ):
                for kind, writer in writers.items():
                    picture = files.draw_picture(kind, found, model.palette)
                    writer.write(np.asarray(picture.convert("RGB")), frame)
            bar.update(len(frames))
        for writer in writers.values():
            writer.finish()


def _choose_audio(reader: VideoReader, writer: VideoWriter | None):
    """What takes the packets of the audio; None: they are left out."""
    if writer is None or reader.audio is None:
        return None
    if writer.has_audio:
        return writer.copy_audio
    tqdm.write(
        f"{printable(reader.path)}: its audio is {reader.clip.audio}, which "
        "MP4 cannot hold, and is left out.",
        file=sys.stderr,
    )
    return None


def _chunks(frames: Iterator[Frame], count: int) -> Iterator[list[Frame]]:
    """Lists of `count` frames, the last one of those that are left."""
    chunk: list[Frame] = []
    for frame in frames:
        chunk.append(frame)
        if len(chunk) == count:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def predict_frames(
    predictor: Predictor, frames: list[Frame], batch_size: int
) -> list[Prediction]:
    """Predicts frames of one size.

    Args:
      predictor: of the network.
      frames: at most `batch_size` of them.
      batch_size: the last frame is repeated up to it, so that one program
        serves all frames of a video.
    """
    images = [frame.image for frame in frames]
    images += images[-1:] * (batch_size - len(images))
    sizes = {i: image.shape[:2] for i, image in enumerate(images)}
    found = dict(predictor.predict(sizes, lambda i: ReadItem(images[i])))
    return [_require(found[i]) for i in range(len(frames))]


def _require(found: Prediction | BadFileError) -> Prediction:
    assert isinstance(found, Prediction)  # It was no file.
    return found
