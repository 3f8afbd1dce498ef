"""A trained network as an ONNX file; needs the extra `onnx`.

The network is converted by jax2onnx, and the file is compared with the network
in onnxruntime before it takes its place.
"""

import contextlib
import importlib.metadata
import importlib.util
import json
import logging
import pathlib
import types
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.data.files.bands import Range
from ipixmatch_jax.models.layers.folding import fold_batch_norms
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.predict.averaging import average_probabilities
from ipixmatch_jax.predict.export import describe_channels, describe_values
from ipixmatch_jax.utils import atomic

PACKAGES = ("jax2onnx", "onnx", "onnxruntime")
TOLERANCE = 1e-4  # of a probability
# A sharp network amplifies rounding at the few pixels between two classes.
_MOST_BEYOND = 1e-4  # of all probabilities
INPUT, OUTPUT = "images", "probabilities"
# Of 2023, and the first with the Gelu of vision transformers.
_OPSET = 20
_MOST = 2 * 10**9  # bytes; protobuf ends at 2 GiB.


def require_extra() -> None:
    """Refuses to begin where the extra is not installed.

    Raises:
      ValueError: one sentence with the extra's name.
    """
    if not all(map(importlib.util.find_spec, PACKAGES)):
        raise ValueError(
            "An ONNX file needs packages that are not installed: install the "
            "extra with `pip install 'ipixmatch_jax[onnx]'`."
        )


def write_onnx(
    to: pathlib.Path,
    network: Segmenter,
    variables: dict,
    *,
    size: tuple[int, int],
    class_names: tuple[str, ...],
    palette,
    value_range: Range | None = None,
) -> float:
    """Writes the file, whole and checked, or not at all.

    Its only input is `images`, uint8 [batch, *size, C] for any batch; its only
    output is `probabilities`, float32 [batch, *size, K]. Scaling and
    normalisation are inside. Its metadata hold `class_names`, `palette` and
    `preprocessing` as JSON.

    Args:
      to: the file, which is replaced if it exists.
      network: a Segmenter in float32.
      variables: its params and batch_stats.
      size: height and width of the images in pixels.
      class_names: one per class id.
      palette: one (red, green, blue) in 0..255 per class id.
      value_range: the values that become 0 and 255 in images of more than 8
        bits; None: the ends of their type.

    Returns:
      the largest difference of a probability between the file and the network.

    Raises:
      ValueError: the network is too large for a file, cannot be converted, or
        differs from the file by more than TOLERANCE at more than one of 10,000
        probabilities.
    """
    variables = jax.tree.map(np.asarray, variables)
    if sum(leaf.nbytes for leaf in jax.tree.leaves(variables)) > _MOST:
        raise ValueError(
            "The network's weights have more than 2 GB, which one ONNX file "
            "cannot hold: export a smaller network, or use "
            "`ipixmatch predict --export`."
        )
    metadata = {
        "class_names": list(class_names),
        "palette": [list(colour) for colour in palette],
        "preprocessing": describe_images(network, size, value_range),
    }
    content = _convert(network, variables, size, metadata)
    differences = _compare(content, network, variables, size)
    beyond = np.mean(~(differences <= TOLERANCE))
    if beyond > _MOST_BEYOND:
        raise ValueError(
            f"{to} was not written: in onnxruntime {beyond:.2%} of the "
            f"probabilities differ from the network's by more than {TOLERANCE} "
            f"(at most {differences.max():.2g})."
        )
    atomic.write_file(to, content)
    return float(differences.max())


def describe_images(
    network: Segmenter,
    size: tuple[int, int],
    value_range: Range | None = None,
) -> dict[str, Any]:
    """The metadata `preprocessing`; arguments as of `write_onnx`."""
    shape = f"[batch, {size[0]}, {size[1]}"
    channels = network.channels
    what = describe_channels(channels)
    return {
        INPUT: f"uint8 {shape}, {channels}], {what}, resized or cut to this "
        "size, turned upright as EXIF says",
        OUTPUT: f"float32 {shape}, {network.num_classes}], of each class at "
        "each pixel",
        **describe_values(network, size, value_range),
    }


def _convert(
    network: Segmenter,
    variables: dict,
    size: tuple[int, int],
    metadata: Mapping[str, Any],
) -> bytes:
    """The content of the file."""
    # onnxruntime would compute a Sub, a Mul and an Add for each of them.
    variables = fold_batch_norms(variables)
    with _without_words_of("jax2onnx", "onnx_ir"), _unchanged(jnp):
        import jax2onnx
        import onnx

        shape = ("batch", *size, network.channels)
        try:
            model = jax2onnx.to_onnx(
                lambda images: average_probabilities(
                    network, variables, images
                ),
                [jax.ShapeDtypeStruct(shape, jnp.uint8)],
                model_name="ipixmatch_jax",
                opset=_OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
            )
        except (NotImplementedError, TypeError, KeyError) as error:
            raise ValueError(
                f"jax2onnx {importlib.metadata.version('jax2onnx')} cannot "
                f"convert this network ({error})."
            ) from error
    replace_einsums(model.graph)
    texts = {name: json.dumps(value) for name, value in metadata.items()}
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def replace_einsums(graph) -> None:
    """Writes the products of dense layers as MatMul.

    jax2onnx writes them as Einsum, which onnxruntime computes more slowly.
    """
    for node in graph.node:
        if node.op_type != "Einsum":
            continue
        (equation,) = (a.s.decode() for a in node.attribute)
        if _is_product(equation):
            node.op_type = "MatMul"
            del node.attribute[:]


def _is_product(equation: str) -> bool:
    """Whether an equation such as "abc,cd->abd" is that of MatMul."""
    factors, _, result = equation.partition("->")
    left, _, right = factors.partition(",")
    same = len(right) == 2 and left[-1:] == right[0]
    return same and result == left[:-1] + right[1]


@contextlib.contextmanager
def _without_words_of(*names: str) -> Iterator[None]:
    """Hides loggers' warnings on parts of a library that are not used."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _unchanged(module: types.ModuleType) -> Iterator[None]:
    """Puts back what is replaced in a module meanwhile.

    jax2onnx leaves a jnp.cumsum behind that takes no axis by position.
    """
    before = dict(vars(module))
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _compare(
    content: bytes, network: Segmenter, variables: dict, size: tuple[int, int]
) -> np.ndarray:
    """The difference of each probability, for batches of 2 and of 1."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        content, providers=["CPUExecutionProvider"]
    )
    images = _draw_images(*size, network.channels)
    # An accelerator's own choice of precision would be a difference too.
    with jax.default_matmul_precision("highest"):
        ours = np.asarray(
            jax.jit(lambda v, x: average_probabilities(network, v, x))(
                variables, images
            )
        )
    found = [session.run([OUTPUT], {INPUT: images[:n]})[0] for n in (2, 1)]
    return np.abs(np.concatenate(found) - np.concatenate([ours, ours[:1]]))


def _draw_images(height: int, width: int, channels: int) -> np.ndarray:
    """Noise and a smooth scene, uint8 [2, height, width, channels]."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, channels))
    y, x = np.mgrid[:height, :width]
    waves = [
        127.5 + 127.5 * np.sin((3 + c) * y / height + (5 - c) * x / width)
        for c in range(channels)
    ]
    return np.stack([noise, np.stack(waves, -1)]).astype(np.uint8)
