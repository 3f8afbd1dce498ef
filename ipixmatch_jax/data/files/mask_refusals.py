"""Sentences about masks that do not fit to each other or to the class list."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence

from ipixmatch_jax.data.files.class_list import UNLISTED, ClassList, Colour
from ipixmatch_jax.data.files.mask_contents import Content, names
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.source import IGNORE

_NEAR = 10  # Levels per channel within which a colour is called close.


def check_listed(contents: Sequence[Content], reading: Reading) -> None:
    """Raises ValueError naming the first mask with an unlisted id or colour."""
    wrong = [(c, unlisted(c, reading)) for c in contents]
    wrong = [(content, pixels) for content, pixels in wrong if pixels]
    if not wrong:
        return
    smooth = [content for content, _ in wrong if content.smoothed]
    if smooth:
        raise ValueError(smoothed(smooth))
    raise ValueError(
        unlisted_words(*wrong[0], reading, len(wrong) - 1)
        + _reversed(wrong, reading)
    )


def unlisted(content: Content, reading: Reading) -> Counter:
    """Pixels per id or colour of a mask that the class list does not have."""
    pixels: Counter[int | Colour | None] = Counter()
    find = reading.lookup(content.kind)
    for (value, colour), count in content.pixels.items():
        if find(value, colour) == UNLISTED:
            by_colour = content.kind in reading.by_colour
            pixels[colour if by_colour else value] += count
    return pixels


def unlisted_words(
    content: Content, pixels: Counter, reading: Reading, more: int
) -> str:
    """The sentence about what `unlisted` found, `more` masks beside it."""
    what, count = pixels.most_common(1)[0]
    others = f" and {len(pixels) - 1} more" if len(pixels) > 1 else ""
    files = f" (and {more} more masks)" if more else ""
    classes = reading.classes
    if content.kind == "RGB" and not classes.coloured:
        return (
            f"The mask {content.path}{files} holds colours, but "
            f"{classes.where} gives names alone: give each class its colour, "
            'such as {"background": [0, 0, 0], "crack": [255, 0, 0]}.'
        )
    if content.kind not in reading.by_colour:
        return (
            f"The mask {content.path}{files} has {count} pixels of the id "
            f"{what}{others}; {classes.where} lists {len(classes.listed)} "
            f"classes, so the ids are 0 to {len(classes.listed) - 1}, and 255 "
            "is left out of training."
        )
    smooth = ", or export the masks without smoothed edges"
    why = (
        " (colours count here, since palettes put listed colours at other ids)"
        if content.kind == "indexed"
        else ""
    )
    return (
        f"The mask {content.path}{files} has {count} pixels of the colour "
        f"{list(what)}{others} that {classes.where} does not list: add "
        'it with the name of its class, or as "void"'
        f"{smooth if len(pixels) > 20 else ''}{why}{_closest(what, classes)}."
    )


def _closest(colour: Colour, classes: ClassList) -> str:
    for name, listed in classes.listed:
        apart = max(abs(a - b) for a, b in zip(colour, listed, strict=True))
        if 0 < apart <= _NEAR:
            return f"; it is close to {name!r}, {list(listed)}"
    return ""


def _reversed(wrong: list, reading: Reading) -> str:
    """A hint where every colour would be listed as blue, green, red."""
    colours = reading.classes.of_colours()
    found = {c for content, _ in wrong for _, c in content.pixels}
    by_colour = all(content.kind in reading.by_colour for content, _ in wrong)
    if by_colour and all(colour[::-1] in colours for colour in found):
        return (
            " All of these colours would be listed if red and blue were "
            "exchanged, as OpenCV writes them."
        )
    return ""


def smoothed(contents: Sequence[Content]) -> str:
    """The sentence about black and white masks with smoothed edges."""
    first = contents[0]
    between = sorted(first.values - {0, 255})
    count = sum(first.count(value) for value in between)
    return (
        f"The black and white masks {names(contents)} have smoothed edges: "
        f"{first.path} has {count} pixels of {len(between)} values between "
        f"black and white, such as {between[len(between) // 2]}, which belong "
        "to no class. Export them without smoothing, resize masks to the "
        "nearest pixel only, and do not save them as JPEG; or make every "
        "value below 128 black and the others white."
    )


def grey_disagree(
    colours: Sequence[Content], ids: Sequence[Content], classes: ClassList
) -> str:
    """Grey masks of which some hold colours and some hold other values."""
    smooth = [content for content in ids if content.smoothed]
    if smooth:
        return smoothed(smooth)
    listed = classes.of_colours()
    first = ids[0]
    odd = [v for v, colour in first.pairs() if colour not in listed]
    counts = ", ".join(
        f"{first.count(v)} pixels of the value {v}" for v in sorted(odd)[:3]
    )
    white = [n for n, colour in classes.listed if colour == (255, 255, 255)]
    hint = f" White is {white[0]!r} in {classes.where}." if white else ""
    only = [c for c in colours if c not in ids] or list(colours)
    return (
        f"The grey masks disagree: {len(only)} of them, such as "
        f"{only[0].path}, hold greys of listed classes, while {len(ids)} "
        f"({names(ids)}) hold other values ({counts}), which are ids or stray "
        f"pixels.{hint} Save all masks in one way: change the stray pixels "
        "to the grey of a class, or save every mask as ids 0 to "
        f"{len(classes.listed) - 1}."
    )


def check_two_ways(contents: Sequence[Content], classes: ClassList) -> None:
    """Refuses greys that name one class as colours but several as ids.

    Raises:
      ValueError: names the masks.
    """
    ids, colours = classes.of_ids(), classes.of_colours()
    pairs = {pair for content in contents for pair in content.pairs()}
    by_id = {ids[value] for value, _ in pairs}
    by_colour = {colours[colour] for _, colour in pairs}
    if UNLISTED in by_id:
        return
    if len(by_colour - {IGNORE}) < 2 <= len(by_id - {IGNORE}):
        raise ValueError(
            f"The masks {names(contents)} can be read in two ways: by their "
            f"greys they hold {_class_names(by_colour, classes)} alone, by "
            f"their ids {_class_names(by_id, classes)}. Give the class that "
            f"is drawn in white the colour [255, 255, 255] in {classes.where}, "
            "or save the masks as 8-bit ids."
        )


def _class_names(ids: set[int], classes: ClassList) -> str:
    found = [name for k, name in enumerate(classes.names) if k in ids]
    found += ["what is left out"] if IGNORE in ids else []
    return " and ".join(found)


def palettes_disagree(
    moved: Sequence[Content], unlisted: Sequence[Content], classes: ClassList
) -> str:
    """Indexed masks of which some ask for colours that others do not have."""
    colours = classes.of_colours()
    first = unlisted[0]
    odd = [
        (value, colour)
        for value, colour in first.pixels
        if value != IGNORE
        and (value in first.repeated or colour not in colours)
    ]
    value, colour = odd[0]
    what = (
        "which its palette has twice"
        if colour in colours
        else "which is not listed"
    )
    return (
        f"The palettes of the masks disagree: {len(moved)} ({names(moved)}) "
        "have listed colours at the places of other classes, so colours would "
        f"count, but {len(unlisted)} ({names(unlisted)}) hold colours that "
        f"{classes.where} cannot tell, such as {list(colour)} at index "
        f"{value}, {what}. Save these masks again with the palette of the "
        "others, or list their colours."
    )


def check_palettes_agree(
    contents: Sequence[Content],
    classes: ClassList,
    neutral: Callable[[int, Colour, ClassList], bool],
) -> None:
    """Refuses ids whose colours differ from file to file.

    That is an index in two colours, where palettes that say nothing
    (`neutral`) are left aside, and a colour at two indices.

    Raises:
      ValueError: names two masks.
    """
    seen: dict[int, tuple[Colour, Content]] = {}
    for content in contents:
        for value, colour in content.pairs():
            if neutral(value, colour, classes) or value in content.repeated:
                continue
            before, where = seen.setdefault(value, (colour, content))
            if before != colour:
                raise ValueError(
                    palettes_differ(value, before, where, colour, content)
                    + f" {_list_colours(classes)}."
                )
    check_one_place(contents, _list_colours(classes), {IGNORE})


def check_nameless(contents: Sequence[Content], classes: ClassList) -> None:
    """`check_one_place` for a class list without colours, and all kinds.

    Raises:
      ValueError: names two masks.
    """
    if not classes.coloured:
        check_one_place(contents, _list_colours(classes), {IGNORE})


def _list_colours(classes: ClassList) -> str:
    return (
        f"List the colours that are meant in {classes.where}, and masks are "
        "read by colour"
    )


def check_one_place(
    contents: Sequence[Content], how: str, without: Collection[int] = ()
) -> None:
    """Refuses masks that show one colour at different values.

    Args:
      contents: of the masks.
      how: the way out, a sentence without its full stop.
      without: values that do not count.

    Raises:
      ValueError: names two masks.
    """
    seen: dict[Colour, tuple[int | None, Content]] = {}
    for content in contents:
        for value, colour in content.pixels:
            if value in content.repeated or value in without:
                continue
            before, first = seen.setdefault(colour, (value, content))
            if before != value:
                raise ValueError(
                    f"The palettes of the masks differ: {list(colour)} is the "
                    f"value {before} in {first.path} but {value} in "
                    f"{content.path}, so the values may stand for other "
                    f"classes from file to file. {how}."
                )


def palettes_differ(
    value: int, one: Colour, first: Content, other: Colour, second: Content
) -> str:
    """The sentence about an index that has two colours in two files."""
    return (
        f"The palettes of the masks differ: index {value} is {list(one)} in "
        f"{first.path} but {list(other)} in {second.path}, so the indices may "
        "stand for other classes from file to file."
    )


def draft(contents: Sequence[Content]) -> str:
    """A class list of the commonest colours, as JSON on one line."""
    pixels: Counter[Colour] = Counter()
    for content in contents:
        for (_, colour), count in content.pixels.items():
            pixels[colour] += count
    colours = [list(colour) for colour, _ in pixels.most_common(12)]
    return json.dumps({f"class {k}": c for k, c in enumerate(colours)})


def colours_of_indices(
    contents: Sequence[Content],
) -> dict[int, dict[Colour, Content]]:
    """For each index of indexed masks, its colours and a mask with each."""
    found: dict[int, dict[Colour, Content]] = defaultdict(dict)
    for content in contents:
        if content.kind == "indexed":
            for value, colour in content.pairs():
                found[value].setdefault(colour, content)
    return found
