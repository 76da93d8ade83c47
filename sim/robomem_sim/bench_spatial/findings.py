"""The report of the spatial bench to be read: tables with a row for each house, and notes."""

from collections.abc import Sequence

from robomem.eval.bench import Table
from robomem.eval.columns import Column, SeededRow, seconds_table, table_by_seed, table_of
from robomem.eval.machine import where
from robomem_sim.bench_spatial.correction import Correction
from robomem_sim.bench_spatial.graphs import Graphs
from robomem_sim.bench_spatial.loops import LoopClosing, TwoHouses
from robomem_sim.bench_spatial.motion import Motion
from robomem_sim.bench_spatial.pose_graphs import PoseGraphFit
from robomem_sim.bench_spatial.report import Report
from robomem_sim.bench_spatial.rooms import Rooms
from robomem_sim.bench_spatial.views import Views

MAP: tuple[Column[Correction], ...] = (
    Column("frames", lambda c: c.frames, ".0f", min),
    Column("keyframes", lambda c: c.keyframes, ".0f", min),
    Column("drift m", lambda c: c.drift_m, ".2f"),
    Column("occupied IoU before", lambda c: c.occupied_iou_before, ".3f", min),
    Column("occupied IoU", lambda c: c.occupied_iou, ".4f", min),
    Column("free IoU", lambda c: c.free_iou, ".4f", min),
)
THINGS: tuple[Column[Correction], ...] = (
    Column("things", lambda c: c.things.count, ".0f", min),
    Column("missing", lambda c: c.things.missing, ".0f"),
    Column("twice", lambda c: c.things.twice, ".0f"),
    Column("believed moved", lambda c: c.things.moved, ".0f"),
    Column("off cm, median", lambda c: _cm(c.things.off_median_m), ".2f"),
    Column("off cm, most", lambda c: _cm(c.things.off_max_m), ".2f"),
    Column("of the same sightings", lambda c: c.things.same, ".0f", min),
    Column("off cm, most", lambda c: _cm(c.things.same_off_max_m), ".2f"),
    Column("from truth cm, before", lambda c: _cm(c.things.truth_before_m), ".1f"),
    Column("after", lambda c: _cm(c.things.truth_after_m), ".1f"),
)
FOLLOWING: tuple[Column[Correction], ...] = (
    Column("correct s", lambda c: c.correct_s, ".2f"),
    Column("map follows s", lambda c: c.map_s, ".1f"),
    Column("observe ms p50", lambda c: c.observe.p50_ms, ".1f"),
    Column("p99", lambda c: c.observe.p99_ms, ".1f"),
    Column("meanwhile: times", lambda c: c.observe_meanwhile.count, ".0f", min),
    Column("p50", lambda c: c.observe_meanwhile.p50_ms, ".1f"),
    Column("p99", lambda c: c.observe_meanwhile.p99_ms, ".1f"),
    Column("ask meanwhile: times", lambda c: c.ask_meanwhile.count, ".0f", min),
    Column("p50", lambda c: c.ask_meanwhile.p50_ms, ".1f"),
    Column("p99", lambda c: c.ask_meanwhile.p99_ms, ".1f"),
)
LOOPS: tuple[Column[LoopClosing], ...] = (
    Column("way m", lambda c: c.way_m, ".0f", min),
    Column("keyframes", lambda c: c.keyframes, ".0f", min),
    Column("error m before", lambda c: c.before_m, ".3f"),
    Column("after", lambda c: c.after_m, ".3f"),
    Column("times less", lambda c: c.factor, ".1f", min),
    Column("aligned before", lambda c: c.aligned_before_m, ".3f"),
    Column("after", lambda c: c.aligned_after_m, ".3f"),
    Column("loops", lambda c: c.loops, ".0f", min),
    Column("wrong", lambda c: c.wrong, ".0f"),
    Column("s", lambda c: c.close_s, ".1f"),
)
TWO_HOUSES: tuple[Column[TwoHouses], ...] = (
    Column("loops tried", lambda h: h.tried, ".0f", min),
    Column("accepted", lambda h: h.accepted, ".0f"),
)
ROOMS: tuple[Column[Rooms], ...] = (
    Column("true rooms", lambda r: r.true_rooms, ".0f"),
    Column("found", lambda r: r.rooms, ".0f", min),
    Column("adjusted Rand index", lambda r: r.rand_index, ".3f", min),
    Column("rightly named %", lambda r: 100 * r.named, ".0f", min),
    Column("s to find", lambda r: r.find_s, ".2f"),
)
ROUTES: tuple[Column[Rooms], ...] = (
    Column("routes", lambda r: r.routes, ".0f", min),
    Column("not found", lambda r: r.unreachable, ".0f"),
    Column("ms p50", lambda r: r.route.p50_ms, ".1f"),
    Column("p99", lambda r: r.route.p99_ms, ".1f"),
    Column("length ratio, median", lambda r: r.length_ratio, ".3f"),
    Column("greatest", lambda r: r.length_ratio_worst, ".3f"),
    Column("least true clearance m", lambda r: r.least_clearance_m, ".3f", min),
)
GRAPHS: tuple[Column[Graphs], ...] = (
    Column("graphs", lambda g: g.graphs, ".0f"),
    Column("nodes", lambda g: g.nodes, ",.0f"),
    Column("ways", lambda g: g.ways.count, ",.0f"),
    Column("ms p50", lambda g: g.ways.p50_ms, ".3f"),
    Column("p99", lambda g: g.ways.p99_ms, ".3f"),
    Column("compared", lambda g: g.compared, ",.0f"),
    Column("not Dijkstra's", lambda g: g.differing, ".0f"),
)
POSE_GRAPHS: tuple[Column[PoseGraphFit], ...] = (
    Column("poses", lambda g: g.poses, ",.0f"),
    Column("edges", lambda g: g.edges, ",.0f"),
    Column("cost before", lambda g: g.cost_before, ",.0f"),
    Column("cost", lambda g: g.cost, ".6f"),
    Column("by Gauss-Newton", lambda g: g.cost_by_batch, ".6f"),
    Column("s", lambda g: g.optimize_s, ".2f"),
)
VIEWS: tuple[Column[Views], ...] = (
    Column("keyframes", lambda v: v.keyframes, ".0f", min),
    Column("covisible recall@5", lambda v: v.covisible_recall, ".3f", min),
    Column("error of share", lambda v: v.share_error, ".3f"),
    Column("ms p50", lambda v: v.covisible.p50_ms, ".2f"),
    Column("p99", lambda v: v.covisible.p99_ms, ".2f"),
    Column("views precision@5", lambda v: v.view_precision, ".3f", min),
    Column("recall of all", lambda v: v.view_recall, ".3f", min),
    Column("ms p50", lambda v: v.views.p50_ms, ".2f"),
    Column("p99", lambda v: v.views.p99_ms, ".2f"),
    Column("ms a keyframe p50", lambda v: v.add.p50_ms, ".2f"),
    Column("p99", lambda v: v.add.p99_ms, ".2f"),
)
MOTION: tuple[Column[Motion], ...] = (
    Column("people", lambda m: m.people, ".0f", min),
    Column("ghosts %", lambda m: 100 * m.apart.ghosts, ".2f"),
    Column("occupied IoU", lambda m: m.apart.occupied_iou, ".4f", min),
    Column("as structure: ghosts %", lambda m: 100 * m.as_structure.ghosts, ".2f"),
    Column("IoU", lambda m: m.as_structure.occupied_iou, ".4f", min),
    Column("precision", lambda m: m.precision, ".3f", min),
    Column("recall", lambda m: m.recall, ".3f", min),
    Column("F1", lambda m: m.f1, ".3f", min),
    Column("false alarms %", lambda m: 100 * m.false_alarms, ".3f"),
    Column("track off m", lambda m: m.track_m, ".2f"),
    Column("ms a frame p50", lambda m: m.frame.p50_ms, ".1f"),
    Column("p99", lambda m: m.frame.p99_ms, ".1f"),
    Column("as structure: p50", lambda m: m.frame_as_structure.p50_ms, ".1f"),
)


