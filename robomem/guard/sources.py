"""How far each source is believed: a Beta distribution over "what it says is true".

Jøsang and Ismail, "The beta reputation system", 2002: the evidence r that a source was right and s that it was wrong
make Beta(r + a, s + b) over its prior Beta(a, b); evidence is forgotten with time. Here it is bounded, too, so that
nobody buys more trust than a few lies lose.
"""

from dataclasses import replace

from robomem.claims import Level, Trust
from robomem.config import NAMED_SOURCES, GuardConfig
from robomem.store.guard_rows import TrustRow
from robomem.store.records import Records

_KNOWN = (Level.OWN, Level.KNOWN)


class Sources:
    """The trust of every source of one memory; inside the caller's transaction."""

    def __init__(self, records: Records, config: GuardConfig) -> None:
        self._records = records
        self._config = config
        self._named_levels = NAMED_SOURCES | config.sources
        self._priors = {
            Level.OWN: (1.0, 0.0),
            Level.KNOWN: config.known_prior,
            Level.UNKNOWN: config.unknown_prior,
            Level.UNTRUSTED: config.untrusted_prior,
        }

    def level(self, source: str) -> Level:
        """Return who a source is: as a person said, as configured, or the robot's own where it has been somewhere.

        What is heard on a topic of the robot's, "robot/speech", is of the robot's own ears.
        """
        row = self._records.trusts.get(source)
        if row is not None:
            return row.level
        return self._level_by_name(source)

    def is_known(self, source: str) -> bool:
        """Tell whether a source is the robot itself, or somebody it knows."""
        return self.level(source) in _KNOWN

    def is_part(self, source: str) -> bool:
        """Tell whether a source may be a part of the robot: it is, or nobody said what it is."""
        is_named = self._records.trusts.get(source) is not None or self._named(source) is not None
        return not is_named or self.level(source) is Level.OWN

    def known(self) -> list[str]:
        """Return the names of those that were introduced, or are configured as such."""
        introduced = (row.source for row in self._records.trusts.select("level IN (?, ?)", *_KNOWN))
        return [s for s in dict.fromkeys((*self._named_levels, *introduced)) if self.is_known(s)]

    def trust(self, source: str, *, now_ns: int) -> Trust:
        """Return how far a source is believed at a time."""
        row = self._row(source, now_ns)
        prior_a, prior_b = self._priors[row.level]
        a, b = prior_a + row.right, prior_b + row.wrong
        has_standing = row.level is Level.OWN or (
            row.level is not Level.UNTRUSTED and a / (a + b) >= self._config.standing
        )
        return Trust(source, row.level, a, b, has_standing)

    def set_level(self, source: str, level: Level, *, now_ns: int) -> None:
        """Say who a source is; what it earned stays."""
        self._records.trusts.save(replace(self._row(source, now_ns), level=level))

    def credit(self, source: str, amount: float, *, now_ns: int) -> None:
        """Count that a source was right, unless it was so a moment ago."""
        row = self._row(source, now_ns)
        gap_ns = self._config.credit_gap_s * 1e9
        if row.credited_ns is None or now_ns - row.credited_ns >= gap_ns:
            right = min(row.right + amount, self._config.max_evidence)
            self._records.trusts.save(replace(row, right=right, credited_ns=now_ns))

    def debit(self, source: str, amount: float, *, now_ns: int) -> None:
        """Count that a source was wrong."""
        row = self._row(source, now_ns)
        wrong = min(row.wrong + amount, self._config.max_evidence)
        self._records.trusts.save(replace(row, wrong=wrong))

    def _row(self, source: str, now_ns: int) -> TrustRow:
        """Return a source as of now: what it showed long ago counts less."""
        row = self._records.trusts.get(source)
        if row is None:
            return TrustRow(source, self._level_by_name(source), 0.0, 0.0, now_ns, None)
        age_s = max(now_ns - row.stamp_ns, 0) / 1e9
        kept = 0.5 ** (age_s / self._config.half_life_s)
        return replace(
            row,
            right=row.right * kept,
            wrong=row.wrong * kept,
            stamp_ns=max(now_ns, row.stamp_ns),
        )

    def _level_by_name(self, source: str) -> Level:
        named = self._named(source)
        if named is not None:
            return named
        rows = self._records.sources.select("name IN (?, ?)", source, source.partition("/")[0])
        return Level.OWN if any(row.p_map is not None for row in rows) else Level.UNKNOWN

    def _named(self, source: str) -> Level | None:
        owner = source.replace(":", "/").split("/", 1)[0]
        return self._named_levels.get(source) or self._named_levels.get(owner)
