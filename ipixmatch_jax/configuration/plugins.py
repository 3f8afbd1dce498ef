"""Modules outside this package that add methods, data sets, networks, ...

A module adds a member by calling `register` of a registry, such as
`METHODS.register("pi_model", METHOD)`. Nothing imports it but the user's own
`--plugin MODULE`: a run records which modules its config needs, and reading
such a run is refused until the user names them.
"""

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ipixmatch_jax.utils.registry import Name, Registry, show

# The module name of a script or a notebook, which no command can import.
_SCRIPT = "__main__"


class Member(NamedTuple):
    """A member that a config names.

    Attributes:
      field: such as "method".
      name: the member's, such as "fixmatch".
      registry: where it is looked up.
    """

    field: str
    name: Name
    registry: Registry


def load_plugins(modules: Sequence[str]) -> None:
    """Imports modules, which adds what they register.

    Python's path is searched first, then the current folder.

    Raises:
      ValueError: there is no such module.
    """
    here = os.getcwd()
    if modules and here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(
                f"{error.name}."
            ):
                raise  # the module is there, and lacks something itself
            raise ValueError(
                f"--plugin {module}: there is no module of that name; give "
                "its name as import has it, without .py, and start in its "
                "folder or install it."
            ) from error


def required_modules(members: Iterable[Member]) -> str:
    """The modules outside this package that members come from.

    Returns:
      the value of the field `plugins`: FIELD=MODULE for each such member,
      joined by commas; "" for none.
    """
    words = [
        f"{member.field}={module}"
        for member in members
        if member.name in member.registry
        and (module := member.registry.module(member.name))
    ]
    return ",".join(words)


def check_plugins(recorded: str, members: Iterable[Member]) -> None:
    """Refuses a config whose modules are not imported.

    Args:
      recorded: the config's field `plugins`, see `required_modules`.
      members: what the config names.

    Raises:
      ValueError: one sentence with the module to give, which is not imported
        here.
    """
    modules = dict(word.split("=", 1) for word in recorded.split(",") if word)
    for field, name, registry in members:
        module = modules.get(field)
        if module is None:
            continue
        owner = registry.module(name) if name in registry else None
        if owner == module:
            continue
        what = f"the {registry.kind} {show(name)!r}"
        if name in registry:
            raise ValueError(
                f"This run uses {what} of the module {module}, but here "
                f"{owner or 'this package'} has registered that name: give "
                f"--plugin {module} alone."
            )
        if module == _SCRIPT:
            raise ValueError(
                f"This run uses {what}, which a script or a notebook "
                "registered: register it there again, or move it into a "
                "module and give that with --plugin."
            )
        raise ValueError(
            f"This run uses {what} of the module {module}: add --plugin "
            f"{module} (it is imported and run)."
        )
