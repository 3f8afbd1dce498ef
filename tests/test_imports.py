"""Every module imports, and the rooms import one way."""

import ast
import importlib
import pathlib

import pytest

import ipixmatch_jax

ROOT = pathlib.Path(ipixmatch_jax.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def imported(path):
    """Names of all modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def users(prefix):
    """Files and folders of the package that import modules with a prefix."""
    return {
        str(path.relative_to(ROOT).parts[0])
        for path in FILES
        if any(
            n == prefix or n.startswith(prefix + ".") for n in imported(path)
        )
    }


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_module_imports(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    importlib.import_module(".".join(parts))


def test_only_checkpoints_import_orbax():
    assert users("orbax") == {"checkpoint.py"}


def test_only_models_import_linen():
    assert users("flax.linen") == {"models"}


@pytest.mark.parametrize("room", ["losses", "models"])
def test_losses_and_models_import_no_other_room(room):
    for path in (ROOT / room).rglob("*.py"):
        ours = {n for n in imported(path) if n.startswith("ipixmatch_jax")}
        # The command models/pretrained.py also reads runs.
        ours -= {"ipixmatch_jax.weights", "ipixmatch_jax.weights.main"}
        assert all(n.startswith(f"ipixmatch_jax.{room}") for n in ours)


def test_only_upper_rooms_import_config_objects():
    assert users("ml_collections") == {
        "batch_fit.py",
        "check_command.py",
        "configuration.py",
        "evaluate_command.py",
        "grid.py",
        "least_memory.py",
        "main.py",
        "parts.py",
        "predict_run.py",
        "runs.py",
        "train.py",
    }


def test_only_the_reader_of_weights_imports_pickle():
    # It catches the error of torch's reader of plain tensors.
    assert users("pickle") == {"models"}
    assert users("cloudpickle") == users("joblib") == users("dill") == set()
    loads = [p for p in FILES if "torch.load(" in p.read_text("utf-8")]
    assert [p.name for p in loads] == ["weight_files.py"]
    text = loads[0].read_text("utf-8")
    assert text.count("torch.load(") == text.count("weights_only=True") == 1
    assert not [p for p in FILES if "allow_pickle=True" in p.read_text("utf-8")]
