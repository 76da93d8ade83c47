"""Who "I" is and what "this" is: a sentence in the mouth of somebody, before a thing."""

from dataclasses import dataclass

from robomem.config import FactsConfig
from robomem.semantic.facts.names import Names, reference
from robomem.sentences.reading import ROBOT, SPEAKER, THIS, Saying


@dataclass(frozen=True, slots=True)
class Listener:
    """Understands the sentences said to one robot."""

    known: Names
    config: FactsConfig

    def names(
        self, saying: Saying, *, stamp_ns: int, source: str, entity_id: int | None
    ) -> tuple[str, str] | None:
        """Return subject and object with "this" and "I" filled in, None where it is not known who they are."""
        names = []
        for name in (saying.subject, saying.object):
            if name == SPEAKER:
                if source == ROBOT:
                    return None
                names.append(source)
            elif name == THIS:
                entity_id = self._just_seen(stamp_ns) if entity_id is None else entity_id
                if entity_id is None:
                    return None
                names.append(reference(entity_id))
            else:
                names.append(name)
        return (names[0], names[1]) if all(map(self.known.is_name, names)) else None

    def _just_seen(self, stamp_ns: int) -> int | None:
        """Return the one thing in view lately; of several the one that is new; else None."""
        since_ns = stamp_ns - int(self.config.just_seen_s * 1e9)
        rows = self.known.records.entities.select(
            "is_confirmed AND last_seen_ns BETWEEN ? AND ?", since_ns, stamp_ns
        )
        new_ns = stamp_ns - int(self.config.new_s * 1e9)
        new = [row for row in rows if row.first_seen_ns >= new_ns]
        for candidates in (rows, new):
            if len(candidates) == 1:
                return candidates[0].entity_id
        return None
