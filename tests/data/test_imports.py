"""The data room imports no jax, and of the other rooms only utils."""

import ast
import pathlib

import ipixmatch_jax.data


def test_data_imports_no_jax_and_no_other_room():
    folder = pathlib.Path(ipixmatch_jax.data.__file__).parent
    for path in folder.rglob("*.py"):
        if path.name == "__main__.py":
            continue  # Commands read flags and configs too.
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
            for name in names:
                top, *rest = name.split(".")
                assert top not in ("jax", "jaxlib", "flax"), path
                if top == "ipixmatch_jax":
                    known = rest[0] in ("data", "utils")
                    # How a person calls the commands that messages name.
                    known |= rest[:2] == ["cli", "commands"]
                    assert known, (path, name)
