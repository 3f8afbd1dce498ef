"""Which images of one's own folder are trained on, and which score."""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.files import file_source, folder_layout
from ipixmatch_jax.data.files.image_mask_pairs import Pairs, find_pairs
from ipixmatch_jax.data.files.same_images import find_copies
from ipixmatch_jax.data.files.split_list import Entry, read_list
from ipixmatch_jax.data.hold_out import HoldOut, hold_out, refuse_folds
from ipixmatch_jax.utils.counts import count_of

# File names of lists; the first of each is the one that the docs use.
LISTS = {
    "labelled": ("labeled.txt", "labelled.txt", "train.txt"),
    "unlabelled": ("unlabeled.txt", "unlabelled.txt"),
    "val": ("val.txt", "valid.txt", "validation.txt"),
    "test": ("test.txt",),
}


# Entries -> the ids of the classes that each mask shows, by the mask's name.
ClassesIn = Callable[[Sequence[Entry]], Mapping[str, frozenset[int]]]


class Parts(NamedTuple):
    """The entries of each part, and sentences on what was left aside.

    `held_out` says that val was taken from the labelled images.
    """

    labelled: list[Entry]
    unlabelled: list[Entry]
    val: list[Entry]
    test: list[Entry]
    notes: tuple[str, ...] = ()
    held_out: bool = False

    def with_masks(self) -> list[Entry]:
        """All entries that have a mask."""
        return [*self.labelled, *self.val, *self.test]


