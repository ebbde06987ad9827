import html
import itertools
import json
import re
import struct
import zlib

import made_report
import markdown_it
import numpy as np
import pandas as pd
import pytest
import vl_convert

from emoasr import report
from emoasr.extraction import feature_tables
from emoasr.report import (
    by_speaker,
    compared,
    confusion,
    content,
    drawing,
    extremes,
    figures,
    markdown,
    overview,
    page,
    pearson,
    scores,
    style,
    tables,
    wording,
)
from emoasr.system.output import number

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def made():
    return made_report.make(battery=True)


@pytest.fixture(scope="module")
def said_and_drawn(made):
    return made_report.said_and_drawn(*made)


@pytest.fixture(scope="module")
def rendered(made, said_and_drawn):
    return page.render(*said_and_drawn, made[3])


def without_scripts(text):
    return re.sub(r"<script>.*?</script>", "", text, flags=re.S)


def in_script(text):
    return re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.S)[1]


def test_the_table_has_the_papers_layout(made):
    rows = made[0]["rows"]
    table = tables.paper_table(rows)
    assert list(table.index) == ["neural", made_report.FEATURE_SET, "baseline (training mean)"]
    assert list(table.columns.unique(0)) == [made_report.TARGET, "valence"]
    assert list(table["valence"]) == ["mean MSE", "var.", "std.", "CCC", "Pearson"]
    row = next(r for r in rows if (r["feature_set"], r["target"]) == ("neural", "valence"))
    assert table.loc["neural", ("valence", "CCC")] == row["ccc"]
    clipped = tables.paper_table(rows, "clipped_")
    assert clipped.loc["neural", ("valence", "mean MSE")] == row["clipped_mse_mean"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2594, ".259"), (-0.031, "−.031"), (1.3984, "1.398"), (-0.0001, ".000"), (0, ".000"),
     (12345.6, "12,346"), (None, "–"), (np.nan, "–")],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


def test_intervals():
    row = {"ccc": 0.2594, "ccc_low": 0.231, "ccc_high": 0.29}
    assert wording.interval(row, "ccc").replace("\xa0", " ") == ".259 [.231, .290]"
    assert wording.interval({**row, "ccc_low": None}, "ccc") == ".259"
    assert wording.interval({**row, "ccc": None}, "ccc") == "–"
    assert wording.includes_zero(row, "ccc") is False
    assert wording.includes_zero({**row, "ccc_low": -0.1}, "ccc") is True
    assert wording.includes_zero({}, "ccc") is None


INSIDE = "everything fitted inside each training fold"


@pytest.mark.parametrize(("asked", "n", "standardised", "said"), [
    ({}, 5, "", f"the 5 best features by F score, {INSIDE}."),
    ({}, 5, "by the training corpus", f"the 5 best features by F score, {INSIDE}."),
    ({}, 0, "within each speaker", "all features, standardised within each speaker, everything "
     "else fitted inside each training fold."),
    ({}, 0, "within each corpus", "all features, standardised within each corpus, everything "
     "else fitted inside each training fold."),
    ({"selection": {"scope": "all"}}, 5, "", "by F score, selected on all utterances."),
    ({"selection": {"scope": "all"}}, 0, "", f"all features, {INSIDE}."),  # none is selected
    ({"chosen_on": "dev"}, 0, "", f"all features, {INSIDE}, the penalty chosen on the split dev."),
])  # fmt: skip
def test_the_report_says_what_is_fitted_inside_training_folds(made, asked, n, standardised, said):
    provenance = made[0]["provenance"]
    settings = {**provenance["config"]["eval"], **asked}
    provenance = {**provenance, "n_selected": n, "config": {"eval": settings}}
    rows = [{**row, "standardised": standardised} for row in made[0]["rows"]]
    assert content.setting(provenance, rows).endswith(said)


def test_the_page_shows_figures_with_intervals(made, rendered):
    row = next(r for r in made[0]["rows"] if r["feature_set"] == "neural")
    for key in ("mse_mean", "ccc", "clipped_ccc", "clipped_r2", "clipped_ccc_mean"):
        value, bounds = wording.interval(row, key).split(" [")
        assert re.search(
            rf"<td[^>]*>{value} <span class=\"soft\">\[{re.escape(bounds)}</span>", rendered
        )
    assert "Compared with the paper" in rendered
    assert ".660" in rendered


