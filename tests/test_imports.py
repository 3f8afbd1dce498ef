"""The imports of the package: no circle, and none up CONTRIBUTING's list."""

import ast
import functools
import importlib
import pathlib
import re
import tomllib

import pytest

import ipixmatch_jax

PACKAGE = "ipixmatch_jax"
ROOT = pathlib.Path(ipixmatch_jax.__file__).parent
CONTRIBUTING = ROOT.parent / "CONTRIBUTING.md"


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
# In a checkout the recipes lie beside the package.
RECIPES = sorted((ROOT.parent / "configs").glob("*.py"))
MODULES |= {f"{PACKAGE}.configs.{path.stem}": path for path in RECIPES}
MODULES.pop(f"{PACKAGE}.configs.__init__", None)


@functools.cache
def imported_names(path):
    """Dotted names that a file imports, wherever in it."""
    return tuple(_find_imports(path))


def _find_imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


@functools.cache
def import_graph():
    """module -> the modules of ours that it imports."""
    graph = {}
    for name, path in MODULES.items():
        found = {n for n in imported_names(path) if n in MODULES}
        graph[name] = found - {name}
    return graph


def find_circle(graph):
    """The modules of a circle in their order, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return None
        path.append(name)
        for other in sorted(graph[name]):
            circle = visit(other)
            if circle:
                return circle
        done.add(path.pop())
        return None

    return next(filter(None, map(visit, sorted(graph))), None)


def read_order():
    """room -> its line in CONTRIBUTING's list, from 1."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    section = text.split("## Where things live")[1].split("\n## ")[0]
    items = re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", section, re.MULTILINE)
    order = {}
    for number, rooms in items:
        for room in re.findall(r"`([\w.]+)`", rooms):
            order[room] = int(number)
    return order


ORDER = read_order()


def room_of(name):
    """The entry of the list that a module belongs to."""
    inside = name.removeprefix(f"{PACKAGE}.")
    if inside.split(".")[-1] == "__main__":
        return "__main__"
    parts = inside.split(".")
    for count in range(len(parts), 0, -1):
        room = ".".join(parts[:count])
        if room in ORDER:
            return room
    return None


def test_a_circle_would_be_found():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_no_circle():
    assert find_circle(import_graph()) is None


@pytest.mark.parametrize("name", [n for n in MODULES if n != PACKAGE])
def test_every_module_has_its_place_in_the_list(name):
    assert room_of(name) is not None, f"CONTRIBUTING.md does not list {name}"


def test_no_import_runs_up_the_list():
    wrong = []
    for name, targets in import_graph().items():
        for target in targets - {PACKAGE}:
            here, there = room_of(name), room_of(target)
            if name == PACKAGE or here == there:
                continue
            if ORDER[there] <= ORDER[here]:
                wrong.append(f"{name} imports {target}")
    assert not wrong


def test_the_list_names_only_what_is_there():
    rooms = {room_of(name) for name in MODULES}
    assert set(ORDER) <= rooms


def test_nothing_imports_a_command():
    commands = {n for n in MODULES if ORDER.get(room_of(n)) == 1}
    importers = {
        n for n, targets in import_graph().items() if targets & commands
    }
    assert not importers


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports(name):
    importlib.import_module(name)


def users(library):
    """Rooms of the package that import a library."""
    return {
        room_of(name)
        for name, path in MODULES.items()
        if any(
            n == library or n.startswith(library + ".")
            for n in imported_names(path)
        )
    }


def test_only_the_checkpoints_import_orbax():
    assert users("orbax") == {"checkpoints"}


def test_only_the_networks_import_linen():
    assert users("flax.linen") == {"models"}


def test_no_config_object_below_experiment():
    lowest = max(ORDER[room] for room in users("ml_collections"))
    below = {r for r in users("ml_collections") if ORDER[r] > ORDER["configs"]}
    assert lowest and below <= {"cli", "configuration"}


def test_only_the_reader_of_weights_knows_pickle():
    # It catches the error of torch's own reader of plain tensors.
    assert users("pickle") == {"models"}
    assert users("cloudpickle") == users("joblib") == users("dill") == set()
    texts = {n: p.read_text("utf-8") for n, p in MODULES.items()}
    loads = [n for n, text in texts.items() if "torch.load(" in text]
    assert loads == [f"{PACKAGE}.models.weights.files"]
    text = texts[loads[0]]
    assert text.count("torch.load(") == text.count("weights_only=True") == 1
    assert not [n for n, t in texts.items() if "allow_pickle=True" in t]


def test_nothing_rewrites_the_table_of_modules():
    for name, path in MODULES.items():
        assert "sys.modules" not in path.read_text("utf-8"), name


def test_every_package_is_installed():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))
    installed = project["tool"]["setuptools"]["packages"]
    folders = {module_name(p) for p in ROOT.rglob("__init__.py")}
    assert set(installed) == folders


def test_no_test_imports_a_benchmark_that_defines_flags():
    # absl keeps one table of flags per process: a second --config ends it.
    folder = ROOT.parent / "benchmarks"
    graph = {f"benchmarks.{p.stem}": p for p in folder.glob("*.py")}
    with_flags = {
        n for n, p in graph.items() if "flags.DEFINE" in p.read_text("utf-8")
    }
    assert "benchmarks.step" in with_flags
    for _ in graph:  # those that import them, too
        with_flags |= {
            n
            for n, p in graph.items()
            if with_flags.intersection(imported_names(p))
        }
    tests = (ROOT.parent / "tests").rglob("*.py")
    assert not [p for p in tests if with_flags.intersection(imported_names(p))]
