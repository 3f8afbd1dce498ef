"""Finds the photographs that an export names."""

import os
import pathlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ipixmatch_jax.data.files import walk
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.utils.quoting import quote


class Photograph(NamedTuple):
    """A file with an image.

    Attributes:
      files: where it lies.
      name: its path there; where `content` is given, a name alone.
      content: reads an image that lies inside another file.
    """

    files: ExportFiles
    name: str
    content: Callable[[], bytes] | None = None

    @property
    def where(self) -> str:
        """Its name for messages."""
        return self.files.where(self.name)

    def last_parts(self, count: int) -> str:
        """The last parts of its whole path, joined by slashes."""
        parts = [*self.files.source.absolute().parts, *self.name.split("/")]
        return "/".join(parts[-count:])

    def read(self) -> bytes:
        """The bytes of the file; see `ExportFiles.read`."""
        if self.content is not None:
            return self.content()
        return self.files.read(self.name)


class Photographs:
    """The images of an export, and of a folder beside it.

    Args:
      places: where images lie; a file that several of them hold, since one
        is inside another, counts once.
    """

    def __init__(self, places: Sequence[ExportFiles]):
        self.places = places
        self._taken: set[Photograph] = set()
        self._by_name: dict[str, list[Photograph]] = defaultdict(list)
        self._by_stem: dict[str, set[str]] = defaultdict(set)
        before: set[str] = set()
        for files in places:
            found = {
                name: os.path.realpath(files.where(name))
                for name in files.with_ending(*walk.ENDINGS)
            }
            for name, path in found.items():
                if path not in before:
                    self._add(Photograph(files, name))
            before |= set(found.values())

    def _add(self, photograph: Photograph) -> None:
        base = _base(photograph.name)
        self._by_name[_folded(base)].append(photograph)
        self._by_stem[base[: -len(walk.ending(base))]].add(base)

    def find(
        self,
        wanted: str,
        said_by: str,
        near: Sequence[str] = (),
        *,
        ways: str = "",
    ) -> Photograph:
        """The photograph that an export names, which then counts as used.

        A file at the path wins, first below `near`. Else it is the one whose
        whole path ends in the most of the wanted path's folders. Upper and
        lower case do not count where they leave no choice, since Windows and
        macOS do not look at them.

        Args:
          wanted: a path or address, in which backslashes count as slashes.
          said_by: the file that names it, for messages.
          near: folders that the path may be relative to, beside the top.
          ways: one more way out, for the message.

        Raises:
          ValueError: there is none, or several fit as well.
        """
        found = self.look_up(wanted, said_by, near)
        if found is None:
            raise ValueError(
                f"{said_by} names the image {quote(wanted)}, which is not "
                f"{self._looked()}name the folder of the images with "
                f"--images{ways}."
            )
        return found

    def _looked(self) -> str:
        """Where images were looked for, and the first way out."""
        folders = [str(f.source) for f in self.places if not f.is_alone]
        if not folders:
            return "in the file itself: "
        return f"in {' and '.join(folders)}: put it there, or "

    def at(self, path: str) -> Photograph | None:
        """The photograph at a path, if there is one.

        Upper and lower case do not count where they leave no choice.
        """
        group = self._by_name[_folded(_base(path))]
        found = [p for p in group if _nfc(p.name) == _nfc(path)]
        if not found:
            found = [p for p in group if _folded(p.name) == _folded(path)]
            found = found if len(found) == 1 else []
        return self.take(found[0]) if found else None

    def look_up(
        self, wanted: str, said_by: str, near: Sequence[str] = ()
    ) -> Photograph | None:
        """Looks a file up like `find`; returns None if it does not exist.

        Raises:
          ValueError: several fit as well.
        """
        parts = path_parts(wanted)
        if not parts:
            return None
        for folder in dict.fromkeys((*near, "")):
            exact = self.at("/".join([*path_parts(folder), *parts]))
            if exact:
                return exact
        group = self._by_name[_folded(parts[-1])]
        fitting = [p for p in group if _base(p.name) == _nfc(parts[-1])]
        fitting, alike = (fitting, _nfc) if fitting else (group, _folded)
        best: list[Photograph] = []
        for count in range(len(parts), 0, -1):
            tail = "/".join(parts[-count:])
            best = [
                p for p in fitting if alike(p.last_parts(count)) == alike(tail)
            ]
            if best:
                break
        if len({(p.files.source, p.name) for p in best}) > 1:
            names = ", ".join(p.where for p in best[:3])
            raise ValueError(
                f"{said_by} names the image {quote(wanted)}, and {names} could "
                "each be it: keep one, or export with the folders of the "
                "images."
            )
        return self.take(best[0]) if best else None

    def look_up_stem(
        self, wanted: str, said_by: str, near: str
    ) -> Photograph | None:
        """As `look_up`, of a path without its ending.

        Raises:
          ValueError: several fit as well.
        """
        folder = wanted.rpartition("/")[0]
        found = []
        for name in sorted(self._by_stem[_base(wanted)]):
            whole = f"{folder}/{name}" if folder else name
            photograph = self.look_up(whole, said_by, (near,))
            found += [photograph] if photograph else []
        exact = [p for p in found if p.name.startswith(f"{near}/{wanted}.")]
        found = exact or found
        if len(found) > 1:
            raise ValueError(
                f"{said_by} is of the image {quote(wanted)}, and "
                f"{found[0].where} and {found[1].where} could each be it: keep "
                "one."
            )
        return found[0] if found else None

    def exclude(self, files: ExportFiles, name: str) -> None:
        """Takes a file that is a mask out of the photographs."""
        group = self._by_name[_folded(_base(name))]
        group.remove(Photograph(files, name))

    def take(self, photograph: Photograph) -> Photograph:
        """Notes that a file is spoken for, so that it is not left over."""
        self._taken.add(photograph)
        return photograph

    def notes(self) -> list[str]:
        """Sentences on pictures in formats that are not read."""
        notes = []
        for files in self.places:
            unread = files.with_ending(*walk.UNREAD)
            if unread:
                notes.append(walk.unread_words(str(files.source), unread))
        return notes

    def left_over(self) -> list[Photograph]:
        """The images that nobody has asked for."""
        every = [p for group in self._by_name.values() for p in group]
        every = [p for p in every if p not in self._taken]
        return sorted(every, key=lambda p: (str(p.files.source), p.name))


def path_parts(path: str) -> list[str]:
    """The folders and the name of a path, without drives, "." and ".."."""
    path = re.sub(r"^[a-zA-Z]:(?=[\\/])", "", path.replace("\\", "/"))
    return [p for p in path.split("/") if p not in ("", ".", "..")]


def is_safe(path: str) -> bool:
    """Whether a path stays below the folder that it is relative to."""
    path = path.replace("\\", "/")
    inside = not path.startswith("/") and ".." not in path.split("/")
    return inside and not pathlib.PureWindowsPath(path).drive


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _folded(text: str) -> str:
    return _nfc(text).casefold()


def _base(name: str) -> str:
    return _nfc(name.rpartition("/")[2])
