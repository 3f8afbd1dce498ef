"""Every field of a config, read from configs/common.py and its comments:

python -m ipixmatch_jax.config_reference > docs/config_reference.md
"""

import ast
import io
import pathlib
import textwrap
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from ipixmatch_jax.configuration import base

_HEAD = """# Every field of a config

Written by `python -m ipixmatch_jax.config_reference` from the comments and
defaults of `configs/common.py`; `ipixmatch fields` prints it too. A field is
set on the command line of training, of the check, of a sweep and of
`evaluate --weights`: `--config.train.steps=1000`. The recipes, such as
`voc.py`, change the defaults of some; the run's own values are in its
`config.json`. Each line gives the type and the default."""
_WIDTH = 80  # columns


class Field(NamedTuple):
    """One field.

    Attributes:
      path: such as "train.steps".
      value: its default.
      meaning: its comment.
    """

    path: str
    value: object
    meaning: str


class Section(NamedTuple):
    """Fields that belong together.

    Attributes:
      name: such as "train"; "" for those at the top.
      note: the comment on all of them, or "".
      fields: in the order of the file.
    """

    name: str
    note: str
    fields: list[Field]


class _Assignment(NamedTuple):
    path: str
    opens: bool  # a section
    line: int
    end: int


def read(source: str, defaults) -> list[Section]:
    """The sections of a base() and what its comments say.

    A comment belongs to the assignment below it, or in whose line it stands.
    The one that opens a section, above a field with a comment of its own, is
    about the section.

    Args:
      source: of the file.
      defaults: the ConfigDict that its base() returns.
    """
    comments = _comments(source)
    sections = [Section("", "", [])]
    opened_at = 0
    for one in _assignments(source):
        if one.opens:
            sections.append(Section(one.path, "", []))
            opened_at = one.end
            continue
        above, top = _above(comments, one.line)
        lines = range(one.line, one.end + 1)
        beside = [comments[at][0] for at in lines if at in comments]
        if above and beside and top == opened_at + 1:
            note = " ".join(above)
            sections[-1] = sections[-1]._replace(note=note)
            above = []
        value = defaults
        for name in one.path.split("."):
            value = value[name]
        meaning = " ".join(above + beside)
        sections[-1].fields.append(Field(one.path, value, meaning))
    return [section for section in sections if section.fields]


def _above(
    comments: dict[int, tuple[str, bool]], line: int
) -> tuple[list[str], int]:
    """The comment that ends above a line, and the line where it begins."""
    top = line
    while comments.get(top - 1, ("", False))[1]:
        top -= 1
    return [comments[at][0] for at in range(top, line)], top


def _comments(source: str) -> dict[int, tuple[str, bool]]:
    """Line -> its comment, and whether it has the line to itself."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            found[token.start[0]] = token.string.lstrip("# "), alone
    return found


def _assignments(source: str) -> Iterator[_Assignment]:
    """What base() sets, with the short names of sections spelt out."""
    tree = ast.parse(source)
    (base,) = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "base"
    ]
    spelt = {}
    for node in base.body:
        if not isinstance(node, ast.Assign):
            continue
        opens = isinstance(node.value, ast.Call)
        path = ""
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                path = _path(target, spelt)
        for target in node.targets:
            if isinstance(target, ast.Name):
                spelt[target.id] = path
        if path:
            yield _Assignment(path, opens, node.lineno, node.end_lineno)


def _path(target: ast.Attribute, spelt: dict[str, str]) -> str:
    parts = ast.unparse(target).split(".")
    head = spelt[parts[0]]
    return ".".join([*([head] if head else []), *parts[1:]])


def text() -> str:
    """The reference of this package's configs, as Markdown."""
    source = pathlib.Path(base.__file__).read_text(encoding="utf-8")
    blocks = [_HEAD]
    for section in read(source, base.base()):
        blocks.append(f"## {section.name or 'The run'}")
        if section.note:
            blocks.append(textwrap.fill(_sentence(section.note), _WIDTH))
        blocks.append("\n".join(_line(field) for field in section.fields))
    return "\n\n".join(blocks) + "\n"


def _line(field: Field) -> str:
    default = repr(field.value).replace("'", '"')
    words = (
        f"- `{field.path}` ({type(field.value).__name__}, `{default}`): "
        f"{_sentence(field.meaning)}"
    ).replace("<", "\\<")
    return textwrap.fill(
        words,
        _WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."
