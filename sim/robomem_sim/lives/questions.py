"""Questions about a life, in words, with their true answers: what a robot that was there could know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from numpy.random import Generator

from robomem_sim.lives.home import ABSENT, Thing, Vector
from robomem_sim.lives.knowable import has_changed, is_at, is_known_here, is_missed
from robomem_sim.lives.phrases import GUESTS_CAME
from robomem_sim.lives.talk import IS_ON
from robomem_sim.lives.truth import Glimpse, Life, last_before
from robomem_sim.lives.world import DAY_NS, HOUR_NS, MINUTE_NS

PLACE_TOLERANCE_M = 0.5
TIME_TOLERANCE_NS = 2 * MINUTE_NS
DRAWS = 60  # tries to find a question that has a clear answer
MOST_CHANGES = 8


class Asked(StrEnum):
    """The kinds of questions."""

    WHERE = "where"
    WHEN = "when"
    AS_OF = "as of"
    COUNT = "how many"
    CHANGED = "what changed"
    TOLD = "what was told"
    WHO = "who told"
    HAPPENED = "when did it happen"
    BEFORE = "before an event"
    DURATION = "how long"
    STILL = "is it still there"
    NEGATION = "which rooms have none"
    NOTHING = "what never was"


@dataclass(frozen=True, slots=True, eq=False)
class Right:
    """What a right answer says; what is None it need not say.

    Attributes:
        p_map: Where, (3,) metres in map, within PLACE_TOLERANCE_M.
        room: In which room, for who answers no more exactly.
        spans_ns: When: within one of them.
        names: Which things, people or rooms: all of them;
        doubtful: and those that are neither right nor wrong to name.
        value: How many; for a duration, seconds.
        is_yes: Yes or no.
    """

    p_map: Vector | None = None
    room: str | None = None
    spans_ns: tuple[tuple[int, int], ...] = ()
    names: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    value: float | None = None
    is_yes: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked at the end of a life; `right` is None where nothing is known of it.

    Attributes:
        asked: Its kind.
        words: As a person asks.
        about: The thing, person or room that it is about, where there is one.
        since_ns: The time that it names: from
        until_ns: to.
        right: The answer.
    """

    asked: Asked
    words: str
    about: str | None
    right: Right | None
    since_ns: int | None = None
    until_ns: int | None = None


def ask_about(
    life: Life, rng: Generator, *, each: int, kinds: Sequence[Asked] = tuple(Asked)
) -> list[Question]:
    """Draw questions about a life, so many of each kind (fewer where there are no more), none twice."""
    questions: dict[str, Question] = {}
    for kind in kinds:
        drawn = (_DRAW[kind](life, rng) for _ in range(DRAWS * each))
        found = 0
        for question in drawn:
            if question is not None and question.words not in questions:
                questions[question.words] = question
                found += 1
            if found == each:
                break
    return list(questions.values())


# --- where and when ------------------------------------------------------------------------------


def _where(life: Life, rng: Generator) -> Question | None:
    thing, glimpses = _draw_seen(life, rng)
    if not glimpses:
        return None
    forms = ("where did I last see the {}?", f"where {_is(thing)} the {{}}?")
    words = _drawn(forms, rng).format(thing.label)
    return Question(Asked.WHERE, words, thing.label, _place_of(glimpses[-1]))


def _when(life: Life, rng: Generator) -> Question | None:
    thing, glimpses = _draw_seen(life, rng)
    if not glimpses:
        return None
    words = f"when did you last see the {thing.label}?"
    return Question(Asked.WHEN, words, thing.label, _time_of(glimpses[-1].stamp_ns))


def _as_of(life: Life, rng: Generator) -> Question | None:
    thing, glimpses = _draw_seen(life, rng)
    stamp_ns = _draw_stamp(life, rng)
    then = last_before(glimpses, stamp_ns)
    if then is None or is_at(then, glimpses[-1]):
        return None  # of what never moved the last place is right, whatever the time
    words = f"where {_was(thing)} the {thing.label} {_at(stamp_ns, life)}?"
    return Question(Asked.AS_OF, words, thing.label, _place_of(then), until_ns=stamp_ns)


def _before(life: Life, rng: Generator) -> Question | None:
    """Ask where something was before the guests came, as far as the robot noticed that they did."""
    noticed_ns = [words.stamp_ns for words in life.words() if words.text.startswith(GUESTS_CAME)]
    if not noticed_ns:
        return None
    came_ns = noticed_ns[-1]
    thing, glimpses = _draw_seen(life, rng)
    then = last_before(glimpses, came_ns)
    if then is None or is_at(then, glimpses[-1]):
        return None
    words = f"where {_was(thing)} the {thing.label} before the guests came?"
    return Question(Asked.BEFORE, words, thing.label, _place_of(then), until_ns=came_ns)


