"""The tables of the pages list the members of the registries."""

import importlib
import pathlib
import re

from ipixmatch_jax.experiment.members import LISTS, REGISTRIES
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from ipixmatch_jax.methods.registry import METHODS

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read_tables(page, heading):
    """Rows of cells of each table whose header begins with a word."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = re.findall(r"^\| .*\n\|-.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    heads = re.findall(r"^(\| .*)\n\|-", text, re.MULTILINE)
    return [
        [re.split(r" (?<!\\)\| ", row[2:-2]) for row in block.splitlines()]
        for head, block in zip(heads, blocks, strict=True)
        if head.startswith(f"| {heading} ")
    ]


def names(cell):
    return tuple(re.findall(r"`([\w+]+)`", cell))


def test_each_table_of_methods_has_all_of_them():
    tables = read_tables("methods.md", "method")
    assert len(tables) == 4
    for table in tables:
        listed = {name for row in table for name in names(row[0])}
        assert listed == set(METHODS)


def test_what_each_method_needs():
    _, needs, *_ = read_tables("methods.md", "method")
    expected = [
        [
            (name,),
            method.teacher,
            method.networks,
            "yes" if method.uses_unlabelled else "no",
            "yes" if method.compares_views else "no",
        ]
        for name, method in METHODS.items()
    ]
    assert [[*map(names, row[:3]), *row[3:]] for row in needs] == expected


def test_every_reading_is_defined():
    (table,) = read_tables("inter_pixel_loss.md", "relation")
    assert [names(row[0]) + names(row[1]) for row in table] == list(READINGS)


def test_every_registry_is_where_the_page_says():
    (table,) = read_tables("adding.md", "kind")
    found = []
    for kind, place, _ in table:
        name, path = re.fullmatch(r"`(\w+)` in `([\w/]+)\.py`", place).groups()
        registry = getattr(
            importlib.import_module(path.replace("/", ".")), name
        )
        assert kind == registry.kind
        found.append(registry)
    assert {id(r) for r in found} == {
        id(r) for r in (*REGISTRIES.values(), *LISTS.values(), READINGS)
    }
