"""The report in a real browser: Debian's chromium, driven by playwright."""

import contextlib
import csv
import io
import re

import browsers
import made_report
import pytest

from emoasr import report
from emoasr.report import style

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = made_report.make(battery=True)
    path = tmp_path_factory.mktemp("eval") / "report.html"
    path.write_text(report.page.render(*made_report.said_and_drawn(*made), made[3]), "utf-8")
    return path


NOTE_DRAWING = """() => {
    const embed = window.vegaEmbed;
    window.drawing = [];
    window.vegaEmbed = (...given) => {
        const made = embed(...given);
        window.drawing.push(made);
        return made;
    };
}"""


def drawn(page):
    """Waits for the charts that selectors have asked for."""
    page.evaluate("Promise.all(window.drawing).then(() => null)")


@contextlib.contextmanager
def opened(chromium, path):
    """The page with its charts; what went wrong in it fails the test."""
    with browsers.opened(chromium, path) as page:
        page.wait_for_function(
            "[...document.querySelectorAll('.chart')].every(c => c.querySelector('svg.marks'))"
        )
        page.evaluate(NOTE_DRAWING)
        yield page


@pytest.fixture(scope="module")
def page(chromium, path):
    """One for all tests that look at it, or change only what no other test looks at."""
    with opened(chromium, path) as page:
        yield page


@pytest.fixture
def own_page(chromium, path):
    """One for a test that changes it."""
    with opened(chromium, path) as page:
        yield page


def cells(page):
    """Text and colour of every unit of the maps that are drawn."""
    drawn(page)
    return page.locator("#map .mark-rect.role-mark path").evaluate_all(
        "all => all.map(one => [one.__data__.tooltip, one.getAttribute('fill')])"
    )


def cells_of(group):
    return group.locator("path").all()


def choose(page, group, position, label):
    page.locator(f'select[data-group="{group}"]').nth(position).select_option(label=label)


def test_every_chart_is_drawn_within_the_page(page):
    boxes = page.locator(".chart svg.marks").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) == page.locator(".chart").count() > 15
    assert all(box["width"] > 300 and box["height"] > 100 for box in boxes)
    assert all(box["right"] <= 1200 for box in boxes)


def test_the_selectors_change_the_map_and_not_its_colours(own_page):
    maps = made_report.make(battery=True)[3]
    scale = own_page.locator("#map .role-legend text").all_text_contents()
    assert len(cells(own_page)) == 2 * 1920
    choose(own_page, "maps", 1, "valence")
    assert len(cells(own_page)) == 1920
    choose(own_page, "maps", 0, "speaker s2")
    assert any(text.startswith("layer00.unit000\nr = ") for text, _ in cells(own_page))
    assert text_of(own_page, 3, 17) == f"r = {maps[1].r[2, 3, 17]:.3f}".replace("-", "−")
    assert own_page.locator("#map-notes").inner_text().startswith("valence: 12 utterances; r from")
    choose(own_page, "maps", 1, made_report.TARGET)
    assert text_of(own_page, 3, 17) == f"r = {maps[0].r[2, 3, 17]:.3f}".replace("-", "−")
    full = int((maps[0].q[2] < 0.05).sum())
    sizes = own_page.locator("#map .mark-rect.role-mark")
    assert [len(cells_of(group)) for group in sizes.all()] == [full, 1920 - full]
    own_page.locator("#map-marks").uncheck()
    drawn(own_page)
    assert [len(cells_of(group)) for group in sizes.all()] == [1920, 0]
    own_page.locator("#map-marks").check()
    choose(own_page, "maps", 0, "speaker s3")
    choose(own_page, "maps", 1, "valence")
    assert {colour for _, colour in cells(own_page)} == {style.UNDEFINED}
    assert "undefined (grey): all 12 ratings are 2.5" in own_page.locator("#map-notes").inner_text()
    assert own_page.locator("#map .role-legend text").all_text_contents() == scale


def text_of(page, layer, number):
    """The line about r of one unit's text."""
    name = f"layer{layer:02d}.unit{number:03d}"
    (text,) = [text for text, _ in cells(page) if text.startswith(name)]
    return text.splitlines()[1]


