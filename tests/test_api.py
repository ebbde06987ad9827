"""What a user of the package meets before any file: imports, types, help, settings of JAX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import emoasr

ROOT = Path(__file__).parents[1]
HEAVY = {"jax", "flax", "pandas", "numpy", "scipy", "orbax", "grain", "librosa", "audformat"}
ONLY_FOR_TRAINING_AND_EVAL = {"orbax", "grain", "librosa", "numba", "scipy", "sklearn", "audformat"}


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_the_package_itself_imports_nothing_heavy():
    code = "import sys, emoasr; emoasr.__version__, dir(emoasr); print(*sys.modules)"
    assert not HEAVY & set(run(code).split())


def test_features_need_nothing_of_training_or_eval(small_recognizer, speech):
    code = f"""import sys, emoasr, emoasr.predictor
emoasr.load_recognizer({str(small_recognizer)!r}).features({str(speech / "00.wav")!r})
print(*sys.modules)"""
    assert not ONLY_FOR_TRAINING_AND_EVAL & set(run(code).split())


def test_every_public_name_is_there_and_listed():
    for name in emoasr.__all__:
        assert getattr(emoasr, name)
    assert set(emoasr.__all__) <= set(dir(emoasr))
    with pytest.raises(AttributeError, match="no attribute 'load_recogniser'"):
        emoasr.load_recogniser  # noqa: B018


def test_a_users_type_checker_sees_types(tmp_path):
    assert (ROOT / "emoasr" / "py.typed").exists()
    api = pytest.importorskip("mypy.api")
    right = tmp_path / "right.py"
    right.write_text("""import emoasr
import numpy as np
from pathlib import Path

r: emoasr.Recognizer = emoasr.load_recognizer()
r.features("a.wav")
r.features([Path("a.wav")], pooling="max", tap="skip", on_error="skip", progress=False)
r.features((np.zeros(9), 16000))
r.features(([np.zeros(9)], 44100.0))
r.features([{"array": np.zeros(9), "sampling_rate": 8000}])
reveal_type(emoasr.__version__)
reveal_type(r.transcribe("a.wav"))
reveal_type(r.digest)
p: emoasr.Predictor = emoasr.load_predictor()
p.predict("a.wav", window=2, hop=0.5, on_error="skip")
reveal_type(p.track((np.zeros(9), 16000)))
""")
    wrong = tmp_path / "wrong.py"
    wrong.write_text("""import emoasr
emoasr.load_recognizer(3)
emoasr.load_recognizer().features("a.wav", pooling="median")
emoasr.load_recognizer().features("a.wav", on_error="ignore")
emoasr.load_recognizer().features({"a.wav"})
emoasr.load_recogniser()
emoasr.load_predictor().predict("a.wav", window="2")
""")
    # with the settings, and so the cache, of the project's own check: else it takes a minute
    settings = [f"--config-file={ROOT}/pyproject.toml", f"--cache-dir={ROOT}/.mypy_cache"]
    output, _, _ = api.run([*settings, str(right), str(wrong)])
    lines = output.splitlines()
    assert not [line for line in lines if "right.py" in line and "error" in line], output
    shown = [line.split("Revealed type is ")[1] for line in lines if "Revealed" in line]
    for line, kind in zip(shown, ("str", "DataFrame", "str", "DataFrame"), strict=True):
        assert kind in line
    for number in range(2, 8):
        assert any(f"wrong.py:{number}: error" in line for line in lines), output


def test_repr_is_a_few_lines(small_recognizer):
    for recognizer in (emoasr.load_recognizer(small_recognizer), emoasr.load_recognizer()):
        shown = repr(recognizer)
        assert len(shown.splitlines()) <= 6 and max(map(len, shown.splitlines())) <= 120
        assert recognizer.digest in shown and "units" in shown and "16000 Hz" in shown
        assert len(repr(recognizer.config)) < 600


SETTINGS = """import jax
{before}
import emoasr
recognizer = emoasr.load_recognizer({recognizer!r})
{compile}
print(jax.config.jax_compilation_cache_dir or None)
print(jax.config.jax_persistent_cache_min_compile_time_secs)"""


@pytest.mark.parametrize(
    ("before", "environment", "folder", "seconds"),
    [
        ("", {"JAX_COMPILATION_CACHE_DIR": ""}, "{home}/emoasr/xla", "0.1"),
        ("", {"JAX_COMPILATION_CACHE_DIR": "{home}/chosen"}, "{home}/chosen", "0.1"),
        ("", {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1"}, None, "1.0"),
        ("jax.config.update('jax_compilation_cache_dir', '/nowhere')", {}, "/nowhere", "0.1"),
        ("jax.config.update('jax_persistent_cache_min_compile_time_secs', 5)", {}, None, "5"),
        ("jax.jit(abs)(-1)", {"JAX_COMPILATION_CACHE_DIR": ""}, "{home}/emoasr/xla", "0.1"),
    ],
)
def test_the_api_keeps_programs_and_leaves_what_was_chosen(
    small_recognizer, speech, tmp_path, before, environment, folder, seconds
):
    kept = folder and "{home}" in folder
    code = SETTINGS.format(
        before=before,
        recognizer=str(small_recognizer),
        compile=f"recognizer.features({str(speech / '00.wav')!r})" if kept else "",
    )
    environment = {name: value.format(home=tmp_path) for name, value in environment.items()}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JAX_PERSISTENT")}
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=inherited | {"XDG_CACHE_HOME": str(tmp_path)} | environment,
    ).stdout.split()  # fmt: skip
    assert folder is None or output[0] == folder.format(home=tmp_path)
    assert output[1] == seconds
    assert not kept or list(Path(output[0]).glob("*-cache"))


def test_a_home_that_cannot_be_written_does_no_harm(small_recognizer, speech, tmp_path):
    (tmp_path / "file").touch()
    code = SETTINGS.format(
        before="",
        recognizer=str(small_recognizer),
        compile=f"recognizer.features({str(speech / '00.wav')!r})",
    )
    output = run(code, XDG_CACHE_HOME=str(tmp_path / "file"), JAX_COMPILATION_CACHE_DIR="")
    assert output.split()[0] == "None"
