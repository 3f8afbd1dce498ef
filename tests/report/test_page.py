"""Reports in a headless Chromium: no errors, layout, sorting, sliders."""

import io

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.report.comparison_page import build_comparison_page
from ipixmatch_jax.report.run_files import read_runs
from ipixmatch_jax.report.run_page import build_run_page
from tests.browser import DESKTOP, MARKS, PHONE, open_browser
from tests.report import report_cases

pytestmark = MARKS
# The first curve on the page, from plotly's own data.
COLOUR = "document.querySelector('.plot').data[0].line.color"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Report files: one run, one run with hostile names, one comparison."""
    root = tmp_path_factory.mktemp("pages")
    hostile = report_cases.HOSTILE
    names = (hostile, f"b{hostile}", "c", "d" * 40)
    paths = [
        report_cases.write_run(root / "ours"),
        report_cases.write_run(root / "host", **{"inter_pixel.weight": 0.0}),
        report_cases.write_run(root / "<img src=x>", names=names),
    ]
    ours, host, bad = read_runs(paths)
    texts = {
        "one": build_run_page(ours, report_cases.val_result(), []),
        "two": build_comparison_page([ours, host]),
        "bad": build_run_page(
            bad,
            report_cases.val_result(names, image_name=hostile + "{}"),
            [hostile],
        ),
    }
    for name, text in texts.items():
        (root / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (root / f"{name}.html").as_uri() for name in texts}


@pytest.fixture
def visit(browser, pages):
    """Opens a page; at the end asserts no request and no error message."""
    contexts, heard = [], []

    def opened(name, width=DESKTOP, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            has_touch=width == PHONE,
            is_mobile=width == PHONE,
        )
        contexts.append(context)
        context.set_default_timeout(120_000)  # the machine may be busy
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: heard.append(dialog.message))
        page.on("request", lambda request: heard.append(request.url[:60]))
        page.goto(pages[name])
        page.wait_for_selector("body[data-drawn]")
        return page

    yield opened
    for context in contexts:
        context.close()
    loud = [text for text in heard if not text.startswith(("file:", "data:"))]
    assert not loud
    assert sum(text.startswith("file:") for text in heard) == len(contexts)


def pixels(target, **options):
    """A screenshot as float [H, W, 3]."""
    picture = Image.open(io.BytesIO(target.screenshot(**options)))
    return np.asarray(picture.convert("RGB"), np.float64)


def until(page, expression):
    """Waits for a condition; the page's policy forbids Playwright's eval."""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["one", "two"])
def test_the_page_fits_the_window_and_is_not_blank(visit, name, width):
    page = visit(name, width)
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths == [width, width]
    light = page.evaluate(COLOUR)
    whole = pixels(page, full_page=True)
    assert whole[5, 2].min() > 220
    assert_drawn(page, whole, width)
    page.emulate_media(color_scheme="dark")
    until(page, f"{COLOUR} !== '{light}'")
    whole = pixels(page, full_page=True)
    assert whole[5, 2].max() < 40
    assert_drawn(page, whole, width)


def assert_drawn(page, whole, width):
    """Asserts that every screenful and every chart has content."""
    for top in range(0, len(whole) - 900, 900):
        assert whole[top : top + 900].std() > 4
    boxes = [plot.bounding_box() for plot in page.locator(".plot").all()]
    assert len(boxes) >= 7
    for box in boxes:
        x, y, w, h = (int(box[k]) for k in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + w <= width
        part = whole[y : y + h : 2, x : x + w : 2].reshape(-1, 3)
        assert len(np.unique(part, axis=0)) > 20


def test_a_click_on_a_header_sorts_the_table(visit):
    page = visit("one")
    first = page.locator("table.sortable tbody th")
    head = page.locator("table.sortable thead th").nth(2)
    assert first.all_inner_texts() == list(report_cases.NAMES)
    # Every network's IoU rises with the class.
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert first.all_inner_texts() == list(report_cases.NAMES)
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert first.all_inner_texts() == list(report_cases.NAMES)[::-1]
    page.locator("table.sortable thead th").nth(0).get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert first.all_inner_texts() == list(report_cases.NAMES)


def show(page, side, layer):
    page.locator(f'fieldset:has(input[name="{side}"])').get_by_text(
        layer, exact=True
    ).click()


def test_the_line_moves_between_truth_and_network(visit):
    page = visit("one")
    page.locator("#strength").fill("100")
    show(page, "right", "student")
    picture = page.locator(".picture").first
    frame, slider = picture.locator(".frame"), picture.locator(".divide")
    assert picture.locator(".tag").all_inner_texts() == ["truth", "student"]
    slider.fill("100")
    truth = pixels(frame)
    slider.fill("0")
    student = pixels(frame)
    h, w = truth.shape[:2]
    # Class 1 begins at half of the width, in the student 12 of 90 pixels later.
    at = h // 2, int(w * (0.5 + 6 / 90))
    colours = report_cases.PALETTE
    assert abs(truth[at] - colours[1]).max() < 3
    assert abs(student[at] - colours[0]).max() < 3
    slider.fill("50")
    half = pixels(frame)
    edge, keep = w // 2, slice(0, int(h * 0.8))  # the tags lie below
    np.testing.assert_array_equal(
        half[keep, : edge - 4], truth[keep, : edge - 4]
    )
    np.testing.assert_array_equal(
        half[keep, edge + 4 :], student[keep, edge + 4 :]
    )
    # With the keyboard, and by dragging in the picture.
    slider.press("Home")
    assert slider.input_value() == "0"
    slider.press("ArrowRight")
    assert slider.input_value() == "0.5"
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 30)
    page.mouse.up()
    page.mouse.move(0, 0)
    assert abs(float(slider.input_value()) - 75) <= 1
    assert np.any(pixels(frame) != half)
    # The image without class colours.
    show(page, "left", "image")
    show(page, "right", "image")
    bare = pixels(frame)[: int(h * 0.5), : int(w * 0.7)]
    assert bare.std() > 20


def test_charts_follow_the_button_and_the_width(visit):
    page = visit("one")
    losses = page.locator("#losses")
    linear = pixels(losses)
    button = page.locator('button.log[data-chart="losses"]')
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    until(page, "document.getElementById('losses').layout.yaxis.type === 'log'")
    assert np.any(pixels(losses) != linear)
    page.set_viewport_size({"width": 700, "height": 900})
    until(
        page,
        "document.getElementById('losses').layout.width ==="
        " document.getElementById('losses').clientWidth &&"
        " document.documentElement.scrollWidth === 700",
    )


def test_hostile_names_are_shown_as_they_are(visit):
    page = visit("bad", PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    assert page.locator("h1").inner_text() == "<img src=x>"
    first = page.locator("table.sortable tbody th").first
    assert first.inner_text() == report_cases.HOSTILE
    ticks = page.locator("#confusion-teacher .ytick text").all_text_contents()
    # Long names are cut off there.
    assert report_cases.HOSTILE[:17] + "..." in ticks
    assert "b" + report_cases.HOSTILE[:16] + "..." in ticks
