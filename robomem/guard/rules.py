"""The rules that a claim is judged by, in order; the first that applies decides.

    own           what the robot's sensors say is admitted
    signs         what is made for a language model, or asks for what is unsafe, waits for a person
    procedure     a plan from a stranger waits until the robot itself succeeded with it
    perception    agrees: admitted; disagrees: flagged, unless a known person tells of a change
    alias         a name that something else has is flagged
    consensus     voices agree: admitted; somebody with more standing says otherwise: flagged
    copy, flood   almost an honest record's words, or too many of them
    standing      who is known is believed; who has earned it, of where things are, for there the robot can see who lies
    taste         what somebody likes or cannot bear they know best
    nothing       held, until something speaks for it

All of it is a function of the claim and the records: the order in which others corroborate does not matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from robomem.claims import ClaimKind, Ground, Level, Ruling, Verdict
from robomem.config import GuardConfig
from robomem.guard.consensus import Voices, compare, is_near_copy, statement_of
from robomem.guard.reading import is_of_speaker, says_more
from robomem.guard.signs import Sign, signs_of, weight
from robomem.guard.sources import Sources
from robomem.guard.witness import NOTHING, Stand, Testimony, Witness
from robomem.guard.words import fold
from robomem.store.guard_rows import ClaimRow
from robomem.store.records import Records

MAX_RELATED = 64  # claims that one is held against
HOUR_NS = 3600 * 10**9
_RANKS = {Level.UNTRUSTED: 0, Level.UNKNOWN: 1, Level.KNOWN: 2, Level.OWN: 3}


@dataclass(frozen=True, slots=True)
class _Case:
    """A claim before the judge: who says it, what was perceived of it, and what others said."""

    row: ClaimRow
    level: Level
    has_standing: bool
    seen: Testimony
    others: list[ClaimRow]

    @property
    def is_known(self) -> bool:
        return self.level is Level.KNOWN

    @property
    def says_more(self) -> bool:
        """Whether the words say more than the statement that they are judged by."""
        return self.row.kind is ClaimKind.EVENT and says_more(self.row.text)


class Rules:
    """Judges claims against the records of one memory; changes nothing."""

    def __init__(
        self, records: Records, config: GuardConfig, *, sources: Sources, witness: Witness
    ) -> None:
        self._records = records
        self._config = config
        self._sources = sources
        self._witness = witness
        self._voices = Voices(sources, config)

    def rule(self, row: ClaimRow, *, now_ns: int) -> Verdict:
        """Return what becomes of a claim as things stand now."""
        level = self._sources.level(row.source)
        if level is Level.OWN:
            return Verdict(Ruling.ADMIT, Ground.OWN)
        verdict = self._by_signs(row, level)
        if verdict is not None:
            return verdict
        case = _Case(
            row,
            level,
            self._sources.trust(row.source, now_ns=now_ns).has_standing,
            self.testimony(row, now_ns=now_ns),
            self.related(row),
        )
        for applies in (
            self._as_procedure,
            self._by_perception,
            self._as_alias,
            self._by_consensus,
            self._as_copy,
            self._by_standing,
        ):
            verdict = applies(case)
            if verdict is not None:
                return verdict
        return Verdict(Ruling.HOLD, Ground.UNCORROBORATED)

    def testimony(self, row: ClaimRow, *, now_ns: int) -> Testimony:
        """Return what was perceived of a claim: since it was made, or else before."""
        statement = statement_of(row)
        if statement is None:
            return NOTHING
        until_ns = row.about_ns if self.is_back_dated(row) else max(now_ns, row.about_ns)
        since = self._witness.testify(statement, about_ns=until_ns, since_ns=row.about_ns)
        if since.stand is Stand.DISAGREES:
            return since
        before = self._witness.testify(statement, about_ns=row.about_ns)
        if since.stand is Stand.SILENT:
            return before
        went_later = row.is_negated and before.stand is Stand.DISAGREES
        return NOTHING if went_later else since

    def related(self, row: ClaimRow) -> list[ClaimRow]:
        """Return the newest other claims about the same thing; for words that state nothing, those like them."""
        rows = [
            r for admitted in (True, False) for r in self._newest(row.topic, is_admitted=admitted)
        ]
        return [other for other in rows if (other.kind, other.item_id) != (row.kind, row.item_id)]

    def is_back_dated(self, row: ClaimRow) -> bool:
        """Tell whether a claim came long after the time that it is about."""
        told_ns = min(row.stamp_ns, row.about_ns)
        return row.heard_ns - told_ns > self._config.max_backdate_s * 1e9

    def _newest(self, topic: str, *, is_admitted: bool) -> list[ClaimRow]:
        """Return the newest claims on a topic that are admitted, or are not: nobody crowds out what is believed."""
        # As the index `claim_newest` says it.
        newest = (
            "SELECT kind, item_id FROM claim WHERE topic = ? AND (ruling = 'admit') = ? AND ground != 'flood' "
            "ORDER BY stamp_ns DESC, kind, item_id LIMIT ?"
        )
        where = f"(kind, item_id) IN ({newest})"
        return self._records.claims.select(where, topic, is_admitted, MAX_RELATED)

    def _by_signs(self, row: ClaimRow, level: Level) -> Verdict | None:
        signs = signs_of(row.text)
        is_known = level is Level.KNOWN
        if weight(signs) >= (2 if is_known else 1):
            return Verdict(Ruling.FLAG, Ground.INJECTION)
        if Sign.HAZARD in signs and not (is_known and row.kind is not ClaimKind.EXPERIENCE):
            return Verdict(Ruling.FLAG, Ground.HAZARD)
        return None

    def _as_procedure(self, case: _Case) -> Verdict | None:
        if case.row.kind is not ClaimKind.EXPERIENCE or (case.is_known and case.has_standing):
            return None
        done = [
            other
            for other in case.others
            if self._sources.level(other.source) is Level.OWN
            if compare(other, case.row) is Stand.AGREES
        ]
        if done:
            return Verdict(Ruling.ADMIT, Ground.CORROBORATED, _references(done))
        return Verdict(Ruling.HOLD, Ground.PROCEDURE)

    def _by_perception(self, case: _Case) -> Verdict | None:
        row, seen, config = case.row, case.seen, self._config
        if seen.stand is Stand.AGREES:
            if case.says_more and not case.is_known:
                return None  # nobody saw the rest of it
            return Verdict(Ruling.ADMIT, Ground.PERCEIVED, seen.evidence)
        if seen.stand is Stand.SILENT:
            return None
        later_ns = seen.stamp_ns - row.about_ns
        if later_ns >= 0:  # it was looked for since
            is_refuted = later_ns <= config.refute_s * 1e9
        elif case.is_known:
            is_refuted = not row.is_change and -later_ns <= config.fresh_s * 1e9
        else:
            is_refuted = True
        if not is_refuted:
            return None
        return Verdict(Ruling.FLAG, Ground.AGAINST_PERCEPTION, seen.evidence)

    def _as_alias(self, case: _Case) -> Verdict | None:
        """Flag a name that another thing has."""
        row = case.row
        if row.relation != "called" or row.is_negated:
            return None
        words, subject = set(row.value.split()), set(row.subject.split())
        things = [
            f"entity:{thing.entity_id}"
            for thing in self._witness.things(tuple(words))
            if words == set(fold(thing.label)) and not subject & words
        ]
        named = [
            other
            for other in self._records.claims.select(
                "relation = ? AND ruling = ?", "called", Ruling.ADMIT
            )
            if set(other.value.split()) == words
            if not (subject <= set(other.subject.split()) or set(other.subject.split()) <= subject)
        ]
        if not things and not named:
            return None
        return Verdict(Ruling.FLAG, Ground.ALIAS_TAKEN, (*things, *_references(named)))

    def _by_consensus(self, case: _Case) -> Verdict | None:
        agreeing = [o for o in case.others if compare(o, case.row) is Stand.AGREES]
        support = self._voices.corroborate(case.row, agreeing)
        against = [
            o
            for o in case.others
            if o.ruling is Ruling.ADMIT and compare(o, case.row) is Stand.DISAGREES
            if self._outweighs(o, case)
        ]
        newest_ns = max((o.stamp_ns for o in support), default=-1)
        against = [o for o in against if o.stamp_ns > newest_ns]
        if against:
            return Verdict(Ruling.FLAG, Ground.AGAINST_CONSENSUS, _references(against))
        if support:
            return Verdict(Ruling.ADMIT, Ground.CORROBORATED, _references(support))
        return None

    def _outweighs(self, other: ClaimRow, case: _Case) -> bool:
        """Tell whether somebody else's word counts more: people may change what they or others said."""
        rank = _RANKS[self._sources.level(other.source)]
        if other.source == case.row.source or rank <= _RANKS[case.level]:
            return False
        if not case.is_known:
            return True
        age_ns = case.row.about_ns - other.about_ns
        return not case.row.is_change and 0 <= age_ns <= self._config.fresh_s * 1e9

    def _as_copy(self, case: _Case) -> Verdict | None:
        """Hold what is almost an honest record's words, what comes too often, and what is told of long ago."""
        if case.is_known:
            return None
        copied = [
            other
            for other in case.others
            if _RANKS[self._sources.level(other.source)] > _RANKS[case.level]
            and other.ruling is Ruling.ADMIT
            and is_near_copy(case.row, other)
        ]
        if copied:
            return Verdict(Ruling.FLAG, Ground.NEAR_COPY, _references(copied))
        if self.is_back_dated(case.row):
            return Verdict(Ruling.HOLD, Ground.BACK_DATED)
        said = self._records.claims.count(
            "source = ? AND stamp_ns BETWEEN ? AND ?",
            case.row.source,
            case.row.stamp_ns - HOUR_NS,
            case.row.stamp_ns,
        )
        if said > self._config.flood_per_hour:
            return Verdict(Ruling.HOLD, Ground.FLOOD)
        return None

    def _by_standing(self, case: _Case) -> Verdict | None:
        if case.has_standing and case.is_known:
            return Verdict(Ruling.ADMIT, Ground.TRUSTED)
        is_visible = case.row.relation == "at" and not case.row.is_negated and not case.says_more
        if case.has_standing and is_visible:
            return Verdict(Ruling.ADMIT, Ground.EARNED)
        is_told = case.row.kind is ClaimKind.EVENT and case.level is Level.UNKNOWN
        if is_told and is_of_speaker(case.row.text):
            return Verdict(Ruling.ADMIT, Ground.OWN_TASTE)
        return None


def reference(row: ClaimRow) -> str:
    """Return how evidence names a claim."""
    return f"{row.kind}:{row.item_id}"


def _references(rows: Iterable[ClaimRow]) -> tuple[str, ...]:
    return tuple(map(reference, rows))
