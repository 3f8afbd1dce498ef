"""The rows of a class list's file: names, and colours where it gives them.

Beside names with colours these are accepted, as tools write them:
  JSON  ["a", "b"], {"0": "a", "1": "b"} and {"a": 0, "b": 1}
  CSV   one name a line, or Roboflow's `Pixel Value, Class`; commas,
        semicolons or tabs between the columns
"""

import csv
import json
import pathlib

Row = tuple[str, object]  # A name, and its colour as the file has it, or None.


def read_rows(path: pathlib.Path) -> list[Row]:
    """Reads the rows in the order of the ids.

    Raises:
      ValueError: the file is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _json(text) if path.suffix.lower() == ".json" else _csv(text)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not a class list, since it is not text in UTF-8 "
            f"(see byte {error.start}): save it as UTF-8."
        ) from error
    # JSON's errors are ValueErrors; the second is raised for deep nesting.
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(
            f"{path} is not a class list ({error}); it reads like "
            '{"background": [0, 0, 0], "crack": [255, 0, 0]}, or as CSV like '
            "background,0,0,0."
        ) from error
    return rows


def _json(text: str) -> list[Row]:
    # Pairs, since a dict would drop a name that is given twice.
    found = json.loads(text, object_pairs_hook=tuple)
    names = isinstance(found, list) and found
    if names and all(isinstance(name, str) for name in found):
        return [(name, None) for name in found]
    if not isinstance(found, tuple) or not found:
        raise ValueError("it does not hold names and colours")
    if all(isinstance(value, str) for _, value in found):
        numbers = [key for key, _ in found]
        if all(number.isdigit() for number in numbers):
            return _in_order([(int(n), name) for n, name in found])
    if all(type(value) is int for _, value in found):
        return _in_order([(number, name) for name, number in found])
    return list(found)


def _csv(text: str) -> list[Row]:
    rows = [
        _without_empty(row)
        for row in csv.reader(text.splitlines(), delimiter=_delimiter(text))
    ]
    rows = [row for row in rows if row]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if head[:1] == ["pixel value"]:
        return _in_order(
            [(int(number), name.strip()) for number, name, *_ in rows[1:]]
        )
    if len(head) > 1 and not any(cell.isdigit() for cell in head[1:]):
        rows = rows[1:]  # the header
    if not rows:
        raise ValueError("it has no lines")
    return [
        (
            name.strip(),
            [int(c) if c.strip().isdigit() else c for c in cells] or None,
        )
        for name, *cells in rows
    ]


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _without_empty(row: list[str]) -> list[str]:
    """A row without the empty cells at its end, as spreadsheets add them."""
    while row and not row[-1].strip():
        row = row[:-1]
    return row


def _in_order(numbered: list[tuple[int, str]]) -> list[Row]:
    numbered = sorted(numbered)
    if [number for number, _ in numbered] != list(range(len(numbered))):
        raise ValueError(
            f"its numbers are not 0, 1, 2 and so on{_white(numbered)}"
        )
    return [(name, None) for _, name in numbered]


def _white(numbered: list[tuple[int, str]]) -> str:
    """The way out for the numbers 0 and 255: black and white are colours."""
    if [number for number, _ in numbered] != [0, 255]:
        return ""
    colours = {name: [number] * 3 for number, name in numbered}
    written = json.dumps(colours, ensure_ascii=False)
    return f"; for masks of 0 and 255 write {written}"
