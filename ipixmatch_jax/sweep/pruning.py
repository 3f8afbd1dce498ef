"""Which cells to train next, and which rows are given up."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from ipixmatch_jax.sweep.grid import Grid
from ipixmatch_jax.sweep.outcome import Outcome
from ipixmatch_jax.sweep.paired import paired_differences


class Pruning(NamedTuple):
    """When a row gets no further seeds (a race against the first row).

    Attributes:
      points: of mIoU that the row is behind the first row, on val after the
        last step: the mean over the seeds that both rows have, of those
        before the next seed.
      after: the least number of such seeds.
    """

    points: float
    after: int


class Plan(NamedTuple):
    """What is left of a sweep, as numbers of cells in the grid's order.

    Attributes:
      ready: cells that can be trained now.
      later: cells that wait for others, which may prune their rows.
      pruned: row -> why it gets no further seeds.
      dropped: the cells of pruned rows that are not trained.
    """

    ready: list[int]
    later: list[int]
    pruned: dict[int, str]
    dropped: list[int]


def check_pruning(pruning: Pruning, grid: Grid) -> None:
    """Refuses a rule that cannot save a run.

    Raises:
      ValueError: there is one row, or no seed comes after the rule.
    """
    seeds = len(_numbers_by_row(grid)[0])
    if len(grid.rows) < 2:
        raise ValueError(
            "--prune compares rows with the first one, and this sweep has one "
            "row: give --baseline or another --grid."
        )
    if seeds <= pruning.after:
        raise ValueError(
            f"--prune with --prune_after={pruning.after} saves nothing, as "
            f"each row has {seeds} seed{'s' * (seeds > 1)}: give more seeds "
            "with --grid, or a smaller --prune_after."
        )


def plan_cells(
    grid: Grid, outcomes: Sequence[Outcome], pruning: Pruning | None
) -> Plan:
    """Sorts the cells that have not ended.

    A row is judged before each seed from `pruning.after` on, once the seeds
    before it have ended in this row and in the first one. So the same rows
    are pruned, however many processes train.

    Args:
      grid: the sweep.
      outcomes: of the grid's cells, in their order.
      pruning: None trains every cell.
    """
    plan = Plan([], [], {}, [])
    rows = _numbers_by_row(grid)
    for row, numbers in enumerate(rows):
        left = [n for n in numbers if not outcomes[n].ended]
        if not left or row == 0 or pruning is None:
            plan.ready.extend(left)
            continue
        ready = [n for n in numbers[: pruning.after] if n in left]
        so_far = numbers.index(left[0])
        pairs = list(zip(numbers[:so_far], rows[0][:so_far], strict=True))
        if not ready and all(outcomes[first].ended for _, first in pairs):
            reason = _judge(grid, outcomes, pairs, left, pruning)
            if reason:
                plan.pruned[row] = reason
                plan.dropped.extend(left)
                continue
            ready = left[:1]
        plan.ready.extend(ready)
        plan.later.extend(n for n in left if n not in ready)
    return plan


def _numbers_by_row(grid: Grid) -> list[list[int]]:
    """The numbers of each row's cells, seed by seed."""
    rows: list[list[int]] = [[] for _ in grid.rows]
    for number, cell in enumerate(grid.cells):
        rows[cell.row].append(number)
    return rows


def _judge(
    grid: Grid,
    outcomes: Sequence[Outcome],
    pairs: Sequence[tuple[int, int]],
    left: Sequence[int],
    pruning: Pruning,
) -> str:
    """Why a row is pruned, or "".

    Args:
      grid: the sweep.
      outcomes: of its cells.
      pairs: cells of the row and of the first row with the same seeds, which
        have ended.
      left: the row's other cells.
      pruning: the rule.
    """
    scores, first = (
        {
            grid.cells[n].config.seed: results["last"]["val"]["miou"]
            for n in numbers
            if (results := outcomes[n].results) is not None
        }
        for numbers in zip(*pairs, strict=True)
    )
    differences = paired_differences(scores, first)
    if len(differences) < pruning.after:
        return ""
    behind = -statistics.fmean(differences)
    if behind < pruning.points:
        return ""
    judged = _list_seeds([seed for seed in scores if seed in first])
    name = grid.cells[left[0]].workdir.parent.name
    rest = _list_seeds([grid.cells[n].config.seed for n in left])
    return (
        f"{name} was pruned: with {judged} it is {behind:.2f} points behind "
        "the first row on val after the last step (--prune="
        f"{pruning.points:g}). Not trained: {rest}."
    )


def _list_seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
