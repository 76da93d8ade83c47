"""The spatial bench: small runs of every part, its oracles against others, what it prints and refuses."""

import dataclasses
import json
import sys
from types import SimpleNamespace

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("embreex")
pytest.importorskip("trimesh")
pytest.importorskip("gtsam")
pytest.importorskip("small_gicp")

from robomem_sim.bench_spatial import bench, bench_spatial, findings
from robomem_sim.bench_spatial.graphs import dijkstra, measure_buildings, measure_streets
from robomem_sim.bench_spatial.houses import iou
from robomem_sim.bench_spatial.report import QUICK, Settings
from robomem_sim.bench_spatial.rooms import adjusted_rand_index
from robomem_sim.drift import Drift, drifted

from robomem.cli import main
from robomem.errors import ConfigError, MissingExtraError
from robomem.eval.bench import Options, find_bench
from robomem.eval.columns import markdown
from robomem.eval.trial import Stopwatch
from robomem.geometry import pose, rotation_from_yaw
from robomem.spatial.slam import Edge, EdgeKind, PoseGraph, write_g2o

TINY = Settings(
    corrections=1, loops=2, houses=1, crowds=1, people=3, frames=100, house_frames=100, routes=8, queries=8, ways=20,
    ways_compared=10,
)  # fmt: skip
NOTHING = Settings(corrections=0, loops=0, houses=0, crowds=0)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """A folder with a ring of streets that lead one way, a building of three rooms in a row, and a pose graph."""
    folder = tmp_path_factory.mktemp("data")
    streets, buildings = folder / "touchdown", folder / "matterport_connectivity"
    streets.mkdir()
    buildings.mkdir()
    ring = [(f"p{i}", 40.7 + 1e-3 * np.cos(i), -74.0 + 1e-3 * np.sin(i)) for i in range(6)]
    (streets / "nodes.txt").write_text("".join(f"{n},0.0,{a},{b}\n" for n, a, b in ring))
    (streets / "links.txt").write_text("".join(f"p{i},0.0,p{(i + 1) % 6}\n" for i in range(6)))
    viewpoints = [
        {
            "image_id": f"v{i}",
            "included": True,
            "height": 1.5,
            "pose": pose(np.eye(3), (2.0 * i, 0.0, 1.5)).reshape(16).tolist(),
            "unobstructed": [abs(i - j) == 1 for j in range(3)],
        }
        for i in range(3)
    ]
    (buildings / "a_connectivity.json").write_text(json.dumps(viewpoints))
    (folder / "posegraphs").mkdir()
    write_g2o(folder / "posegraphs" / "input_INTEL.g2o", triangle())
    return folder


def triangle():
    """Three poses in the plane, and edges of a metre that a turn of 120 degrees each would close, but for 5."""
    graph = PoseGraph(is_planar=True)
    step = pose(rotation_from_yaw(np.deg2rad(115.0)), (1.0, 0.0, 0.0))
    for i, T in enumerate([np.eye(4), step, step @ step]):
        graph.add_pose(i, T)
    for i in range(3):
        graph.add_edge(Edge(i, (i + 1) % 3, step, 100 * np.eye(3), EdgeKind.ODOMETRY))
    return graph


@pytest.fixture(scope="module")
def report(graphs):
    return bench.measure_spatial(dataclasses.replace(TINY, data=str(graphs)))


def test_a_corrected_map_and_its_things_are_where_they_should_be(report):
    (found,) = report.corrections

    assert found.frames == 100
    assert found.occupied_iou_before < 0.7
    assert min(found.occupied_iou, found.free_iou) >= 0.97
    assert found.things.count > 3
    assert found.things.missing == 0
    assert found.things.same > 3
    assert found.things.same_off_max_m <= 0.02
    assert found.things.truth_after_m < found.things.truth_before_m
    assert 0 < found.correct_s < found.map_s
    assert found.observe.count == 80
    assert found.observe_meanwhile.count <= 20


def test_loops_bring_a_drive_nearer_to_the_truth_and_join_no_two_houses(report):
    assert [found.seed for found in report.loops] == [0, 1]
    for found in report.loops:
        assert found.after_m < found.before_m
        assert found.aligned_after_m <= found.after_m + 1e-9
        assert found.factor == pytest.approx(found.before_m / found.after_m)
        assert found.loops > 0
        assert found.wrong == 0
    assert [(pair.seeds, pair.accepted) for pair in report.two_houses] == [((0, 1), 0)]


def test_rooms_and_routes_are_told_of(report):
    (found,) = report.rooms

    assert found.true_rooms == 5
    assert 0.5 < found.rand_index <= 1
    assert 0 <= found.named <= 1
    assert found.routes == 8
    assert (found.least_clearance_m is None) == (found.unreachable == found.routes)