def test_every_section_is_in_the_contents(rendered):
    headings = re.findall(r'<h2 id="([^"]+)">', rendered)
    assert headings == re.findall(r'<li><a href="#([^"]+)">', rendered)
    assert headings == [
        "results", "differences", "predicted", "speakers", "maps", "selected", "controls",
        "refitted", "protocols", "regressors", "layers", "early-late", "omitted",
        "left-out", "made",
    ]  # fmt: skip


def test_without_neural_features_and_battery_sections_are_left_out():
    made = made_report.make(neural=False)
    text = page.render(*made_report.said_and_drawn(*made), made[3])
    headings = re.findall(r'<h2 id="([^"]+)">', text)
    assert headings == ["results", "differences", "predicted", "speakers", "left-out", "made"]


@pytest.mark.parametrize("battery", [False, True])
def test_undefined_figures_are_dashes_everywhere(battery):
    results, predictions, selected, maps, labels = made_report.make(battery)
    results = made_report.undefined(results)
    said, drawn = made_report.said_and_drawn(results, predictions, selected, maps, labels)
    text = without_scripts(page.render(said, drawn, maps))
    assert "<td>–</td>" in text
    assert not re.search(r"\b(nan|none)\b", "".join(re.findall("<td.*?</td>", text)), re.I)
    assert not re.search(
        r"\b(nan|None)\b", markdown.render(said, ["summary.png"] + ["pearson-"] * 5)
    )
    assert figures.draw(results["rows"], drawn, [])["differences.png"].startswith(PNG)


def test_what_users_wrote_is_escaped(rendered):
    text = without_scripts(rendered)
    for raw in made_report.HOSTILE:
        assert raw not in text
        assert html.escape(raw) in text.replace("&#39;", "&#x27;").replace("&#34;", "&quot;")
    assert "<up>" not in text
    assert "<" not in in_script(rendered)


def test_the_page_needs_no_other_file(rendered):
    text = without_scripts(rendered)
    assert re.findall(r'\b(?:src|href)="([^#"][^"]*)"', text) == ["data:,", "../index.html"]
    assert "url(" not in text
    assert "@import" not in text
    assert len(rendered.encode()) < 4e6


def points(description):
    return description["data"]["values"]


def test_every_chart_can_be_drawn(said_and_drawn):
    _, drawn = said_and_drawn
    identifiers = [chart["id"] for group in drawn.values() for chart in group]
    assert len(set(identifiers)) == len(identifiers)
    for name, group in drawn.items():
        # all targets are ratings, of few speakers
        assert bool(group) == (name not in ("classes", "confusion", "distribution"))
        for chart in group:
            for description in chart["variants"].values():
                text = json.dumps([description, style.CONFIG], allow_nan=False)
                assert set(re.findall(r"#[\da-fA-F]{6}\b", text)) <= set(style.DARK)
                assert points(description)
                assert "<svg" in vl_convert.vegalite_to_svg(description, config=style.CONFIG)


def test_text_of_users_is_never_a_field_nor_in_an_expression(said_and_drawn, made):
    """Only data, titles and scales' domains hold it: these are taken as they are."""

    def without_text(value):
        if isinstance(value, dict):
            kept = {k: v for k, v in value.items() if k not in {"data", "title", "domain"}}
            return {k: without_text(v) for k, v in kept.items()}
        return [without_text(v) for v in value] if isinstance(value, list) else value

    described = [v for g in said_and_drawn[1].values() for c in g for v in c["variants"].values()]
    described += [figures.maps_of(made[3], name, 1.0) for name in pearson.names(made[3])]
    for description in described:
        text = json.dumps(without_text(description))
        for raw in (made_report.SPEAKER, made_report.FEATURE_SET, made_report.TARGET, "valence"):
            assert raw[:10] not in text


