"""A headless Chromium for the tests of pages; they skip where there is none."""

import contextlib
import shutil
from collections.abc import Iterator

import pytest
from playwright import sync_api

CHROMIUM = shutil.which("chromium")
# For `pytestmark` of a module that opens pages.
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]
PHONE, DESKTOP = 390, 1280  # widths of a window in pixels
_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@contextlib.contextmanager
def open_browser() -> Iterator[sync_api.Browser]:
    """Starts the browser, and ends it at the end of the block."""
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGS)
        yield found
        found.close()