def test_pointing_at_a_unit_names_it(page):
    choose(page, "maps", 0, "speaker s1")
    choose(page, "maps", 1, "valence")
    cells(page)
    page.locator("#map .mark-rect.role-mark path").nth(1000).hover(force=True)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    maps = made_report.make(battery=True)[3]
    unit, r, q = tooltip.inner_text().splitlines()
    layer, number = int(unit[5:7]), int(unit[12:])
    assert unit == f"layer{layer:02d}.unit{number:03d}"
    assert r == f"r = {maps[1].r[1, layer, number]:.3f}".replace("-", "−")
    assert float(q.removeprefix("q = ")) == pytest.approx(maps[1].q[1, layer, number], rel=0.01)


def test_pointing_at_a_dot_reads_its_value_and_names_are_text(page):
    for dot in page.locator("#speakers-0 .mark-symbol.role-mark path").all()[:8]:
        dot.hover(force=True)
        tooltip = page.locator("#vg-tooltip-element.visible")
        tooltip.wait_for()
        assert re.search(r"speaker .*, n = 12\nCCC −?\.\d{3}$", tooltip.inner_text())
    assert page.locator("#vg-tooltip-element *").count() == 0


def test_a_click_on_the_legend_shows_one_series(page):
    faint = "all => all.filter(one => Number(one.getAttribute('opacity')) === 0.1).length"
    dots = page.locator("#speakers-0 .mark-symbol.role-mark path")
    assert dots.evaluate_all(faint) == 0
    page.locator("#speakers-0 .role-legend-label text").first.click(force=True)
    browsers.until(page, lambda: 0 < dots.evaluate_all(faint) < dots.count())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_picture_is_light_on_any_page(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.wait_for_timeout(500)
    page.locator("#map summary").click()
    for link in page.locator("#map .vega-actions a").all():
        with page.expect_download() as download:
            link.click()
        saved = download.value.path().read_bytes()
        assert len(saved) > 10_000
        assert download.value.suggested_filename.endswith((".svg", ".png"))
        if saved.startswith(b"<svg"):
            assert f'fill="{style.INK}"'.encode() in saved
            assert not [dark for dark in style.DARK.values() if f'"{dark}"'.encode() in saved]
    page.locator("#map summary").click()
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(500)


def test_the_other_selectors_change_their_charts(own_page):
    for group in (
        "summary", "differences", "predicted", "residuals", "speakers", "controls", "regressors",
        "n_selected", "layers",
    ):  # fmt: skip
        marks = own_page.locator(f'.chart[data-group="{group}"] .role-mark path')
        place = "m.getAttribute('transform') + m.getAttribute('d')"
        shown = f"all => all.map(m => {place}).join()"
        before = marks.evaluate_all(shown)
        for select in own_page.locator(f'select[data-group="{group}"]:visible').all():
            select.select_option(index=1)
        drawn(own_page)
        assert marks.evaluate_all(shown) != before, group


def test_what_users_wrote_is_text_in_the_charts_too(page):
    choose(page, "maps", 1, made_report.TARGET)
    cells(page)
    assert page.locator("img, b, i, a[href^=http]").count() == 0
    shown = page.locator("#speakers-0").text_content()
    assert made_report.SPEAKER[:15] in shown
    assert made_report.FEATURE_SET[:20] in shown
    options = page.locator('select[data-group="maps"] option').all_inner_texts()
    assert f"speaker {made_report.SPEAKER}" in options
    assert made_report.TARGET in page.locator("#map").text_content()
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
    page.wait_for_selector(".chart svg.marks")
    assert page.title() != "ran"
    assert not [url for url in fetched if url.endswith("/x")]
    page.close()


def test_a_phone_scrolls_one_way_only_and_tables_by_themselves(own_page):
    own_page.set_viewport_size({"width": 400, "height": 800})
    browsers.until(own_page, "document.documentElement.scrollWidth <= 400")  # Vega redraws
    table = own_page.locator(".scroll:has(.baseline)").first
    hint = table.locator("xpath=following-sibling::*[1]").locator(".hint")
    assert hint.is_visible()
    name = table.locator("tbody th").first
    before = name.bounding_box()
    table.evaluate("scroller => { scroller.scrollLeft = 120; }")
    assert name.bounding_box() == before  # its column stays
    for text in (".role-legend-entry", ".role-title text", ".role-axis-title text"):
        ends = own_page.locator(f".charts {text}").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect())"
            ".flatMap(({left, right}) => [left, right])"
        )
        assert min(ends) >= 0 and max(ends) <= 400, text
    own_page.set_viewport_size({"width": 1200, "height": 900})
    hint.wait_for(state="hidden")


