import ast
import pathlib

import ipixmatch_jax.data

_HELP = ("ipixmatch_jax.usage",)


def test_data_imports_no_jax_and_no_other_room():
    folder = pathlib.Path(ipixmatch_jax.data.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
            # The command of check.py reads configs too.
            if path.name == "check.py":
                own = "ipixmatch_jax.check_command"
                names = [n for n in names if not n.startswith(own)]
            # What --help says of every command is kept in one place.
            names = [n for n in names if n not in _HELP]
            for name in names:
                top, *rest = name.split(".")
                assert top not in ("jax", "jaxlib", "flax"), path
                assert top != "ipixmatch_jax" or rest[0] == "data", path
