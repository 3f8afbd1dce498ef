"""The base of the layers, which reads their params."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn


class Layer(nn.Module):
    """A flax module that does not trace the initialisers of params it has.

    Each time that a network is applied, flax traces the initialiser of every
    param to check its shape: almost half of the time in which a forward pass
    is traced. Here the shape that the layer asks for is compared.
    """

    @nn.nowrap
    def param(
        self, name: str, init_fn: Callable, *init_args: Any, **init_kwargs: Any
    ) -> Any:
        """The param `name`; the arguments are those of flax's `param`.

        Args:
          name: of the param.
          init_fn: (key, shape, ...) -> array.
          *init_args: the shape, and what init_fn takes after it.
          **init_kwargs: passed on.

        Raises:
          flax.errors.ScopeParamShapeError: it has another shape.
          flax.errors.ScopeParamNotFoundError: the params lack it.
        """
        found: Any = self.get_variable("params", name)
        if init_args and getattr(found, "shape", None) == tuple(init_args[0]):
            return found
        # flax draws it, or says what is wrong.
        return super().param(name, init_fn, *init_args, **init_kwargs)
