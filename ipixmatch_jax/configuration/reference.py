"""The reference of every config field, as Markdown."""

import textwrap
from collections.abc import Mapping

from ipixmatch_jax.configuration.field import Field
from ipixmatch_jax.configuration.fields import SECTIONS

_HEAD = """# Every field of a config

Written by `python -m ipixmatch_jax.config_reference` from the table in
`ipixmatch_jax/configuration/fields.py`; `ipixmatch fields` prints it too. A
field is set on the command line of training, of the check, of a sweep and of
`evaluate --weights`: `--config.train.steps=1000`. The recipes, such as
`voc.py`, change the defaults of some; the run's own values are in its
`config.json`. Each line gives the type, the default and the allowed values. A
value outside them is refused before anything is read or compiled."""
_WIDTH = 80  # columns


def write_reference(members: Mapping[str, tuple[str, ...]]) -> str:
    """The Markdown page of every field.

    Args:
      members: the allowed values of the fields that name a member of a
        registry, by field.
    """
    blocks = [_HEAD]
    for section in SECTIONS:
        blocks.append(f"## {section.name or 'The run'}")
        if section.note:
            blocks.append(textwrap.fill(section.note, _WIDTH))
        lines = [_describe(field, members) for field in section.fields]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _describe(field: Field, members: Mapping[str, tuple[str, ...]]) -> str:
    facts = [field.kind.__name__, f"default `{_shown(field.default)}`"]
    choices = members.get(field.path, field.choices)
    if choices:
        facts.append("one of " + ", ".join(f"`{c}`" for c in choices))
    elif field.least is not None:
        facts.append(field.range_words())
    words = f"- `{field.path}` ({'; '.join(facts)}): {field.meaning}"
    return textwrap.fill(
        words.replace("<", "\\<"),
        _WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shown(value) -> str:
    return repr(value).replace("'", '"')