def test_views_agree_with_the_truth(report):
    (found,) = report.views

    assert found.keyframes > 10
    assert found.covisible_recall > 0.6
    assert found.view_precision > 0.8
    assert found.add.count == found.keyframes
    assert 0 < found.covisible.p50_ms <= found.covisible.p99_ms


def test_people_are_told_from_structure(report):
    (found,) = report.motion

    assert found.frames == 100
    assert found.apart.ghosts < 0.02
    assert found.apart.occupied_iou > 0.9
    assert found.f1 == pytest.approx(
        2 * found.precision * found.recall / (found.precision + found.recall)
    )
    assert found.false_alarms < 0.01


def test_ways_through_graphs_are_those_of_dijkstra(report):
    streets, buildings = report.graphs

    assert (streets.nodes, streets.ways.count, streets.compared, streets.differing) == (
        6,
        20,
        10,
        0,
    )
    assert (buildings.graphs, buildings.nodes, buildings.compared) == (1, 3, 9)
    assert buildings.differing == 0


def test_pose_graphs_have_the_cost_that_another_optimiser_comes_to(report):
    (found,) = report.pose_graphs

    assert (found.name, found.poses, found.edges) == ("input_INTEL.g2o", 3, 3)
    assert 0 < found.cost < found.cost_before
    assert found.cost == pytest.approx(found.cost_by_batch, rel=1e-6)


def test_a_longer_way_counts_as_differing(graphs, monkeypatch):
    monkeypatch.setattr(
        "robomem_sim.bench_spatial.graphs.PositionGraph.shortest_path",
        lambda *_: SimpleNamespace(cost=1e6),
    )

    streets = measure_streets(graphs, ways=5, compared=5, seed=0)
    buildings = measure_buildings(graphs, buildings=None, seed=0)

    assert (streets.differing, buildings.differing) == (5, 9)


def test_real_graphs_are_searched_as_dijkstra_does(data_dir):
    streets = measure_streets(data_dir, ways=40, compared=5, seed=1)
    buildings = measure_buildings(data_dir, buildings=2, seed=1)

    assert (streets.nodes, streets.differing) == (29_641, 0)
    assert buildings.compared > 100
    assert buildings.differing == 0


def test_the_report_is_json_and_has_the_time_of_every_part(report):
    told = json.loads(json.dumps(dataclasses.asdict(report), allow_nan=False))

    assert told["settings"]["frames"] == 100
    assert told["absent"] == {}
    assert {*told["seconds"], "pictures"} == set(bench.STEPS)
    assert min(told["seconds"].values()) > 0


def test_every_table_has_a_cell_in_every_column(report):
    tables, notes = findings.tables(report), findings.notes(report)

    assert len(tables) == 12
    for table in tables:
        assert table.title
        assert {len(row) for row in table.rows} == {len(table.header)}
    text = markdown(tables, notes)
    assert all(f"**{table.title}**" in text for table in tables)
    assert "| median |" in text
    assert text.endswith(notes[-1])


def test_data_that_is_not_there_is_said_to_be_absent(tmp_path):
    without = bench.measure_spatial(NOTHING)
    elsewhere = bench.measure_spatial(dataclasses.replace(NOTHING, data=str(tmp_path)))

    for found, why in ((without, "--data"), (elsewhere, f"not in {tmp_path}")):
        assert set(found.absent) == {"touchdown", "matterport_connectivity", "posegraphs"}
        assert found.graphs == ()
        for name in found.absent:
            assert any(name in note and why in note for note in findings.notes(found))


def test_steps_are_counted_to_the_end(graphs):
    steps = []

    bench.measure_spatial(
        dataclasses.replace(NOTHING, data=str(graphs)), on_step=lambda *done: steps.append(done)
    )

    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize(("package", "extra"), [("small_gicp", "slam"), ("matplotlib", "viz")])
def test_without_what_it_needs_it_stops_before_it_begins(monkeypatch, tmp_path, package, extra):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtraError, match=rf"robomem\[{extra}\]"):
        bench.measure_spatial(dataclasses.replace(TINY, pictures=str(tmp_path / "new")))
    assert not (tmp_path / "new").exists()


def test_the_pictures_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    settings = dataclasses.replace(NOTHING, seed=1, house_frames=40, pictures=str(tmp_path / "new"))

    bench.measure_spatial(settings)

    sizes = {file.name: file.stat().st_size for file in (tmp_path / "new").iterdir()}
    assert set(sizes) == {"rooms.png", "motion.png", "correction.png"}
    assert min(sizes.values()) > 10_000


# ---- the command line ---------------------------------------------------------------------------


@pytest.fixture
def cli(capsys, monkeypatch, report):
    """Run a command in this process on the report that there is; the answer is rc, out and err."""

    def run(*argv):
        def measure(settings, *, on_step=None):
            run.settings = settings  # what became of the options
            return report

        monkeypatch.setattr(bench, "measure_spatial", measure)
        try:
            rc = main([str(part) for part in argv])
        except SystemExit as err:
            rc = err.code
        captured = capsys.readouterr()
        return rc, captured.out, captured.err

    return run


