"""Several networks that learn together, as one tree of variables.

{"params": {"student": ..., "twin": ...}, "batch_stats": {"student": ...,
"twin": ...}}. A network that learns alone keeps its own tree, whose params are
`backbone` and `head`.
"""

from collections.abc import Mapping

from ipixmatch_jax.methods.base import Variables

ALONE = "student"


def join_networks(networks: Mapping[str, Variables]) -> Variables:
    """One tree of the variables of the networks, which are given by name."""
    if len(networks) == 1:
        return next(iter(networks.values()))
    kinds = next(iter(networks.values()))
    return {
        kind: {name: variables[kind] for name, variables in networks.items()}
        for kind in kinds
    }


def split_networks(student: Variables) -> dict[str, Variables]:
    """Each network's variables by its name; undoes `join_networks`."""
    if "backbone" in student["params"]:
        return {ALONE: student}
    return {
        name: {kind: tree[name] for kind, tree in student.items()}
        for name in student["params"]
    }
