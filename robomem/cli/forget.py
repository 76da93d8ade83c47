"""`robomem forget`: erase things for good."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from robomem.cli.output import print_json
from robomem.errors import QueryError
from robomem.memory import Memory
from robomem.store import folder


def run(args: Namespace) -> int:
    """Erase the things; 1 when one of them is not there."""
    folder.read_manifest(Path(args.memory))  # opening to write would make a memory
    with Memory.open(args.memory, "w") as memory:
        labels = {entity.entity_id: entity.label for entity in memory.entities()}
        known = [i for i in dict.fromkeys(args.entity_ids) if i in labels]
        absent = [i for i in dict.fromkeys(args.entity_ids) if i not in labels]
        if known and not args.yes and not _confirm([f"{labels[i]} ({i})" for i in known]):
            return 1
        count = memory.forget(known) if known else 0
    for entity_id in absent:
        print(f"robomem: there is no entity {entity_id}: see `robomem recall`", file=sys.stderr)
    if args.json:
        print_json({"forgotten": count, "entity_ids": known, "absent_ids": absent})
    else:
        print(f"forgot {', '.join(f'{labels[i]} ({i})' for i in known) or 'nothing'}")
    return 1 if absent else 0


def _confirm(names: Sequence[str]) -> bool:
    if not sys.stdin.isatty():
        raise QueryError("forgetting cannot be undone: say --yes, there is no terminal to ask on")
    print(f"forget {', '.join(names)} for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
