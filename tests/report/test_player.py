"""The page that plays, in a real browser."""

import dataclasses
import warnings

import audformat
import browsers
import made_predictors
import numpy as np
import pytest
import soundfile

import emoasr
from emoasr.prediction import recordings, saved

pytestmark = pytest.mark.slow

RATE = 16000
FILE = "<img src=x onerror=alert(1)> \"q\" 'a' & \u202e#%41?.wav"
TARGET = "</script><script>alert(2)</script>"
TARGETS = (TARGET, "__proto__")
TEXT = "<b onclick=alert(3)>made up</b>"


def sound(folder, name, seconds, seed=0):
    n = int(seconds * RATE)
    wave = np.random.default_rng(seed).normal(0, 0.1, n) * np.abs(np.sin(np.arange(n) / 3000))
    soundfile.write(folder / name, wave, RATE)
    return str(folder / name)


@pytest.fixture(scope="module")
def predictor(small_recognizer, tmp_path_factory):
    """One whose texts are hostile."""
    folder = tmp_path_factory.mktemp("p") / "predictor"
    model, speakers, _, _ = made_predictors.fitted()
    named = zip(model.targets, TARGETS, strict=True)
    model = dataclasses.replace(
        model, targets=tuple(dataclasses.replace(t, name=name) for t, name in named)
    )
    digest = emoasr.load_recognizer(small_recognizer).digest
    record = made_predictors.record(model, speakers, digest)
    card = {"fitted": {"corpus": TEXT, "limits": TEXT}}
    saved.save(folder, model, dataclasses.replace(record, card=card))
    return emoasr.load_predictor(folder, small_recognizer)


@pytest.fixture(scope="module")
def made(predictor, tmp_path_factory):
    """The page of a file, a segment, and a long file; and their folder."""
    folder = tmp_path_factory.mktemp("page")
    files = [sound(folder, FILE, 4), sound(folder, "a b.wav", 6, 1), sound(folder, "long.wav", 150)]
    index = audformat.segmented_index(files, [0, "1s", 0], [None, "5s", None])
    with warnings.catch_warnings(action="ignore"):
        predictor.page(index, folder / "page.html")
    return folder / "page.html"


@pytest.fixture
def page(chromium, made):
    with browsers.opened(chromium, made, [made.parent / "long.wav"]) as page:
        yield page


def seconds(page):
    return page.evaluate("document.getElementById('audio').currentTime")


def position(page):
    """Of the cursor, as a share of the recording."""
    return page.evaluate(
        """() => {
            const box = (id) => document.getElementById(id).getBoundingClientRect();
            return (box("cursor").left + 1 - box("strip").left) / box("strip").width;
        }"""
    )


def show(page, i):
    page.locator(f'button[data-recording="{i}"]').click()


def ready(page):
    browsers.until(page, "document.getElementById('audio').readyState >= 2")


def test_it_plays_and_the_cursor_moves_along(page):
    ready(page)
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(4, abs=0.01)
    page.evaluate("document.getElementById('audio').playbackRate = 0.25")  # it must not end
    page.locator("#strip").focus()
    page.keyboard.press(" ")
    browsers.until(page, "document.getElementById('audio').currentTime > 0.1")
    first = position(page)
    browsers.until(page, "document.getElementById('audio').currentTime > 0.3")
    assert first < position(page) < 1
    page.keyboard.press(" ")
    browsers.until(page, "document.getElementById('audio').paused")
    browsers.until(page, lambda: position(page) == pytest.approx(seconds(page) / 4, abs=0.01))


def test_clicks_and_keys_seek(page):
    ready(page)
    box = page.locator("#strip").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 60)
    assert seconds(page) == pytest.approx(3, abs=0.05)
    assert position(page) == pytest.approx(0.75, abs=0.01)
    for key, wanted in (("ArrowLeft", 2), ("Home", 0), ("ArrowRight", 1), ("End", 4)):
        page.keyboard.press(key)
        assert seconds(page) == pytest.approx(wanted, abs=0.05)
        assert position(page) == pytest.approx(wanted / 4, abs=0.01)
    strip = page.locator("#strip")
    assert strip.get_attribute("aria-valuenow") == "4.00"
    assert strip.get_attribute("aria-valuetext").startswith("0:04.00 of 0:04.00, </script>")


