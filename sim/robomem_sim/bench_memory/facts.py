"""Facts against hearsay: what is so, what was so, what was known then, and over two relations.

Beside the memory answer a caption store (what was said is found by its words, the newest that says it wins), a buffer of the
last captions, and a listener who errs in nothing: the best that can be made of what was said. The baselines are given a reader
that understands every sentence, knows which relation is asked for, and follows other names it retrieved.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robomem.config import Config, StoreConfig
from robomem.eval.bench import Table
from robomem.eval.columns import Column, table_of
from robomem.eval.trial import Stopwatch, Times, new_memory
from robomem.semantic.facts import Fact, Facts
from robomem_sim.bench_memory.hearsay import DAY_NS, NICKNAMES, Hearsay, Said, live_by_hearsay
from robomem_sim.bench_memory.listeners import (
    CaptionStore,
    Listener,
    PerfectListener,
    Remembered,
    follow,
)

CONFIG = Config(store=StoreConfig(sync="normal"))
BUFFER = 50  # captions
NEAREST = 5
SCALE, QUICK_SCALE = 20_000, 2_000
ASKED_AS = {
    "lives in": "In which town does the owner of the {} live?",
    "works at": "Where does the owner of the {} work?",
}
ASKED = 200  # calls whose times are taken


@dataclass(frozen=True, slots=True)
class Question:
    """What a subject's relations lead to one after the other, and the true answer; None: it cannot be known."""

    kind: str
    subject: str
    relations: tuple[str, ...]
    as_of_ns: int
    known_at_ns: int
    right: str | None


@dataclass(frozen=True, slots=True)
class SystemFindings:
    """How one system answered questions of one kind: parts of them, `silent` without an answer."""

    kind: str
    system: str
    questions: int
    right: float
    wrong: float
    silent: float


@dataclass(frozen=True, slots=True)
class ScaleFindings:
    """What many facts cost.

    Attributes:
        facts: How many there are when times are taken,
        learned_per_s: learned in one transaction.
        about: Times of all that holds of a thing,
        known_at: and by what was known when half of them were.
        near: Of the facts nearest to words,
        reload_s: and of the first of these after a change.
    """

    facts: int
    learned_per_s: float
    about: Times
    known_at: Times
    near: Times
    reload_s: float


@dataclass(frozen=True, slots=True)
class FactsFindings:
    """What facts are worth.

    Attributes:
        seeds: Of the months.
        sentences: That were said in plain words,
        understood: the part of them that was learned as meant,
        misread: and as something else.
        systems: The answers.
        hops: Questions over two relations, in words.
        related: The part of them for which both facts are among the nearest five in the graph,
        lexical: and among the five captions that share most words.
        scale: What many facts cost.
    """

    seeds: tuple[int, ...]
    sentences: int
    understood: float
    misread: float
    systems: tuple[SystemFindings, ...]
    hops: int
    related: float
    lexical: float
    scale: ScaleFindings

    def tables(self) -> tuple[Table, ...]:
        """Return answers, and what they cost."""
        rows = [(f"{s.kind}: {s.system}", s) for s in self.systems]
        return (
            table_of("Facts by hearsay, a month", rows, _ANSWERS, first="asked: answers"),
            table_of("Sentences to facts, and facts near to words", [("", self)], _READING),
            table_of(
                "What facts cost", [(str(self.scale.facts), self.scale)], _SCALE, first="facts"
            ),
        )


_ANSWERS: tuple[Column[SystemFindings], ...] = (
    Column("questions", lambda s: s.questions, ".0f"),
    Column("right %", lambda s: 100 * s.right, ".1f"),
    Column("wrong %", lambda s: 100 * s.wrong, ".1f"),
    Column("silent %", lambda s: 100 * s.silent, ".1f"),
)
_READING: tuple[Column[FactsFindings], ...] = (
    Column("sentences", lambda f: f.sentences, ".0f"),
    Column("understood %", lambda f: 100 * f.understood, ".1f"),
    Column("misread %", lambda f: 100 * f.misread, ".1f"),
    Column("questions over two relations", lambda f: f.hops, ".0f"),
    Column("both facts in the nearest 5 of the graph %", lambda f: 100 * f.related, ".0f"),
    Column("of the captions, by words %", lambda f: 100 * f.lexical, ".0f"),
)
_SCALE: tuple[Column[ScaleFindings], ...] = (
    Column("learned a second", lambda s: s.learned_per_s, ".0f"),
    Column("about ms p50", lambda s: s.about.p50_ms, ".2f"),
    Column("p99", lambda s: s.about.p99_ms, ".2f"),
    Column("about, as known then ms p50", lambda s: s.known_at.p50_ms, ".2f"),
    Column("related ms p50", lambda s: s.near.p50_ms, ".1f"),
    Column("p99", lambda s: s.near.p99_ms, ".1f"),
    Column("after a change ms", lambda s: 1e3 * s.reload_s, ".0f"),
)


