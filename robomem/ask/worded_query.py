"""A query as it comes from outside, as JSON: checked by a schema, with times in words."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from robomem.ask.timebase import Timebase
from robomem.ask.times import parse_time
from robomem.errors import QueryError
from robomem.query import MAX_NAME, Measure, Query, QueryKind, Relation


class WordedQuery(BaseModel):
    """What a client or a model may say: a `Query`, with times in words; see there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: QueryKind | None = Field(default=QueryKind.WHERE, strict=False)
    """None: no query asks this."""
    label: str | None = Field(default=None, max_length=MAX_NAME)
    like: str | None = Field(default=None, max_length=MAX_NAME)
    which: "WordedQuery | None" = None
    near_map: list[float] | None = Field(default=None, min_length=2, max_length=3)
    radius_m: float | None = None
    at: "WordedQuery | None" = None
    relation: Relation = Field(default=Relation.NEAR, strict=False)
    room: str | None = Field(default=None, max_length=MAX_NAME)
    since: str | None = Field(default=None, max_length=MAX_NAME)
    until: str | None = Field(default=None, max_length=MAX_NAME)
    after: "WordedQuery | None" = None
    before: "WordedQuery | None" = None
    during: "WordedQuery | None" = None
    text: str | None = Field(default=None, max_length=MAX_NAME)
    measure: Measure | None = Field(default=None, strict=False)
    is_negated: bool = False
    limit: int = Field(default=10, ge=1, le=1000)

    def query(self, timebase: Timebase) -> Query:
        """Return the query; raises QueryError where it is none."""
        if self.kind is None:
            raise QueryError("no query asks this")
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        since, until = fields.pop("since"), fields.pop("until")
        for name in ("which", "at", "after", "before", "during"):
            part: WordedQuery | None = fields[name]
            fields[name] = None if part is None else part.query(timebase)
        if self.near_map is not None:
            fields["near_map"] = tuple(self.near_map)
        return Query(
            since_ns=None if since is None else parse_time(since, timebase),
            until_ns=None if until is None else parse_time(until, timebase),
            **fields,
        )
