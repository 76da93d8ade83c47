"""`robomem recall`: a typed query, and what matches as a table."""

import sys
from argparse import Namespace

from robomem.ask.timebase import Timebase
from robomem.ask.times import parse_time
from robomem.cli.hits import hit_fields, print_hits, query_fields
from robomem.cli.opening import open_to_read, timebase_of
from robomem.cli.output import print_json
from robomem.labels import phrase
from robomem.query import Query, QueryKind


def run(args: Namespace) -> int:
    """List what matches; 1 when nothing does."""
    with open_to_read(args.memory, timezone=args.timezone) as memory:
        timebase = timebase_of(memory)
        query = _query(args, timebase)
        hits = memory.recall(query)
    if args.json:
        print_json({"query": query_fields(query), "hits": [hit_fields(hit) for hit in hits]})
    elif hits:
        print_hits(hits, timebase)
    else:
        print("robomem: nothing matches", file=sys.stderr)
    return 0 if hits else 1


def _query(args: Namespace, timebase: Timebase) -> Query:
    return Query(
        kind=QueryKind(args.kind),
        label=phrase(args.label) if args.label else None,
        near_map=args.near,
        radius_m=args.radius,
        since_ns=parse_time(args.since, timebase) if args.since else None,
        until_ns=parse_time(args.until, timebase) if args.until else None,
        room=args.room,
        text=args.text,
        limit=args.limit,
    )