def test_the_forest_plot_says_which_is_better():
    one = {"target": "valence", "a": "x", "b": "y"}
    for key, value in (("clipped_ccc", 0.2), ("clipped_mse_mean", 0.3)):
        one |= {key: value, f"{key}_low": 0.1, f"{key}_high": 0.4}
    other = {**one, "b": "z", "clipped_ccc_low": -0.1, "clipped_mse_mean": None}
    variants = compared.differences([one, other], "differences")[0]["variants"]
    ccc, mse = (points(variants[f"{score} clipped"]) for score in ("ccc", "mse"))
    assert [(p["place"], p["series"], p["value"]) for p in ccc] == [
        ("x − y", "former is better", 0.2),
        ("x − z", "the interval includes zero", 0.2),
    ]
    assert [(p["place"], p["series"], p["value"]) for p in mse] == [
        ("x − y", "latter is better", 0.3)
    ]
    assert (ccc[0]["low"], ccc[0]["high"]) == (0.1, 0.4)
    drawn = vl_convert.vegalite_to_svg(variants["ccc clipped"])
    for legend in ("former is better", "latter is better", "the interval includes zero"):
        assert f">{legend}</text>" in drawn


def test_differences_are_against_the_first_set_or_of_all_pairs_without_the_baseline():
    sets = ("x", "y", "z", "mean")
    found = [
        {"target": "valence", "a": a, "b": b, "clipped_ccc": 0.1, "ccc": 0.1}
        for a, b in itertools.combinations(sets, 2)
    ]

    def places(found, which):
        (chart,) = compared.pairs(found, "differences")
        return [p["place"] for p in points(chart["variants"][f"ccc clipped {which}"])]

    assert places(found, "first") == ["x − y", "x − z"]
    assert places(found, "all") == ["x − y", "x − z", "y − z"]
    alone = [d for d in found if (d["a"], d["b"]) == ("z", "mean")]
    assert places(alone, "first") == ["z − baseline (train…"]
    assert compared.pairs([], "differences") == []


def test_names_that_look_alike_when_cut_keep_lines_of_their_own():
    names = [f"{'n' * 40}{i}" for i in range(3)]
    rows = [{"feature_set": n, "target": "t", "ccc": 0.1 * i} for i, n in enumerate(names)]
    (chart,) = compared.feature_sets(rows_like(rows), "controls", style.palette(names))
    places = [p["place"] for p in points(chart["variants"]["ccc plain"])]
    assert len(set(places)) == 3
    assert places[1:] == [f"{places[0]} (2)", f"{places[0]} (3)"]


def rows_like(rows):
    return [{"n_selected": 1, "n_features": 2, **row} for row in rows]


def test_every_speaker_is_scored(made):
    predictions = made[1]
    found = scores.by_speaker(predictions)
    one = found[(found.speaker == "s1") & (found.target == "valence")].set_index("feature_set")
    rows = predictions[(predictions.speaker == "s1") & (predictions.target == "valence")]
    rows = rows[rows.feature_set == "neural"]
    assert one.n["neural"] == len(rows) == 12
    assert one.mse["neural"] == pytest.approx(np.mean((rows.label - rows.prediction) ** 2))
    y, x = rows.label, rows.clipped
    ccc = (
        2
        * np.cov(x, y, ddof=0)[0, 1]
        / (x.var(ddof=0) + y.var(ddof=0) + (x.mean() - y.mean()) ** 2)
    )
    assert one.clipped_ccc["neural"] == pytest.approx(ccc)


def test_a_speaker_whose_ratings_are_constant_has_no_ccc(made, rendered, said_and_drawn):
    assert scores.without_ccc(scores.by_speaker(made[1])) == {"valence": ["s3"]}
    assert "valence: CCC is undefined for s3" in rendered
    assert "s3, valence: all 12 ratings are 2.5" in rendered
    (chart,) = [c for c in said_and_drawn[1]["speakers"] if c["title"] == "valence"]
    ccc, mse = (points(chart["variants"][f"{score} clipped"]) for score in ("ccc", "mse"))
    assert (len(ccc), len(mse)) == (2 * 3, 3 * 4)  # CCC leaves the baseline out
    assert "s3" not in {point["place"] for point in ccc}


