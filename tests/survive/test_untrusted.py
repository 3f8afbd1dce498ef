"""Reading a file runs no code, and files are replaced as a whole."""

import ast
import pathlib

import pytest

import ipixmatch_jax

ROOT = pathlib.Path(ipixmatch_jax.__file__).parent
TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
    for path in sorted(ROOT.rglob("*.py"))
}
# Modules whose readers can run code from a file.
RUN_CODE = {
    *{"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"},
    *{"jsonpickle", "yaml"},
}


def calls(tree):
    """(dotted name, call) of each call in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def given(call, name):
    """The value of a keyword argument as text, or None."""
    values = {k.arg: ast.unparse(k.value) for k in call.keywords}
    return values.get(name)


@pytest.mark.parametrize("name", TREES)
def test_no_reader_runs_code(name):
    for dotted, call in calls(TREES[name]):
        module, _, function = dotted.partition(".")
        assert dotted not in {"eval", "exec", "__import__"}
        if module in RUN_CODE:
            # Only the name of the error of torch's reader is used.
            pytest.fail(f"{name}:{call.lineno} calls {dotted}")
        if dotted == "torch.load":
            assert given(call, "weights_only") == "True"
        if function == "load" or dotted.endswith(("np.load", "numpy.load")):
            assert given(call, "allow_pickle") in (None, "False")
        # zipfile never extracts outside its folder; tarfile needs a filter.
        if dotted.startswith("tar") and "extract" in function:
            assert given(call, "filter") == "'data'"


def test_a_reader_of_arrays_refuses_objects(tmp_path):
    import numpy as np

    path = tmp_path / "objects.npy"
    np.save(path, np.asarray([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        np.load(path)


def within(tree, predicate):
    """(line, names in the enclosing `with`) of each matching node."""

    def walk(node, around):
        if isinstance(node, ast.With):
            around = [*around, *(ast.unparse(i) for i in node.items)]
        if predicate(node):
            yield node.lineno, around
        for child in ast.iter_child_nodes(node):
            yield from walk(child, around)

    yield from walk(tree, [])


def writes(node):
    if not isinstance(node, ast.Call):
        return False
    dotted = ast.unparse(node.func)
    if dotted.endswith((".write_text", ".write_bytes")):
        return True
    if dotted == "open" or dotted.endswith((".open", "ZipFile")):
        modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
        return any(isinstance(m, str) and m[:1] in "wx" for m in modes)
    return False


# Writers that get the temporary name from another module.
GIVEN = {"predict/video_writer.py": ("predict/video_files.py", "VideoWriter")}


@pytest.mark.parametrize("name", sorted(TREES.keys() - GIVEN.keys()))
def test_files_are_written_to_a_temporary_name_first(name):
    # make_folder does the same for a whole folder of files.
    whole_folder = "make_folder(" in ast.unparse(TREES[name])
    for line, around in within(TREES[name], writes):
        assert whole_folder or any("replace_file(" in x for x in around), (
            f"{name}:{line} writes a file that a reader may find half"
        )


@pytest.mark.parametrize("name", GIVEN)
def test_a_writer_of_another_module_gets_a_temporary_name(name):
    caller, writer = GIVEN[name]
    found = {
        ast.unparse(node.args[0])
        for node in ast.walk(TREES[caller])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == writer
    }
    assert found == {"str(partial)"}
    text = ast.unparse(TREES[caller])
    assert "partial = stack.enter_context(replace_file(path))" in text
