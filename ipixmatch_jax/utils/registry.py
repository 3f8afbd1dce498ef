"""A table of named members of one kind, which other packages can extend."""

import difflib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")
# A name, or several words that name a member together.
Name = str | tuple[str, ...]
_PACKAGE = __name__.partition(".")[0]


class UnknownMemberError(ValueError, KeyError):
    """There is no member of that name; the message lists the names."""

    # KeyError would print its message in quotes.
    __str__ = Exception.__str__


class Registry(Mapping[Name, T], Generic[T]):
    """The members of a kind by name; a module elsewhere can add its own.

    Args:
      kind: what a member is, such as "method"; error messages name it.
      members: the members that come with the package, by name.
    """

    def __init__(self, kind: str, members: Mapping[Any, T]):
        self.kind = kind
        self._members = dict(members)
        self._modules = dict.fromkeys(members, _PACKAGE)

    def register(self, name: Name, member: T) -> None:
        """Adds a member, and notes which module called this function.

        Raises:
          ValueError: another module has registered that name.
        """
        module = sys._getframe(1).f_globals.get("__name__", "__main__")
        owner = self._modules.get(name, module)
        if owner != module:
            raise ValueError(
                f"{module} registers the {self.kind} {show(name)!r}, but "
                f"{owner} has one of that name: choose another name."
            )
        self._members[name] = member
        self._modules[name] = module

    def module(self, name: Name) -> str | None:
        """The module outside this package that registered a name, if any."""
        owner = self._modules[self._known(name)]
        return None if owner == _PACKAGE else owner

    def __getitem__(self, name: Name) -> T:
        return self._members[self._known(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[Name]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def _known(self, name: Name) -> Name:
        if name in self._members:
            return name
        names = [show(one) for one in self._members]
        close = difflib.get_close_matches(show(name), names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownMemberError(
            f"There is no {self.kind} {show(name)!r}: choose one of "
            f"{', '.join(names)}.{hint}"
        )


def show(name: object) -> str:
    """A member's name as users read it: several words with a slash."""
    return "/".join(name) if isinstance(name, tuple) else str(name)
