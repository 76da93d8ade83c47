"""`robomem bench`: measure robomem against its peers on this machine."""

import sys
from argparse import Namespace
from dataclasses import asdict, replace

from robomem.cli.output import print_facts, print_json, print_table
from robomem.cli.parser import BENCHES
from robomem.cli.progress import ProgressLine
from robomem.eval.mapping import measure_mapping
from robomem.eval.plan import QUICK, Settings
from robomem.eval.results import Report
from robomem.eval.tables import Table, markdown, notes, tables
from robomem.replay import Progress


def run(args: Namespace) -> int:
    """Run the bench of that name; without one list what there is."""
    if args.name is None:
        print_json({"benches": BENCHES}) if args.json else print_facts(BENCHES.items())
        return 0
    report = _measure(args)
    if args.json:
        print_json(asdict(report))
    elif args.markdown:
        print(markdown(report))
    else:
        for table in tables(report):
            _print(table)
        print("\n".join(notes(report)))
    return 0


def _measure(args: Namespace) -> Report:
    settings = replace(QUICK if args.quick else Settings(), seed=args.seed, data=args.data)
    if args.frames is not None:
        settings = replace(settings, frames=args.frames)
    if args.quiet:
        return measure_mapping(settings)
    line = ProgressLine(sys.stderr)

    def on_step(done: int, count: int) -> None:
        line(Progress(done / count, items=done, observed=done, rejected=0))

    try:
        return measure_mapping(settings, on_step=on_step)
    finally:
        line.finish()


def _print(table: Table) -> None:
    """Print a title and its table, the numbers right-aligned."""
    print(table.title)
    columns = [list(column) for column in zip(table.header, *table.rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    for column, width in zip(columns[1:], widths[1:], strict=True):
        column[:] = [cell.rjust(width) for cell in column]
    header, *rows = zip(*columns, strict=True)
    print_table(header, rows)
    print()
