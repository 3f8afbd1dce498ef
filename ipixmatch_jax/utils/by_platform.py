"""A computation in the form that suits the platform."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

# The platform for which jax traces now; None: not known. jit keeps what it
# traced for one platform apart from what it traced for another.
_platform = jax.make_user_context()


def by_platform(*args: Any, default: Callable, **forms: Callable) -> Any:
    """Calls the form for the platform; `lax.platform_dependent`, but quicker.

    Inside of `trace_for` that form alone is traced, otherwise all of them.

    Args:
      *args: arrays, or trees of them.
      default: the form for platforms that are not named.
      **forms: by platform, such as cpu, tpu, cuda or rocm; all forms return
        the same shapes and dtypes.
    """
    platform = _platform.value
    if platform is None:
        return lax.platform_dependent(*args, default=default, **forms)
    return forms.get(platform, default)(*args)


def trace_for(platform: str, function: Callable) -> Callable:
    """`function`, to be traced for one platform.

    Args:
      platform: a jax device's. For "gpu", which may be cuda or rocm, all forms
        are traced.
      function: to be jitted.
    """

    @functools.wraps(function)
    def traced(*args):
        with _platform(None if platform == "gpu" else platform):
            return function(*args)

    # jax names the program so; a partial has no name of its own.
    traced.__name__ = getattr(function, "func", function).__name__
    return traced
