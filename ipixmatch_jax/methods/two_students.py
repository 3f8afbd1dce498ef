"""Two networks in one tree: params and batch_stats by network, then as ever.

{"params": {"student": ..., "twin": ...}, "batch_stats": {"student": ...,
"twin": ...}}
"""

from typing import Any

from ipixmatch_jax.methods.base import Variables

_NAMES = ("student", "twin")


def join(trees: list) -> dict[str, Any]:
    """One tree of two networks' trees."""
    return dict(zip(_NAMES, trees, strict=True))


def variables(first: Variables, second: Variables) -> Variables:
    """Both networks' variables as the variables that learn."""
    return {kind: join([first[kind], second[kind]]) for kind in first}


def networks(student: Variables) -> dict[str, Variables]:
    """Each network's variables by its name; a single one is `student`."""
    if "twin" not in student["params"]:
        return {"student": student}
    return {
        name: {kind: tree[name] for kind, tree in student.items()}
        for name in _NAMES
    }
