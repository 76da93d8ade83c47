"""What was found, as a table for people and as fields with units for programs."""

from collections.abc import Sequence
from typing import Any

from robomem.ask.timebase import FIRST_DATE_NS, SECOND_NS, Timebase, is_today, local_time
from robomem.cli.output import print_table
from robomem.query import Query
from robomem.types import Entity, EntityState, Event, Evidence, Hit


def print_hits(hits: Sequence[Hit], timebase: Timebase) -> None:
    """Print what was found with its evidence, best first, as an aligned table."""
    is_today_all = all(is_today(hit.evidence.stamp_ns, timebase) for hit in hits)
    rows = [_row(hit, timebase, has_day=not is_today_all) for hit in hits]
    print_table(("entity", "keyframe", "time", "position m", "score", "what"), rows)


def short_time(stamp_ns: int, timebase: Timebase, *, has_day: bool = True) -> str:
    """Return the stamp for a table: local time to the second, or seconds since the beginning."""
    if stamp_ns < FIRST_DATE_NS:
        return f"{(stamp_ns - timebase.start_ns) / SECOND_NS:.1f} s"
    local, _ = local_time(stamp_ns, timebase)
    return f"{local:%Y-%m-%d %H:%M:%S}" if has_day else f"{local:%H:%M:%S}"


def hit_fields(hit: Hit) -> dict[str, Any]:
    """Return a hit as the JSON tells it."""
    return {
        "score": hit.score,
        "entity": _entity_fields(hit.entity) if hit.entity else None,
        "event": _event_fields(hit.event) if hit.event else None,
        "room": hit.room,
        "fact": hit.fact,
        "since_ns": hit.since_ns,
        "evidence": _evidence_fields(hit.evidence),
    }


def query_fields(query: Query) -> dict[str, Any]:
    """Return a query as the JSON tells it; what it does not narrow by, or measure, is left out."""
    parts = {
        name: query_fields(part)
        for name in ("which", "at", "after", "before", "during")
        if (part := getattr(query, name)) is not None
    }
    known = {
        "like": query.like,
        "room": query.room,
        "relation": query.relation.value if query.at else None,
        "measure": query.measure.value if query.measure else None,
        "is_negated": query.is_negated or None,
    }
    return {
        "kind": query.kind.value,
        "label": query.label,
        "text": query.text,
        "near_m": query.near_map,
        "radius_m": query.radius_m,
        "since_ns": query.since_ns,
        "until_ns": query.until_ns,
        "limit": query.limit,
        **{name: value for name, value in known.items() if value is not None},
        **parts,
    }


def _row(hit: Hit, timebase: Timebase, *, has_day: bool) -> list[str]:
    evidence = hit.evidence
    entity_id = hit.entity.entity_id if hit.entity else hit.event.entity_id if hit.event else None
    is_missing = hit.entity is not None and hit.entity.state is not EntityState.PRESENT
    return [
        _or_blank(entity_id),
        _or_blank(evidence.keyframe_id),
        short_time(evidence.stamp_ns, timebase, has_day=has_day),
        "" if evidence.p_map is None else " ".join(f"{x:5.2f}" for x in evidence.p_map),
        f"{hit.score:.2f}",
        evidence.text + (" (missing)" if is_missing else ""),
    ]


def _or_blank(value: int | None) -> str:
    return "" if value is None else str(value)


def _position(p_map: Any) -> list[float] | None:
    return None if p_map is None else [float(x) for x in p_map]


def _entity_fields(entity: Entity) -> dict[str, Any]:
    return {
        "entity_id": entity.entity_id,
        "label": entity.label,
        "state": entity.state.value,
        "keyframe_id": entity.keyframe_id,
        "position_m": _position(entity.p_map),
        "size_m": _position(entity.size_m),
        "first_seen_ns": entity.first_seen_ns,
        "last_seen_ns": entity.last_seen_ns,
        "sightings": entity.sightings,
        "confidence": entity.confidence,
        "existence": entity.existence,
        "absent_ns": entity.absent_ns,
    }


def _event_fields(event: Event) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "kind": event.kind.value,
        "stamp_ns": event.stamp_ns,
        "until_ns": event.until_ns,
        "text": event.text,
        "source": event.source,
        "keyframe_id": event.keyframe_id,
        "entity_id": event.entity_id,
        "label": event.label,
        "position_m": _position(event.p_map),
        "from_position_m": _position(event.p_from_map),
    }


def _evidence_fields(evidence: Evidence) -> dict[str, Any]:
    return {
        "stamp_ns": evidence.stamp_ns,
        "score": evidence.score,
        "text": evidence.text,
        "keyframe_id": evidence.keyframe_id,
        "position_m": _position(evidence.p_map),
        "T_map_kf": None if evidence.T_map_kf is None else evidence.T_map_kf.tolist(),
    }
