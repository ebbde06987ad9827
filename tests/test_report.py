import html
import re

import numpy as np
import pandas as pd
import pytest
import run_folder

from emoasr import correlation, evaluation
from emoasr.report import figures, page

EVIL = "<script>alert(1)</script>$^"


@pytest.fixture(scope="module")
def found():
    table, labels = run_folder.corpus()
    return evaluation.evaluate({"x": table, "<b>y": table}, labels, run_folder.settings())


@pytest.fixture
def results(found):
    return {
        "rows": found.rows,
        "provenance": {
            "corpus": {"name": "made <up>", "synthetic": False},
            "found": 50,
            "used": 48,
            "protocol": "leave-one-speaker-out",
            "regressor": "linear",
            "n_selected": 5,
            "scale": (1.0, 5.0),
            "recognizer": "sha256:abc",
            "command": "python -m emoasr.eval --workdir='<here>'",
            "date": "2030-01-01",
            "versions": {"emoasr": "1"},
        },
        "skipped": [
            {"file": EVIL, "start": 0.5, "end": None, "step": "audio", "reason": "is <empty>"},
            {"file": "b.wav", "start": None, "end": None, "step": "audio", "reason": "is <empty>"},
        ],
    }


def rendered(results, maps=None, undefined=None):
    return page.render(results, b"png", maps or {}, undefined or {})


def test_the_table_has_the_papers_layout(found):
    table = page.paper_table(found.rows)
    assert list(table.index) == ["x", "<b>y", "mean"]
    assert list(table.columns.unique(0)) == ["arousal", "valence"]
    assert list(table["arousal"]) == ["mean MSE", "var.", "std.", "CCC", "Pearson"]
    row = next(r for r in found.rows if (r["feature_set"], r["target"]) == ("x", "valence"))
    assert table.loc["x", ("valence", "CCC")] == row["ccc"]
    clipped = page.paper_table(found.rows, "clipped_")
    assert clipped.loc["x", ("valence", "mean MSE")] == row["clipped_mse_mean"]


def test_undefined_is_a_dash(found, results):
    results["rows"] = [{**row, "pearson": None} for row in found.rows]
    text = page.as_text(page.paper_table(results["rows"]))
    assert "–" in text
    assert "nan" not in text.lower()
    table = re.search(r"<table.*?</table>", rendered(results), re.S)
    assert "<td>–</td>" in table[0]
    assert "nan" not in table[0].lower()


def test_what_users_wrote_is_escaped(results):
    page_text = rendered(results, {EVIL: b"png"}, {EVIL: ["arousal, <i>why"]})
    for raw in ("<script", "<b>y", "<empty>", "<up>", "<here>", "<i>why"):
        assert raw not in page_text
    for raw in (EVIL, "is <empty>", "made <up>", "<b>y"):
        assert html.escape(raw) in page_text


def test_the_page_needs_no_other_file(results):
    sources = re.findall(r'(?:src|href)="([^"]*)"', rendered(results, {"s0": b"png"}))
    assert len(sources) == 2
    assert all(s.startswith("data:image/png;base64,") for s in sources)


def test_a_synthetic_corpus_is_called_so(results):
    assert "Synthetic corpus" not in rendered(results)
    results["provenance"]["corpus"]["synthetic"] = True
    assert "Synthetic corpus" in rendered(results)


def test_everything_left_out_is_listed_with_its_reason(results):
    text = rendered(results)
    assert "b.wav" in text
    assert page.reasons(results["skipped"]) == [("audio: is <empty>", 2)]
    results["skipped"] = []
    assert "every utterance found was used" in rendered(results)


def maps_of(r, target="arousal", speakers=("a", "b")):
    return correlation.Maps(target, speakers, r, np.array([9] * len(speakers)), {})


def test_the_colour_scale_is_common_and_holds_every_map():
    r = np.zeros((2, 15, 128))
    r[1, 2, 3] = -0.62
    r[0, 0, 0] = np.nan
    assert figures.pearson_limit([maps_of(r * 0.1), maps_of(r)]) == 0.7
    assert figures.pearson_limit([maps_of(r * np.nan)]) == 0.1
    assert figures.pearson_limit([]) == 0.1


def test_a_map_shows_layer_0_at_the_top_and_nan_grey():
    r = np.linspace(-0.5, 0.5, 2 * 15 * 128).reshape(2, 15, 128)
    figure = figures.pearson([maps_of(r), maps_of(-r, "valence", ("b", "c"))], "b", 0.5)
    arousal, valence, colour_bar = figure.axes
    (image,) = arousal.images
    np.testing.assert_array_equal(image.get_array(), r[1])
    np.testing.assert_array_equal(valence.images[0].get_array(), -r[0])
    assert image.get_clim() == valence.images[0].get_clim() == (-0.5, 0.5)
    bottom, top = arousal.get_ylim()
    assert bottom > top
    grey = image.cmap(np.ma.masked)
    assert grey[0] == grey[1] == grey[2]
    assert arousal.get_ylabel() == "layer"
    assert valence.get_xlabel() == "unit"
    assert colour_bar.get_ylabel() == "Pearson's r"


@pytest.mark.parametrize("speaker", ["a", "c", EVIL])
def test_any_speaker_can_be_drawn(speaker):
    r = np.full((2, 15, 128), np.nan)
    maps = [maps_of(r, "arou$al_^{", ("a", EVIL)), maps_of(r, "valence", ("c", EVIL))]
    assert figures.to_png(figures.pearson(maps, speaker, 0.5)).startswith(b"\x89PNG")


def test_the_summary_shows_every_fold(found):
    figure = figures.summary(found.rows, found.predictions)
    ticks = [line.get_xdata() for line in figure.axes[0].lines if line.get_marker() == "|"]
    assert [len(folds) for folds in ticks] == [4] * 6  # 3 feature sets, as predicted and clipped
    assert np.mean(ticks[0]) == pytest.approx(found.rows[0]["mse_mean"])
    assert figures.to_png(figure).startswith(b"\x89PNG")


def test_the_summary_bears_an_undefined_ccc_and_a_wild_fold(found):
    rows = [{**row, "ccc": None, "mse_mean": 5000.0} for row in found.rows]
    predictions = pd.DataFrame(found.predictions)
    assert figures.summary(rows, predictions).axes[0].get_xscale() == "log"