def _still(life: Life, rng: Generator) -> Question | None:
    thing, glimpses = _draw_seen(life, rng)
    if not glimpses:
        return None
    last = glimpses[-1]
    is_there = life.world.stay(thing.thing_id, last.stamp_ns).until_ns >= life.world.end_ns
    # Most that move are seen elsewhere: what is not is rare, so ask for it more often.
    if is_there != bool(rng.random() < 0.3) or (not is_there and not is_missed(life, last)):
        return None
    place = _drawn(("there", f"on the {last.spot}"), rng)
    words = f"{_is(thing)} the {thing.label} still {place}?"
    return Question(Asked.STILL, words, thing.label, Right(is_yes=is_there))


# --- how many, which, how long -------------------------------------------------------------------


def _count(life: Life, rng: Generator) -> Question | None:
    nouns = sorted({thing.noun for thing in life.home.things})
    noun = nouns[int(rng.integers(len(nouns)))]
    if noun.endswith("s"):
        return None  # "keys" and "glasses": is a pair one or two?
    of_noun = [thing for thing in life.home.things if thing.noun == noun]
    known = [is_known_here(life, thing) for thing in of_noun]
    if None in known or not any(known):
        return None
    words = f"how many {_plural(noun)} are there?"
    return Question(Asked.COUNT, words, noun, Right(value=sum(map(bool, known))))


def _changed(life: Life, rng: Generator) -> Question | None:
    since_ns = life.end_ns - int(rng.uniform(2, 26) * HOUR_NS)
    since_ns -= since_ns % MINUTE_NS
    if since_ns < life.world.start_ns + 8 * HOUR_NS:
        return None
    room = _drawn([r.name for r in life.home.rooms], rng) if rng.random() < 0.5 else None
    changed = {t: has_changed(life, t, since_ns=since_ns, room=room) for t in life.home.things}
    names = frozenset(thing.label for thing, is_so in changed.items() if is_so)
    if not 0 < len(names) <= MOST_CHANGES:
        return None
    doubtful = frozenset(thing.label for thing, is_so in changed.items() if is_so is None)
    place = f" in the {room}" if room else ""
    words = f"what changed{place} {_since(since_ns, life)}?"
    right = Right(names=names, doubtful=doubtful - names)
    return Question(Asked.CHANGED, words, room, right, since_ns=since_ns)


def _duration(life: Life, rng: Generator) -> Question | None:
    segment = life.segments[int(rng.integers(len(life.segments)))]
    start_ns = _floor(segment.start_ns - int(rng.uniform(5, 40) * MINUTE_NS), MINUTE_NS)
    end_ns = _floor(segment.end_ns + int(rng.uniform(5, 40) * MINUTE_NS), MINUTE_NS)
    is_one_day = start_ns // DAY_NS == end_ns // DAY_NS and end_ns < life.end_ns
    if not is_one_day or start_ns < life.segments[0].start_ns:
        return None
    inside_ns = sum(
        max(0, min(s.end_ns, end_ns) - max(s.start_ns, start_ns))
        for s in life.segments
        if s.room == segment.room
    )
    span = f"between {_clock(start_ns)} and {_clock(end_ns)}"
    words = f"how long were you in the {segment.room} {_day(start_ns, life)}{span}?"
    right = Right(value=inside_ns / 1e9)
    return Question(Asked.DURATION, words, segment.room, right, start_ns, end_ns)


def _negation(life: Life, rng: Generator) -> Question | None:
    nouns = ("mug", "table lamp", "potted plant", "book")
    noun = _drawn(nouns, rng)
    of_noun = [t for t in life.home.things if noun in (t.label, t.noun)]
    known = {thing: is_known_here(life, thing) for thing in of_noun}
    if None in known.values():
        return None
    last = [life.last_glimpse(thing.thing_id) for thing, is_here in known.items() if is_here]
    have = {glimpse.room for glimpse in last if glimpse}
    if not have:
        return None
    names = frozenset(room.name for room in life.home.rooms) - have
    return Question(Asked.NEGATION, f"which rooms have no {noun}?", noun, Right(names=names))


# --- what was told, what happened ----------------------------------------------------------------


def _told(life: Life, rng: Generator) -> Question | None:
    about, stamps, _ = _draw_told(life, rng)
    if about is None:
        return None
    words = f"what was I told about the {about}?"
    return Question(Asked.TOLD, words, about, _times_of(stamps))


def _who(life: Life, rng: Generator) -> Question | None:
    about, _, speakers = _draw_told(life, rng)
    if about is None or len(speakers) > 1:
        return None
    words = f"who told me about the {about}?"
    return Question(Asked.WHO, words, about, Right(names=frozenset(speakers)))


