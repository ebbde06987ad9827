"""Every format that libsndfile can write is read rightly, whole and in segments; or refused."""

import zipfile

import numpy as np
import pytest
import soundfile

from emoasr.audio import decoder, reading
from emoasr.audio.reading import AudioError, Segment
from emoasr.files.archives import open_zip

RATE = 16000
KINDS = [(f, s) for f in soundfile.available_formats() for s in soundfile.available_subtypes(f)]


def sound(n, channels=1):
    random = np.random.default_rng(0)
    return 0.4 * np.sin(np.cumsum(random.normal(size=(n, channels)), axis=0) / 20)


def written(folder, kind, subtype=None, x=None, name="a"):
    """A file of a kind, in blocks (libsndfile crashes on much Vorbis at once); None: impossible."""
    path = folder / f"{name}.{kind.lower()}"
    x = sound(RATE) if x is None else x
    try:
        with soundfile.SoundFile(path, "w", RATE, x.shape[1], subtype, None, kind) as file:
            for begin in range(0, len(x), RATE):
                file.write(x[begin : begin + RATE])
    except soundfile.SoundFileError:
        return None
    return path


def decoded(path, x):
    """What libsndfile makes of a file in one go, its rate; of DWVW, which it cannot, `x` itself."""
    try:
        return soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError:
        return x, RATE


@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_gives_its_decoded_samples_whole_and_in_segments(
    tmp_path, monkeypatch, channels
):
    monkeypatch.setattr(decoder, "BLOCK", 5000)
    table, wrong = [], []
    for kind, subtype in KINDS:
        x = sound(RATE, channels)
        path = written(tmp_path, kind, subtype, x, f"{kind}-{subtype}")
        if path is None:
            continue
        if kind == "RAW":
            with pytest.raises(AudioError, match="not audio that libsndfile can decode"):
                reading.read(Segment(path))
            table.append((kind, subtype, "refused: it has no header"))
            continue
        y, rate = decoded(path, x)
        whole = reading.read(Segment(path), rate)
        difference = np.abs(whole - reading.resample(y, rate, rate)).max()
        first, stop = round(0.1 * rate), round(0.3 * rate)
        part = reading.read(Segment(path, 0.1, 0.3), rate)
        same = np.array_equal(part, whole[first:stop])
        table.append((kind, subtype, f"{len(y)} frames, differ by {difference:.1e}, part {same}"))
        rounding = {"DWVW_12": 2**-11, "DWVW_16": 2**-15, "DWVW_24": 2**-23, "MPEG_LAYER_III": 1e-6}
        if difference > rounding.get(subtype, 0):
            wrong.append((kind, subtype, difference))
        if not same:
            wrong.append((kind, subtype, "segment"))
    print(*(" ".join(row) for row in table), sep="\n")
    assert not wrong
    assert len(table) > 80


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("MP3", None), ("OGG", "OPUS"), ("WAV", "GSM610"), ("AIFF", "DWVW_16"),
    ],
)  # fmt: skip
def test_segments_of_a_file_decode_it_once(tmp_path, monkeypatch, kind, subtype):
    path = written(tmp_path, kind, subtype, sound(10 * RATE))
    whole = reading.read(Segment(path))
    seen = []
    block = decoder.Decoder.block

    def counted(self, n):
        found = block(self, n)
        seen.append(len(found))
        return found

    monkeypatch.setattr(decoder.Decoder, "block", counted)
    for second in np.random.default_rng(0).permutation(9).tolist():
        part = reading.read(Segment(path, second, second + 1))
        np.testing.assert_array_equal(part, whole[second * RATE : (second + 1) * RATE])
    assert sum(seen) == 9 * RATE


@pytest.mark.parametrize("seconds", [1.01, 4.03])
@pytest.mark.parametrize("channels", [1, 2])
def test_segments_at_the_end_are_those_of_the_whole(tmp_path, channels, seconds):
    """Where libsndfile's Vorbis is off: by the samples that its last page has too many."""
    for kind, subtype in KINDS:
        x = sound(round(seconds * RATE), channels)
        path = written(tmp_path, kind, subtype, x, f"{kind}-{subtype}")
        # libsndfile writes noise as the one, and without a length as the other
        if path is None or kind == "RAW" or (subtype == "ALAC_20" and channels == 2):
            continue
        whole, rate = reading.read_native(Segment(path))
        first = len(whole) - rate // 20
        part, _ = reading.read_native(Segment(path, first / rate))
        np.testing.assert_array_equal(part, whole[first:], f"{kind} {subtype}")


