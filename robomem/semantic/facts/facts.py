"""What the robot was told and found out: a graph of facts with two times each.

learn    what is so, since when, told when and by whom; what contradicts it ends, and is kept
about    what is known of a name; `ask` for a subject, a relation, an object; `follow` over several
related  what is near to words in the graph
alias    two names for one; `bind` a word to a thing; `listen` to a sentence

`as_of_ns` is when it holds, `known_at_ns` what had been learned by then; without them it is now.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace

from robomem.checks import checked_stamp, checked_text
from robomem.claims import Admit, Claim, ClaimKind, Statement, take
from robomem.config import FactsConfig
from robomem.errors import DataError, Reason, StampError
from robomem.semantic.facts.asking import KnownFacts
from robomem.semantic.facts.erasing import erase
from robomem.semantic.facts.fact import Fact
from robomem.semantic.facts.listening import Listener
from robomem.semantic.facts.names import marks, reference
from robomem.semantic.facts.reading import fact_of
from robomem.semantic.facts.truths import Group
from robomem.sentences import read
from robomem.sentences.forms import CALLED, IS_A
from robomem.sentences.reading import ROBOT
from robomem.store.access import Access
from robomem.store.fact_rows import FOREVER_NS, AliasRow, FactRow, NameRow
from robomem.types import EventKind, Happening


class Facts(KnownFacts):
    """The facts of one memory, and learning more of them; `admit` judges whether a telling is believed."""

    def __init__(
        self,
        access: Access,
        config: FactsConfig,
        *,
        admit: Admit = take,
    ) -> None:
        super().__init__(access, config)
        self._admit = admit

    # ---- learn ------------------------------------------------------------------------------------

    def learn(  # noqa: PLR0913  # what makes a telling, and each is optional but four
        self,
        subject: str,
        relation: str,
        object: str,
        *,
        stamp_ns: int,
        valid_from_ns: int | None = None,
        valid_until_ns: int | None = None,
        is_denied: bool = False,
        source: str = ROBOT,
        confidence: float = 1.0,
        event_id: int | None = None,
    ) -> Fact:
        """Take in a telling; what it contradicts ends where it begins, and is kept.

        Args:
            subject: A name, or a reference to an entity: "entity:12".
            relation: Such as "belongs to"; an inverse such as "owns" is kept the other way round.
            object: A name, a reference or a value.
            stamp_ns: When it was told.
            valid_from_ns: Since when it is so, by default since then; it may be long ago, or to come.
            valid_until_ns: Until before when, where that was told.
            is_denied: It is not so.
            source: Who says so.
            confidence: How sure, in (0, 1].
            event_id: The event it was told by; with that event it is forgotten.

        Returns:
            The telling, with the time that was told.

        Raises:
            DataError: A name has no word, a number is out of range, or there is no such event.
        """
        stamp_ns, from_ns, until_ns = _checked_times(stamp_ns, valid_from_ns, valid_until_ns)
        if not 0.0 < confidence <= 1.0:
            raise DataError(f"the confidence lies in (0, 1], got {confidence}")
        with self._access.writing():
            written = self._relations.find(relation)
            one, other = self._names.make(subject), self._names.make(object)
            if written.is_swapped:
                one, other = other, one
            row = FactRow(
                fact_id=self._records.next_id("fact"),
                subject_id=one.name_id,
                relation=written.relation,
                object_id=other.name_id,
                is_denied=is_denied,
                valid_from_ns=from_ns,
                valid_until_ns=until_ns,
                learned_at_ns=stamp_ns,
                retired_at_ns=FOREVER_NS,
                source=checked_text(source, "the source of a telling"),
                confidence=confidence,
                event_id=self._checked_event(event_id),
            )
            self._keep(row, one, other, is_functional=written.is_functional)
            return fact_of([row], {n.name_id: n for n in (one, other)}, from_ns, until_ns)

    def at_once(self) -> AbstractContextManager[object]:
        """Take all that is told inside in one step: durable together, and much faster than one by one."""
        return self._access.writing()

    def retire(self, fact_ids: Iterable[int], *, stamp_ns: int) -> int:
        """Say that tellings should not have been believed; they are kept, and what they ended goes on.

        Args:
            fact_ids: Such as `Fact.fact_ids`; ids that are not there, or were retired before, are passed over.
            stamp_ns: When that was learned.

        Returns:
            How many were believed until now.
        """
        stamp_ns = checked_stamp(stamp_ns)
        with self._access.writing():
            found = [self._records.facts.get(i) for i in dict.fromkeys(fact_ids)]
            rows = [row for row in found if row is not None and row.retired_at_ns == FOREVER_NS]
            for row in rows:
                self._records.facts.save(replace(row, retired_at_ns=stamp_ns))
            self._truths.refresh(rows)
        return len(rows)

    def declare(
        self,
        relation: str,
        *,
        is_functional: bool,
        inverse: str | None = None,
        also: Iterable[str] = (),
    ) -> None:
        """Say what a relation is like; what was told before follows it.

        Args:
            relation: Its name.
            is_functional: It has one object at a time, so another one contradicts it.
            inverse: How it is said the other way round.
            also: How else it is said.
        """
        with self._access.writing():
            rows = self._relations.declare(
                relation, is_functional=is_functional, inverse=inverse, also=also
            )
            said = [row.name for row in rows]
            told = self._records.facts.select(f"relation IN ({marks(said)})", *said)
            swapped = {row.name for row in rows if row.is_swapped}
            self._truths.drop(f"relation IN ({marks(said)})", *said)
            told = [
                _turned(row, relation=rows[0].relation, is_swapped=row.relation in swapped)
                for row in told
            ]
            for row in told:
                self._records.facts.save(row)
            self._truths.refresh(told)

    # ---- names ------------------------------------------------------------------------------------

    def alias(
        self,
        name: str,
        other: str,
        *,
        stamp_ns: int,
        source: str = ROBOT,
        event_id: int | None = None,
    ) -> None:
        """Say that two names mean the same; all names that hang together so are one, until `part`."""
        stamp_ns = checked_stamp(stamp_ns)
        with self._access.writing():
            one, two = self._names.make(name), self._names.make(other)
            if one.name_id == two.name_id:
                return
            alias_id = self._records.next_id("alias")
            row = AliasRow(
                alias_id, one.name_id, two.name_id, stamp_ns, FOREVER_NS,
                checked_text(source, "the source of a telling"), self._checked_event(event_id),
            )  # fmt: skip
            statement = Statement(name, "called", other, is_functional=False)
            is_held = self._is_held(row, ClaimKind.ALIAS, alias_id, statement)
            self._keep_alias(replace(row, is_held=is_held))

    def part(self, name: str, other: str, *, stamp_ns: int) -> bool:
        """Say that two names do not mean the same after all; False where nobody had said so of these two."""
        stamp_ns = checked_stamp(stamp_ns)
        with self._access.writing():
            one, two = self._names.find(name), self._names.find(other)
            if one is None or two is None:
                return False
            undone = self._names.aliases(one, two)
            for alias in undone:
                self._keep_alias(replace(alias, retired_at_ns=stamp_ns))
            return bool(undone)

    def bind(
        self,
        word: str,
        entity_id: int,
        *,
        stamp_ns: int,
        source: str = ROBOT,
        event_id: int | None = None,
    ) -> Fact:
        """Give a thing a word, said once: "this is a dax". Several things may be one.

        Raises:
            DataError: There is no such thing.
        """
        entity_id = self._records.entity_now(entity_id)
        if self._records.entities.get(entity_id) is None:
            raise DataError(f"there is no entity {entity_id} to be called {word!r}")
        return self.learn(
            reference(entity_id), IS_A, word, stamp_ns=stamp_ns, source=source, event_id=event_id
        )

    def listen(
        self,
        text: str,
        *,
        stamp_ns: int,
        source: str = ROBOT,
        event_id: int | None = None,
        entity_id: int | None = None,
    ) -> list[Fact]:
        """Learn what plain sentences say: "the keys belong to Anna", "this is a dax", "X is called Y".

        What is not understood is no fact. "This" is the one thing just seen, where it was one.

        Args:
            text: What was said.
            stamp_ns: When.
            source: By whom; "I" and "my name" are only understood of somebody other than the robot.
            event_id: The event of the telling.
            entity_id: What "this" is, where that is known.

        Returns:
            What was learned; a new name for something is no fact of its own.
        """
        listener, learned = Listener(self._names, self._config), []
        with self._access.writing():
            for saying in read(text).sayings:
                names = listener.names(
                    saying, stamp_ns=stamp_ns, source=source, entity_id=entity_id
                )
                if names is None or not saying.is_plain:
                    continue
                if saying.relation == CALLED:
                    self.alias(*names, stamp_ns=stamp_ns, source=source, event_id=event_id)
                    continue
                one, other = names
                fact = self.learn(
                    one, saying.relation, other, is_denied=saying.is_denied,
                    stamp_ns=stamp_ns, source=source, event_id=event_id,
                )  # fmt: skip
                learned.append(fact)
        return learned

    def hear(self, numbered: Iterable[tuple[int, Happening]]) -> None:
        """Learn what plain sentences say that were told, each remembered under the number of its event."""
        for event_id, told in numbered:
            if told.kind is EventKind.TOLD:
                self.listen(
                    told.text, stamp_ns=told.stamp_ns, source=told.source, event_id=event_id
                )

    def judged(self, kind: ClaimKind, item_id: int) -> None:
        """Believe what the guard let out, and no longer what it holds: a fact, a name, or all that an event told."""
        column = {ClaimKind.FACT: "fact_id", ClaimKind.ALIAS: "alias_id"}.get(kind, "event_id")
        with self._access.writing():
            is_held = self._records.is_held(kind, item_id)
            if kind is not ClaimKind.ALIAS:
                told = self._records.facts.select(f"{column} = ?", item_id)
                for row in told:
                    self._records.facts.save(replace(row, is_held=is_held))
                self._truths.refresh(told)
            if kind is not ClaimKind.FACT:
                for alias in self._records.aliases.select(f"{column} = ?", item_id):
                    self._keep_alias(replace(alias, is_held=is_held))

    def erase(self, *, entity_ids: Iterable[int], event_ids: Iterable[int]) -> None:
        """Delete what was told of things, under every name they have, and by events; see `Memory.forget`."""
        with self._access.writing():
            erase(self._truths, entity_ids=entity_ids, event_ids=event_ids)

    def _keep(self, row: FactRow, one: NameRow, other: NameRow, *, is_functional: bool) -> None:
        """Ask the guard about a telling of two names, keep it, and make anew what holds by it."""
        statement = Statement(
            one.name, row.relation, other.name, row.is_denied, is_functional=is_functional
        )
        is_held = self._is_held(row, ClaimKind.FACT, row.fact_id, statement)
        self._records.facts.save(replace(row, is_held=is_held))
        object_id = None if is_functional else other.root_id
        self._truths.settle([Group(one.root_id, row.relation, object_id)])

    def _keep_alias(self, alias: AliasRow) -> None:
        self._records.aliases.save(alias)
        self._truths.rename([alias.name_id, alias.other_id])

    def _is_held(
        self, row: FactRow | AliasRow, kind: ClaimKind, item_id: int, statement: Statement
    ) -> bool:
        """Ask the guard; what an event told is held as the event is."""
        if row.event_id is not None:
            return self._records.is_held(ClaimKind.EVENT, row.event_id)
        word = "is not" if statement.is_negated else ""
        said = statement.subject, word, statement.relation, statement.value
        claim = Claim(
            kind=kind,
            source=row.source,
            stamp_ns=row.learned_at_ns,
            text=" ".join(filter(None, said)),
            about_ns=row.valid_from_ns if isinstance(row, FactRow) else None,
            statement=statement,
        )
        return not self._admit(claim, item_id)

    def _checked_event(self, event_id: int | None) -> int | None:
        if event_id is not None and self._records.events.get(event_id) is None:
            raise DataError(f"there is no event {event_id} to have told a fact")
        return event_id


def _turned(row: FactRow, *, relation: str, is_swapped: bool) -> FactRow:
    """Return a telling in the form that its relation is kept in from now on."""
    one, other = row.subject_id, row.object_id
    if is_swapped:
        one, other = other, one
    return replace(row, subject_id=one, relation=relation, object_id=other)


def _checked_times(
    stamp_ns: int, from_ns: int | None, until_ns: int | None
) -> tuple[int, int, int]:
    stamp_ns = checked_stamp(stamp_ns)
    from_ns = stamp_ns if from_ns is None else checked_stamp(from_ns)
    until_ns = FOREVER_NS if until_ns is None else checked_stamp(until_ns)
    if from_ns >= until_ns:
        raise StampError(
            f"what is so from {from_ns} on ends after that, got {until_ns}",
            reason=Reason.STAMP_INVALID,
        )
    return stamp_ns, from_ns, until_ns