def rows_of(table):
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_a_click_on_a_column_sorts_and_the_baseline_stays_below(own_page):
    table = own_page.locator("table:has(.baseline)").first
    column = table.locator("thead tr").last.locator("th").nth(1)
    places = []
    for order in ("descending", "ascending"):
        column.locator("button").click()
        assert column.get_attribute("aria-sort") == order
        rows = rows_of(table)
        assert rows[-1][0] == "baseline (training mean)"
        values = [float(row[1].split()[0].replace("−", "-")) for row in rows[:-1]]
        assert values == sorted(values, reverse=order == "descending")
        places.append(values)
    assert places[0] == places[1][::-1]


@pytest.fixture
def copied(page):
    """Copies the first table with a baseline, as CSV or LaTeX."""
    page.evaluate(
        "window.copied = []; Object.defineProperty(navigator, 'clipboard',"
        " {configurable: true, value: {writeText: async (text) => { window.copied.push(text); }}})"
    )
    tools = page.locator(".scroll:has(.baseline) + .tools").first

    def copy(kind):
        tools.get_by_role("button", name=kind).click()
        page.wait_for_function("window.copied.length")
        return page.evaluate("window.copied.pop()")

    return copy


def test_a_table_is_copied_as_csv_with_its_bounds_as_numbers(copied):
    head, *lines = list(csv.reader(io.StringIO(copied("CSV"))))
    assert head[:4] == [
        "feature set",
        *(f"{made_report.TARGET} CCC{b}" for b in ("", " low", " high")),
    ]
    rows = made_report.make(battery=True)[0]["rows"]
    of_target = [row for row in rows if row["target"] == made_report.TARGET]
    names = [line[0] for line in lines]
    assert names == ["neural", made_report.FEATURE_SET, "baseline (training mean)"]
    for line, row in zip(lines, of_target, strict=True):
        assert len(line) == len(head)
        for text, key in zip(line[1:4], ("", "_low", "_high"), strict=True):
            assert float(text) == pytest.approx(row[f"clipped_ccc{key}"], abs=6e-4)


def test_a_table_is_copied_as_latex_that_shows_any_name(copied):
    text = copied("LaTeX")
    assert all(rule in text for rule in ("\\toprule", "\\midrule", "\\bottomrule", "\\cmidrule"))
    lines = [line for line in text.splitlines() if line.endswith(" \\\\")]
    rest = [re.sub(r"\\[{}$&#_%]|\\text\w+\{\}|\$[-<>|]\$", "", line) for line in lines]
    widths = {
        sum(int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line) or [0]) for line in rest
    }
    assert widths == {0, 6}
    assert {line.count("&") for line in rest if "multicolumn" not in line} == {6}
    assert not re.search(r"[#%$_^~]", "".join(rest))
    assert "\\textbf{" in text


def test_a_dark_page_has_dark_charts_in_its_own_colours(own_page):
    text = own_page.locator("#summary-0 .role-axis-label text").first
    assert text.get_attribute("fill") == style.INK
    own_page.emulate_media(color_scheme="dark")
    browsers.until(own_page, lambda: text.get_attribute("fill") == style.DARK[style.INK])
    drawn(own_page)
    dots = own_page.locator("#summary-0 .mark-symbol.role-mark path")
    colours = {dot.get_attribute("fill") for dot in dots.all()}
    neural = style.palette(["neural"])["neural"].colour
    assert style.DARK[neural] in colours and neural not in colours
    assert (
        own_page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    )


def test_one_speakers_dots_stand_out(page):
    dots = page.locator("#predicted-0 .mark-symbol.role-mark path")
    count = "all => all.filter(one => Number(one.getAttribute('opacity')) > 0.3).length"
    assert dots.evaluate_all(count) == dots.count() == 48
    page.locator('select[name="who"]').select_option(label="s1")
    drawn(page)
    assert dots.evaluate_all(count) == 12
