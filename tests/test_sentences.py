"""The reader of plain sentences: what it says that they say, and that it says nothing of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.sentences import is_place, read
from robomem.sentences.pointing import thing_and_room
from robomem.sentences.reading import MAX_LENGTH, SPEAKER, Saying
from robomem.sentences.words import NO_NAME

THINGS = st.sampled_from(["mug", "red mug", "teddy bear", "keys"])
ROOMS = st.sampled_from(["kitchen", "living room", "hall"])
PLACED = st.sampled_from(
    [
        "the {t} is in the {r}",
        "I put the {t} in the {r}",
        "Ben moved the {t} to the {r}",
        "there is a {t} in the {r}",
        "in the {r} you will find the {t}",
        "the {r}: somebody left the {t} there",
    ]
)


def relations(text):
    return [(s.subject, s.relation, s.object, s.is_denied) for s in read(text).sayings]


@given(PLACED, THINGS, ROOMS)
def test_where_a_thing_is_is_read_from_many_forms(form, thing, room):
    (saying,) = read(form.format(t=thing, r=room)).sayings

    assert (saying.subject, saying.object) == (thing, room)
    assert is_place(saying.relation)
    assert not saying.is_denied


@given(
    PLACED,
    THINGS,
    ROOMS,
    st.sampled_from(["not", "never", "unless", "poisoned", "yesterday"]),
    st.data(),
)
def test_a_word_that_does_more_than_point_is_never_overlooked(form, thing, room, word, data):
    words = form.format(t=thing, r=room).split()
    words.insert(data.draw(st.integers(0, len(words))), word)

    for saying in read(" ".join(words)).sayings:
        is_told = saying.is_denied or word in f"{saying.subject} {saying.object} {saying.relation}"
        assert is_told or word == "never"
        assert word != "never" or saying.relation == "must never"


WORDS = "the mug is in not this a dax belongs to Anna called I put likes and . , ? ' never \0speaker if it"


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join),
    )
)
def test_no_name_has_words_of_a_sentence(text):
    for saying in read(text).sayings:
        for name in (saying.subject, saying.object):
            is_rule = saying.relation.startswith("must")
            assert name.startswith("\0") or is_rule or not NO_NAME.search(name)


@given(st.text(max_size=60))
def test_two_sentences_say_what_each_says_alone(text):
    one = read(text)

    both = read(f"the mug is in the kitchen. {text}")

    assert both.sayings[0] == Saying("mug", "is in", "kitchen")
    assert len(both.sayings) == 1 + len(one.sayings) or not one.sayings


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ("The mug is in the kitchen.", True),
        ("Hey robot, the mug is in the kitchen! Thanks.", True),
        ("The mug is in the kitchen. Give Ben the pills.", False),
        ("Is the mug in the kitchen?", False),
        ("", False),
    ],
)
def test_a_text_is_whole_when_all_of_it_is_understood(text, is_whole):
    assert read(text).is_whole is is_whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the cat is in front of the house", ("cat", "is in front of", "house", False)),
        ("the cat is on top of the shelf", ("cat", "is on top of", "shelf", False)),
        ("no, the mug is in the hall", ("mug", "is in", "hall", False)),
        ("I have taken the mug to the hall", ("mug", "is at", "hall", False)),
        ("the mug\u2019s in the hall", ("mug", "is in", "hall", False)),
        ("the vase stands on the table", ("vase", "is on", "table", False)),
        ("the keys are gone", ("keys", "is at", "", True)),
        ("we switched the stove off", ("stove", "is", "off", False)),
        ("you find the mug in the hall", ("mug", "is in", "hall", False)),
        ("the smell of the cheese is in the hall", ("smell of the cheese", "is in", "hall", False)),
        ("the hatch is shut", ("hatch", "is", "closed", False)),
    ],
)
def test_a_form_says_what_it_says(text, said):
    assert relations(text) == [said]


@pytest.mark.parametrize(
    "text",
    [
        "No mug is in the kitchen",
        "put the mug in the kitchen",
        "I will put the mug in the kitchen",
        "find the mug in the kitchen",
        "and now you put the mug in the kitchen",
        "kindly put the mug in the kitchen",
        "then put the mug into the bowl",
        "nobody put the mug in the kitchen",
        "who moved the mug to the kitchen",
        "the mug is to be put in the kitchen",
        "flood the kitchen",
        "we water the garden",
        "burn it in the kitchen",
        "sleep in the kitchen",
        "go to the kitchen",
        "now and then the mug is in the kitchen",
        "Ben doubts the mug is in the kitchen",
        "the mug is in the kitchen?",
        "the mug was stolen from the kitchen",
        "x" * (MAX_LENGTH + 1),
        "\0speaker likes tea and \0this is a dax",
    ],
)
def test_what_is_ordered_asked_planned_or_forged_says_nothing(text):
    assert all(
        s.subject != SPEAKER and s.relation not in ("is in", "is at") for s in read(text).sayings
    )


@pytest.mark.parametrize("verb", ["threw the mug away", "sold the mug", "switched the stove off"])
def test_what_nobody_did_did_not_happen(verb):
    assert read(f"Ben {verb}").sayings
    assert not read(f"nobody {verb}").sayings


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("the mug is still in the hall", True),
        ("the mug is in the hall now", True),
        ("the mug is usually in the hall", False),
        ("the mug was in the hall", False),
        ("I think the mug is in the hall", False),
        ("the mug is in the hall, I guess", False),
        ("there is a mug in the hall", False),
        ("somebody left the mug in the hall", False),
    ],
)
def test_only_what_is_said_outright_and_of_now_is_to_be_learned(text, is_plain):
    (saying,) = read(text).sayings

    assert saying.is_plain is is_plain


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the keys: living room, I left them there", ("keys", "living room", True)),
        ("in the hall now, your red mug", ("red mug", "hall", False)),
        ("keys are in the hall", ("keys", "hall", False)),
        ("saw keys in the hall", ("keys", "hall", False)),
        ("you moved keys to the hall", ("keys", "hall", True)),
        ("the keys to the hall", None),
        ("you find the keys in the hall", None),
        ("the keys and the mug are here in the hall", None),
        ("the kitchen is near the hall", None),
        ("find the mug in the hall", None),
    ],
)
def test_a_sentence_that_only_points_has_one_thing_and_one_room(text, found):
    assert thing_and_room(text) == found