def test_of_many_speakers_the_extremes_are_drawn_and_all_are_counted():
    rows = [
        {"target": "t", "feature_set": name, "speaker": f"s{i:02d}", "n": 2 if i == 59 else 12}
        | dict.fromkeys(("ccc", "clipped_ccc", "mse", "clipped_mse"), (i + 1) / 100)
        for name in ("x", "mean")
        for i in range(60)
    ]
    frame, palette = pd.DataFrame(rows), style.palette(["x", "mean"])
    (chart,) = by_speaker.speakers(frame, palette)
    shown = [f"s{i:02d}" for i in (*range(58, 48, -1), *range(9, -1, -1))]  # s59 says little
    assert chart["variants"]["ccc clipped"]["encoding"]["y"]["scale"]["domain"] == shown
    assert {point["place"] for point in points(chart["variants"]["ccc clipped"])} == {*shown}
    (chart,) = by_speaker.distribution(frame, palette)
    for variant in chart["variants"].values():
        assert sum(p["value"] for p in points(variant) if p["series"] == "x") == 60
    assert by_speaker.distribution(frame[frame.speaker < "s40"], palette) == []


def test_selected_units_are_counted_by_layer():
    rows = [
        ("neural", "valence", f, name)
        for f in "ab"
        for name in ("layer00.unit001", "layer02.unit000")
    ]
    rows += [("neural", "valence", "a", "layer02.unit005"), ("mfcc", "valence", "a", "mfcc01")]
    selected = pd.DataFrame(rows, columns=["feature_set", "target", "fold", "feature"])
    found = scores.selected_by_layer(selected)
    assert set(found.feature_set) == {"neural"}
    assert found.set_index("layer").units.to_dict() == {0: 1.0, 1: 0.0, 2: 1.5}
    assert scores.selected_by_layer(selected[selected.feature_set == "mfcc"]).empty


def test_the_colour_scale_is_common_and_holds_every_map():
    r = np.zeros((2, 15, 128))
    r[1, 2, 3] = -0.62
    r[0, 0, 0] = np.nan
    assert pearson.limit([made_report.maps_of(r * 0.1), made_report.maps_of(r)]) == 0.7
    assert pearson.limit([made_report.maps_of(r * np.nan)]) == 0.1
    assert pearson.limit([]) == 0.1


def test_the_page_holds_every_map(made, rendered):
    maps = made[3]
    (data,) = json.loads(in_script(rendered))["maps"]
    assert len(data["values"]) == 5
    for i, name in enumerate(pearson.names(maps)):
        for j, m in enumerate(maps):
            r, q = pearson.get(m, name)
            held = data["values"][i][j]
            np.testing.assert_allclose(
                np.array(held["r"], float), r.ravel(), atol=5e-4, equal_nan=True
            )
            np.testing.assert_allclose(np.array(held["q"], float), q.ravel(), rtol=5e-3)
    assert data["values"][4][1]["r"] == [None] * 1920
    assert data["values"][4][1]["note"] == (
        "valence: 12 utterances; undefined (grey): all 12 ratings are 2.5."
    )


def test_a_page_has_room_for_so_many_maps(monkeypatch, made):
    monkeypatch.setattr(extremes, "MOST", 3)
    monkeypatch.setattr(extremes, "EACH", 1)
    text = page.render(*made_report.said_and_drawn(*made), made[3])
    assert len(json.loads(in_script(text))["maps"][0]["values"]) == 3
    assert re.search(r"shows 2 of 4\s+speakers", text)
    monkeypatch.setattr(pearson, "_MOST", 1)
    assert pearson.shown(made[3]) == ["mean over speakers"]


