"""A new run starts with the weights of another run's checkpoint."""

import hashlib
import json
import pathlib
import shutil
import signal

import jax
import numpy as np
import pytest

import ipixmatch_jax as ipx
from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.experiment import class_list, continue_from, restore
from ipixmatch_jax.report.build import build_page
from ipixmatch_jax.training import loop
from ipixmatch_jax.training.prepare import prepare_run
from ipixmatch_jax.training.state_trees import checkpoint_trees
from tests.tiny_run import build, few_scenes, tiny

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _few_scenes(monkeypatch):
    few_scenes(monkeypatch)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A supervised run of two steps, scored after each."""
    workdir = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        few_scenes(patch)
        assert loop.train(supervised(**{"train.steps": 2}), workdir) == 0
    return workdir


def supervised(**changes):
    fields = {
        "method": "supervised",
        "teacher": "shared",
        "inter_pixel.weight": 0.0,
        "train.eval_every": 1,
    }
    return tiny(**fields | changes)


def refuse_data(config):
    raise AssertionError("the data set was opened first")


def prepare(config, workdir, source, open_data=None):
    from ipixmatch_jax.experiment import data

    return prepare_run(
        config,
        workdir,
        open_data=open_data or data.open_data,
        build=lambda config, data, mesh: build(config, data),
        continue_from=source,
    )


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def sums(folder: pathlib.Path):
    """The SHA-256 of every file of a folder."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(workdir, step):
    config = saved.load_config(workdir)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        like = checkpoint_trees(build(config).like)
        return jax.tree.map(np.asarray, checkpoints.restore(step, like))


@pytest.mark.parametrize("which", ["best", "last"])
def test_student_and_teacher_start_as_the_network_of_the_checkpoint(
    first, tmp_path, which
):
    prepared = prepare(tiny(), tmp_path, f"{first}:{which}")
    there = restore.restore_networks(first, which)
    state = prepared.parts.begin(prepared.start.students["student"])
    assert_equal(state.student, there.variables["student"])
    assert_equal(state.teacher, there.variables["student"])
    assert int(state.step) == 0
    fresh = prepared.parts.init(0).opt_state
    assert_equal(state.opt_state, fresh)
    assert prepared.origin.step == there.step
    if which == "best":
        results = json.loads((first / "results.json").read_text())
        assert prepared.origin.step == results["best"]["step"]
        assert prepared.origin.score == results["best"]["val"]["miou"]


def test_a_killed_run_goes_on_bit_for_bit_without_the_other_run(
    first, tmp_path, monkeypatch
):
    source = shutil.copytree(first, tmp_path / "source")
    before = sums(source)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert ipx.train(tiny(), whole, continue_from=source).finished
    assert sums(source) == before

    def asked(self, done):
        self.exit_code = 128 + signal.SIGTERM
        return done == 2

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", asked)
        run = ipx.train(tiny(), cut, continue_from=source)
    assert not run.finished
    record = continue_from.read_origin(cut)
    shutil.rmtree(source)
    assert ipx.train(tiny(), cut, continue_from=source).finished
    assert_equal(read(whole, 4), read(cut, 4))
    assert continue_from.read_origin(cut) == record
    words = f"continues from {source}, step {record.step}, val"
    assert words in build_page([cut], images=0)


def test_a_run_killed_before_its_first_save_keeps_its_start(
    first, tmp_path, monkeypatch
):
    def stop_at_once(self, done):
        self.exit_code = 128 + signal.SIGTERM
        return True

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", stop_at_once)
        assert loop.train(tiny(), tmp_path, continue_from=first) == 143
    again = prepare(tiny(), tmp_path, None)
    there = restore.restore_networks(first, "best")
    assert_equal(again.start.students["student"], there.variables["student"])


def test_the_better_network_goes_into_a_method_with_one_student():
    choose = continue_from._choose_networks
    assert choose(("student",), "teacher") == {"student": "teacher"}
    assert choose(("student",), "twin") == {"student": "twin"}
    both = ("student", "twin")
    assert choose(both, "twin") == {"student": "student", "twin": "twin"}