def test_every_recording_can_be_reached_by_the_keyboard(page):
    for i, name in enumerate(("<img src=x", "a b.wav from 1 s to 5 s", "long.wav")):
        page.locator(f'button[data-recording="{i}"]').focus()
        page.keyboard.press("Enter")
        assert name in page.locator("#name").inner_text()
        assert page.locator("button[aria-current]").count() == 1
        assert page.locator(".lane").count() == 2
        assert page.locator(".wave path").get_attribute("d").count("L") > 1000


def test_a_segment_has_the_files_times(page):
    show(page, 1)
    ready(page)
    assert page.locator("#clock").inner_text() == "0:01.00 of 0:05.00"
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(4, abs=0.01)
    page.locator("#strip").press("ArrowRight")
    assert seconds(page) == pytest.approx(1, abs=0.05)
    assert page.locator("#clock").inner_text() == "0:02.00 of 0:05.00"


def test_a_long_file_is_played_from_where_it_is(page):
    show(page, 2)
    ready(page)
    assert "Played from the file long.wav" in page.locator("#sound").inner_text()
    page.locator("#strip").press("End")
    assert seconds(page) == pytest.approx(150, abs=0.1)
    assert "A point is the mean of 2 frames" in page.locator("#thinned").inner_text()
    # the strip has followed
    cursor, view = (page.locator(at).bounding_box() for at in ("#cursor", "#timeline"))
    assert view["x"] <= cursor["x"] <= view["x"] + view["width"]


def test_the_courses_mean_is_the_prediction(page, made, predictor):
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent)")
    recording = data["recordings"][0]
    expected = predictor.model.unclipped(
        predictor.recognizer.features(str(made.parent / FILE)).to_numpy()
    )[0]
    np.testing.assert_allclose(recording["levels"], expected, atol=1e-3)
    np.testing.assert_allclose(np.mean(recording["courses"], axis=1), expected, atol=1e-3)
    fitted = predictor.model.fitted.mean_D
    averages = predictor.model.unclipped(fitted[None])[0]
    # all of the small recognizer's units are not listed, but most of what they add is
    added = [sum(x for _, x in units) for units in recording["units"]]
    assert len(recording["units"][0]) == 8
    assert np.isfinite(averages + added).all()


def test_what_strangers_wrote_is_text(page, made):
    assert page.locator("img, b[onclick], script:not([type])").count() == 1  # the page's own
    assert page.locator("h1").inner_text().startswith(TARGET)
    names = page.locator("button[data-recording]").all_inner_texts()
    assert names[0] == FILE.replace("\u202e", "\\u202e")  # its folder is that of all
    assert TEXT in page.locator(".lead").inner_text()
    assert page.locator(".units caption").all_inner_texts() == list(TARGETS)


def test_a_phone_scrolls_one_way_only(page):
    page.set_viewport_size({"width": 400, "height": 800})
    for i in range(3):
        show(page, i)
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_zoom_and_smoothing_change_the_picture(page):
    course = page.locator(".lane .course").first
    before, width = course.get_attribute("points"), page.locator("#strip").bounding_box()["width"]
    page.locator("#smoothing").select_option("0")
    assert course.get_attribute("points") != before
    page.locator("#zoom").fill("100")
    assert page.locator("#strip").bounding_box()["width"] > width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(chromium, made, scheme):
    with browsers.opened(chromium, made, color_scheme=scheme) as page:
        ink, paper = page.evaluate(
            """() => {
                const {color, backgroundColor} = getComputedStyle(document.body);
                return [color, backgroundColor].map((c) => c.match(/\\d+/g).map(Number));
            }"""
        )
        assert (np.mean(ink) < np.mean(paper)) == (scheme == "light")
        assert abs(np.mean(ink) - np.mean(paper)) > 180


def test_a_file_that_has_gone_is_said(chromium, predictor, tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "WITHIN", 1.0)
    file = sound(tmp_path, "gone.wav", 4)
    with warnings.catch_warnings(action="ignore"):
        predictor.page(file, tmp_path / "page.html")
    (tmp_path / "gone.wav").unlink()
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    shown = "document.getElementById('sound').textContent"
    browsers.until(page, f"{shown}.startsWith('The browser cannot play')")
    page.close()