def _draw_told(life: Life, rng: Generator) -> tuple[str | None, list[int], set[str]]:
    of_things = [told for told in life.told if told.claim.relation == IS_ON]
    if not of_things:
        return None, [], set()
    about = of_things[int(rng.integers(len(of_things)))].claim.subject
    told = [t for t in of_things if t.claim.subject == about]
    return about, [t.stamp_ns for t in told], {t.speaker for t in told}


def _happened(life: Life, rng: Generator) -> Question | None:
    """Ask when somebody last did something that the robot says it saw."""
    activities = life.world.activities
    activity = activities[int(rng.integers(len(activities)))]
    seen = [
        w.stamp_ns for w in life.words() if activity.person in w.text and activity.doing in w.text
    ]
    if not seen:
        return None
    last = [ns for ns in seen if seen[-1] - ns < 2 * HOUR_NS]
    words = f"when was {activity.person} last {activity.doing}?"
    right = Right(spans_ns=((last[0] - TIME_TOLERANCE_NS, last[-1] + TIME_TOLERANCE_NS),))
    return Question(Asked.HAPPENED, words, activity.person, right)


def _nothing(life: Life, rng: Generator) -> Question | None:
    """Ask for what nobody has; `life` does not matter."""
    del life
    forms = ("where did I last see the {}?", "when did you last see the {}?", "how many {} are there?",
             "what was I told about the {}?", "who told me about the {}?")  # fmt: skip
    thing = _drawn(ABSENT, rng)
    form = _drawn(forms, rng)
    words = form.format(_plural(thing) if "many" in form else thing)
    return Question(Asked.NOTHING, words, thing, None)


_DRAW: dict[Asked, Callable[[Life, Generator], Question | None]] = {
    Asked.WHERE: _where,
    Asked.WHEN: _when,
    Asked.AS_OF: _as_of,
    Asked.COUNT: _count,
    Asked.CHANGED: _changed,
    Asked.TOLD: _told,
    Asked.WHO: _who,
    Asked.HAPPENED: _happened,
    Asked.BEFORE: _before,
    Asked.DURATION: _duration,
    Asked.STILL: _still,
    Asked.NEGATION: _negation,
    Asked.NOTHING: _nothing,
}


# --- what is true --------------------------------------------------------------------------------


def _draw_seen(life: Life, rng: Generator) -> tuple[Thing, list[Glimpse]]:
    """Draw a thing that is the only one of its label, with its glimpses."""
    labels = [thing.label for thing in life.home.things]
    single = [thing for thing in life.home.things if labels.count(thing.label) == 1]
    thing = single[int(rng.integers(len(single)))]
    return thing, life.glimpses_of([thing.thing_id])


def _place_of(glimpse: Glimpse) -> Right:
    return Right(p_map=glimpse.p_map, room=glimpse.room)


def _time_of(stamp_ns: int) -> Right:
    return _times_of([stamp_ns])


def _times_of(stamps_ns: Sequence[int]) -> Right:
    return Right(
        spans_ns=tuple((ns - TIME_TOLERANCE_NS, ns + TIME_TOLERANCE_NS) for ns in stamps_ns)
    )


# --- words ---------------------------------------------------------------------------------------


def _draw_stamp(life: Life, rng: Generator) -> int:
    """Draw a whole minute of the robot's waking hours."""
    day_ns = int(rng.integers(life.world.start_ns // DAY_NS, life.end_ns // DAY_NS + 1)) * DAY_NS
    return day_ns + int(rng.uniform(8, 22) * 60) * MINUTE_NS


def _plural(noun: str) -> str:
    return f"{noun}{'es' if noun.endswith(('sh', 'x')) else 's'}"


def _is(thing: Thing) -> str:
    return "are" if thing.label.endswith("s") else "is"


def _was(thing: Thing) -> str:
    return "were" if thing.label.endswith("s") else "was"


def _at(stamp_ns: int, life: Life) -> str:
    """Say when: "at 12:30" (today), "yesterday at 12:30", "on 5 March at 12:30"."""
    return f"{_day(stamp_ns, life)}at {_clock(stamp_ns)}"


def _since(stamp_ns: int, life: Life) -> str:
    return f"since {_at(stamp_ns, life).removeprefix('at ').removeprefix('on ')}"


def _day(stamp_ns: int, life: Life) -> str:
    """Say which day: nothing (today), "yesterday ", "on 5 March "."""
    then = datetime.fromtimestamp(stamp_ns // 10**9, UTC)
    days = life.end_ns // DAY_NS - stamp_ns // DAY_NS
    return ("", "yesterday ")[days] if days < 2 else f"on {then.day} {then:%B} "


def _clock(stamp_ns: int) -> str:
    return f"{datetime.fromtimestamp(stamp_ns // 10**9, UTC):%H:%M}"


def _floor(stamp_ns: int, step_ns: int) -> int:
    return stamp_ns - stamp_ns % step_ns


def _drawn(options: Sequence[str], rng: Generator) -> str:
    return options[int(rng.integers(len(options)))]
