"""File names that are not UTF-8: how they are kept, hashed and written.

Python holds the bytes of such a name as surrogates (PEP 383), and so do we:
the name can be opened again. Text that leaves the program (messages, JSON,
pages) gets `printable` names, and hashes are taken of `name_bytes`.
"""


def name_bytes(name: str) -> bytes:
    """The bytes of a file name as they are on disk."""
    return name.encode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """Text that can be encoded as UTF-8: other bytes are written as \\xNN.

    Text without surrogates, which is all text but odd file names, is
    returned as it is. Surrogates that stand for no byte, as JSON can hold
    them, are written as \\uNNNN.
    """
    try:
        data = name_bytes(text)
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")
