"""A table of named members of one kind, which other packages can extend."""

import difflib
import sys
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
_PACKAGE = __name__.partition(".")[0]


class UnknownMemberError(ValueError, KeyError):
    """There is no member of that name; the message lists the names."""

    # KeyError would print its message in quotes.
    __str__ = Exception.__str__


class Registry(Mapping[str, T], Generic[T]):
    """The members of a kind by name; a module elsewhere can add its own.

    Args:
      kind: what a member is, such as "method"; error messages name it.
      members: the members that come with the package, by name.
    """

    def __init__(self, kind: str, members: Mapping[str, T]):
        self.kind = kind
        self._members = dict(members)
        self._modules = dict.fromkeys(members, _PACKAGE)

    def register(self, name: str, member: T) -> None:
        """Adds a member, and notes which module called this function.

        Raises:
          ValueError: another module has registered that name.
        """
        module = sys._getframe(1).f_globals.get("__name__", "__main__")
        owner = self._modules.get(name, module)
        if owner != module:
            raise ValueError(
                f"{module} registers the {self.kind} {name!r}, but {owner} "
                "has one of that name: choose another name."
            )
        self._members[name] = member
        self._modules[name] = module

    def module(self, name: str) -> str | None:
        """The module outside this package that registered a name, if any."""
        owner = self._modules[self._known(name)]
        return None if owner == _PACKAGE else owner

    def __getitem__(self, name: str) -> T:
        return self._members[self._known(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def _known(self, name: str) -> str:
        if name in self._members:
            return name
        close = difflib.get_close_matches(str(name), self._members, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownMemberError(
            f"There is no {self.kind} {name!r}: choose one of "
            f"{', '.join(self._members)}.{hint}"
        )
