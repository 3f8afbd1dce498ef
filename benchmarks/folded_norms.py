"""Times a forward pass with and without batch norms folded, in turns:

JAX_PLATFORMS=cpu taskset -c 0 python -m benchmarks.folded_norms --side 321

DeepLabV3+ on ResNet-50 and one image of noise, in our program and in
onnxruntime with one thread (the extra `onnx`). Printed are the processor's
seconds: median, least and most.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import jax
import numpy as np

from benchmarks import deeplab_ours, forward_onnxruntime
from benchmarks.forward_ours import draw_images
from benchmarks.peers import Setting
from ipixmatch_jax.models.layers.folding import fold_batch_norms
from ipixmatch_jax.models.segmenter import Segmenter


def time_in_turns(
    passes: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """The processor's seconds of each pass, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for number in range(rounds + 1):
        for name, run in passes.items():
            start = time.process_time()
            run()
            if number:
                seconds[name].append(time.process_time() - start)
    return seconds


def build_passes(
    network: Segmenter, setting: Setting
) -> dict[str, Callable[[], object]]:
    """The passes by name."""
    plain = deeplab_ours.draw_variables(network)
    variables = {"plain": plain, "folded": fold_batch_norms(plain)}
    compiled = jax.jit(lambda v, x: network.apply(v, x, False))
    images = jax.device_put(draw_images(setting))

    def run_ours(weights):
        return lambda: jax.block_until_ready(compiled(weights, images))

    passes = {
        f"ours, {name}": run_ours(jax.device_put(weights))
        for name, weights in variables.items()
    }
    for name, weights in variables.items():
        arrays = jax.tree.map(np.asarray, weights)
        run = forward_onnxruntime.build_pass(network, arrays, setting)
        passes[f"onnxruntime, {name}"] = run
    return passes


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.folded_norms",
        description="Time a forward pass with and without folded batch norms.",
    )
    parser.add_argument(
        "--side", type=int, default=321, help="of the image, in pixels (321)"
    )
    parser.add_argument("--rounds", type=int, default=15, help="turns (15)")
    given = parser.parse_args()
    setting = Setting(given.side, 1, 1)
    passes = build_passes(deeplab_ours.build_network(setting), setting)
    for name, seconds in time_in_turns(passes, given.rounds).items():
        middle, low, high = (
            find(seconds) for find in (statistics.median, min, max)
        )
        print(f"{name}: {middle:.3f} s ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