def tables(report: Report) -> tuple[Table, ...]:
    """Return a table for each question, without those that nothing answers."""
    pairs = [("{}, {}".format(*found.seeds), found) for found in report.two_houses]
    corrections, rooms = report.corrections, report.rooms
    all_tables = (
        _by_house(
            "A corrected map, against the one of corrected poses from the start", corrections, MAP
        ),
        _by_house(
            "Things after a correction, against the same, and against the truth",
            corrections,
            THINGS,
        ),
        _by_house("While the map follows a correction", corrections, FOLLOWING),
        _by_house(
            "Loop closure: how far a drifting path is off, root mean square", report.loops, LOOPS
        ),
        table_of("Two houses, driven through as one", pairs, TWO_HOUSES),
        table_of("Pose graphs", [(g.name, g) for g in report.pose_graphs], POSE_GRAPHS),
        _by_house("Rooms, against the truth", rooms, ROOMS),
        _by_house("Routes, against a search cell by cell, and against the truth", rooms, ROUTES),
        table_of("Shortest ways through graphs", [(g.name, g) for g in report.graphs], GRAPHS),
        _by_house("Views, against a look at every pixel of every keyframe", report.views, VIEWS),
        _by_house("People and structure, against the map without people", report.motion, MOTION),
        seconds_table(report.seconds),
    )
    return tuple(table for table in all_tables if table.rows)


def notes(report: Report) -> tuple[str, ...]:
    """Return how the figures were made, and what was not measured."""
    return (
        where(report.machine, report.versions),
        f"simulated houses from seed {report.settings.seed} on, noisy depth images of 160 x 120 pixels",
        f"{sum(report.seconds.values()):.0f} s in all",
        *(f"not measured: {name}: {why}" for name, why in report.absent.items()),
    )


def _by_house(title: str, rows: Sequence[SeededRow], columns: Sequence[Column[SeededRow]]) -> Table:
    return table_by_seed(title, rows, columns, first="house")


def _cm(length_m: float | None) -> float | None:
    return None if length_m is None else 100 * length_m
