"""`robomem ask`: the sentence, its evidence, and the query that was understood."""

from argparse import Namespace

from robomem.ask.grammar import render
from robomem.ask.times import parse_time
from robomem.cli.opening import open_to_read, timebase_of
from robomem.cli.output import hit_fields, print_hits, print_json, print_text, query_fields


def run(args: Namespace) -> int:
    """Answer the question; 1 when there is nothing to tell."""
    with open_to_read(args.memory, timezone=args.timezone) as memory:
        timebase = timebase_of(memory)
        now_ns = parse_time(args.now, timebase) if args.now else None
        answer = memory.ask(" ".join(args.question), now_ns=now_ns)
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
