"""The page in a headless Chromium: upload, look, slide, save."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.browser import DESKTOP, MARKS, PHONE, open_browser

pytestmark = MARKS


@pytest.fixture(scope="module")
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture
def visit(browser, served):
    """Opens the page; at the end asserts no foreign request and no error."""
    contexts, heard, asked = [], [], []

    def opened(width=DESKTOP):
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        context.set_default_timeout(120_000)  # the machine may be busy
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(served.address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not heard
    ours = (served.address, "blob:" + served.address, "data:")
    assert asked and all(url.startswith(ours) for url in asked)


def show(page, side, layer):
    page.locator(f'fieldset:has(input[name="{side}"])').get_by_text(
        layer, exact=True
    ).click()


def upload(page, *paths):
    page.locator("#file").set_input_files([str(path) for path in paths])
    page.locator("#file:enabled").wait_for(state="attached")


def saved(page, key):
    """The name and the content of what a click on a link saves."""
    with page.expect_download() as waiting:
        page.locator(f'[data-save="{key}"]').click()
    download = waiting.value
    with open(download.path(), "rb") as file:
        return download.suggested_filename, file.read()


def frame_pixels(page):
    """The picture as float [H, W, 3], without the tags at its bottom."""
    picture = page.locator(".frame").screenshot()
    values = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return values[: int(0.8 * len(values))].astype(float)


def test_what_is_saved_is_what_predict_writes(visit, predicted):
    page = visit()
    assert not page.locator("#result").is_visible()
    upload(page, predicted / "photo.jpg")
    for key, folder in (
        ("mask", "predictions"),
        ("overlay", "overlays"),
        ("confidence", "confidence"),
    ):
        name, data = saved(page, key)
        assert name == f"photo_{key}.png"
        assert data == (predicted / f"out/{folder}/photo.png").read_bytes()
    with Image.open(predicted / "out/predictions/photo.png") as mask:
        present = len(np.unique(mask))
    rows = page.locator("#classes tbody tr").all_inner_texts()
    assert len(rows) == present
    shares = [float(row.split("\t")[1].split()[-2]) for row in rows]
    assert sum(shares) == pytest.approx(100, abs=0.1 * present)


def test_the_line_moves_between_any_two_layers(visit, predicted):
    page = visit()
    upload(page, predicted / "photo.jpg")
    slider = page.locator(".divide")
    # At the start: the image at the left, the overlay at the right.
    half = frame_pixels(page)
    slider.fill("100")
    image = frame_pixels(page)
    slider.fill("0")
    overlay = frame_pixels(page)
    edge = half.shape[1] // 2
    np.testing.assert_array_equal(half[:, : edge - 4], image[:, : edge - 4])
    np.testing.assert_array_equal(half[:, edge + 4 :], overlay[:, edge + 4 :])
    written = Image.open(predicted / "out/overlays/photo.png").convert("RGB")
    expect = np.asarray(written.resize(overlay.shape[1::-1]), float)
    assert np.abs(overlay.mean((0, 1)) - expect.mean((0, 1))).max() < 12
    show(page, "left", "mask")
    show(page, "right", "confidence")
    grey = frame_pixels(page)[8:, 8:-8]  # not the line and the corners
    assert np.ptp(grey, axis=-1).max() == 0 and grey.std() > 5
    slider.fill("100")
    mask = Image.open(predicted / "out/predictions/photo.png")
    colours = set(map(tuple, np.reshape(mask.convert("RGB"), (-1, 3))))
    shown = np.reshape(frame_pixels(page)[8:, 8:-8], (-1, 3))
    assert set(map(tuple, shown.astype(int))) <= colours
    slider.press("ArrowLeft")
    assert slider.input_value() == "99.5"


def test_a_bad_image_is_a_sentence_and_the_next_one_works(
    visit, predicted, tmp_path
):
    page = visit()
    (tmp_path / "empty.png").touch()
    upload(page, tmp_path / "empty.png")
    status = page.locator("#status")
    assert status.inner_text() == "empty.png is empty: it holds 0 bytes."
    assert not page.locator("#result").is_visible()
    upload(page, predicted / "photo.jpg")
    assert page.locator("#result").is_visible()
    assert status.inner_text() == ""
    upload(page, tmp_path / "empty.png")
    assert not page.locator("#result").is_visible()
    odd = tmp_path / "<b>ä&#.txt"
    odd.write_text("no image")
    upload(page, odd)
    assert status.inner_text().startswith("<b>ä&#.txt is not a readable image")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("size", [(90, 60), (40, 160)])
def test_the_page_fits_the_window(visit, width, size, tmp_path):
    page = visit(width)
    Image.effect_noise(size, 90).convert("RGB").save(tmp_path / "a.png")
    upload(page, tmp_path / "a.png")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator(".frame").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert box["height"] <= 900
    shape = box["width"] / box["height"]
    assert shape == pytest.approx(size[0] / size[1], rel=0.02)


def test_dropping_shows_the_first_of_several(visit, predicted):
    page = visit()
    data = (predicted / "photo.jpg").read_bytes()
    transfer = page.evaluate_handle(
        """(bytes) => {
          const moved = new DataTransfer();
          for (const name of ["photo.jpg", "b.jpg"])
            moved.items.add(new File([new Uint8Array(bytes)], name));
          return moved;
        }""",
        list(data),
    )
    for kind in ("dragover", "drop"):
        page.dispatch_event("#drop", kind, {"dataTransfer": transfer})
    page.locator("#result").wait_for(state="visible")
    assert page.locator("#status").inner_text() == "Only photo.jpg is shown."
    assert page.locator("figcaption .name").inner_text().startswith("photo, 90")


def test_an_image_dropped_during_a_prediction_is_predicted_next(
    visit, predicted
):
    page = visit()
    data = (predicted / "photo.jpg").read_bytes()
    said = page.evaluate(
        """(bytes) => {
          for (const name of ["a.jpg", "b.jpg", "c.jpg"]) {
            const moved = new DataTransfer();
            moved.items.add(new File([new Uint8Array(bytes)], name));
            document.dispatchEvent(
              new DragEvent("drop", { dataTransfer: moved }));
          }
          return document.getElementById("status").textContent;
        }""",
        list(data),
    )
    assert said == "c.jpg is predicted next."
    page.locator("figcaption .name", has_text="c, 90").wait_for()
