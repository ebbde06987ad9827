"""RAVDESS (Livingstone & Russo, PLoS ONE 2018): actors speak and sing two sentences.

Facts are from the release's own description (Zenodo 1188976): what a name's seven numbers mean,
1440 recordings of speech by 24 actors, 1012 of song by 23 (actor 18 does not sing).
"""

import re
from pathlib import Path

import ml_collections

from emoasr.corpora import file_names
from emoasr.corpora.base import Corpus, Skipped, folder_of
from emoasr.errors import UserError
from emoasr.settings.choices import check_choice
from emoasr.system.output import counted

CHANNELS = {"speech": "01", "song": "02"}
EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful",
    "07": "disgust", "08": "surprised",
}  # fmt: skip

_TEXTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_OF_EACH = {  # recordings by emotion
    "speech": {"neutral": 96} | dict.fromkeys([*EMOTIONS.values()][1:], 192),
    "song": {"neutral": 92} | dict.fromkeys(("calm", "happy", "sad", "angry", "fearful"), 184),
}
_SPEAKERS = {"speech": 24, "song": 23}
_PATTERN = re.compile(
    rf"0[13]-(?P<channel>{'|'.join(CHANNELS.values())})-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>[0-9]{2})"
)
_EXAMPLE = "03-01-06-01-02-01-12"


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads RAVDESS; prints whether its counts are the published ones.

    `speaker` is the actor, one person in speech and song; `emotion` the acted one; further columns
    are `sex`, `channel` (speech or song), `intensity` (normal or strong), `repetition`, `text`.

    Args:
        config: `path`, a folder with the audio files, in folders of actors or not; `channel`,
            `speech`, `song`, or empty for both.
        workdir: unused.

    Raises:
        UserError: no such folder, or no RAVDESS audio of that channel in it.
    """
    check_choice("config.corpus.channel", config.channel, ("", *CHANNELS))
    root = folder_of(config)
    channels = [config.channel] if config.channel else list(CHANNELS)
    frame, skipped = file_names.read(root, _PATTERN, _labels, _EXAMPLE, {})
    others = frame[~frame["channel"].isin(channels)]
    frame = frame.drop(index=others.index).reset_index(drop=True)
    if frame.empty:
        raise UserError(
            f"config.corpus.channel={config.channel}: of the {counted(len(others), 'recording')} "
            f"of RAVDESS in {root}, none is {config.channel}; leave the field empty for all"
        )
    skipped += [
        Skipped(file, f"{channel}; config.corpus.channel={config.channel} leaves it out")
        for file, channel in zip(others["file"], others["channel"], strict=True)
    ]
    counts: dict[str, int] = {}
    for channel in channels:
        for emotion, n in _OF_EACH[channel].items():
            counts[emotion] = counts.get(emotion, 0) + n
    counts |= {"recordings": sum(counts.values())}
    counts |= {"speakers": max(_SPEAKERS[channel] for channel in channels)}
    name = f"RAVDESS ({config.channel})" if config.channel else "RAVDESS"
    return file_names.corpus(frame, name, root, skipped, counts)


def _labels(parts: file_names.Labels) -> file_names.Labels:
    (channel,) = (name for name, code in CHANNELS.items() if code == parts["channel"])
    return {
        "speaker": parts["actor"],
        "emotion": EMOTIONS[parts["emotion"]],
        "text": _TEXTS[parts["statement"]],
        "sex": "male" if int(parts["actor"]) % 2 else "female",
        "channel": channel,
        "intensity": "strong" if parts["intensity"] == "02" else "normal",
        "repetition": parts["repetition"],
    }
