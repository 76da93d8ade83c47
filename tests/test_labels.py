import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.labels import counted, fold, is_plural, matches, phrase, singular


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("mugs", "mug"),
        ("boxes", "box"),
        ("knives", "knife"),
        ("shelves", "shelf"),
        ("people", "person"),
        ("batteries", "battery"),
        ("cookies", "cookie"),
        ("ties", "tie"),
        ("glasses", "glass"),
        ("houses", "house"),
        ("vases", "vase"),
        ("buses", "bus"),
        ("viruses", "virus"),
        ("gloves", "glove"),
        ("dishes", "dish"),
        ("tomatoes", "tomato"),
        ("shoes", "shoe"),
        ("tapes", "tape"),
        ("taps", "tap"),
        ("children", "child"),
    ],
)
def test_a_plural_has_its_singular(plural, one):
    assert singular(plural) == one
    assert is_plural(plural)
    assert counted(2, one) == f"2 {plural}"
    assert counted(1, plural) == f"1 {one}"


@pytest.mark.parametrize("word", ["glass", "bus", "lens", "gas", "tennis", "tv", "sofa", "ös"])
def test_a_singular_stays(word):
    assert singular(word) == word


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("red mugs", "red mug"),
        ("mug", "red mug"),
        ("My Red Mug", "mug, red"),
        ("anna's mug", "anna mug"),
        ("people", "person"),
        ("two-tier shelf", "two tier shelves"),
    ],
)
def test_words_match_a_label_that_has_them_all(query, label):
    assert matches(query, label)


@pytest.mark.parametrize(
    ("query", "label"),
    [("red mug", "mug"), ("tap", "tape"), ("", "mug"), ("the", "mug"), ("car", "cart")],
)
def test_other_words_do_not_match(query, label):
    assert not matches(query, label)


def test_a_phrase_loses_its_articles_only():
    assert phrase("All my  Red Mugs") == "red mugs"
    assert fold("the red mugs") == ("red", "mug")


@given(st.text(max_size=20))
def test_every_text_that_has_words_matches_itself(text):
    assert matches(text, text) == bool(fold(text))
