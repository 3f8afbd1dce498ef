"""Which loggers a run has: names, packages that are missing, none."""

import importlib.util

import pytest

from ipixmatch_jax.configs import shapes
from ipixmatch_jax.configuration.plugins import (
    check_plugins,
    required_modules,
)
from ipixmatch_jax.experiment.members import named_members
from ipixmatch_jax.experiment.preflight import find_missing
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.loggers import registry
from ipixmatch_jax.loggers.base import Logged
from ipixmatch_jax.training import loop


@pytest.fixture
def bare(monkeypatch):
    """An environment without the extra."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: (
            None if name in ("wandb", "mlflow") else find(name, *more)
        ),
    )


def config(loggers):
    fields = shapes.get_config()
    fields.loggers = loggers
    return fields


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("tensorboard", ("tensorboard",)),
        ("wandb, tensorboard,wandb,", ("wandb", "tensorboard")),
    ],
)
def test_a_list_of_names(text, names):
    assert registry.parse_names(text) == names
    check_config(config(text))


def test_one_logger_from_outside_leaves_the_others_as_they_are(monkeypatch):
    modules = {**registry.LOGGERS._modules, "wandb": "mine"}
    monkeypatch.setattr(registry.LOGGERS, "_modules", modules)
    members = named_members(config("tensorboard,wandb"))
    recorded = required_modules(members)
    assert recorded == "loggers.wandb=mine"
    check_plugins(recorded, members)


def test_a_wrong_name_is_answered_with_the_right_one():
    with pytest.raises(
        ValueError,
        match=r"config\.loggers='wandbb' is unknown; it is one of "
        r"tensorboard, wandb, mlflow\. Did you mean wandb\?",
    ):
        check_config(config("tensorboard,wandbb"))


@pytest.mark.usefixtures("bare")
def test_a_missing_package_is_named_before_any_data_is_read(tmp_path):
    with pytest.raises(
        ValueError, match="names mlflow, which is not installed"
    ) as e:
        loop.train(
            config("tensorboard,mlflow"),
            tmp_path / "run",
            open_data=lambda *_: pytest.fail("data were read"),
        )
    assert "pip install 'ipixmatch_jax[loggers]'" in str(e.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("bare")
def test_the_check_lists_the_extra():
    assert find_missing(config("tensorboard")) == []
    (one,) = find_missing(config("wandb,mlflow"))
    assert one.what == "the extra that logs to wandb and mlflow"
    assert one.command == "pip install 'ipixmatch_jax[loggers]'"


def test_no_logger_writes_nothing(tmp_path):
    assert registry.open_loggers((), Logged(tmp_path, {})) == []
    assert not list(tmp_path.iterdir())