def test_maps_of_several_recognizers_have_their_own_shapes_and_one_scale(made, monkeypatch):
    monkeypatch.setattr(drawing, "pictures", lambda chart: {"png": PNG})
    results, predictions, selected, maps, labels = made
    other = [
        made_report.maps_of(np.full((2, 3, 7), r), target, ("s1", "s2"), made_report.FEATURE_SET)
        for target, r in ((made_report.TARGET, 0.93), ("valence", -0.2))
    ]
    every = [*maps, *other]
    said, drawn = made_report.said_and_drawn(results, predictions, selected, every, labels)
    text = page.render(said, drawn, every)
    of_ours, of_other = json.loads(in_script(text))["maps"]
    assert [len(of["values"]) for of in (of_ours, of_other)] == [5, 5]
    assert len(of_other["values"][2][0]["r"]) == 21
    assert "no rating" in of_other["values"][4][1]["note"]
    scales = [
        description["spec"]["layer"][0]["encoding"]["color"]["scale"]["domain"]
        for description in (of_ours["description"], of_other["description"])
    ]
    assert scales[0] == scales[1] and (scales[0][0], scales[0][-1]) == (-1, 1)
    assert '<option value="1">&lt;/script&gt;' in text
    names = [name for name in figures.draw([], {}, every) if name.endswith(".png")]
    assert [name.split("-")[1] for name in names] == [f"{i:02d}" for i in range(6)]
    assert re.fullmatch(r"pearson-05-mean-[\w.-]+\.png", names[-1])
    pictured = markdown.render(said, ["summary.png", *names])
    assert pictured.count("](figures/pearson-") == 6
    assert f"](figures/{names[-1]})" in pictured


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("first", "the units of neural in layers 0, 1 alone"),
        ("w.x.first", "the units of w.x in the layers as deep as 0, 1 of neural"),
        ("w.x", "hidden states of another recognizer, pooled over time"),
    ],
)
def test_sets_of_some_layers_are_explained(name, meaning):
    row, entries = {"feature_set": name, "regressor": "linear"}, ("neural", "w.x=FOLDER")
    assert wording.meaning(row, {"first": (0, 1)}, entries) == meaning


@pytest.mark.parametrize(("scale", "said"), [
    ((1.0, 5.0), "No rating is outside the scale, except those that a note above names;"),
    ((), "Few ratings are outside the range of the training fold's ratings;"),
])  # fmt: skip
def test_the_page_says_why_predictions_are_clipped(made, said_and_drawn, scale, said):
    content_, drawn = said_and_drawn
    provenance = {**content_["provenance"], "scale": scale}
    text = page.render({**content_, "provenance": provenance}, drawn, made[3])
    assert said in html.unescape(" ".join(text.split()))


def test_predictions_of_a_finetuning_are_not_called_a_table_or_a_regression(made):
    rows = [*made[0]["rows"], {**made[0]["rows"][0], "feature_set": "f", "regressor": "end to end"}]
    assert wording.meaning(rows[-1], {}, ()).startswith(
        "predictions of networks that were finetuned"
    )
    assert ", linear regression, " in content.setting(made[0]["provenance"], rows)


@pytest.mark.parametrize("field", ["feature_set", "a", "b"])
@pytest.mark.parametrize("key", ["clipped_ccc", "uar"])
def test_the_baseline_is_named_after_what_it_predicts(field, key):
    name = {"clipped_ccc": "training mean", "uar": "commonest class"}[key]
    assert wording.set_name({field: "mean", key: 0.1}, field) == f"baseline ({name})"
    assert wording.set_name({field: "x", key: 0.1}, field) == "x"


def cells(description):
    """Colour, horizontal and vertical middle of every cell of the first map that is drawn."""
    svg = vl_convert.vegalite_to_svg(description, config=style.CONFIG)
    (first, *_) = re.findall(r'<g class="mark-rect role-mark[^>]*>(.*?)</g>', svg, re.S)
    shapes = re.findall(r'd="M([-\d.]+),([-\d.]+)h[^"]*"[^>]*fill="([^"]+)"', first)
    return {(float(x), float(y)): colour for x, y, colour in shapes}


def test_a_map_shows_layer_0_at_the_top_orange_where_positive_and_nan_grey():
    r = np.full((1, 15, 128), -0.5)
    r[0, 0, 0], r[0, 14, 127] = 0.5, np.nan
    shown = cells(figures.maps_of([made_report.maps_of(r, speakers=("a",))], "a", 0.5))
    assert len(shown) == 1920
    columns, rows = (sorted({place[axis] for place in shown}) for axis in (0, 1))
    assert (len(columns), len(rows)) == (128, 15)
    assert shown[columns[-1], rows[-1]] == style.UNDEFINED
    red, green, blue = (int(v) for v in re.findall(r"\d+", shown[columns[0], rows[0]]))
    assert red > green > 2 * blue
    red, green, blue = (int(v) for v in re.findall(r"\d+", shown[columns[1], rows[0]]))
    assert blue > red > green


