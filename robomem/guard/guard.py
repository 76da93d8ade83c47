"""Which memories may steer the robot: what is said is judged, kept back where it must be, and judged again.

judge          what would become of a claim
admit          judge what is being remembered, and keep the ruling
look_again     judge again what the robot may have seen meanwhile
release, reject  a person rules
consult        lessons that fit, before acting

Held memories stay where they are, whole; no recall shows them unasked.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from robomem.checks import checked_stamp, checked_text
from robomem.claims import (
    Claim,
    ClaimKind,
    Ground,
    Held,
    Lesson,
    Level,
    Ruling,
    Statement,
    Trust,
    Verdict,
)
from robomem.config import GuardConfig
from robomem.errors import QueryError
from robomem.guard.consensus import compare
from robomem.guard.lessons import Lessons
from robomem.guard.reading import says_more, statement_in
from robomem.guard.rules import Rules
from robomem.guard.signs import signs_of, weight
from robomem.guard.sources import Sources
from robomem.guard.witness import RoomOf, Stand, Witness
from robomem.guard.words import fold
from robomem.sentences import is_place
from robomem.store.access import Access
from robomem.store.guard_rows import ClaimRow
from robomem.types import EventKind, Happening, Vector

MAX_ROUNDS = 4  # a claim is judged no more often for one look
AGREED = 0.5  # being agreed with by people counts half of being seen to be right


def _distinction(word: str) -> tuple[int, str]:
    """Rank words by how much they tell: long ones are rare (Zipf)."""
    return len(word), word


def _ignore(kind: ClaimKind, item_id: int) -> None:
    del kind, item_id


def _no_rooms(p_map: Vector) -> str | None:
    del p_map
    return None


class Guard:
    """The guard of one memory; `on_ruling` is called when one, by kind and number, is let out, or held after all.

    Attributes:
        room_of: Names the room of a point (3,) in map, or None; without rooms only things tell places.
    """

    def __init__(
        self,
        access: Access,
        config: GuardConfig,
        *,
        room_of: RoomOf = _no_rooms,
        on_ruling: Callable[[ClaimKind, int], object] = _ignore,
    ) -> None:
        self._access = access
        self._config = config
        self.room_of = room_of
        self._on_ruling = on_ruling
        records = access.records
        self._sources = Sources(records, config)
        self._witness = Witness(records, config, room_of=lambda p_map: self.room_of(p_map))
        self._rules = Rules(records, config, sources=self._sources, witness=self._witness)
        self._lessons = Lessons(records)

    # ---- claims -----------------------------------------------------------------------------------

    def judge(self, claim: Claim) -> Verdict:
        """Return what would become of a claim, and why; nothing is kept of it."""
        with self._access.reading():
            row = self._row(claim, item_id=0)
            return self._rules.rule(row, now_ns=row.heard_ns)

    def admit(self, claim: Claim, item_id: int) -> Verdict:
        """Judge what is being remembered under a number, and keep the ruling.

        Related claims are judged again: this one may corroborate them.
        """
        with self._access.writing() as records:
            row = self._row(claim, item_id)
            is_own = self._sources.level(claim.source) is Level.OWN
            if is_own and not row.subject and claim.kind is not ClaimKind.EXPERIENCE:
                # It is the robot's, and says nothing of others'.
                return Verdict(Ruling.ADMIT, Ground.OWN)
            verdict = self._rules.rule(row, now_ns=row.heard_ns)
            row = _with(row, verdict)
            is_old_news = row.ground is Ground.PERCEIVED and not row.is_negated
            if is_old_news or row.ground in (Ground.OWN, Ground.FLOOD):
                row = replace(row, is_open=False)
            records.claims.save(row)
            related = self._rules.related(row)
            if verdict or any(other.stamp_ns > row.stamp_ns for other in related):
                self._reconsider(self._concerned(row, related), now_ns=row.heard_ns)
            return verdict  # the last word of somebody who is not believed changes nothing

    def hear(self, numbered: Iterable[tuple[int, Happening]]) -> None:
        """Judge happenings that are remembered under the numbers of their events.

        What is told is somebody's word. What was seen, done or came of it is a report of the robot's own parts,
        unless its source is named as somebody else.
        """
        is_part: dict[str, bool] = {}
        for event_id, happening in numbered:
            source = happening.source
            if source not in is_part:
                is_part[source] = self._sources.is_part(source)
            if is_part[source] and happening.kind is not EventKind.TOLD:
                continue
            claim = Claim(
                kind=ClaimKind.EVENT,
                source=source,
                stamp_ns=happening.stamp_ns,
                text=happening.text,
            )
            self.admit(claim, event_id)

    def look_again(self, *, now_ns: int) -> int:
        """Judge again what the robot may have seen to be so, or not; returns how many rulings changed."""
        oldest_ns = now_ns - int(self._config.corroborate_s * 1e9)
        waiting = "is_open AND relation = 'at' AND stamp_ns >= ?"
        if not self._access.records.claims.count(waiting, oldest_ns):
            return 0
        with self._access.writing() as records:
            noticed = sorted(self._witness.noticed(since_ns=now_ns))
            marks = ", ".join("?" * len(noticed))
            rows = records.claims.select(f"{waiting} AND topic IN ({marks})", oldest_ns, *noticed)
            return self._reconsider(rows, now_ns=now_ns)

    def held(self) -> list[Held]:
        """Return what is in quarantine, in order of time."""
        with self._access.reading() as records:
            rows = records.claims.select("ruling != ?", Ruling.ADMIT)
        rows.sort(key=lambda row: (row.stamp_ns, row.kind, row.item_id))
        return [
            Held(row.kind, row.item_id, row.source, row.stamp_ns, row.text, _verdict(row))
            for row in rows
        ]

    def release(self, kind: ClaimKind, item_id: int) -> None:
        """Let a held memory out, for a person says that it is right; its source gains by it.

        Raises:
            QueryError: No such memory was claimed.
        """
        self._settle(kind, item_id, Verdict(Ruling.ADMIT, Ground.RELEASED))

    def reject(self, kind: ClaimKind, item_id: int) -> None:
        """Keep a memory back for good, for a person says that it is wrong; its source loses by it.

        Raises:
            QueryError: No such memory was claimed.
        """
        self._settle(kind, item_id, Verdict(Ruling.FLAG, Ground.REJECTED))

    # ---- sources ----------------------------------------------------------------------------------

    def trust(self, source: str) -> Trust:
        """Return how far a source is believed."""
        with self._access.reading():
            return self._sources.trust(source, now_ns=self._now_ns())

    def set_trust(self, source: str, level: Level) -> Trust:
        """Say who a source is, as when somebody introduces a guest; what it said is judged again."""
        with self._access.writing() as records:
            now_ns = self._now_ns()
            self._sources.set_level(source, Level(level), now_ns=now_ns)
            self._reconsider(records.claims.select("source = ?", source), now_ns=now_ns)
            return self._sources.trust(source, now_ns=now_ns)

    # ---- lessons ----------------------------------------------------------------------------------

    def learn(
        self,
        situation: str,
        went_wrong: str,
        *,
        source: str,
        stamp_ns: int,
        of: tuple[ClaimKind, int] | None = None,
    ) -> Lesson:
        """Keep what went wrong; a lesson from a stranger, or one made for a language model, is held.

        Args:
            situation: What was to be done, and how things stood.
            went_wrong: What was tried, and what came of it.
            source: Who says so.
            stamp_ns: When.
            of: The memory that taught it, by kind and number; it is held and let out, and forgotten, with that.

        Raises:
            DataError: A text says nothing, or the stamp is none.
        """
        lesson = Lesson(
            lesson_id=0,
            situation=checked_text(situation, "the situation"),
            went_wrong=checked_text(went_wrong, "what went wrong"),
            source=checked_text(source, "the source"),
            stamp_ns=checked_stamp(stamp_ns),
        )
        with self._access.writing() as records:
            claim = None if of is None else records.claims.get(*of)
            is_told = self._is_believed(lesson) if claim is None else bool(_verdict(claim))
            return self._lessons.add(lesson, of=of, is_held=not is_told)

    def lessons(self) -> list[Lesson]:
        """Return every lesson, in the order they were learnt; not those that are held."""
        with self._access.reading():
            return self._lessons.all()

    def consult(self, situation: str, *, limit: int = 5) -> list[Lesson]:
        """Return the lessons that fit a situation or a plan, best first: to be read before acting.

        Raises:
            QueryError: The limit is less than one.
        """
        if limit < 1:
            raise QueryError(f"the limit is at least 1, got {limit}")
        with self._access.reading():
            return self._lessons.consult(situation, limit=limit)

    # ---- inside -----------------------------------------------------------------------------------

    def _row(self, claim: Claim, item_id: int) -> ClaimRow:
        statement = claim.statement or statement_in(claim.text)
        subject = () if statement is None else fold(statement.subject)
        if statement is None or not subject:
            statement, subject = Statement("", "", ""), ()
        topic = subject[-1] if subject else max(fold(claim.text), key=_distinction, default="")
        relation = statement.relation.strip().lower()
        return ClaimRow(
            kind=claim.kind,
            item_id=item_id,
            source=claim.source,
            stamp_ns=claim.stamp_ns,
            about_ns=claim.stamp_ns if claim.about_ns is None else claim.about_ns,
            heard_ns=max(claim.stamp_ns, self._now_ns()),
            text=claim.text,
            topic=topic,
            subject=" ".join(subject),
            relation="at" if is_place(relation) else relation,
            value=" ".join(fold(statement.value)),
            is_negated=statement.is_negated,
            is_change=statement.is_change,
            is_functional=statement.is_functional,
            ruling=Ruling.HOLD,
            ground=Ground.UNCORROBORATED,
            evidence="",
            is_open=True,
            is_settled=False,
        )

    def _now_ns(self) -> int:
        """Return the newest stamp of the robot and of people it knows; strangers do not set the clock."""
        records = self._access.records
        seen = [row for row in records.sources.select() if self._sources.is_known(row.name)]
        clocks = [records.log_clocks.get(name) for name in self._sources.known()]
        return max((row.last_stamp_ns for row in (*seen, *clocks) if row is not None), default=0)

    def _concerned(self, row: ClaimRow, related: list[ClaimRow]) -> list[ClaimRow]:
        """Return those of related claims whose rulings may change by this one: not those of people who are believed anyway."""
        grounds = Ground.EARNED, Ground.CORROBORATED
        return [
            other
            for other in related
            if other.ruling is not Ruling.ADMIT or other.ground in grounds
            if compare(other, row) is not Stand.SILENT
        ]

    def _reconsider(self, rows: list[ClaimRow], *, now_ns: int) -> int:
        """Judge claims again, and those that hang on them: by their sources' standing, or corroborated by them."""
        changed, times = 0, Counter[tuple[ClaimKind, int]]()
        waiting = deque(row for row in rows if row.is_open and not row.is_settled)
        while waiting:
            row = waiting.popleft()
            key = row.kind, row.item_id
            current = self._access.records.claims.get(*key)
            times[key] += 1
            if current is None or not current.is_open or times[key] > MAX_ROUNDS:
                continue
            had_standing = self._sources.trust(row.source, now_ns=now_ns).has_standing
            if self._judge_again(current, now_ns=now_ns):
                changed += 1
                waiting += self._concerned(row, self._rules.related(row))
            if self._sources.trust(row.source, now_ns=now_ns).has_standing != had_standing:
                waiting += self._access.records.claims.select(
                    "source = ? AND is_open AND NOT is_settled", row.source
                )
        return changed

    def _judge_again(self, row: ClaimRow, *, now_ns: int) -> bool:
        verdict = self._rules.rule(row, now_ns=now_ns)
        seen = self._rules.testimony(row, now_ns=now_ns)
        is_decided = seen.stand is not Stand.SILENT and seen.stamp_ns > row.about_ns
        new = _with(row, verdict)
        if is_decided and verdict.ground in (Ground.PERCEIVED, Ground.AGAINST_PERCEPTION):
            new = replace(new, is_open=False)
            self._settle_account(new, before=row.ground, now_ns=now_ns)
        elif verdict.ground is Ground.CORROBORATED and row.ground is not Ground.CORROBORATED:
            self._credit(row, AGREED, now_ns=now_ns)
        if new != row:
            self._keep(new, before=row)
        return new.ruling is not row.ruling

    def _keep(self, row: ClaimRow, *, before: ClaimRow) -> None:
        self._access.records.claims.save(row)
        if bool(_verdict(row)) != bool(_verdict(before)):
            self._lessons.follow(row, is_held=not _verdict(row))
            self._on_ruling(row.kind, row.item_id)

    def _settle_account(self, row: ClaimRow, *, before: Ground, now_ns: int) -> None:
        """Let a source gain or lose by what the robot saw of its claim; of a lie a lesson is kept."""
        if row.ground is Ground.PERCEIVED:
            if before is not Ground.PERCEIVED:
                self._credit(row, 1.0, now_ns=now_ns)
            return
        self._sources.debit(row.source, 1.0, now_ns=now_ns)
        went_wrong = f"{row.source} said so, and it was seen not to be so"
        lesson = Lesson(0, _in_short(row), went_wrong, "robot", now_ns)
        self._lessons.add(lesson, of=(row.kind, row.item_id), is_held=False)

    def _is_believed(self, lesson: Lesson) -> bool:
        trust = self._sources.trust(lesson.source, now_ns=lesson.stamp_ns)
        if trust.level is Level.OWN:
            return True
        is_made = weight(signs_of(f"{lesson.situation} {lesson.went_wrong}")) > 0
        return trust.level is Level.KNOWN and trust.has_standing and not is_made

    def _credit(self, row: ClaimRow, amount: float, *, now_ns: int) -> None:
        """Credit a source for news: who repeats what others have said earns nothing."""
        is_news = not any(
            other.stamp_ns <= row.stamp_ns
            and other.source != row.source
            and compare(other, row) is Stand.AGREES
            for other in self._rules.related(row)
        )
        if is_news:
            self._sources.credit(row.source, amount, now_ns=now_ns)

    def _settle(self, kind: ClaimKind, item_id: int, verdict: Verdict) -> None:
        with self._access.writing() as records:
            row = records.claims.get(ClaimKind(kind), item_id)
            if row is None:
                raise QueryError(f"{kind} {item_id} was never claimed: see guard.held()")
            self._keep(replace(_with(row, verdict), is_open=False, is_settled=True), before=row)
            now_ns = max(self._now_ns(), row.heard_ns)
            if not row.is_settled:
                move = self._sources.credit if verdict else self._sources.debit
                move(row.source, 1.0, now_ns=now_ns)
            self._reconsider(self._concerned(row, self._rules.related(row)), now_ns=now_ns)


def _with(row: ClaimRow, verdict: Verdict) -> ClaimRow:
    return replace(
        row,
        ruling=verdict.ruling,
        ground=verdict.ground,
        evidence=" ".join(verdict.evidence),
    )


def _in_short(row: ClaimRow) -> str:
    """Return what was claimed, without what else was said: a lesson is told, and the claim is held."""
    if row.kind is ClaimKind.EVENT and says_more(row.text):
        said = row.subject, "not" * row.is_negated, row.relation, row.value
        return " ".join(filter(None, said))
    return row.text


def _verdict(row: ClaimRow) -> Verdict:
    return Verdict(row.ruling, row.ground, tuple(row.evidence.split()))
