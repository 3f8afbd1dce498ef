"""The train state as the named trees of a checkpoint, and back."""

from ipixmatch_jax.methods.networks import join_networks, split_networks
from ipixmatch_jax.training.step import TrainState


def scored_networks(state: TrainState) -> dict[str, dict]:
    """The networks that are scored and saved: their variables by name."""
    networks = split_networks(state.student)
    if state.teacher is not None:
        networks["teacher"] = state.teacher
    return networks


def checkpoint_trees(state: TrainState) -> dict[str, dict]:
    """The items of a checkpoint: the networks, and the rest of the state."""
    return scored_networks(state) | {
        "optimiser": {
            "step": state.step,
            "opt_state": state.opt_state,
            "skipped": state.skipped,
            "skipped_in_a_row": state.skipped_in_a_row,
        },
    }


def state_from_trees(trees: dict[str, dict]) -> TrainState:
    """The inverse of `checkpoint_trees`."""
    rest = ("teacher", "optimiser")
    students = {name: v for name, v in trees.items() if name not in rest}
    return TrainState(
        student=join_networks(students),
        teacher=trees.get("teacher"),
        **trees["optimiser"],
    )
