"""The pages name things that exist: links, files, commands, flags, fields."""

import pathlib
import re

import pytest

from ipixmatch_jax.cli.arguments import COMMANDS
from ipixmatch_jax.configs import common
from ipixmatch_jax.configuration.reference import write_reference
from ipixmatch_jax.experiment.members import REGISTRIES, allowed_names
from tests import command_helps

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BASE = common.base()
# A command ends with its line, or with the inline code around it.
COMMAND = re.compile(
    r"(?:python -m (?P<module>ipixmatch_jax[\w.]*)"
    r"|\bipixmatch (?P<name>[a-z]+))(?P<rest>[^\n`|#]*)"
)
# A file or folder of the checkout, without the full stop of a sentence.
FILE = re.compile(
    r"(?<![\w/.])(?:benchmarks|docs|ipixmatch_jax|launch|tests)/(?:[\w/]|\.\w)*"
)
FIELD = re.compile(r"(?<![\w/])config\.(?!json|py\b)([a-z_]+(?:\.[a-z_]+)*)")
SECTIONS = [name for name in BASE if not isinstance(BASE[name], str | int)]
SHORT = re.compile(rf"`({'|'.join(SECTIONS)})\.([a-z_]+)(?:=[^`]*)?`")

# Names of files and modules that look like a field, such as `data.prepare`.
NOT_FIELDS = ("py", "txt", "zip", "safetensors", "prepare", "check", "splits")


def pages(names=None):
    chosen = PAGES if names is None else names
    return pytest.mark.parametrize("path", chosen, ids=lambda p: p.stem)


def read(path):
    """The text, with lines joined where one ends with a backslash."""
    return path.read_text("utf-8").replace("\\\n", " ")


def prose(path):
    return re.sub(r"^```.*?^```$", "", read(path), flags=re.DOTALL | re.M)


def anchors(path):
    """The anchors that GitHub makes of a page's headings."""
    for heading in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        yield words.replace(" ", "-")


@pages()
def test_every_link_has_a_target(path):
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


# docs/adding.md names files that its reader writes.
@pages([path for path in PAGES if path.stem != "adding"])
def test_every_file_of_the_checkout_exists(path):
    for name in FILE.findall(read(path)):
        assert (ROOT / name).exists(), name


@pages()
def test_every_field_of_a_config_exists(path):
    named = FIELD.findall(read(path))
    pairs = [
        pair for pair in SHORT.findall(read(path)) if pair[1] not in NOT_FIELDS
    ]
    named += [".".join(pair) for pair in pairs]
    for field in named:
        value = BASE
        for name in field.split("."):
            assert name in value, f"config.{field}"
            value = value[name]


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """{module or name of a command: flags that its help lists}."""
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


def packaged_names():
    """The allowed names without those that other tests have registered."""
    names = allowed_names()
    for field, registry in REGISTRIES.items():
        names[field] = tuple(
            name
            for name in names[field]
            if not (name and registry.module(name))
        )
    return names


def test_the_reference_of_fields_is_up_to_date():
    page = (ROOT / "docs/config_reference.md").read_text("utf-8")
    assert page == write_reference(packaged_names()), (
        "python -m ipixmatch_jax.config_reference > docs/config_reference.md"
    )