def measure_facts(seeds: Sequence[int], is_quick: bool) -> FactsFindings:
    """Tell memories the month of each seed, and ask."""
    answers, reading, search = Counter[tuple[str, str, str]](), Counter[str](), Counter[str]()
    for seed in seeds:
        month = live_by_hearsay(seed)
        questions = list(_questions(month, np.random.default_rng([seed, 18])))
        with new_memory(CONFIG) as memory, new_memory(CONFIG) as understanding:
            reading += _tell(memory.facts, month.said)
            _tell(understanding.facts, month.said, is_understood=True)
            systems: dict[str, Listener] = {
                "facts": Remembered(understanding.facts),
                "facts, from words": Remembered(memory.facts),
                "caption store": CaptionStore(month.said),
                f"last {BUFFER} captions": CaptionStore(month.said, last=BUFFER),
                "perfect listener": PerfectListener(month),
            }
            answers += _ask(systems, questions)
            search += _search(understanding.facts, month, questions)
    sentences, hops = reading.total(), search["asked"]
    return FactsFindings(
        seeds=tuple(seeds),
        sentences=sentences,
        understood=reading["understood"] / sentences,
        misread=reading["misread"] / sentences,
        systems=tuple(_findings(answers)),
        hops=hops,
        related=search["graph"] / hops,
        lexical=search["words"] / hops,
        scale=_measure_scale(QUICK_SCALE if is_quick else SCALE, np.random.default_rng([*seeds])),
    )


# ---- a month --------------------------------------------------------------------------------------


def _tell(facts: Facts, said: Sequence[Said], *, is_understood: bool = False) -> Counter[str]:
    """Tell plain sentences in words, and the others by what they say; counts how sentences were understood.

    With `is_understood` all are told by what they say, as the baselines' reader understands all.
    """
    learned: dict[int, list[Fact]] = {}
    reading = Counter[str]()
    for row, one in enumerate(said):
        if one.taken_back is not None:
            ids = [i for fact in learned.get(one.taken_back, []) for i in fact.fact_ids]
            facts.retire(ids, stamp_ns=one.stamp_ns)
        elif one.is_plain and not is_understood:
            learned[row] = facts.listen(one.text, stamp_ns=one.stamp_ns)
            reading[_understood(facts, learned[row], one)] += 1
        elif one.relation == "is called":
            facts.alias(one.subject, one.value, stamp_ns=one.stamp_ns)
        else:
            fact = facts.learn(
                one.subject,
                one.relation,
                one.value,
                stamp_ns=one.stamp_ns,
                valid_from_ns=one.valid_from_ns,
            )
            learned[row] = [fact]
    return reading


def _understood(facts: Facts, learned: Sequence[Fact], said: Said) -> str:
    if said.relation == "is called":
        return "understood" if said.subject in facts.names_of(said.value).names else "missed"
    if not learned:
        return "missed"
    meant = said.subject, said.relation, said.value
    got = [(fact.subject, fact.relation, fact.object) for fact in learned]
    return "understood" if got == [meant] else "misread"


def _questions(month: Hearsay, rng: np.random.Generator) -> Iterator[Question]:
    """Ask for every truth: now, at times before, what was known at times before; and over two relations."""
    best, end_ns = PerfectListener(month), month.end_ns
    of = {(truth.subject, truth.relation): truth for truth in month.truths}
    for truth in month.truths:
        name = NICKNAMES.get(truth.subject, truth.subject) if rng.random() < 0.5 else truth.subject
        one = (truth.relation,)
        yield Question("now", name, one, end_ns, end_ns, truth.at(end_ns))
        for stamp_ns in rng.integers(DAY_NS, end_ns, size=3).tolist():
            yield Question("as of", name, one, stamp_ns, end_ns, truth.at(stamp_ns))
        for stamp_ns in rng.integers(11 * DAY_NS, end_ns, size=3).tolist():
            known = best.answer(name, truth.relation, as_of_ns=stamp_ns, known_at_ns=stamp_ns)
            yield Question("as known at", name, one, stamp_ns, stamp_ns, known)
        if truth.relation == "belongs to":
            then_ns = int(rng.integers(DAY_NS, end_ns))
            for kind, stamp_ns in (("two relations", end_ns), ("two relations, as of", then_ns)):
                owner, second = truth.at(stamp_ns), ("lives in", "works at")[int(rng.integers(2))]
                assert owner is not None
                right = of[owner, second].at(stamp_ns)
                yield Question(kind, name, (*one, second), stamp_ns, end_ns, right)


