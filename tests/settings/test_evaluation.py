import pytest
import run_folder

from emoasr import config
from emoasr.errors import UserError
from emoasr.settings import evaluation


@pytest.mark.parametrize(
    ("names", "change", "message"),
    [
        (["x"], {"protocol": "loso"}, "config.eval.protocol='loso'"),
        *(
            (["x"], {"protocol": f"group-{n}-fold"}, r"config\.eval\.protocol=.*group-5-fold")
            for n in ("1", "0", "x", "05x", "-3")
        ),
        (["x"], {"protocol": "predefined-train"}, "config.eval.protocol="),
        (["x"], {"protocol": "predefined-"}, "config.eval.protocol="),
        (["x"], {"regressor": "magic"}, "config.eval.regressor='magic'"),
        (["x"], {"partner": "away"}, "config.eval.partner='away'"),
        (["x"], {"selection": {"scope": "some"}}, "config.eval.selection.scope='some'"),
        (["x"], {"n_selected": -1}, "config.eval.n_selected=-1"),
        (["x"], {"targets": ()}, "config.eval.targets"),
        (["x"], {"scale": (5.0, 1.0)}, "config.eval.scale"),
        (["x"], {"merged": ("happy",)}, "config.eval.merged='happy': must be two or more"),
        (["x"], {"merged": ("a+b", "b+c")}, "config.eval.merged='b.c': .*there twice"),
        (["x"], {"fewest_of_class": 0}, "config.eval.fewest_of_class=0"),
        (
            ["x"],
            {"partner": "out", "protocol": "cross-corpus", "train_workdir": "x"},
            "config.eval.partner=out: with config.eval.protocol=cross-corpus",
        ),
        (["x"], {"within_corpus": True}, "config.eval.within_corpus=True: works only"),
        (
            ["x"],
            {
                "within_corpus": True,
                "within_speaker": True,
                "protocol": "cross-corpus",
                "train_workdir": "x",
            },
            "config.eval.within_corpus=True, config.eval.within_speaker=True",
        ),
        (["mean"], {}, "config.feature_sets=.*'mean', which is the name of the baseline"),
        (["neural"], {"layers": {"first": ()}}, "config.eval.layers.first"),
        (["neural"], {"layers": {"neural": (0,)}}, "config.eval.layers.neural: another feature"),
        (["mfcc"], {"layers": {"first": (0,)}}, "config.eval.layers.first: needs .*'neural'"),
    ],
)
def test_a_wrong_setting_is_named(names, change, message, tmp_path):
    c = config.experiment("table")
    c.feature_sets, c.eval = tuple(names), run_folder.settings(**change)
    with pytest.raises(UserError, match=message) as caught:
        evaluation.check(c, tmp_path)
    assert "\n" not in str(caught.value)