def test_two_students_do_not_start_from_one(first, tmp_path):
    config = tiny(method="cps", teacher="shared")
    with pytest.raises(ValueError, match="would start equal and stay so"):
        prepare(config, tmp_path, first, refuse_data)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.backbone": "tiny"}, "model.backbone is 'two_convolutions'"),
        ({"data.normalisation": "data"}, "data.normalisation is 'imagenet'"),
    ],
)
def test_other_networks_are_refused_before_the_data(
    first, tmp_path, changes, words
):
    with pytest.raises(ValueError, match=words) as error:
        prepare(tiny(**changes), tmp_path, first, refuse_data)
    assert str(first) in str(error.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (lambda n: (n[1], n[0], *n[2:]), "class 0 is '{1}' there and '{0}'"),
        (lambda n: n[:-1], "classes there and"),
        (lambda n: (*n, "boat"), "only one of them has boat"),
    ],
)
def test_other_classes_are_refused(first, tmp_path, names, words):
    source = shutil.copytree(first, tmp_path / "source")
    true = class_list.read_classes(source)
    changed = names(true.names)
    kept = [class_list.RunClass(n, (k, 0, 0), k) for k, n in enumerate(changed)]
    class_list.write_classes(class_list.RunClasses(tuple(kept)), source)
    with pytest.raises(ValueError) as error:
        prepare(tiny(), tmp_path / "new", source)
    # Here the data has the true names, and the other run the changed ones.
    assert words.format(true.names[0], true.names[1]) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_colours_of_the_classes_may_differ(first, tmp_path, monkeypatch):
    monkeypatch.setattr(
        shapes,
        "PALETTE",
        tuple((k, k, k) for k in range(len(shapes.PALETTE))),
    )
    assert prepare(tiny(), tmp_path, first).start is not None


def break_checkpoints(run):
    for path in (run / "checkpoints").rglob("d/*"):
        path.write_bytes(b"broken")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (shutil.rmtree, "config.json is missing"),
        (lambda run: shutil.rmtree(run / "checkpoints"), "no checkpoint yet"),
        (break_checkpoints, "is broken"),
    ],
)
def test_a_source_without_a_whole_checkpoint_is_refused_before_the_data(
    first, tmp_path, harm, words
):
    source = shutil.copytree(first, tmp_path / "source")
    harm(source)
    with pytest.raises((ValueError, FileNotFoundError), match=words) as error:
        prepare(tiny(), tmp_path / "new", source, refuse_data)
    assert "\n" not in str(error.value)


def test_a_word_after_the_colon_is_best_or_last(first, tmp_path):
    with pytest.raises(ValueError, match="best or last, not 'newest'"):
        prepare(tiny(), tmp_path, f"{first}:newest", refuse_data)


def test_a_run_does_not_continue_from_itself_or_from_two(first, tmp_path):
    with pytest.raises(ValueError, match="own --workdir"):
        fresh = shutil.copytree(first, tmp_path / "fresh")
        shutil.rmtree(fresh / "checkpoints")
        prepare(supervised(), fresh, fresh, refuse_data)
    with pytest.raises(ValueError, match="started from no other run"):
        prepare(supervised(), first, tmp_path / "other", refuse_data)


def test_mean_deviation_and_range_are_those_of_the_other_run():
    there = tiny(**{"data.normalisation": "data", "data.range": "3,9"})
    there.update_from_flattened_dict({"data.mean": "1,2,3", "data.std": "4"})
    here = tiny(**{"data.normalisation": "data"})
    kept = continue_from.keep_inputs(here, there)
    assert (kept.data.mean, kept.data.std) == ("1,2,3", "4")
    assert kept.data.range == "3,9"


def test_without_a_config_the_other_runs_is_taken(first, tmp_path):
    config = continue_from.read_config(f"{first}:last", tmp_path)
    assert config == saved.load_config(first)
    saved.save_config(tiny(), tmp_path)
    own = continue_from.read_config("gone", tmp_path)
    assert own.method == tiny().method
