"""XLA's flags for the commands, where jax computes on the CPU."""

import os
from collections.abc import MutableMapping

from ipixmatch_jax.utils import accelerators

_OPTION = "--xla_backend_extra_options"
_FEWER_PASSES = (
    f"{_OPTION}=xla_cpu_disable_loop_unrolling,xla_cpu_disable_slp_vectorizer"
)


def set_compiler_flags(
    environment: MutableMapping[str, str] = os.environ,
) -> bool:
    """Makes XLA leave out two of LLVM's passes; call it before jax compiles.

    LLVM otherwise unrolls the loops of every kernel, and joins operations
    outside of loops into vectors. Together they take a fifth of the time in
    which ResNet-50's step is compiled. Steps take as long without, to within 3
    percent (docs/benchmarks.md). Sums may be added in another order. Child
    processes inherit the flag. Ours.

    Args:
      environment: of the process, changed in place. Where its XLA_FLAGS have
        extra options for the backend, the user's choice stays.

    Returns:
      whether it was set: not where jax computes on an accelerator.
    """
    given = environment.get("XLA_FLAGS", "")
    if _OPTION in given or not accelerators.computes_on_cpu(environment):
        return False
    environment["XLA_FLAGS"] = f"{given} {_FEWER_PASSES}".strip()
    return True
