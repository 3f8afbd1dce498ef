"""Lines of the log on a terminal of 80 columns, and in a file."""

import logging

from ipixmatch_jax.cli.log_lines import TerminalLines, file_lines


def laid_out(formatter, message):
    record = logging.LogRecord("a", logging.INFO, "", 0, message, (), None)
    return formatter.format(record)


def test_a_terminal_breaks_lines_between_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = "/data/" + "a-long-folder/" * 6 + "image-0001.png"
    words = "The mask is smaller than its image, which cannot be: " * 3
    text = laid_out(TerminalLines(), f"{words}{path}")
    lines = text.split("\n")
    assert all(len(line) < 80 for line in lines if path not in line)
    assert sum(path in line for line in lines) == 1
    assert all(line.startswith(" " * 9) for line in lines[1:])
    assert " ".join(text.split()[1:]) == f"{words}{path}"


def test_a_short_line_keeps_its_spaces(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    table = "  0    0   0   0     1,234  12.34%     3     1  crack"
    assert laid_out(TerminalLines(), table)[9:] == table


def test_a_file_has_the_date_and_one_line():
    text = laid_out(file_lines(), "word " * 100)
    assert "\n" not in text and text[:2] == "20"
