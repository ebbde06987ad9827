"""The report in a real browser: Debian's chromium, driven by playwright."""

import os
import shutil

import made_report
import pytest

from emoasr import report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: pip install playwright (in the extra dev)"
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # root may not have chromium's sandbox; the page is our own
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return report.write(*made_report.make(battery=True), tmp_path_factory.mktemp("eval"))


@pytest.fixture
def page(chromium, path):
    """The open page; what went wrong in it fails the test."""
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    wrong = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: wrong.append(request.url) if is_foreign(request) else None)
    page.goto(path.as_uri())
    page.wait_for_function(
        "[...document.querySelectorAll('.chart')].every(c => c.querySelector('.main-svg'))"
    )
    yield page
    page.wait_for_timeout(200)
    page.close()
    assert wrong == []


def is_foreign(request):
    return not request.url.startswith(("data:", "blob:")) and not request.is_navigation_request()


def values(page):
    return page.evaluate("document.getElementById('map').data[0].z")


def choose(page, group, position, label):
    page.locator(f'select[data-group="{group}"]').nth(position).select_option(label=label)


def test_every_chart_is_drawn_within_the_page(page):
    boxes = page.locator(".chart .main-svg:first-child").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) == page.locator(".chart").count() > 15
    assert all(box["width"] > 300 and box["height"] > 100 for box in boxes)
    assert all(box["right"] <= 1200 for box in boxes)


def test_the_selectors_change_the_map_and_not_its_colours(page):
    maps = made_report.make(battery=True)[3]
    scale = "(({cmin, cmax}) => [cmin, cmax])(document.getElementById('map').layout.coloraxis)"
    colours = page.evaluate(scale)
    assert colours[0] == -colours[1]
    choose(page, "maps", 1, "valence")
    assert values(page)[3][17] == round(float(maps[1].mean_r[3, 17]), 3)
    choose(page, "maps", 0, "speaker s2")
    assert values(page)[3][17] == round(float(maps[1].r[2, 3, 17]), 3)
    assert page.locator("#map-notes").inner_text().startswith("valence: 12 utterances; r from")
    choose(page, "maps", 1, made_report.TARGET)
    assert values(page)[3][17] == round(float(maps[0].r[2, 3, 17]), 3)
    marked = page.evaluate("document.getElementById('map').data[1].x.length")
    assert marked == int((maps[0].q[2] < 0.05).sum())
    choose(page, "maps", 0, "speaker s3")
    choose(page, "maps", 1, "valence")
    assert values(page) == [[None] * 128] * 15
    assert "undefined (grey): all 12 ratings are 2.5" in page.locator("#map-notes").inner_text()
    assert page.evaluate(scale) == colours


def test_pointing_at_a_unit_names_it(page):
    choose(page, "maps", 0, "speaker s1")
    choose(page, "maps", 1, "valence")
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map .nsewdrag").last.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    label = page.locator("#map .hoverlayer .hovertext")
    label.wait_for()
    maps = made_report.make(battery=True)[3]
    unit, r, q = label.locator("tspan.line").all_text_contents()
    layer, number = int(unit[5:7]), int(unit[12:])
    assert unit == f"layer{layer:02d}.unit{number:03d}"
    assert r == f"r = {maps[1].r[1, layer, number]:.3f}"
    assert float(q.removeprefix("q = ")) == pytest.approx(maps[1].q[1, layer, number], rel=0.01)


def test_the_other_selectors_change_their_charts(page):
    for group in ("differences", "speakers", "controls", "regressors", "n_selected", "layers"):
        charts = f"[...document.querySelectorAll('.chart[data-group=\"{group}\"]')]"
        shown = f"JSON.stringify({charts}.map(c => c.data.map(({{x, y}}) => [x, y])))"
        before = page.evaluate(shown)
        for select in page.locator(f'select[data-group="{group}"]').all():
            select.select_option(index=1)
        assert page.evaluate(shown) != before, group


def test_what_users_wrote_is_text_in_the_charts_too(page):
    assert page.locator("img, b, i, a[href^=http]").count() == 0
    shown = page.locator("#speakers-0").text_content()
    assert made_report.SPEAKER[:15] in shown
    assert made_report.FEATURE_SET[:20] in shown
    options = page.locator('select[data-group="maps"] option').all_inner_texts()
    assert f"speaker {made_report.SPEAKER}" in options
    assert made_report.TARGET in page.locator("#map .infolayer").text_content()
    assert page.locator("h1").inner_text().startswith("made <up>")


def test_a_script_of_somebody_else_does_not_run(chromium, path, tmp_path):
    """Even if a name were taken for markup: the page's policy knows its own scripts."""
    foreign = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title='ran'\">"
    copy = tmp_path / "report.html"
    copy.write_text(path.read_text().replace("</h1>", f"</h1>{foreign}", 1))
    page = chromium.new_page()
    fetched = []
    page.on("requestfinished", lambda request: fetched.append(request.url))
    page.goto(copy.as_uri())
    page.wait_for_selector(".chart .main-svg")
    assert page.title() != "ran"
    assert not [url for url in fetched if url.endswith("/x")]
    page.close()


def test_a_phone_scrolls_one_way_only(page):
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_timeout(500)  # Plotly redraws
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
