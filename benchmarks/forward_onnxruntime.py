"""The same forward pass in onnxruntime, for benchmarks/peers.py.

jax2onnx converts our network as `ipixmatch export` does, with folded batch
norms and dense products as MatMul. The extra `onnx` has both packages.
"""

from collections.abc import Callable

import jax
import jax2onnx
import onnxruntime

from benchmarks import deeplab_ours
from benchmarks.deeplab_ours import count_parameters as count_parameters
from benchmarks.forward_ours import draw_images
from benchmarks.peers import Setting
from ipixmatch_jax.models.layers.folding import fold_batch_norms
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.predict.onnx_file import replace_einsums


def build_step(setting: Setting) -> Callable[[], float]:
    """Logits of a batch of noise in float32; returns the first of them.

    Args:
      setting: with the number of onnxruntime's threads; of a CPU.
    """
    network = deeplab_ours.build_network(setting)
    variables = fold_batch_norms(deeplab_ours.draw_variables(network))
    return build_pass(network, variables, setting)


def build_pass(
    network: Segmenter, variables: dict, setting: Setting
) -> Callable[[], float]:
    """`build_step` of given variables, which are NumPy arrays."""
    images = draw_images(setting)
    model = jax2onnx.to_onnx(
        lambda x: network.apply(variables, x, False),
        # A free batch, as in the files that the product writes.
        [jax.ShapeDtypeStruct(("batch", *images.shape[1:]), images.dtype)],
        opset=20,
        input_names=["images"],
        output_names=["logits"],
    )
    replace_einsums(model.graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setting.threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def once():
        (logits,) = session.run(["logits"], {"images": images})
        return float(logits[0, 0, 0, 0])

    return once
