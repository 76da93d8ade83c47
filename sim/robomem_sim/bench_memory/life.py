"""Questions about whole lives, to a memory and to the baselines beside it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import numpy as np

from robomem.config import Config, SpatialConfig, StoreConfig
from robomem.errors import QueryError
from robomem.eval.bench import Table
from robomem.eval.columns import Column, table_of
from robomem.eval.trial import Stopwatch, Times, new_memory
from robomem.memory import Memory
from robomem.types import Answer, Hit
from robomem_sim.bench_memory.baselines import CaptionStore, LastBuffer, caption_of
from robomem_sim.bench_memory.replies import (
    Reply,
    Said,
    is_room_right,
    place_error_m,
    rank_of_right,
)
from robomem_sim.lives import SPARING, Asked, ConceptEncoder, Life, Question, ask_about, live
from robomem_sim.lives.living import remember

DAYS, QUICK_DAYS = (1.0, 30.0), (1.0,)
EACH = 10  # questions of every kind about a life
ROBOMEM, CAPTIONS, BUFFER = "robomem", "captions, ReMEmbR's manner", "last 200 captions"
SYSTEMS = (ROBOMEM, CAPTIONS, BUFFER)
ENCODER_SEED = 0
# What is acknowledged survives the death of the process, and a month of looks does not take an hour.
CONFIG = Config(store=StoreConfig(sync="normal"), spatial=SpatialConfig(voxel_size_m=0.1))


@dataclass(frozen=True, slots=True)
class KindScore:
    """How many questions of a kind were asked, and how many had a right answer first, or among the first five."""

    kind: str
    asked: int
    first: int
    five: int


@dataclass(frozen=True, slots=True)
class SystemFindings:
    """What one system answered.

    Attributes:
        name: Which system.
        scores: By kind of question.
        not_understood: Of the questions.
        off_median_m: How far the last place of a thing that it says is from the true one, where it says one;
        off_p95_m: the same, 95th percentile.
        room_right: The part of the questions "where" whose room is right.
        abstain_precision: The part of its abstentions that are right to,
        abstain_recall: and of the questions about what never was that it abstains from.
        answer: How long an answer takes.
        ratio: The median of that, over the one of the first baseline.
        bytes_an_hour: What it keeps for each hour of life.
    """

    name: str
    scores: tuple[KindScore, ...]
    not_understood: int
    off_median_m: float | None
    off_p95_m: float | None
    room_right: float | None
    abstain_precision: float | None
    abstain_recall: float | None
    answer: Times
    ratio: float | None
    bytes_an_hour: float

    @property
    def whole(self) -> KindScore:
        """All kinds together."""
        sums = [sum(getattr(s, name) for s in self.scores) for name in ("asked", "first", "five")]
        return KindScore("all", *sums)


@dataclass(frozen=True, slots=True)
class LengthFindings:
    """What was found in lives of one length: `tell_s` is how long the memory took to be told all of one."""

    days: float
    seeds: tuple[int, ...]
    moments: int
    tell_s: float
    systems: tuple[SystemFindings, ...]


@dataclass(frozen=True, slots=True)
class LifeFindings:
    """What was found in lives, by their length."""

    lengths: tuple[LengthFindings, ...]

    def tables(self) -> tuple[Table, ...]:
        """Return the tables for a document."""
        return tuple(
            table for found in self.lengths for table in (_kinds_table(found), _cost_table(found))
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Answered:
    """One question to one system, with what it said; None where the question was not understood."""

    question: Question
    reply: Reply | None
    is_room_right: bool


@dataclass(slots=True, eq=False)
class _Tally:
    """All that one system answered in lives of one length."""

    answered: list[_Answered]
    watch: Stopwatch
    bytes_kept: int = 0
    hours: float = 0.0


def measure_life(seeds: Sequence[int], is_quick: bool) -> LifeFindings:
    """Live lives, and ask about them.

    Args:
        seeds: Of the lives of a day; the first is also lived for a month.
        is_quick: Only days.
    """
    lengths = QUICK_DAYS if is_quick else DAYS
    return LifeFindings(
        tuple(measure_length(seeds if days <= 1 else seeds[:1], days=days) for days in lengths)
    )


def measure_length(seeds: Sequence[int], *, days: float) -> LengthFindings:
    """Live lives of one length, tell all systems the same, and ask them the same."""
    tallies = {name: _Tally([], Stopwatch()) for name in SYSTEMS}
    telling, moments = Stopwatch(), 0
    for seed in seeds:
        life = live(seed, days=days, senses=SPARING if days > 2 else None)
        moments += len(life.moments)
        _measure(life, tallies, telling)
    baseline = tallies[CAPTIONS].watch.times().p50_ms
    return LengthFindings(
        days=days,
        seeds=tuple(seeds),
        moments=moments // len(seeds),
        tell_s=telling.total_s / len(seeds),
        systems=tuple(_summed(name, tally, baseline) for name, tally in tallies.items()),
    )


def _measure(life: Life, tallies: dict[str, _Tally], telling: Stopwatch) -> None:
    encoder = ConceptEncoder(ENCODER_SEED)
    store, buffer = CaptionStore(encoder), LastBuffer()
    for words in life.words():
        for baseline in (store, buffer):
            baseline.add(caption_of(words))
    with told_memory(life, encoder, telling) as memory:
        memory_bytes = memory.info().bytes_on_disk
        systems: dict[str, Callable[[Question], Reply | None]] = {
            ROBOMEM: lambda question: reply_of(memory, question),
            CAPTIONS: store.answer,
            BUFFER: buffer.answer,
        }
        _ask_all(life, systems, tallies)
    kept = (memory_bytes, store.bytes_kept, buffer.bytes_kept)
    for tally, size in zip(tallies.values(), kept, strict=True):
        tally.bytes_kept += size
        tally.hours += life.hours


@contextmanager
def told_memory(life: Life, encoder: ConceptEncoder, telling: Stopwatch) -> Iterator[Memory]:
    """Make a memory that was told a life, for a while."""
    with new_memory(CONFIG) as memory:
        with telling.timing():
            remember(memory, life.moments, encoder=encoder, has_depth=True)
        yield memory


def _ask_all(
    life: Life, systems: dict[str, Callable[[Question], Reply | None]], tallies: dict[str, _Tally]
) -> None:
    """Ask all systems in turn; each is asked once before the time is taken."""
    questions = ask_about(life, np.random.default_rng([life.seed, 1]), each=EACH)
    for answer in systems.values():
        answer(questions[0])
    for question in questions:
        for name, answer in systems.items():
            with tallies[name].watch.timing():
                reply = answer(question)
            is_right = reply is not None and is_room_right(question, reply, life.home)
            tallies[name].answered.append(_Answered(question, reply, is_right))


def reply_of(memory: Memory, question: Question) -> Reply | None:
    """Return what a memory answers in the one form of all systems; None where it does not understand."""
    try:
        answer = memory.ask(question.words)
    except QueryError:
        return None
    said = tuple(_said(hit, question) for hit in answer.hits)
    return Reply(said, is_found=bool(answer), value=answer.value, is_yes=_is_yes(answer))


def _said(hit: Hit, question: Question) -> Said:
    evidence, names = hit.evidence, set[str]()
    if question.asked is Asked.WHO and hit.event is not None:
        names.add(hit.event.source)
    elif hit.room is not None:
        names.add(hit.room)
    elif hit.entity is not None:
        names.add(hit.entity.label)
    elif hit.event is not None and hit.event.label is not None:
        names.add(hit.event.label)
    return Said(evidence.stamp_ns, evidence.p_map, evidence.text, frozenset(names))


def _is_yes(answer: Answer) -> bool | None:
    return None if answer.value is None else answer.value == 1


# --- sums ----------------------------------------------------------------------------------------


def _summed(name: str, tally: _Tally, baseline_ms: float) -> SystemFindings:
    times = tally.watch.times()
    where = [a for a in tally.answered if a.question.asked is Asked.WHERE]
    off_m = _errors(where)
    precision, recall = _abstention(tally.answered)
    return SystemFindings(
        name=name,
        scores=tuple(_score(tally.answered, kind) for kind in Asked if _of(tally.answered, kind)),
        not_understood=sum(a.reply is None for a in tally.answered),
        off_median_m=median(off_m) if off_m else None,
        off_p95_m=float(np.percentile(off_m, 95)) if off_m else None,
        room_right=sum(a.is_room_right for a in where) / len(where) if where else None,
        abstain_precision=precision,
        abstain_recall=recall,
        answer=times,
        ratio=times.p50_ms / baseline_ms if baseline_ms else None,
        bytes_an_hour=tally.bytes_kept / tally.hours,
    )


def _of(answered: Iterable[_Answered], kind: Asked) -> list[_Answered]:
    return [a for a in answered if a.question.asked is kind]


def _score(answered: Sequence[_Answered], kind: Asked) -> KindScore:
    those = _of(answered, kind)
    ranks = [None if a.reply is None else rank_of_right(a.question, a.reply) for a in those]
    within = [sum(rank is not None and rank < k for rank in ranks) for k in (1, 5)]
    return KindScore(kind, len(those), *within)


def _errors(where: Sequence[_Answered]) -> list[float]:
    errors = [None if a.reply is None else place_error_m(a.question, a.reply) for a in where]
    return [error for error in errors if error is not None]


def _abstention(answered: Sequence[_Answered]) -> tuple[float | None, float | None]:
    """Return precision and recall of "I do not know", of the questions that were understood."""
    understood = [(a.question, a.reply) for a in answered if a.reply is not None]
    abstained = [q.right is None for q, reply in understood if _abstains(q, reply)]
    unknown = [_abstains(q, reply) for q, reply in understood if q.right is None]
    precision = sum(abstained) / len(abstained) if abstained else None
    return precision, sum(unknown) / len(unknown) if unknown else None


def _abstains(question: Question, reply: Reply) -> bool:
    """Tell whether a reply abstains: nothing is found, or none are counted."""
    return not reply.is_found or (question.asked is Asked.NOTHING and reply.value == 0)


# --- tables --------------------------------------------------------------------------------------


def _kinds_table(found: LengthFindings) -> Table:
    """Return right answers by kind, first / among the first five, in per cent."""
    kinds = [score.kind for score in found.systems[0].scores]
    rows = []
    for i, kind in enumerate([*kinds, "all"]):
        scores = [s.whole if i == len(kinds) else s.scores[i] for s in found.systems]
        rows.append((kind, f"{scores[0].asked}", *(_shares(score) for score in scores)))
    title = (
        f"Lives of {_days(found.days)}: right answers in per cent, the first / among the first five"
    )
    return Table(title, ("question", "asked", *(s.name for s in found.systems)), tuple(rows))


def _shares(score: KindScore) -> str:
    return f"{100 * score.first / score.asked:.0f} / {100 * score.five / score.asked:.0f}"


_COST: tuple[Column[SystemFindings], ...] = (
    Column("last seen off m, median", lambda s: s.off_median_m, ".2f"),
    Column("p95", lambda s: s.off_p95_m, ".2f"),
    Column("room right %", lambda s: _percent(s.room_right), ".0f"),
    Column("abstains: precision %", lambda s: _percent(s.abstain_precision), ".0f"),
    Column("recall %", lambda s: _percent(s.abstain_recall), ".0f"),
    Column("not understood", lambda s: s.not_understood, ".0f"),
    Column("ms an answer p50", lambda s: s.answer.p50_ms, ".2f"),
    Column("p99", lambda s: s.answer.p99_ms, ".2f"),
    Column("ratio", lambda s: s.ratio, ".1f"),
    Column("kB an hour of life", lambda s: s.bytes_an_hour / 1e3, ".0f"),
)


def _cost_table(found: LengthFindings) -> Table:
    seeds = ", ".join(map(str, found.seeds))
    title = (
        f"Lives of {_days(found.days)} (seeds {seeds}): {found.moments:,} moments, told in {found.tell_s:.0f} s;"
        " errors, abstention and cost"
    )
    return table_of(title, [(s.name, s) for s in found.systems], _COST)


def _days(days: float) -> str:
    return "a day" if days == 1 else f"{days:g} days"


def _percent(part: float | None) -> float | None:
    return None if part is None else 100 * part
