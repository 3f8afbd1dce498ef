"""How the lines of a log are laid out: on a terminal, and in a file."""

import logging
import shutil
import textwrap

_NARROWEST = 40  # columns to which lines are still wrapped


class TerminalLines(logging.Formatter):
    """The time of day and the message, wrapped between words.

    A terminal would break words. What has no spaces, such as a path, stays
    whole.
    """

    def __init__(self):
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        # The last column stays free: some terminals then add an empty line.
        columns = max(shutil.get_terminal_size().columns, _NARROWEST) - 1
        margin = " " * (len(self.formatTime(record, self.datefmt)) + 1)
        first, *more = super().format(record).split("\n")
        lines = textwrap.wrap(
            first,
            columns,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
            drop_whitespace=True,
        )
        # Lines that are short enough keep the spaces of a table.
        shown = [first] if len(first) <= columns else lines
        return "\n".join([*shown, *more])


def file_lines() -> logging.Formatter:
    """The date and the time, and every message on one line."""
    return logging.Formatter("%(asctime)s %(message)s")
