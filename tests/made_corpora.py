"""Folders of the shape in which corpora are distributed."""

import numpy as np
import soundfile

HEADER = "file,a1_A,a1_V,a1_D,a1_cat,a2_A,a2_V,a2_D,a2_cat,a3_A,a3_V,a3_D,a3_cat,gt_emotion\n"

ROW = "DK_001_A_1.wav,4,1.5,4.5,A,4,2.5,5,A,5,1,4.5,A,A\n"


def emotale_folder(folder, annotations, *recordings):
    (folder / "wav").mkdir()
    (folder / "annotations.csv").write_text(annotations)
    for name in recordings:
        (folder / "wav" / name).touch()
    return folder


HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"

NEUTRAL = (
    "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\nA-E4:\tval 2; act 3; dom  3;\t()\n"
)


def annotated(turn, emotion="neu", ratings="2.5000, 2.5000, 2.5000", annotators=NEUTRAL):
    return f"[6.2901 - 8.2357]\t{turn}\t{emotion}\t[{ratings}]\n{annotators}\n"


def place(top, turn):
    """Session and dialogue of a turn's name."""
    return top / f"Session{turn[4]}", turn.rsplit("_", 1)[0]


def wav(top, turn, n=400):
    session, dialogue = place(top, turn)
    folder = session / "sentences" / "wav" / dialogue
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(turn)).integers(-9000, 9000, n).astype(np.int16)
    soundfile.write(folder / f"{turn}.wav", noise, 16000, subtype="PCM_16")
    return folder / f"{turn}.wav"


def write(top, dialogue, annotations, transcripts=""):
    session, _ = place(top, dialogue + "_")
    for kind, text in (("EmoEvaluation", HEAD + annotations), ("transcriptions", transcripts)):
        path = session / "dialog" / kind / f"{dialogue}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def turns(top, *names, **fields):
    """Each with its recording, annotation and transcript; one dialogue a call."""
    for name in names:
        wav(top, name)
    dialogue = place(top, names[0])[1]
    said = "".join(f"{name} [006.2901-008.2357]: Excuse me, {name[-4:]}.\n" for name in names)
    write(top, dialogue, "".join(annotated(name, **fields) for name in names), said)