class _Folder:
    """A folder whose images are looked up once, when they are needed."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.notes: list[str] = []
        self._parts: dict[str, Pairs] | None = None

    def parts(self) -> dict[str, Pairs]:
        """The images of train, val and test; see folder_layout."""
        if self._parts is None:
            layout = folder_layout.find_layout(self.root)
            self.notes += layout.notes
            pairs = self._pairs(layout.train)
            self._parts = _by_part(pairs)
            images = self.root / layout.train.images
            self.notes += _renamed(images, self._parts)
            for part in ("val", "test"):
                folders = getattr(layout, part)
                if folders is None:
                    continue
                if self._parts[part].entries:
                    raise ValueError(
                        f"{self.root} holds {folders.images}/ and "
                        f"{layout.train.images}/{part}/: keep one of them."
                    )
                self._parts[part] = self._pairs(folders)
        return self._parts

    def optional(self, part: str) -> Pairs:
        """The images of val or test; none where no layout is found."""
        try:
            return self.parts()[part]
        except FileNotFoundError:  # The lists name files of another layout.
            return Pairs({}, ())

    def _pairs(self, folders: folder_layout.Folders) -> Pairs:
        pairs = find_pairs(self.root, folders.images, folders.masks)
        self.notes += pairs.notes
        return pairs


def _by_part(pairs: Pairs) -> dict[str, Pairs]:
    parts: dict[str, dict[str, Entry]]
    parts = {"train": {}, "val": {}, "test": {}}
    for key, entry in pairs.entries.items():
        parts[folder_layout.part_of(key)][key] = entry
    return {part: Pairs(entries, ()) for part, entries in parts.items()}


def _renamed(images: pathlib.Path, parts: dict[str, Pairs]) -> list[str]:
    """Which folders below images/ were taken for val and for test."""
    return [
        f"{images / name} is taken for {part}/."
        for part in ("val", "test")
        for name in sorted({k.partition("/")[0] for k in parts[part].entries})
    ]


def find_parts(
    root: pathlib.Path,
    splits_dir: str,
    split: str,
    rule: HoldOut,
    classes_in: ClassesIn,
) -> Parts:
    """The parts as the lists say, or as the folders do.

    Args:
      root: of the data set.
      splits_dir: the folder of the lists; "" means `<root>/splits`, which
        need not exist.
      split: "" for lists that lie in the folder itself.
      rule: what val gets of the labelled images where there is neither a list
        nor a folder of it.
      classes_in: looks at masks; asked where folds are balanced by class.

    Raises:
      FileNotFoundError: images or masks are absent, or a list names absent
        files.
      ValueError: names and masks do not fit, an image of val or test is
        trained on as well, or folds are asked for where there is a val.
    """
    folder = _Folder(root)
    lists = _find_lists(root, splits_dir, split, folder.notes)
    if splits_dir or split or lists["labelled"].is_file():
        parts = _from_lists(folder, lists)
    else:
        parts = _from_folders(folder)
    parts = parts._replace(notes=tuple(folder.notes))
    return _without_copies(root, parts, rule, classes_in)


def _find_lists(
    root: pathlib.Path, splits_dir: str, split: str, notes: list[str]
) -> dict[str, pathlib.Path]:
    """The path of each list, which need not exist."""
    labelled, _, val = file_source.split_lists(root, splits_dir, split)
    folders = {"labelled": labelled.parent, "unlabelled": labelled.parent}
    found = {}
    for part, names in LISTS.items():
        folder = folders.get(part, val.parent)
        there = [folder / name for name in names if (folder / name).is_file()]
        found[part] = there[0] if there else folder / names[0]
        if there and there[0].name != names[0]:
            notes.append(f"{there[0]} is taken for {names[0]}.")
    if found["labelled"].is_file() or splits_dir or split:
        return found
    others = sorted(p.name for p in val.parent.glob("*.txt"))
    if others:
        raise ValueError(
            f"{val.parent} holds {', '.join(others[:5])}, but no list of the "
            f"labelled images: it is called {LISTS['labelled'][0]}."
        )
    deeper = sorted(p.parent.name for p in val.parent.glob("*/labeled.txt"))
    if deeper:
        notes.append(
            f"{val.parent} holds the splits {', '.join(deeper[:5])}, and none "
            f"is used: --config.data.split={deeper[0]} names one."
        )
    return found


def _from_folders(folder: _Folder) -> Parts:
    parts = folder.parts()
    labelled = parts["train"].labelled()
    if not labelled:
        raise FileNotFoundError(
            f"{folder.root}/masks holds no masks: put the PNG mask of at "
            "least two of the images there, under the image's name."
        )
    return Parts(
        labelled,
        parts["train"].unlabelled(),
        _scored(folder, "val"),
        _scored(folder, "test"),
    )


def _from_lists(folder: _Folder, lists: dict[str, pathlib.Path]) -> Parts:
    """As the lists say; what has no list, as without any."""
    root = folder.root

    def listed(part: str) -> list[Entry]:
        entries = _resolved(folder, read_list(lists[part]))
        return file_source.labelled_entries(root, entries, lists[part])

    labelled = listed("labelled")
    val, test = (
        listed(part) if lists[part].is_file() else _scored(folder, part)
        for part in ("val", "test")
    )
    if lists["unlabelled"].is_file():
        entries = _resolved(folder, read_list(lists["unlabelled"]))
        rest = file_source.unlabelled_entries(
            root, entries, lists["unlabelled"]
        )
    else:
        every = folder.parts()["train"].entries.values()
        rest = [(image, None) for image, _ in every]
        rest = sorted(rest)
    held = {_real(root, image) for image, _ in [*val, *test]}
    if not lists["unlabelled"].is_file():
        held |= {_real(root, image) for image, _ in labelled}
    rest = [entry for entry in rest if _real(root, entry[0]) not in held]
    return Parts(labelled, rest, val, test)


def _real(root: pathlib.Path, name: str) -> str:
    return os.path.realpath(os.path.join(root, name))


def _resolved(folder: _Folder, entries: list[Entry]) -> list[Entry]:
    """Finds the files of lines that name an image alone, or its stem."""
    if all(mask is not None for _, mask in entries):
        return entries
    try:
        parts = folder.parts().values()
    except FileNotFoundError:
        return entries
    known = {}
    for key, entry in ((k, e) for p in parts for k, e in p.entries.items()):
        known[entry[0]] = known[key] = entry
        known[os.path.basename(entry[0])] = entry
    return [
        known.get(image, (image, None)) if mask is None else (image, mask)
        for image, mask in entries
    ]


def _scored(folder: _Folder, part: str) -> list[Entry]:
    """The images of val or test, which are scored and so need a mask."""
    pairs = folder.optional(part)
    bare = pairs.unlabelled()
    if bare and part == "val":
        raise ValueError(
            f"{folder.root}/{part} holds {count_of(len(bare), 'image')} "
            f"without a mask, such as {bare[0][0]}: only images with masks can "
            "be scored, so move the others to images/."
        )
    if bare:
        have, are = ("has", "it is") if len(bare) == 1 else ("have", "they are")
        folder.notes.append(
            f"{count_of(len(bare), 'test image')} {have} no mask, such as "
            f"{bare[0][0]}: {are} not scored; `{call_of('predict')}` predicts "
            "such images."
        )
    return pairs.labelled()


def _without_copies(
    root: pathlib.Path, parts: Parts, rule: HoldOut, classes_in: ClassesIn
) -> Parts:
    """Holds val out where there is none, and keeps it out of training.

    Raises:
      ValueError: an image of val or test is also trained on.
    """
    held_out = not parts.val
    if held_out:
        parts = _hold_out(root, parts, rule, classes_in)
    else:
        refuse_folds(rule, str(root))
    every = [
        (part, entry)
        for part in ("labelled", "unlabelled", "val", "test")
        for entry in getattr(parts, part)
    ]
    paths = [os.path.join(root, image) for _, (image, _) in every]
    notes, dropped = [], set()
    for group in find_copies(paths):
        same = [every[i] for i in group]
        scored = [m for m in same if m[0] in ("val", "test")]
        trained = [m for m in same if m[0] in ("labelled", "unlabelled")]
        if not (scored and trained):
            notes += _repeated(same)
        elif held_out and all(part == "val" for part, _ in scored):
            dropped |= {entry for _, entry in trained}
        else:
            raise ValueError(_leak(scored[0], trained[0]))
    if dropped:
        be = "is a copy" if len(dropped) == 1 else "are copies"
        notes.append(
            f"{count_of(len(dropped), 'image')} {be} of what was held out for "
            f"val, and left out of training: {_names(dropped)}."
        )
    return parts._replace(
        labelled=[e for e in parts.labelled if e not in dropped],
        unlabelled=[e for e in parts.unlabelled if e not in dropped],
        notes=(*parts.notes, *notes),
    )


def _hold_out(
    root: pathlib.Path, parts: Parts, rule: HoldOut, classes_in: ClassesIn
) -> Parts:
    """Takes val from the labelled images."""

    def classes() -> Callable[[Entry], frozenset[int]]:
        found = classes_in(parts.with_masks())
        return lambda entry: found[entry[1] or ""]

    some, val = hold_out(parts.labelled, rule, str(root), classes=classes)
    return parts._replace(labelled=some, val=val, held_out=True)


def _leak(scored: tuple[str, Entry], trained: tuple[str, Entry]) -> str:
    (part, (one, _)), (other_part, (other, _)) = scored, trained
    what = (
        f"{one} is both in {part} and {other_part}"
        if one == other
        else f"{one} ({part}) and {other} ({other_part}) are the same image"
    )
    return (
        f"{what}, so {part} would be scored on an image that training saw: "
        "take it out of one of them."
    )


def _repeated(same: Sequence[tuple[str, Entry]]) -> list[str]:
    names = list(dict.fromkeys(image for _, (image, _) in same))
    if len(names) < 2:  # A list repeats a line, which the check tells.
        return []
    parts = " and ".join(dict.fromkeys(part for part, _ in same))
    return [
        f"{', '.join(names[:3])} ({parts}) are the same image, which counts "
        f"{len(names)} times."
    ]


def _names(entries: set[Entry]) -> str:
    names = sorted(image for image, _ in entries)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