@pytest.mark.parametrize("name", ["a", "c", made_report.SPEAKER, "mean over speakers"])
def test_any_speaker_can_be_drawn(name):
    r = np.full((2, 15, 128), np.nan)
    maps = [
        made_report.maps_of(r, "arou$al_^{", ("a", made_report.SPEAKER)),
        made_report.maps_of(r, "valence", ("c", made_report.SPEAKER)),
    ]
    description = figures.maps_of(maps, name, 0.1)
    assert drawing.pictures(description)["png"].startswith(PNG)
    assert "arou$al_^{: " in vl_convert.vegalite_to_svg(description)


def test_a_wild_error_makes_the_axis_logarithmic():
    rows = [
        {"feature_set": name, "target": "t", "ccc": None, "mse_mean": error}
        for name, error in (("x", 0.3), ("y", 5000.0))
    ]
    (chart,) = compared.feature_sets(rows_like(rows), "summary", style.palette("xy"))
    description = chart["variants"]["mse plain"]
    assert '"type": "log"' in json.dumps(description)
    assert drawing.pictures(description)["png"].startswith(PNG)


def test_a_picture_holds_what_vl_convert_drew():
    dots = {"data": {"values": [{"x": i} for i in range(9)]}, "mark": "point"}
    loose = vl_convert.vegalite_to_png(dots, config=style.CONFIG, scale=drawing.SCALE)
    small = drawing.pictures(dots)["png"]
    assert len(small) <= len(loose)
    assert pixels(small) == pixels(loose)


def pixels(png):
    """Header and pixels; the checksums are right."""
    assert png.startswith(PNG)
    at, header, packed = 8, b"", b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + body)
        header += body if kind != b"IDAT" else b""
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    return header, zlib.decompress(packed)


def test_markdown_shows_what_users_wrote(made, said_and_drawn, undrawn):
    said, drawn = said_and_drawn
    pictures = [n for n in figures.draw(made[0]["rows"], drawn, made[3]) if n.endswith(".png")]
    text = markdown.render(said, pictures)
    shown = markdown_it.MarkdownIt("commonmark").enable("table").render(text)
    for raw in (*made_report.HOSTILE, "made <up>"):
        plain = html.escape(raw).replace("&#x27;", "'")
        assert " ".join(plain.split()) in shown
    assert not re.search(r"<(script|b|i|up)\b|<img src=.?x|<a href=.http", shown)
    assert '<a href="l"' not in shown
    for name in pictures:
        assert f'src="figures/{name}"' in shown
    tables = re.findall("<table>.*?</table>", shown, re.S)
    assert len(tables) >= 10
    for table in tables:  # a | in a name would make another column
        widths = {len(re.findall("<t[hd][ >]", row)) for row in table.split("</tr>")[:-1]}
        assert len(widths) == 1


@pytest.mark.parametrize("text", ["# a", "- a", "+ a", "1. a", "1) a", "===", "[a]: b", "* a"])
def test_no_text_begins_a_block(text):
    shown = markdown_it.MarkdownIt("commonmark").render(markdown.escape(text))
    assert shown == f"<p>{text}</p>\n"


def test_everything_is_written_whole_and_an_earlier_run_is_gone(tmp_path, undrawn):
    pictures = tmp_path / "figures"
    pictures.mkdir()
    for name in ("pearson-99-gone.png", "layers.png", "mine.png"):
        (pictures / name).touch()
    made = made_report.make()
    assert report.write(*made, tmp_path) == tmp_path / "report.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "correlations.parquet", "figures", "report.html", "report.md",
    ]  # fmt: skip
    assert (pictures / "mine.png").exists()
    (pictures / "mine.png").unlink()
    maps = ["00-mean", "01-_img_src_x_onerror_alert_1_", "02-s1", "03-s2", "04-s3"]
    drawn = ("differences", "predicted", "residuals", "selected", "speakers", "summary")
    assert {path.name for path in pictures.iterdir()} == {
        f"{name}.{kind}"
        for name in (*drawn, *(f"pearson-{m}" for m in maps))
        for kind in ("png", "svg", "pdf")
    }
    rows, _ = feature_tables.read(tmp_path / "correlations.parquet")
    assert len(rows) == 2 * 5 * 1920
    report.write(*made_report.make(neural=False), tmp_path)
    assert not (tmp_path / "correlations.parquet").exists()
    assert not list(pictures.glob("pearson-*"))


