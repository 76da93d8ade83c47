"""Words are cut into pieces as another implementation cuts them."""

import json
from pathlib import Path

import numpy as np
import pytest

from robomem.ask.wordpiece import BEGIN, END, PADDING, WordPiece

GOLDEN = json.loads((Path(__file__).parent / "golden/wordpiece.json").read_text())


@pytest.fixture(scope="module")
def cut():
    return WordPiece()


@pytest.mark.parametrize(
    ("text", "expected"), list(zip(GOLDEN["texts"], GOLDEN["ids"], strict=True))
)
def test_pieces_are_those_of_another_implementation(cut, text, expected):
    ids, mask = cut([text], most=GOLDEN["most"])

    assert ids[0].tolist() == expected
    assert mask.all()


def test_a_text_that_spells_a_mark_does_not_make_one(cut):
    ids, _ = cut(["[CLS] [SEP]"], most=24)

    assert (np.isin(ids[0, 1:-1], [BEGIN, END])).sum() == 0


def test_shorter_texts_are_padded(cut):
    ids, mask = cut(["mug", "the red mug on the table"], most=24)

    assert ids.shape == mask.shape == (2, 8)
    assert mask.sum(axis=1).tolist() == [3, 8]
    assert (ids[0, 3:] == PADDING).all()
