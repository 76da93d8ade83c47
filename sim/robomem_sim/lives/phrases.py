"""Captions: what is to be seen, said in one of several ways."""

from collections import defaultdict
from collections.abc import Sequence

from numpy.random import Generator

from robomem_sim.lives.home import Thing
from robomem_sim.lives.world import Activity, Stay

GUESTS_CAME = "the guests came"
MOST_NAMED = 6  # things in one caption

ACTIVITY = (
    "{person} is {doing} in the {room}",
    "in the {room} {person} is still {doing}",
    "I see {person} {doing}",
    "{person} keeps {doing}",
    "there is {person} in the {room}, {doing}",
)
THINGS = (
    "I see {things} in the {room}",
    "{things}: this is the {room}",
    "in the {room} there is {things}",
)
NOTHING = (
    "the {room} is tidy, with nothing lying about",
    "I see the {room}, and no things in view",
)


def caption_of_activity(activity: Activity, rng: Generator) -> str:
    """Say what somebody does."""
    return _drawn(ACTIVITY, rng).format(
        person=activity.person, doing=activity.doing, room=activity.room
    )


def caption_of_things(
    seen: Sequence[tuple[Thing, Stay]], doing: Sequence[Activity], room: str, rng: Generator
) -> str:
    """Say what stands where, and who is there."""
    on: dict[str, list[str]] = defaultdict(list)
    for thing, stay in seen[:MOST_NAMED]:
        assert stay.spot is not None, "it is in the house"
        on[stay.spot.name].append(f"a {thing.label}")
    things = ", ".join(f"{_listed(labels)} on the {spot}" for spot, labels in on.items())
    text = _drawn(THINGS if things else NOTHING, rng).format(things=things, room=room)
    return text if not doing else f"{text}; {doing[0].person} is {doing[0].doing}"


def caption_of_move(thing: Thing, before: Stay, after: Stay, room: str) -> str:
    """Say what somebody does with a thing in this room."""
    who = after.by or "somebody"
    if after.spot is not None and after.spot.room == room:
        return f"{who} puts the {thing.label} on the {after.spot.name} in the {room}"
    assert before.spot is not None, "it was here"
    return f"{who} takes the {thing.label} from the {before.spot.name} in the {room}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _drawn(forms: Sequence[str], rng: Generator) -> str:
    return forms[int(rng.integers(len(forms)))]
