"""`robomem bench`: measure robomem on this machine, against its peers or against the truth."""

import sys
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path

from robomem.cli.output import print_facts, print_json, print_table
from robomem.cli.parser import BENCHES
from robomem.cli.progress import ProgressLine
from robomem.errors import ConfigError
from robomem.eval.bench import Bench, OnStep, Options, Outcome, Table, find_bench
from robomem.eval.mapping import measure_mapping
from robomem.eval.plan import QUICK, Settings
from robomem.eval.policy import bench_policy
from robomem.eval.tables import markdown, notes, tables
from robomem.replay import Progress

TRAINING = "recall-tasks"


def run(args: Namespace) -> int:
    """Run the bench of that name; without one list what there is."""
    if args.name is None:
        print_json({"benches": BENCHES}) if args.json else print_facts(BENCHES.items())
        return 0
    own = {"mapping": bench_mapping, "policy": bench_policy}
    outcome = _measured(own.get(args.name) or find_bench(args.name), args)
    if args.json:
        print_json(asdict(outcome.report))
    elif args.markdown:
        print(outcome.markdown)
    else:
        for table in outcome.tables:
            _print(table)
        print("\n".join(outcome.notes))
    return 0


def bench_mapping(options: Options, *, on_step: OnStep | None = None) -> Outcome:
    """Measure the map against its peers on the same scans."""
    if options.pictures is not None:
        raise ConfigError("bench mapping draws no pictures: bench spatial does")
    data = None if options.data is None else str(options.data)
    settings = replace(QUICK if options.is_quick else Settings(), seed=options.seed, data=data)
    if options.frames is not None:
        settings = replace(settings, frames=options.frames)
    report = measure_mapping(settings, on_step=on_step)
    return Outcome(report, tuple(tables(report)), tuple(notes(report)), markdown(report))


def _measured(bench: Bench, args: Namespace) -> Outcome:
    options = Options(
        seed=args.seed,
        is_quick=args.quick,
        frames=args.frames,
        data=None if args.data is None else Path(args.data),
        pictures=None if args.pictures is None else Path(args.pictures),
        cells=None if args.cells is None else Path(args.cells),
        only=tuple(args.only),
        minutes=args.minutes,
    )
    if args.name != TRAINING and (args.cells or args.only or args.minutes is not None):
        raise ConfigError(f"--cells, --only and --minutes are of bench {TRAINING}")
    if args.quiet:
        return bench(options)
    line = ProgressLine(sys.stderr)

    def on_step(done: int, count: int) -> None:
        line(Progress(done / count, items=done, observed=done, rejected=0))

    try:
        return bench(options, on_step=on_step)
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
