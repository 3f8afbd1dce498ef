"""The train state as the named trees of a checkpoint, and back."""

from ipixmatch_jax.methods import two_students
from ipixmatch_jax.training.step import TrainState


def scored_networks(state: TrainState) -> dict[str, dict]:
    """The networks that are scored and saved: their variables by name."""
    networks = two_students.networks(state.student)
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
    student = trees["student"]
    if "twin" in trees:
        student = two_students.variables(student, trees["twin"])
    return TrainState(
        student=student,
        teacher=trees.get("teacher"),
        **trees["optimiser"],
    )
