"""`robomem held`: what is held back, and who is believed; a person may rule."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from robomem.claims import Held
from robomem.cli.hits import short_time
from robomem.cli.opening import open_to_read, timebase_of
from robomem.cli.output import print_json, print_table
from robomem.memory import Memory
from robomem.store import folder


def run(args: Namespace) -> int:
    """Rule as the arguments say, then list what is held; 0 whatever is left."""
    if args.trust or args.release or args.reject:
        folder.read_manifest(Path(args.memory))  # opening to write would make a memory
        with Memory.open(args.memory, "w") as memory:
            _rule(memory, args)
    with open_to_read(args.memory) as memory:
        held = memory.guard.held()
        if args.json:
            print_json({"held": list(map(_fields, held))})
        elif held:
            header = ("what", "source", "trust", "time", "why", "text")
            print_table(header, list(_rows(memory, held)))
        else:
            print("nothing is held back")
    return 0


def _rule(memory: Memory, args: Namespace) -> None:
    for source, level in args.trust:
        memory.guard.set_trust(source, level)
    for kind, item_id in args.release:
        memory.guard.release(kind, item_id)
    for kind, item_id in args.reject:
        memory.guard.reject(kind, item_id)


def _fields(held: Held) -> dict[str, object]:
    return {
        "kind": held.kind,
        "id": held.item_id,
        "source": held.source,
        "stamp_ns": held.stamp_ns,
        "text": held.text,
        "ruling": held.verdict.ruling,
        "ground": held.verdict.ground,
        "evidence": list(held.verdict.evidence),
    }


def _rows(memory: Memory, held: list[Held]) -> Iterator[tuple[str, ...]]:
    timebase = timebase_of(memory)
    for item in held:
        trust = memory.guard.trust(item.source)
        yield (
            f"{item.kind}:{item.item_id}",
            item.source,
            f"{trust.level}, {trust.expected:.2f}",
            short_time(item.stamp_ns, timebase),
            item.verdict.ground.replace("_", " "),
            item.text,
        )