def test_it_is_found_by_its_entry_point():
    assert find_bench("spatial") is bench_spatial


def test_the_report_is_printed_as_tables_json_or_markdown(cli, report):
    rc, out, _ = cli("bench", "spatial")

    assert rc == 0
    assert "adjusted Rand index" in out
    told = json.loads(json.dumps(dataclasses.asdict(report)))
    assert json.loads(cli("bench", "spatial", "--json")[1]) == {"schema": 1, **told}
    assert cli("bench", "spatial", "--markdown")[1].startswith("**A corrected map")


def test_options_become_settings(cli, graphs):
    cli("bench", "spatial", "--quick", "--seed", 5, "--data", graphs, "-q")

    assert cli.settings == dataclasses.replace(QUICK, seed=5, data=str(graphs))
    assert list(cli.settings.seeds(2)) == [5, 6]


@pytest.mark.parametrize(
    "options",
    [
        ("flying",),
        ("spatial", "--seed", "-1"),
        ("spatial", "--seed", "one"),
        ("spatial", "--frames", "3"),
        ("spatial", "--data", "/no/such/folder"),
        ("mapping", "--pictures", "out"),
    ],
)
def test_what_cannot_be_measured_is_refused(cli, options):
    assert cli("bench", *options)[0] == 2


def test_a_bench_that_cannot_be_loaded_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "robomem_sim.bench_spatial", None)

    with pytest.raises(MissingExtraError, match=r"spatial .*robomem\[sim,slam\]"):
        find_bench("spatial")
    with pytest.raises(MissingExtraError, match="flying is not there"):
        find_bench("flying")


def test_an_interrupt_ends_it_quietly(monkeypatch, capsys):
    def interrupt(settings, *, on_step=None):
        on_step(1, 10)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "measure_spatial", interrupt)
    rc = main(["bench", "spatial"])

    assert rc == 130
    assert capsys.readouterr().err.endswith("robomem: interrupted\n")


def test_no_bench_ignores_an_option():
    with pytest.raises(ConfigError, match="--frames"):
        bench_spatial(Options(frames=3))


# ---- oracles ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.floats(0, 9)), max_size=30))
def test_dijkstra_is_that_of_networkx(edges):
    neighbours, graph = {}, networkx.MultiDiGraph()
    graph.add_node("0")
    for a, b, length_m in edges:
        neighbours.setdefault(str(a), []).append((str(b), length_m))
        graph.add_edge(str(a), str(b), weight=length_m)

    found = dijkstra(neighbours, "0")

    assert found == pytest.approx(networkx.single_source_dijkstra_path_length(graph, "0"))


def test_the_rand_index_is_one_for_the_same_and_none_for_chance():
    rng = np.random.default_rng(0)
    some = rng.integers(5, size=5000)

    assert adjusted_rand_index(some, 7 - some) == 1.0
    assert abs(adjusted_rand_index(some, rng.integers(5, size=5000))) < 0.01
    # Hubert and Arabie's example of 1985 as scikit-learn has it
    assert adjusted_rand_index([0, 0, 1, 2], [0, 0, 1, 1]) == pytest.approx(4 / 7)
    assert adjusted_rand_index([3, 3], [1, 1]) == 1.0


def test_odometry_drifts_by_what_was_asked_for():
    path = [pose(rotation_from_yaw(0.0), (0.1 * i, 0.0, 0.0)) for i in range(101)]
    rng = np.random.default_rng(0)
    too_long = Drift(yaw_rad_per_m=0.0, yaw_rad_per_rad=0.0, yaw_sigma_rad=0.0)
    askew = Drift(scale=0.0, yaw_rad_per_m=0.01, yaw_rad_per_rad=0.0, yaw_sigma_rad=0.0)

    longer, bent = list(drifted(path, too_long, rng)), list(drifted(path, askew, rng))

    np.testing.assert_allclose(longer[-1][:3, 3], (10.2, 0.0, 0.0), atol=1e-9)
    np.testing.assert_allclose(bent[-1][:3, :3], rotation_from_yaw(0.1), atol=1e-9)
    assert np.array_equal(longer[0], path[0])
    assert list(drifted([], too_long, rng)) == []


def test_the_overlap_of_voxels_is_that_of_sets():
    some, others = np.array([1, 2, 3]), np.array([2, 3, 4, 5])

    assert iou(some, others) == 2 / 5
    assert iou(some[:0], others[:0]) == 1.0


def test_a_stopwatch_that_timed_nothing_tells_zeros():
    watch = Stopwatch()

    assert (watch.times().count, watch.total_s) == (0, 0)
    with watch.timing():
        pass
    assert watch.times().count == 1
