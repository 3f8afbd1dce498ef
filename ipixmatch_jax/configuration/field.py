"""A config field: its type, default, allowed values and meaning."""

import dataclasses
import difflib
import math
from typing import Any

# Steps are counted in int32.
MOST_STEPS = 2**31 - 1
_WORDS = {"True": True, "true": True, "False": False, "false": False}
_TYPES = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
}


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a config.

    A number has either `choices` or a range, so that inf, nan and absurd
    values are refused for every field.

    Attributes:
      path: the name with its section, such as "train.steps".
      default: the value where a recipe sets none; its type is the field's.
        The configs of older runs lack a new field, so its default must keep
        what they did before it existed.
      meaning: sentences for docs/config_reference.md.
      unit: of a number, such as "images"; "" has none.
      choices: every allowed value; () does not list them.
      from_registry: whether the allowed values are the names of a registry;
        experiment/members.py knows which.
      least: the smallest allowed number.
      most: the largest allowed number.
      above_least: whether the value must be larger than `least`.
      left_open: the value that leaves the field to the data set or to the
        devices; see experiment/resolve.py. None: it is never left open.
      compiled: whether the compiled programs of a run depend on the field.
    """

    path: str
    default: Any
    meaning: str
    unit: str = ""
    choices: tuple = ()
    from_registry: bool = False
    least: float | None = None
    most: float | None = None
    above_least: bool = False
    left_open: Any = None
    compiled: bool = True

    def __post_init__(self):
        """Refuses a number without allowed values."""
        number = type(self.default) in (int, float)
        if number and not self.choices and None in (self.least, self.most):
            raise TypeError(f"{self.path} needs choices, or least and most.")

    @property
    def kind(self) -> type:
        """The type of the values: bool, int, float or str."""
        return type(self.default)

    def parse(self, text: str) -> Any:
        """The value that a command line's text stands for.

        Raises:
          ValueError: the text is not of the field's type.
        """
        try:
            if self.kind is bool:
                return _WORDS[text]
            return self.kind(text)
        except (KeyError, ValueError):
            raise ValueError(self._refuse_type(text)) from None

    def describe_type(self) -> str:
        """A sentence that says which type the field takes."""
        return (
            f"config.{self.path} takes {_TYPES[self.kind]} "
            f"({self.kind.__name__}), such as {self.default!r}."
        )

    def _refuse_type(self, value: Any) -> str:
        return (
            f"config.{self.path}={value!r} is of the wrong type: "
            f"{self.describe_type()}"
        )

    def check_type(self, value: Any) -> None:
        """Raises ValueError unless a value has the field's type."""
        kinds = (int, float) if self.kind is float else (self.kind,)
        if type(value) not in kinds:
            raise ValueError(self._refuse_type(value))

    def check_value(self, value: Any, choices: tuple | None = None) -> None:
        """Raises ValueError unless a value has the right type and size.

        Args:
          value: of a config.
          choices: the allowed values, where they are a registry's names.
        """
        self.check_type(value)
        choices = self.choices if choices is None else choices
        if choices:
            if value not in choices:
                near = difflib.get_close_matches(str(value), map(str, choices))
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ValueError(
                    f"config.{self.path}={value!r} is unknown; it is one of "
                    f"{', '.join(map(str, choices))}.{hint}"
                )
        elif self.least is not None and self.most is not None:
            self._check_range(value, self.least, self.most)

    def _check_range(self, value: float, least: float, most: float) -> None:
        low = value > least if self.above_least else value >= least
        if low and value <= most and math.isfinite(value):
            return
        too = "too small" if value <= least else ""
        too = too or ("too large" if value > most else "not a number")
        raise ValueError(
            f"config.{self.path}={value} is {too}; it is {self.range_words()}."
        )

    def range_words(self) -> str:
        """The range in words, such as "1 to 4096 images"."""
        above = "above " if self.above_least else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{above}{self.least:.10g} to {self.most:.10g}{unit}"


def share(path: str, default: float, meaning: str, **more) -> Field:
    """A field from 0 to 1."""
    return Field(path, default, meaning, least=0, most=1, **more)


def factor(path: str, default: float, meaning: str, **more) -> Field:
    """A field from 0 to a million."""
    return Field(path, default, meaning, least=0, most=1e6, **more)


def steps(
    path: str, default: int, meaning: str, least: int = 1, **more
) -> Field:
    """A field that counts steps."""
    return Field(
        path,
        default,
        meaning,
        unit="steps",
        least=least,
        most=MOST_STEPS,
        **more,
    )
