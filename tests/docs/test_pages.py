"""What the pages name is there: links, commands, flags, fields of a config."""

import pathlib
import re

import pytest

from ipixmatch_jax.cli.arguments import COMMANDS
from ipixmatch_jax.configs import common
from ipixmatch_jax.configuration import reference
from tests import command_helps

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BASE = common.base()
# A command line ends with its line, or with the inline code that it is in.
COMMAND = re.compile(
    r"(?:python -m (?P<module>ipixmatch_jax[\w.]*)"
    r"|\bipixmatch (?P<name>[a-z]+))(?P<rest>[^\n`|#]*)"
)
FIELD = re.compile(r"(?<![\w/])config\.(?!json|py\b)([a-z_]+(?:\.[a-z_]+)*)")
SECTIONS = [name for name in BASE if not isinstance(BASE[name], str | int)]
SHORT = re.compile(rf"`({'|'.join(SECTIONS)})\.([a-z_]+)(?:=[^`]*)?`")

# What may come after such a section's name and is no field: files, modules.
OTHER = ("py", "zip", "safetensors", "prepare", "check", "splits")


def pages(names=None):
    chosen = PAGES if names is None else names
    return pytest.mark.parametrize("path", chosen, ids=lambda p: p.stem)


def read(path):
    """The text; a line that ends with a backslash goes on."""
    return path.read_text("utf-8").replace("\\\n", " ")


def prose(path):
    return re.sub(r"^```.*?^```$", "", read(path), flags=re.DOTALL | re.M)


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        yield words.replace(" ", "-")


@pages()
def test_every_link_leads_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked():
    linked = set()
    for path in PAGES:
        for link in re.findall(r"\]\(([^)\s#]+)", prose(path)):
            linked.add((path.parent / link).resolve())
    assert set((ROOT / "docs").glob("*.md")) <= linked


@pages()
def test_every_field_of_a_config_exists(path):
    named = FIELD.findall(read(path))
    pairs = [pair for pair in SHORT.findall(read(path)) if pair[1] not in OTHER]
    named += [".".join(pair) for pair in pairs]
    for field in named:
        value = BASE
        for name in field.split("."):
            assert name in value, f"config.{field}"
            value = value[name]


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """Module or name of a command -> the flags that its help lists."""
    here = tmp_path_factory.mktemp("helps")
    found = {}
    for name, (_, text) in command_helps.ask(ROOT, here).items():
        listed = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text))
        module = COMMANDS[name].module
        found[name] = listed
        found[module] = found.get(module, set()) | listed
    return found


@pages()
def test_every_command_and_flag_exists(path, flags):
    for found in COMMAND.finditer(read(path)):
        called = found["module"] or found["name"]
        if called == "ipixmatch_jax" or found["rest"].startswith("."):
            continue  # such as "python -m ipixmatch_jax..."
        known = set(flags)
        if called in ("COMMAND", "command"):
            continue
        assert called in known, found[0]
        for word in re.findall(r"(?:^|\s)(--?[a-zA-Z][\w.-]*)", found["rest"]):
            if not word.startswith("--config."):
                assert word in flags[called], found[0]
            else:
                assert "--config" in flags[called], found[0]


def test_the_reference_of_fields_is_up_to_date():
    page = (ROOT / "docs/config_reference.md").read_text("utf-8")
    assert page == reference.text(), (
        "python -m ipixmatch_jax.config_reference > docs/config_reference.md"
    )


def leaves(tree, prefix=""):
    for name, value in tree.items():
        if hasattr(value, "items"):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_the_reference_has_every_field_with_its_meaning():
    source = pathlib.Path(common.__file__).read_text("utf-8")
    sections = reference.read(source, BASE)
    fields = {f.path: f for section in sections for f in section.fields}
    assert sorted(fields) == sorted(leaves(BASE))
    assert all(len(field.meaning) > 3 for field in fields.values())
    # By hand, from configs/common.py.
    assert fields["train.steps"].value == 10_000
    assert fields["train.steps"].meaning == "optimiser steps"
    assert fields["ema.rampup"].value is True
    assert "Least softmax" in fields["pseudo_label.threshold"].meaning


def test_a_comment_belongs_to_its_field():
    source = """
def base():
    c = ConfigDict()
    # Two lines
    # above.
    c.first = 1
    c.part = p = ConfigDict()
    # On all of them.
    p.second = 2  # beside
    # Above another.
    p.third = 3
    c.other = ConfigDict()
    c.other.fourth = 4  # too
    return c
"""
    values = {"first": 1, "part": {"second": 2, "third": 3}}
    values["other"] = {"fourth": 4}
    top, part, other = reference.read(source, values)
    assert [tuple(f) for f in top.fields] == [("first", 1, "Two lines above.")]
    assert part.note == "On all of them."
    assert [f.meaning for f in part.fields] == ["beside", "Above another."]
    assert [tuple(f) for f in other.fields] == [("other.fourth", 4, "too")]