def _ask(
    systems: Mapping[str, Listener], questions: Sequence[Question]
) -> Counter[tuple[str, str, str]]:
    return Counter(
        (question.kind, name, _judge(system, question))
        for question in questions
        for name, system in systems.items()
    )


def _judge(system: Listener, question: Question) -> str:
    answer = follow(
        system,
        question.subject,
        question.relations,
        as_of_ns=question.as_of_ns,
        known_at_ns=question.known_at_ns,
    )
    if answer == question.right:
        return "right"
    return "silent" if answer is None else "wrong"


def _search(facts: Facts, month: Hearsay, questions: Sequence[Question]) -> Counter[str]:
    """Look for the two facts that answer a question over two relations, by the name of the thing in it."""
    store, found = CaptionStore(month.said), Counter[str]()
    for question in questions:
        if question.kind != "two relations":
            continue
        first, second = question.relations
        owner = Remembered(facts).answer(
            question.subject, first, as_of_ns=month.end_ns, known_at_ns=month.end_ns
        )
        words = ASKED_AS[second].format(question.subject)
        near = {
            (s.fact.relation, s.fact.subject if s.fact.relation == second else s.fact.object)
            for s in facts.related(words, NEAREST)
        }
        said = [month.said[row] for row in store.nearest(words, until_ns=month.end_ns, k=NEAREST)]
        captions = {(s.relation, s.subject if s.relation == second else s.value) for s in said}
        wanted = {(first, owner), (second, owner)}
        found["asked"] += 1
        found["graph"] += wanted <= near
        found["words"] += wanted <= captions
    return found


def _findings(answers: Counter[tuple[str, str, str]]) -> Iterator[SystemFindings]:
    for kind, name in dict.fromkeys((kind, name) for kind, name, _ in answers):
        counts = [answers[kind, name, verdict] for verdict in ("right", "wrong", "silent")]
        yield SystemFindings(kind, name, sum(counts), *(n / sum(counts) for n in counts))


# ---- many facts -----------------------------------------------------------------------------------


def _measure_scale(count: int, rng: np.random.Generator) -> ScaleFindings:
    """Learn many facts of things, people and places, and take times."""
    things, people = (
        [f"thing {i}" for i in range(count // 8)],
        [f"person {i}" for i in range(count // 50)],
    )
    places = [f"place {i}" for i in range(200)]
    told = [_any_fact(things, people, places, rng) for _ in range(count)]
    with new_memory(CONFIG) as memory:
        facts, learning = memory.facts, Stopwatch()
        with learning.timing(), facts.at_once():
            for stamp_ns, (subject, relation, value) in enumerate(told):
                facts.learn(subject, relation, value, stamp_ns=stamp_ns)
        about, known_at, near, reload = Stopwatch(), Stopwatch(), Stopwatch(), Stopwatch()
        with reload.timing():
            facts.related(things[0])
        for row in rng.integers(len(things), size=ASKED).tolist():
            with about.timing():
                facts.about(things[row])
            with known_at.timing():
                facts.about(things[row], known_at_ns=count // 2)
            with near.timing():
                facts.related(f"the {things[row]} of {people[row % len(people)]}")
    return ScaleFindings(
        count,
        count / learning.total_s,
        about.times(),
        known_at.times(),
        near.times(),
        reload.total_s,
    )


def _any_fact(
    things: Sequence[str], people: Sequence[str], places: Sequence[str], rng: np.random.Generator
) -> tuple[str, str, str]:
    thing, person = things[int(rng.integers(len(things)))], people[int(rng.integers(len(people)))]
    place = places[int(len(places) * rng.random() ** 2)]  # some places hold most things
    return (
        (thing, "is in", place),
        (thing, "is in", place),
        (thing, "belongs to", person),
        (person, "likes", thing),
    )[int(rng.integers(4))]
