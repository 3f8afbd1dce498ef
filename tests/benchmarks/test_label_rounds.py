"""Rounds of labelling on drawn pictures, with a tiny network."""

import signal
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from benchmarks import label_rounds, label_rounds_figure
from ipixmatch_jax.configs import folder
from ipixmatch_jax.data.files.split_list import read_list, write_list
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.experiment.continue_from import read_origin
from ipixmatch_jax.suggest.suggestions import suggest_images
from tests import two_convolutions
from tests.docs import photos

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Ten pictures with masks, and two that score."""
    root = tmp_path_factory.mktemp("pictures")
    photos.make(root / "all", images=12, masks=12)
    (root / "all").rename(root / "data")
    for kind in ("images", "masks"):
        (root / "data/val" / kind).mkdir(parents=True)
        for path in sorted((root / "data" / kind).glob("photo_1?.*")):
            path.rename(root / "data/val" / kind / path.name)
    first = [
        (f"images/photo_0{i}.jpg", f"masks/photo_0{i}.png") for i in (0, 1)
    ]
    write_list(root / "first.txt", first)
    return root


def plan(root, workdir, rounds=2):
    config = folder.get_config("tiny")
    config.model.backbone = two_convolutions.NAME
    config.data.crop_size = 33
    config.train.batch_size = 2
    config.train.steps = 2
    config.train.eval_every = 2
    config.evaluate.batch_size = 4
    config.inter_pixel.weight = 0.0
    config.mesh.data = 1
    return label_rounds.make_plan(
        config, root / "data", root / "first.txt", 3, rounds, workdir
    )


@pytest.fixture(scope="module")
def done(root, tmp_path_factory):
    """Two rounds of an arm whose runs go on from their weights."""
    workdir = tmp_path_factory.mktemp("rounds")
    runs = label_rounds.list_runs(["suggest"], [0], 2, "continue")
    path = workdir / "rounds.csv"
    assert label_rounds.run_rounds(plan(root, workdir), runs, path) == 0
    return workdir


def test_each_round_adds_images_and_a_row(done):
    rows = label_rounds.read_rows(done / "rounds.csv")
    assert [(row["arm"], row["labels"]) for row in rows] == [
        ("first", "2"),
        ("suggest", "5"),
        ("suggest", "8"),
    ]
    assert all(0 <= float(row["val_last"]) <= 100 for row in rows)
    before, labelled = (
        read_list(done / f"lists/continue_suggest_s0_r{k}/labeled.txt")
        for k in (1, 2)
    )
    assert labelled[:5] == before
    rest = read_list(done / "lists/continue_suggest_s0_r2/unlabeled.txt")
    names = [image for image, _ in [*labelled, *rest]]
    assert sorted(names) == [f"images/photo_0{i}.jpg" for i in range(10)]


def test_the_random_choice_is_a_draw_that_depends_on_seed_and_round():
    images = [f"{i}.jpg" for i in range(50)]

    def draw(*seed):
        return label_rounds.choose_at_random(None, images, 9, seed)

    assert len(set(draw(0, 1))) == 9 and set(draw(0, 1)) <= set(images)
    assert draw(0, 1) == draw(0, 1)
    assert draw(0, 1) != draw(0, 2) != draw(1, 2)


def test_the_images_are_those_of_the_command(done):
    suggested = suggest_images(done / "first_s0_r0", 3)
    lists = done / "lists/continue_suggest_s0_r1/labeled.txt"
    assert [image for image, _ in read_list(lists)][2:] == suggested.names
    by_entropy = label_rounds.choose_by_entropy(done / "first_s0_r0", [], 3, 0)
    entropy = {row.name: row.entropy for row in suggested.rows}
    worst = np.sort(list(entropy.values()))[-3:]
    np.testing.assert_array_equal([entropy[n] for n in by_entropy], worst[::-1])


def test_a_round_goes_on_from_the_round_before(done):
    for number, before in ((1, "first_s0_r0"), (2, "continue_suggest_s0_r1")):
        origin = read_origin(done / f"continue_suggest_s0_r{number}")
        assert origin.run == str(done / before)
    assert read_origin(done / "first_s0_r0") is None


def test_the_same_command_trains_nothing_again(root, done, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a run was trained again")

    monkeypatch.setattr(label_rounds, "train_run", refuse)
    runs = label_rounds.list_runs(["suggest"], [0], 2, "continue")
    path = done / "rounds.csv"
    assert label_rounds.run_rounds(plan(root, done), runs, path) == 0


def test_a_stopped_run_goes_on_to_the_same_scores(
    root, done, tmp_path, monkeypatch
):
    def asked(self, steps_done):
        self.exit_code = 128 + signal.SIGTERM
        return steps_done == 1

    runs = label_rounds.list_runs([], [0], 0, "scratch")
    path = tmp_path / "rounds.csv"
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", asked)
        code = label_rounds.run_rounds(plan(root, tmp_path), runs, path)
    assert code == 143 and not path.exists()
    assert label_rounds.run_rounds(plan(root, tmp_path), runs, path) == 0
    (again,) = label_rounds.read_rows(path)
    first = label_rounds.read_rows(done / "rounds.csv")[0]
    assert again | {"start": ""} == first | {"start": ""}


def test_a_smaller_pool_keeps_the_first_images(root, tmp_path):
    config = plan(root, tmp_path).config
    pools = [
        label_rounds.make_plan(
            config, root / "data", root / "first.txt", 3, 1, tmp_path, size
        ).pool
        for size in (6, 6, None)
    ]
    assert len(pools[0]) == 6 and pools[0] == pools[1]
    assert set(read_list(root / "first.txt")) <= set(pools[0])
    assert pools[0] == [entry for entry in pools[2] if entry in pools[0]]
    with pytest.raises(ValueError, match="need 8 with masks, and --pool keeps"):
        label_rounds.make_plan(
            config, root / "data", root / "first.txt", 3, 2, tmp_path, 6
        )


def test_too_many_rounds_are_refused(root, tmp_path):
    with pytest.raises(ValueError, match=r"need 11 with masks, and .* has 10"):
        plan(root, tmp_path, rounds=3)


def test_the_figure_shows_paired_differences(tmp_path, capsys):
    def row(arm, seed, score):
        values = {"start": "scratch", "arm": arm, "seed": seed, "round": 1}
        values |= {"labels": 50, "steps": 9, "val_last": score}
        return {c: str(values.get(c, "")) for c in label_rounds.COLUMNS}

    path = tmp_path / "rounds.csv"
    scores = {"random": (40, 44), "suggest": (41, 47)}
    rows = [
        row(arm, seed, score)
        for arm, both in scores.items()
        for seed, score in enumerate(both)
    ]
    label_rounds.write_rows(path, rows)
    out = tmp_path / "rounds.svg"
    label_rounds_figure.main([str(path), "--out", str(out)])
    assert (
        "| scratch | random | 50 | 2 | 42.00 ± 2.83 |"
        in capsys.readouterr().out
    )
    (bar,) = label_rounds_figure.differences(
        label_rounds_figure.read_scores(path)
    )
    # Differences of 1 and 3: t of one degree of freedom at 97.5 % is 12.706.
    assert (bar.name, bar.mean) == ("suggest, 50 labels, scratch", 2)
    assert bar.high == pytest.approx(2 + 12.706, abs=1e-3)
    ElementTree.parse(out)

    # A second round of two seeds, and a third seed that has not come so far.
    more = [row("random", 0, 46), row("random", 1, 44), row("random", 2, 9)]
    later = [one | {"round": "2", "labels": "75"} for one in more[:2]]
    label_rounds.write_rows(path, [*rows, *later, more[2]])
    means = label_rounds_figure.add_means(label_rounds_figure.read_scores(path))
    all_rounds = label_rounds_figure.ROUNDS
    assert means["scratch", "random", all_rounds] == {0: 43, 1: 44}
    assert means["scratch", "suggest", all_rounds] == {0: 41, 1: 47}

    with pytest.raises(SystemExit, match="no arm has two seeds"):
        label_rounds.write_rows(path, rows[:1])
        label_rounds_figure.main([str(path), "--out", str(out)])