def test_a_synthetic_corpus_is_called_so(made):
    results, *others = made_report.make()
    assert "Synthetic corpus" not in page.render(*made_report.said_and_drawn(results, *others), [])
    results["provenance"]["corpus"]["synthetic"] = True
    said, drawn = made_report.said_and_drawn(results, *others)
    assert "Synthetic corpus" in page.render(said, drawn, [])
    assert "Synthetic corpus" in markdown.render(said, ["pearson-"] * 5)


def test_everything_left_out_is_listed_with_its_reason(made, rendered):
    assert "b.wav" in rendered
    assert content.reasons(made[0]["skipped"]) == [(f"audio: {made_report.REASON}", 2)]
    results, *others = made_report.make()
    results["skipped"] = []
    assert "every utterance found was used" in page.render(
        *made_report.said_and_drawn(results, *others), []
    )


def test_reasons_that_begin_with_their_file_are_counted_together():
    skipped = [
        {"step": "audio", "file": f"{i}.wav", "reason": f"data/{i}.wav: no such file"}
        for i in range(4)
    ]
    skipped.append({"step": "eval", "file": "4.wav", "reason": "no rating of arousal"})
    assert content.reasons(skipped) == [
        ("audio: no such file", 4),
        ("eval: no rating of arousal", 1),
    ]


def test_in_short_says_whether_the_best_differ_significantly():
    def row(name, ccc):
        return {"feature_set": name, "target": "valence", "clipped_ccc": ccc}

    rows = [row("x", 0.2), row("y", 0.5), row("z", None)]
    pair = {"target": "valence", "a": "x", "b": "y", "clipped_ccc": -0.3}
    (sentence,) = content.in_short(
        rows, [{**pair, "clipped_ccc_low": -0.4, "clipped_ccc_high": 0.1}]
    )
    assert sentence.startswith("valence: highest CCC, y .500, then x .200; x − y = −.300 [")
    assert sentence.endswith("not a significant difference.")
    (sentence,) = content.in_short(
        rows, [{**pair, "clipped_ccc_low": -0.4, "clipped_ccc_high": -0.1}]
    )
    assert sentence.endswith("], a significant difference.")


@pytest.mark.parametrize("n", [2, 5, 9, 14])
@pytest.mark.parametrize("name", ["joy", "disappointment"])
def test_names_under_a_confusion_matrix_lie_beside_each_other(n, name):
    names = [f"{name}{i}" for i in range(n)]
    counts = pd.DataFrame(np.eye(n, dtype=int), names, names)
    (chart,) = confusion.confusion({"emotion": {"neural": counts}})
    svg = vl_convert.vegalite_to_svg(figures.together([chart], "0"), config=style.CONFIG)
    width = float(re.search(r'aria-label="[^"]*taken for[^"]*".*? d="M0,0h([\d.]+)', svg)[1])
    labels = re.findall(rf'<text [^>]*transform="([^"]*)"[^>]*>({name}\d+)</text>', svg)
    below = labels[:n]
    assert sorted(text for _, text in below) == sorted(names)
    assert all("rotate" in place or 6 * len(text) < width for place, text in below)


def test_the_baseline_stands_below_sets_that_come_later():
    of = {"corpus": "c", "setting": "s", "date": "2030-01-01"}
    baseline = {("mean", "t"): ("baseline (training mean)", ".5")}
    one, other = ({(name, "t"): (name, ".5"), **baseline} for name in "xy")
    found = {"first": {**of, "metrics": one}, "second": {**of, "metrics": other}}
    (grid,) = overview.build(found, [])["beside"].values()
    assert [row[0] for row in grid.rows] == ["x", "y", "baseline (training mean)"]
    rows = [("t", "x"), ("t", "mean"), ("u", "y"), ("u", "mean")]
    rows = rows_like({"target": t, "feature_set": name, "ccc": 0.5} for t, name in rows)
    table = tables.main_grid(rows, [], "")
    assert [row[0] for row in table.rows] == ["x", "y", "baseline (training mean)"]
    assert table.apart == [2]
    every = dict.fromkeys(("mse_mean", "mse_variance", "mse_std", "pearson"), 0.5)
    of_paper = tables.paper_table([{**row, **every} for row in rows])
    assert [*of_paper.index] == ["x", "y", "baseline (training mean)"]
