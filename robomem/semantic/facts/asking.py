"""What is known: the facts that hold, by name, by pattern, over several relations, or near to some words."""

import re
from functools import partial

import numpy as np

from robomem.checks import checked_stamp
from robomem.config import FactsConfig
from robomem.errors import DataError, QueryError, StampError
from robomem.semantic.facts.fact import Fact, Meaning, ScoredFact
from robomem.semantic.facts.graph import FactGraphs
from robomem.semantic.facts.names import Names
from robomem.semantic.facts.reading import Reader
from robomem.semantic.facts.relations import Relations
from robomem.semantic.facts.truths import NOW_NS, Pattern, Truths, openness
from robomem.sentences.forms import IS_A
from robomem.store.access import Access

MAX_KINDS = 1000  # things that one word is looked up for


class KnownFacts:
    """The facts of one memory, to be read."""

    def __init__(self, access: Access, config: FactsConfig) -> None:
        self._access = access
        self._config = config
        self._records = access.records
        self._names = Names(self._records)
        self._relations = Relations(self._records)
        self._truths = Truths(self._records, self._names, self._relations)
        self._reader = Reader(self._records, self._names)
        self._graphs = FactGraphs(self._records)
        access.on_rollback(self._graphs.clear)

    def about(
        self,
        name: str,
        *,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
        limit: int = 100,
    ) -> list[Fact]:
        """Return what holds of a name: as the subject, then as the object; the last that began first."""
        found = self.ask(name, as_of_ns=as_of_ns, known_at_ns=known_at_ns, limit=limit)
        seen = {(fact.fact_id, fact.valid_from_ns) for fact in found}
        others = self.ask(object=name, as_of_ns=as_of_ns, known_at_ns=known_at_ns, limit=limit)
        found += [fact for fact in others if (fact.fact_id, fact.valid_from_ns) not in seen]
        return found[:limit]

    def ask(
        self,
        subject: str | None = None,
        relation: str | None = None,
        object: str | None = None,
        *,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
        limit: int = 100,
    ) -> list[Fact]:
        """Return what holds of a subject, a relation, an object, any of them open; the last that began first.

        Args:
            subject: A name; its aliases are meant, too.
            relation: A relation; of an inverse, subject and object are as it says.
            object: A name.
            as_of_ns: When it holds; by default at the newest stamp there is.
            known_at_ns: By what had been learned then; by default by all.
            limit: At most so many.

        Raises:
            QueryError: Nothing is given, or `limit` is less than one.
        """
        with self._access.reading():
            pattern = self._pattern(subject, relation, object)
            if limit < 1:
                raise QueryError(f"the limit is at least 1, got {limit}")
            as_of_ns = self._instant(as_of_ns)
            known_ns = None if known_at_ns is None else self._instant(known_at_ns)
            if pattern is None:
                return []
            if known_ns is None:
                return self._reader.holding(
                    self._truths.now(pattern, as_of_ns=as_of_ns, limit=limit)
                )
            rows = self._truths.ever(pattern, known_at_ns=known_ns)
            rows = [row for row in rows if row.valid_from_ns <= as_of_ns < row.valid_until_ns]
            return self._reader.holding(sorted(rows, key=openness)[:limit])

    def history(
        self,
        subject: str | None = None,
        relation: str | None = None,
        object: str | None = None,
        *,
        known_at_ns: int | None = None,
    ) -> list[Fact]:
        """Return what held at any time, in order of time; see `ask`."""
        with self._access.reading():
            pattern = self._pattern(subject, relation, object)
            known_ns = None if known_at_ns is None else self._instant(known_at_ns)
            rows = [] if pattern is None else self._truths.ever(pattern, known_at_ns=known_ns)
            return self._reader.holding(rows)

    def tellings(
        self,
        subject: str | None = None,
        relation: str | None = None,
        object: str | None = None,
    ) -> list[Fact]:
        """Return what was told, each time for itself as it was told, also what was retired since; not what is held."""
        with self._access.reading():
            pattern = self._pattern(subject, relation, object)
            if pattern is None:
                return []
            where, values = pattern.where(self._same)
            return self._reader.told(
                self._records.facts.select(f"{where} AND NOT is_held", *values)
            )

    def follow(
        self,
        name: str,
        *relations: str,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> list[str]:
        """Return where relations lead one after the other: the mug, "belongs to", "lives in" is where its owner lives."""
        names = [name]
        with self._access.reading():
            for relation in relations:
                found = [self._step(one, relation, as_of_ns, known_at_ns) for one in names]
                names = list(dict.fromkeys(other for others in found for other in others))
        return names

    def related(self, words: str, k: int = 10, *, as_of_ns: int | None = None) -> list[ScoredFact]:
        """Return the facts nearest to the names in a text, best first: personalised PageRank from these.

        A fact counts twice where the text has the words of its relation: as they begin, "live" as "lives".

        Args:
            words: Any text; names in it are found, and where there is none, names that share a word with it.
            k: How many at most.
            as_of_ns: When they hold; by default now.

        Raises:
            QueryError: k is less than one.
        """
        if k < 1:
            raise QueryError(f"k is at least 1, got {k}")
        with self._access.reading():
            roots = {row.root_id for row in self._names.mentioned(words)}
            seeds = np.array(sorted(roots), dtype=np.int64)
            nearest = self._graphs.at(self._instant(as_of_ns)).nearest(
                seeds, k=k, weight_of=partial(_said_in, _beginnings(words))
            )
            rows = [self._records.truths.get(*key) for key, _ in nearest]
            facts = self._reader.holding([row for row in rows if row is not None])
            return [
                ScoredFact(fact, score) for fact, (_, score) in zip(facts, nearest, strict=True)
            ]

    def names_of(self, word: str, *, as_of_ns: int | None = None) -> Meaning:
        """Return what a word stands for: other names of it, and what is such a thing.

        "where is the dax" is where the entities are, or what has one of the names.
        """
        with self._access.reading():
            ids = self._ids_of(word)
            if not ids:
                return Meaning((), ())
            pattern = Pattern(None, IS_A, ids)
            kinds = self._truths.now(pattern, as_of_ns=self._instant(as_of_ns), limit=MAX_KINDS)
            roots = dict.fromkeys(
                [
                    *(self._truths.root(i) for i in ids),
                    *(kind.subject_id for kind in kinds if not kind.is_denied),
                ]
            )
            names = [name for root_id in roots for name in self._names.members(root_id)]
            entity_ids = {
                self._records.entity_now(name.entity_id)
                for name in names
                if name.entity_id is not None
            }
            return Meaning(
                names=tuple(name.name for name in names if name.entity_id is None),
                entity_ids=tuple(i for i in sorted(entity_ids) if self._is_entity(i)),
            )

    def _pattern(
        self, subject: str | None, relation: str | None, object: str | None
    ) -> Pattern | None:
        """Return what is asked for in the form it is kept in, None where a name was never said."""
        if subject is None and relation is None and object is None:
            raise QueryError("ask for a subject, a relation or an object")
        ids = [None if name is None else self._ids_of(name) for name in (subject, object)]
        if () in ids:
            return None
        if relation is None:
            return Pattern(ids[0], None, ids[1])
        try:
            written = self._relations.find(relation)
        except DataError as err:
            raise QueryError(str(err)) from err
        if written.is_swapped:
            ids.reverse()
        return Pattern(ids[0], written.relation, ids[1])

    def _step(
        self, name: str, relation: str, as_of_ns: int | None, known_at_ns: int | None
    ) -> list[str]:
        found = self.ask(name, relation, as_of_ns=as_of_ns, known_at_ns=known_at_ns)
        is_swapped = self._relations.find(relation).is_swapped
        return [f.subject if is_swapped else f.object for f in found if not f.is_denied]

    def _ids_of(self, name: str) -> tuple[int, ...]:
        """Return the ids of the rows of a name, none where it was never said."""
        try:
            return tuple(row.name_id for row in self._names.of(name))
        except DataError as err:
            raise QueryError(str(err)) from err

    def _same(self, name_id: int) -> list[int]:
        return [row.name_id for row in self._names.members(self._truths.root(name_id))]

    def _instant(self, stamp_ns: int | None) -> int:
        """Return the instant that is asked for, now where it is None."""
        if stamp_ns is None:
            return self._now_ns()
        try:
            return min(checked_stamp(stamp_ns), NOW_NS)
        except StampError as err:
            raise QueryError(str(err)) from err

    def _now_ns(self) -> int:
        """Return the newest stamp of what was perceived, logged or told."""
        newest = (
            self._records.sources.values(("max(last_stamp_ns)",)),
            self._records.log_clocks.values(("max(last_stamp_ns)",)),
            self._records.facts.values(("max(learned_at_ns)",)),
        )
        return max(stamp_ns or 0 for ((stamp_ns,),) in newest)

    def _is_entity(self, entity_id: int) -> bool:
        return self._records.entities.get(entity_id) is not None


def _said_in(beginnings: frozenset[str], relation: str) -> float:
    """Return 1 where a text has none of a relation's words, 2 where it has all."""
    words = _beginnings(relation)
    return 1.0 + len(words & beginnings) / max(len(words), 1)


def _beginnings(text: str) -> frozenset[str]:
    return frozenset(word[:4] for word in re.findall(r"[^\W_]+", text.casefold()))
