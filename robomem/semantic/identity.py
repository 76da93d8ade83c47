"""Whether a thing found is one that was missed elsewhere: by its looks, or else by its name and size.

By looks the most alike decides. Where they are not known, the name must single out one: two mugs are missing and
a mug is found, so it may be either, and neither's name is given away. What is gone comes back by its looks only.
"""

from collections.abc import Iterable

from robomem.semantic.association import similarity
from robomem.semantic.lifting import is_alike
from robomem.semantic.roster import Roster
from robomem.store.rows import EntityRow
from robomem.types import EntityState


def same_thing(
    row: EntityRow, others: Iterable[EntityRow], roster: Roster, *, min_similarity: float
) -> EntityRow | None:
    """Return which of others an entity is, None where it is none of them or may be several."""
    looked_alike: list[tuple[float, int, EntityRow]] = []
    named_alike: list[EntityRow] = []
    for other in others:
        if not _has_size_of(row, other):
            continue
        cosine = similarity(roster.embedding(row.entity_id), roster.embedding(other.entity_id))
        if cosine is None and row.label == other.label and other.state is not EntityState.GONE:
            named_alike.append(other)
        elif cosine is not None and cosine >= min_similarity and _shares_name(row, other, roster):
            looked_alike.append((cosine, -other.entity_id, other))
    if looked_alike:
        return max(looked_alike)[2]
    return named_alike[0] if len(named_alike) == 1 else None


def _has_size_of(row: EntityRow, other: EntityRow) -> bool:
    return row.size_m is None or other.size_m is None or is_alike(row.size_m, other.size_m)


def _shares_name(row: EntityRow, other: EntityRow, roster: Roster) -> bool:
    return not roster.votes(row.entity_id).keys().isdisjoint(roster.votes(other.entity_id))
