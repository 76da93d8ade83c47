"""The report of the mapping bench as tables: one for each question, or the one of the README."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from robomem.eval.bench import Table, markdown_table
from robomem.eval.machine import where
from robomem.eval.peers import FAST, NAMES
from robomem.eval.results import Report, SetupReport
from robomem.eval.turns import STAGES

NONE = "-"  # was not measured, or there is none
BEST = "*"  # of its column
PYOCTOMAP_NOTE = (
    "pyoctomap is OctoMap behind a Python binding, which copies points one by one and visits all"
    " inner nodes once more a scan: in C++ it costs less"
)


def tables(report: Report) -> list[Table]:
    """Return one table for each question; the best of a column is marked."""
    return [
        *map(_frame_costs, report.setups),
        *(_agreements(each) for each in report.setups),
        _query_rates(report.setups[0]),
        *(_sizes(each) for each in report.setups),
        _peaks(report),
        _growth(report),
        _traffic(report),
    ]


def _frame_costs(each: SetupReport) -> Table:
    costs = {cost.map: cost for cost in each.frame_costs}
    return _table(
        f"CPU time of a scan, median ms on one core, and its ratio to robomem fast ({each.title})",
        ("alone", "in turn", "ratio"),
        [
            _column(costs, lambda cost: cost.alone_ms, ".2f", best=min),
            _column(costs, lambda cost: cost.cpu_ms, ".2f", best=min),
            _column(costs, lambda cost: cost.ratio, ".2f"),
        ],
    )


def _agreements(each: SetupReport) -> Table:
    found = {agreement.map: agreement for agreement in each.agreements}
    return _table(
        f"Agreement with robomem exact ({each.title})",
        ("known voxels", "found %", "extra %", "occupied IoU"),
        [
            _column(found, lambda a: a.known, ",.0f"),
            _column(found, lambda a: 100 * a.known_found, ".3f"),
            _column(found, lambda a: 100 * a.known_extra, ".3f"),
            _column(found, lambda a: a.occupied_iou, ".4f"),
        ],
    )


def _query_rates(each: SetupReport) -> Table:
    columns = []
    for what in ("points", "rays"):
        rates = {rate.map: rate for rate in each.query_rates if rate.what == what}
        columns += [
            _column(rates, lambda rate: rate.million_per_s, ".3f", best=max),
            _column(rates, lambda rate: rate.ratio, ".3f"),
            {name: f"{rate.count:,} {rate.calls}" for name, rate in rates.items()},
        ]
    return _table(
        f"Queries, million a second of CPU, and their ratio to robomem fast ({each.title})",
        ("points", "ratio", "asked", "rays", "ratio", "asked"),
        columns,
    )


def _sizes(each: SetupReport) -> Table:
    sizes = {size.map: size for size in each.sizes}
    return _table(
        f"Bytes after all scans ({each.title})",
        ("memory MB", "kB a known m3", "own file kB", ".bt kB", ".ot kB"),
        [
            _column(sizes, lambda size: size.memory_bytes / 1e6, ".2f", best=min),
            _column(sizes, lambda size: size.bytes_per_m3 / 1e3, ".1f", best=min),
            _column(sizes, lambda size: _kb(size.files.own), ",.0f", best=min),
            _column(sizes, lambda size: _kb(size.files.bt), ",.0f", best=min),
            _column(sizes, lambda size: _kb(size.files.ot), ",.0f", best=min),
        ],
    )


def _peaks(report: Report) -> Table:
    peaks = {peak.map: peak for peak in report.peaks}
    return _table(
        f"Peak memory of a process of its own, MB ({report.setups[0].title})",
        ("peak", "above one without a map"),
        [
            _column(peaks, lambda peak: peak.peak_bytes / 1e6, ".0f", best=min),
            _column(peaks, lambda peak: peak.above_idle_bytes / 1e6, ".0f", best=min),
        ],
    )


def _growth(report: Report) -> Table:
    by_stage = [{g.map: g for g in report.growth if g.first == first} for first, _ in STAGES]
    last = {g.map: g for g in report.growth}  # the later stage wins
    return _table(
        f"A long walk, {report.settings.long_walk.title}: CPU ms of a scan, median, as the map grows",
        (*(f"{first}-{end}" for first, end in STAGES), "frames", "map MB then"),
        [
            *(_column(stage, lambda g: g.cpu_ms, ".2f", best=min) for stage in by_stage),
            _column(last, lambda g: g.last, "d"),
            _column(last, lambda g: g.memory_bytes / 1e6, ".2f"),
        ],
    )


def _traffic(report: Report) -> Table:
    rows = tuple(
        (
            each.title,
            f"{each.traffic.frame_bytes / 1e6:.2f}",
            f"{each.traffic.voxels:,}",
            f"{each.traffic.bricks:,}",
            f"{each.traffic.cpu_ms:.2f}",
            f"{each.traffic.copy_gb_s:.1f}",
            f"{100 * each.traffic.fraction:.1f}",
        )
        for each in report.setups
    )
    header = ("scene", "MB a scan", "voxels", "bricks", "ms", "copy GB/s", "% of that")
    return Table(f"How near {FAST} comes to the memory's bandwidth", header, rows)


def notes(report: Report) -> list[str]:
    """Return how the figures were made, and what was not measured."""
    settings = report.settings
    images = f"{settings.frames} depth images ({settings.data or 'simulated'})"
    turns = f"{settings.turns} LiDAR turns (simulated), seed {settings.seed}"
    timing = f"one map after the other, the first {settings.warm_up} scans not timed"
    return [
        where(report.machine, report.versions),
        f"{images}, {turns}; {timing}; {report.wall_s:.0f} s in all",
        PYOCTOMAP_NOTE,
        *(f"not measured: {each.map}, {each.what}: {each.why}" for each in report.absent),
    ]


def markdown(report: Report) -> str:
    """Return the README's table: what matters most, a row for each map."""
    costs = [{c.map: c for c in each.frame_costs} for each in report.setups]
    first = report.setups[0]
    agreements = {a.map: a for a in first.agreements}
    points, rays = (
        {r.map: r for r in first.query_rates if r.what == w} for w in ("points", "rays")
    )
    sizes, peaks = {s.map: s for s in first.sizes}, {p.map: p for p in report.peaks}
    titles = [
        *(f"{each.title}: ms alone / in turn" for each in report.setups),
        "known found %", "occupied IoU", "points M/s", "rays M/s", "kB/m3", "file kB", "peak MB",
    ]  # fmt: skip
    table = _table("", titles, [
        *({n: f"{c.alone_ms:.1f} / {c.cpu_ms:.1f}" for n, c in each.items()} for each in costs),
        _column(agreements, lambda a: 100 * a.known_found, ".2f"),
        _column(agreements, lambda a: a.occupied_iou, ".4f"),
        _column(points, lambda r: r.million_per_s, ".2f"),
        _column(rays, lambda r: r.million_per_s, ".3f"),
        _column(sizes, lambda s: s.bytes_per_m3 / 1e3, ".0f"),
        _column(sizes, lambda s: _kb(s.files.own or s.files.ot), ",.0f"),
        _column(peaks, lambda p: p.peak_bytes / 1e6, ".0f"),
    ])  # fmt: skip
    return "\n".join([markdown_table(table), "", *(f"- {note}" for note in notes(report))])


Found = TypeVar("Found")
Column = dict[str, str]  # by map


def _column(
    found: Mapping[str, Found],
    value_of: Callable[[Found], float | None],
    form: str,
    *,
    best: Callable[[list[float]], float] | None = None,
) -> Column:
    """Return a value for each map as text, the best one marked."""
    values = {name: value_of(each) for name, each in found.items()}
    known = {name: value for name, value in values.items() if value is not None}
    top = best(list(known.values())) if best and len(known) > 1 else None
    return {
        name: f"{value:{form}}{BEST if value == top else ' ' if best else ''}"
        for name, value in known.items()
    }


def _table(title: str, titles: Iterable[str], columns: Sequence[Column]) -> Table:
    """Return a table of the maps that are in any column."""
    rows = tuple(
        (name, *(column.get(name, NONE) for column in columns))
        for name in NAMES
        if any(name in column for column in columns)
    )
    return Table(title, ("map", *titles), rows)


def _kb(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / 1e3