def test_a_file_that_changed_is_decoded_again(tmp_path):
    for n, x in enumerate((sound(2 * RATE), -sound(3 * RATE))):
        path = written(tmp_path, "MP3", None, x)
        part = reading.read(Segment(path, 0.5, 1.5))
        np.testing.assert_array_equal(part, reading.read(Segment(path))[RATE // 2 :][:RATE], str(n))


def test_without_room_on_the_disk_segments_are_right_too(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder, "_MOST_BYTES", 1000)
    path = written(tmp_path, "MP3")
    part = reading.read(Segment(path, 0.2, 0.5))
    np.testing.assert_array_equal(part, reading.read(Segment(path))[3200:8000])


def number(data, place, size, order, change):
    n = int.from_bytes(data[place : place + size], order)
    data[place : place + size] = change(n).to_bytes(size, order)


def sizes(kind, change):
    """A maker that changes the sizes that a file's header holds."""
    places = {
        "WAV": [("RIFF", 4, 4, "little"), ("data", 4, 4, "little")],
        "AIFF": [("FORM", 4, 4, "big"), ("SSND", 4, 4, "big")],
        "RF64": [("ds64", place, 8, "little") for place in (8, 16, 24)],
        "AU": [(".snd", 8, 4, "big")],
        "CAF": [("data", 4, 8, "big")],
        "MP3": [("Xing", 8, 4, "big")],
    }

    def make(data):
        for name, place, size, order in places[kind]:
            number(data, data.find(name.encode()) + place, size, order, change)
        return data

    return make


def half(n):
    return n // 2 // 4 * 4


def end_to_end(data):
    return data + data


def id3v2(size):
    """A tag such as many programs write before the sound, of up to 16 KiB of text."""
    return b"ID3\x03\0\0\0\0" + bytes([size >> 7, size & 127]) + bytes(size)


def end_to_end_with_tags(data):
    return (id3v2(1000) + data) * 2


def gone_on(data):
    return data + data[-len(data) // 2 :]


MORE = [
    *(("WAV", None, make) for make in (sizes("WAV", lambda n: 0), sizes("WAV", half), gone_on)),
    *(("RF64", None, make) for make in (sizes("RF64", lambda n: 0), sizes("RF64", half), gone_on)),
    *(("AIFF", None, make) for make in (sizes("AIFF", half), gone_on)),
    *(("AU", None, make) for make in (sizes("AU", lambda n: 0), sizes("AU", half), end_to_end)),
    *(("CAF", None, make) for make in (sizes("CAF", half), end_to_end)),
    *(("MP3", None, make) for make in (sizes("MP3", half), end_to_end, gone_on)),
    *(("FLAC", None, make) for make in (end_to_end, end_to_end_with_tags)),
    ("OGG", "VORBIS", end_to_end),
    ("OGG", "OPUS", end_to_end),
]


@pytest.mark.parametrize(("kind", "subtype", "make"), MORE)
def test_more_than_the_header_promises_is_refused(tmp_path, kind, subtype, make):
    path = written(tmp_path, kind, subtype, sound(2 * RATE))
    assert len(reading.read(Segment(path))) == 2 * RATE
    path.write_bytes(make(bytearray(path.read_bytes())))
    with pytest.raises(AudioError, match=r"more sound follows than the \d\.\d\d s that its header"):
        reading.read(Segment(path))
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    for place in (path, open_zip(tmp_path / "all.zip") / path.name):
        with pytest.raises(AudioError, match="more sound follows"):
            reading.read(Segment(place, 0.1, 0.4))


TAGS = {
    "ID3v1": b"TAG" + bytes(125),
    "zeros": bytes(30_000),
    "text": b"a comment " * 3000,
    "an image": np.random.default_rng(0).bytes(100_000),
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(("kind", "subtype"), [("MP3", None), ("FLAC", None), ("OGG", "VORBIS")])
def test_what_is_no_sound_may_follow(tmp_path, kind, subtype, tag):
    path = written(tmp_path, kind, subtype)
    whole = reading.read(Segment(path))
    path.write_bytes(path.read_bytes() + TAGS[tag])
    try:
        np.testing.assert_array_equal(reading.read(Segment(path)), whole)
    except AudioError as error:  # libsndfile's own complaint
        assert kind == "OGG" and "cut short" in str(error)


@pytest.mark.parametrize("tag", [id3v2(1000), id3v2(16_000), id3v2(1000) * 2], ids=len)
@pytest.mark.parametrize("kind", ["FLAC", "MP3"])
def test_a_tag_may_come_before_the_sound(tmp_path, kind, tag):
    path = written(tmp_path, kind)
    whole = reading.read(Segment(path))
    path.write_bytes(tag + path.read_bytes())
    np.testing.assert_array_equal(reading.read(Segment(path)), whole)


def test_chunks_may_follow_the_samples_of_a_wav_file(tmp_path):
    path = written(tmp_path, "WAV")
    whole = reading.read(Segment(path))
    data = bytearray(path.read_bytes() + b"LIST" + (50_000).to_bytes(4, "little") + bytes(50_000))
    number(data, 4, 4, "little", lambda n: len(data) - 8)
    path.write_bytes(data)
    np.testing.assert_array_equal(reading.read(Segment(path)), whole)


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "MP3", "OGG"])
def test_a_header_cut_anywhere_is_an_error_in_one_line(tmp_path, kind):
    path = written(tmp_path, kind)
    data = path.read_bytes()
    whole = reading.read(Segment(path))
    for n in (*range(0, 120, 3), *range(120, len(data) - 1, max(len(data) // 40, 1))):
        path.write_bytes(data[:n])
        try:
            found = reading.read(Segment(path))
        except AudioError as error:
            assert str(error).isprintable() and str(path) in str(error)
        else:
            assert len(whole) - len(found) <= 0.1 * RATE + 1, n
