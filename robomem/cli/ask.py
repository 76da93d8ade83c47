"""`robomem ask`: the sentence, its evidence, and the query that was understood."""

from argparse import Namespace
from dataclasses import replace

from robomem.ask.canonical import render
from robomem.ask.moments import is_clock
from robomem.ask.timebase import DAY_NS, Timebase
from robomem.ask.times import parse_time
from robomem.cli.hits import hit_fields, print_hits, query_fields
from robomem.cli.opening import open_to_read, timebase_of
from robomem.cli.output import print_json, print_text


def run(args: Namespace) -> int:
    """Answer the question; 1 when there is nothing to tell."""
    with open_to_read(args.memory, timezone=args.timezone) as memory:
        timebase = timebase_of(memory)
        if args.now:
            timebase = replace(timebase, now_ns=_now(args.now, timebase))
        answer = memory.ask(" ".join(args.question), now_ns=timebase.now_ns)
    understood = render(answer.query, start_ns=timebase.start_ns, timezone=timebase.timezone)
    if args.json:
        print_json(
            {
                "question": answer.question,
                "understood_as": understood,
                "query": query_fields(answer.query),
                "text": answer.text,
                "is_found": answer.is_found,
                "value": answer.value,
                "hits": [hit_fields(hit) for hit in answer.hits],
            }
        )
        return 0 if answer else 1
    print_text(answer.text)
    if answer.hits:
        print()
        print_hits(answer.hits, timebase)
    print()
    print_text(f"understood as: {understood}")
    return 0 if answer else 1


def _now(text: str, timebase: Timebase) -> int:
    """Return the stamp to take for now; a time of day is the next one after the newest stamp."""
    if is_clock(text.strip().lower()):
        timebase = replace(timebase, now_ns=timebase.now_ns + DAY_NS)
    return parse_time(text, timebase)
