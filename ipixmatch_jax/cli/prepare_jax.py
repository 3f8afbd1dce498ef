"""What the commands set before they compute with jax, and the API never."""

from ipixmatch_jax.cli.compilation_cache import keep_compiled_programs
from ipixmatch_jax.cli.compiler_flags import set_compiler_flags
from ipixmatch_jax.cli.freed_memory import keep_freed_memory
from ipixmatch_jax.cli.garbage import collect_garbage_seldom


def prepare_jax(cache: str | None = None) -> None:
    """Sets XLA's flags, malloc, the cache and the collector of garbage.

    Call it before jax is used.

    Args:
      cache: of `keep_compiled_programs`.
    """
    set_compiler_flags()
    keep_freed_memory()
    keep_compiled_programs(cache)
    collect_garbage_seldom()
