"""The mapping bench: its scenes against analytic truth, its figures against each other."""

import dataclasses
import json
import re
import sys
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from robomem.cli import bench, main
from robomem.errors import ConfigError, FormatError
from robomem.eval import peers, scenes, sensors
from robomem.eval.footprint import Request, peak_of
from robomem.eval.mapping import measure_mapping
from robomem.eval.measure import Steps
from robomem.eval.plan import Settings, Setup
from robomem.eval.scans import PointScan, recorded_scans
from robomem.eval.tables import markdown, notes, tables
from robomem.eval.turns import frame_costs, take_turns, walk
from robomem.eval.voxels import VoxelSets, compare, voxel_codes
from robomem.geometry import pose, rotation_from_yaw, transform

CAMERA = sensors.Camera(width_px=64, height_px=48, focal_px=58.5)
LIDAR = sensors.Lidar(rings=8, azimuths=64)
TINY = Settings(
    frames=3, turns=2, warm_up=1, growth_frames=12, points=200, rays=50, slow_queries=20,
    voxels_m=(0.1, 0.2), camera=CAMERA, lidar=LIDAR,
)  # fmt: skip


def distances_to_surfaces(points, world):
    """Return how far points (N, 3) are from the surface of the box nearest to each, inside or outside."""
    outside = np.maximum(world[:, 0] - points[:, None], points[:, None] - world[:, 1])
    depth_inside = outside.max(axis=-1)
    apart = np.linalg.norm(np.maximum(outside, 0), axis=-1)
    return np.where(depth_inside < 0, -depth_inside, apart).min(axis=1)


def is_inside(points, world):
    inside = (points[:, None] > world[:, 0] + 1e-3) & (points[:, None] < world[:, 1] - 1e-3)
    return inside.all(axis=-1).any(axis=1)


@pytest.mark.parametrize("build", [scenes.flat, scenes.gallery, scenes.street])
def test_a_ray_ends_on_a_surface_and_passes_through_none(rng, build):
    world = build(rng)
    origin = np.array([-1.9, 0.1, 1.5])
    rays = sensors.lidar_rays(LIDAR)

    range_m = sensors.first_hits(world, origin, rays.T, reach_m=50.0).astype(np.float64)

    is_hit = np.isfinite(range_m)
    assert is_hit.mean() > 0.7
    ends = origin + range_m[is_hit, None] * rays[is_hit]
    assert distances_to_surfaces(ends, world).max() < 1e-4
    for fraction in np.linspace(0.01, 0.99, 50):
        assert not is_inside(origin + fraction * (ends - origin), world).any()


def test_the_depth_of_a_wall_is_its_distance_along_the_axis(rng):
    wall = np.array([[[2.0, -9, -9], [2.5, 9, 9]]])
    T_map_cam = sensors.camera_pose((0, 0, 0), yaw_rad=0, pitch_rad=0)

    depth_m = sensors.render_depth(wall, T_map_cam, camera=CAMERA)

    np.testing.assert_allclose(depth_m, 2.0, rtol=1e-6)


def test_a_camera_looks_where_its_yaw_points_and_down_by_its_pitch():
    T_map_cam = sensors.camera_pose((1, 2, 3), yaw_rad=np.pi / 2, pitch_rad=np.pi / 6)

    ahead, right = transform(T_map_cam, [[0, 0, 1], [1, 0, 0]]) - (1, 2, 3)

    np.testing.assert_allclose(ahead, (0, np.cos(np.pi / 6), -0.5), atol=1e-12)
    np.testing.assert_allclose(right, (1, 0, 0), atol=1e-12)


def test_noise_is_that_of_a_kinect_and_holes_are_nan(rng):
    depth_m = np.full((480, 640), 2.0, np.float32)
    depth_m[:, 320:] = 4.0
    depth_m[:10] = np.inf

    noisy_m = sensors.add_kinect_noise(depth_m, rng=rng)

    assert np.isnan(noisy_m[:10]).all()
    assert 0.01 < np.isnan(noisy_m[10:]).mean() < 0.05
    assert np.nanstd(noisy_m[10:, :310]) == pytest.approx(0.006, abs=0.003)
    assert np.nanstd(noisy_m[10:, 330:]) == pytest.approx(0.026, abs=0.008)
    assert np.nanmean(noisy_m[10:, 330:]) == pytest.approx(4.0, abs=0.005)


def test_what_a_lidar_measures_is_near_a_surface(rng):
    world = scenes.street(np.random.default_rng(7))

    scans = list(scenes.street_scans(2, lidar=LIDAR, rng=rng))

    for scan in scans:
        error_m = distances_to_surfaces(scan.returns_map(), world)
        assert len(error_m) > 300
        assert np.quantile(error_m, 0.9) < 0.05
        assert error_m.max() < 0.12
    assert scans[1].origin_map[0] - scans[0].origin_map[0] == scenes.STREET_STEP_M


def test_what_a_camera_measures_is_near_a_surface(rng):
    world = scenes.flat(np.random.default_rng(7))

    (scan,) = scenes.flat_scans(1, camera=CAMERA, rng=rng)

    error_m = distances_to_surfaces(scan.returns_map(), world)
    assert len(error_m) > 2000
    assert np.quantile(error_m, 0.9) < 0.05


def test_a_lap_further_on_the_gallery_looks_the_same(rng):
    world = scenes.gallery(rng)
    first = sensors.camera_pose((1.3, 0, 1.4), yaw_rad=0.7, pitch_rad=0.2)
    second = first.copy()
    second[0, 3] += scenes.GALLERY_PERIOD_M

    images = [sensors.render_depth(world, T, camera=CAMERA) for T in (first, second)]

    np.testing.assert_allclose(images[0], images[1], rtol=1e-5)


def test_a_long_walk_repeats_its_images_and_goes_on():
    scans = list(scenes.gallery_scans(52, camera=CAMERA, rng=np.random.default_rng(0)))

    assert scans[50].depth_m is scans[0].depth_m
    np.testing.assert_allclose([s.origin_map[0] for s in scans], 0.32 * np.arange(52))


def test_a_seed_names_the_scans():
    def first(seed):
        (scan,) = scenes.flat_scans(1, camera=CAMERA, rng=np.random.default_rng(seed))
        return scan.depth_m

    np.testing.assert_array_equal(first(3), first(3))
    assert not np.array_equal(first(3), first(4), equal_nan=True)


def test_recorded_frames_without_a_pose_are_left_out(tmp_path):
    for n in range(4):
        Image.fromarray(np.full((3, 4), 1000 + n, np.uint16)).save(
            tmp_path / f"frame-{n:06d}.depth.png"
        )
        if n != 1:
            T_map_cam = pose(rotation_from_yaw(0.1 * n), (n, 0, 0))
            np.savetxt(tmp_path / f"frame-{n:06d}.pose.txt", T_map_cam)

    scans = list(recorded_scans(tmp_path, limit=2))

    assert [round(1000 * float(s.depth_m[0, 0])) for s in scans] == [1000, 1002]
    assert [s.origin_map[0] for s in scans] == [0, 2]


def test_a_recording_without_poses_is_refused(tmp_path):
    Image.fromarray(np.full((3, 4), 1000, np.uint16)).save(tmp_path / "frame-000000.depth.png")

    with pytest.raises(FormatError, match="no depth image with a pose"):
        list(recorded_scans(tmp_path, limit=2))


@pytest.fixture(scope="module")
def report():
    return measure_mapping(TINY)


@pytest.fixture(scope="module")
def told(report):
    return json.loads(json.dumps(dataclasses.asdict(report), allow_nan=False))


def test_every_map_is_measured_at_every_setup_or_said_to_be_absent(told):
    absent = {(each["map"], each["what"]) for each in told["absent"]}

    assert [each["title"] for each in told["setups"]] == [
        "flat, 10 cm",
        "flat, 20 cm",
        "street, 20 cm",
    ]
    for each in told["setups"]:
        measured = {cost["map"] for cost in each["frame_costs"]}
        assert measured == {size["map"] for size in each["sizes"]}
        for name in set(peers.NAMES) - measured:
            assert (name, "everything") in absent or (name, "street") in absent
    assert set(peers.OURS) <= {cost["map"] for cost in told["setups"][0]["frame_costs"]}


def test_a_ratio_is_the_quotient_to_robomem_fast(told):
    for each in told["setups"]:
        fast_ms = next(c["cpu_ms"] for c in each["frame_costs"] if c["map"] == peers.FAST)
        for cost in each["frame_costs"]:
            assert cost["ratio"] == pytest.approx(cost["cpu_ms"] / fast_ms)
    rates = told["setups"][0]["query_rates"]
    fast = {r["what"]: r["million_per_s"] for r in rates if r["map"] == peers.FAST}
    assert set(fast) == {"points", "rays"}
    for rate in rates:
        assert rate["ratio"] == pytest.approx(rate["million_per_s"] / fast[rate["what"]])


def test_the_first_scans_are_not_timed(told):
    assert {c["frames"] for c in told["setups"][0]["frame_costs"]} == {2}
    assert {c["frames"] for c in told["setups"][2]["frame_costs"]} == {1}


def test_exact_agrees_with_itself_and_all_agree_in_part(told):
    for each in told["setups"]:
        for agreement in each["agreements"]:
            is_exact = agreement["map"] == peers.EXACT
            found, iou = agreement["known_found"], agreement["occupied_iou"]
            assert found == iou == 1.0 if is_exact else 0.5 < min(found, iou) <= 1.0
            assert agreement["known_extra"] == 0 if is_exact else 0 <= agreement["known_extra"] < 1


def test_octomap_by_every_ray_agrees_with_exact(told):
    pytest.importorskip("pyoctomap", reason="pyoctomap has no wheel for this platform")

    for each in told["setups"]:
        agreement = next(a for a in each["agreements"] if a["map"] == peers.OCTOMAP)
        assert agreement["known_found"] > 0.998
        assert agreement["known_extra"] < 0.002
        assert agreement["occupied_iou"] > 0.99


def test_bytes_are_those_of_known_space(told):
    for each in told["setups"]:
        exact = next(a for a in each["agreements"] if a["map"] == peers.EXACT)
        known_m3 = exact["known"] * each["setup"]["resolution_m"] ** 3
        for size in each["sizes"]:
            assert size["bytes_per_m3"] == pytest.approx(size["memory_bytes"] / known_m3)
            assert all(bytes_ is None or bytes_ > 0 for bytes_ in size["files"].values())


def test_traffic_is_what_a_scan_touches(told):
    for each in told["setups"]:
        traffic = each["traffic"]
        touched = 256 * traffic["bricks"] + 4 * traffic["voxels"]
        assert traffic["frame_bytes"] > touched
        if each["setup"]["scene"] == "flat":
            assert traffic["frame_bytes"] == pytest.approx(touched + 4 * 64 * 48, abs=300)
        limit_ms = traffic["frame_bytes"] / (traffic["copy_gb_s"] * 1e6)
        assert traffic["fraction"] == pytest.approx(limit_ms / traffic["cpu_ms"], rel=1e-3)


def test_growth_is_told_in_stages_that_join(told):
    for name in peers.OURS:
        stages = [(g["first"], g["last"]) for g in told["growth"] if g["map"] == name]
        assert stages == [(1, 10), (11, 12)]


def test_every_table_has_a_cell_in_every_column(report):
    for table in tables(report):
        assert table.title
        assert {len(row) for row in table.rows} == {len(table.header)}


def test_what_was_not_measured_is_said_below_the_tables(report):
    text = "\n".join(notes(report))

    assert report.absent
    for each in report.absent:
        assert f"{each.map}, {each.what}: {each.why}" in text


def test_the_readme_table_has_a_row_for_every_map(report):
    header, rule, *lines = markdown(report).splitlines()
    rows = [line for line in lines if line.startswith("|")]

    assert header.count("|") == rule.count("|")
    assert {row.count("|") for row in rows} == {header.count("|")}
    assert [row.split(" |")[0][2:] for row in rows] == [
        cost.map for cost in report.setups[0].frame_costs
    ]


@pytest.fixture
def cli(capsys, monkeypatch, report):
    """Run a command in this process on the report that there is; the answer is rc, out and err."""

    def run(*argv):
        def measure(settings, *, on_step=None):
            run.settings = settings  # what became of the options
            return report

        monkeypatch.setattr(bench, "measure_mapping", measure)
        try:
            rc = main([str(part) for part in argv])
        except SystemExit as err:
            rc = err.code
        captured = capsys.readouterr()
        return rc, captured.out, captured.err

    return run


def test_without_a_name_the_benches_are_listed(cli):
    code, lines, _ = cli("bench")

    assert code == 0
    assert [line.split(maxsplit=1) for line in lines.splitlines()] == [
        [name, what] for name, what in bench.BENCHES.items()
    ]
    assert json.loads(cli("bench", "--json")[1])["benches"] == bench.BENCHES
    assert cli("bench", "flying")[0] == 2


def test_the_report_is_printed_as_tables_json_or_markdown(cli, told):
    rc, out, _ = cli("bench", "mapping")

    assert rc == 0
    assert re.search(r"^robomem exact +\d", out, re.MULTILINE)
    assert "% of that" in out
    assert json.loads(cli("bench", "mapping", "--json")[1]) == {"schema": 1, **told}
    assert cli("bench", "mapping", "--markdown")[1].startswith(
        "| map | flat, 10 cm: ms alone / in turn |"
    )


def test_options_become_settings(cli):
    cli("bench", "mapping", "--quick", "--frames", 3, "--seed", 5, "--data", "x", "-q")

    settings = cli.settings
    assert (settings.frames, settings.seed, settings.data) == (3, 5, "x")
    assert settings.growth_frames < Settings().growth_frames
    assert cli("bench", "mapping", "--frames", 0)[0] == 2


def test_settings_that_measure_nothing_are_refused():
    with pytest.raises(ConfigError, match="at least 1 frame"):
        Settings(frames=0)
    with pytest.raises(ConfigError, match="seed"):
        Settings(seed=-1)


def test_an_interrupt_ends_the_bench_quietly(cli, monkeypatch, capsys):
    def interrupt(settings, *, on_step=None):
        on_step(1, 10)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "measure_mapping", interrupt)
    rc = main(["bench", "mapping"])

    assert rc == 130
    assert capsys.readouterr().err.endswith("robomem: interrupted\n")


def test_a_peer_that_cannot_be_imported_is_named_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyoctomap", None)

    absent = {each.map: each.why for each in peers.absent_peers()}

    assert {peers.OCTOMAP, peers.OCTOMAP_DISCRETISED} <= set(absent)
    assert "pyoctomap cannot be imported" in absent[peers.OCTOMAP]


class Recorder:
    """A map that notes who was asked."""

    def __init__(self, name, log):
        self.name, self.log, self.memory_bytes = name, log, 0

    def prepare(self, scan):
        return scan

    def integrate(self, prepared):
        self.log.append(self.name)
        self.memory_bytes += 1


SCAN = PointScan(np.ones((1, 3)), np.zeros(3))


def test_every_map_takes_every_scan_and_the_order_changes():
    log, steps = [], []
    maps = {name: Recorder(name, log) for name in "abc"}

    costs = take_turns(
        maps,
        [SCAN] * 4,
        rng=np.random.default_rng(0),
        steps=Steps(12, lambda *done: steps.append(done)),
    )

    turns = ["".join(log[i : i + 3]) for i in range(0, 12, 3)]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert len(set(turns)) > 1
    assert {name: len(all_ms) for name, all_ms in costs.items()} == dict.fromkeys("abc", 4)
    assert steps[-1] == (12, 12)


def test_frame_costs_are_medians_without_the_first_scans():
    fast, slow = [90.0, 2.0, 4.0, 3.0], [1.0, 8.0, 6.0, 9.0]

    alone = {peers.FAST: [9.0, 1.0], "slow": [1.0, 4.0, 5.0, 6.0]}
    costs = frame_costs({peers.FAST: fast, "slow": slow}, alone, warm_up=1)
    single = frame_costs({peers.FAST: [5.0]}, {peers.FAST: [4.0]}, warm_up=3)

    assert [(c.frames, c.cpu_ms, c.ratio, c.alone_ms) for c in costs] == [
        (3, median(fast[1:]), 1.0, 1.0),
        (3, 8.0, 8.0 / 3.0, 5.0),
    ]
    assert (single[0].frames, single[0].cpu_ms) == (1, 5.0)


def test_a_walk_ends_with_its_time_and_its_stages_with_their_frames():
    recorder, late = Recorder("a", []), Recorder("b", [])

    whole = list(walk("a", recorder, [SCAN] * 120, limit_ms=np.inf, steps=Steps(120)))
    none = list(walk("b", late, [SCAN] * 120, limit_ms=0.0, steps=Steps(120)))

    assert [(g.first, g.last, g.memory_bytes) for g in whole] == [
        (1, 10, 10),
        (11, 100, 100),
        (101, 120, 120),
    ]
    assert none == []
    assert not late.log


VOXELS = st.sets(st.tuples(*[st.integers(-(2**19), 2**19)] * 3), max_size=20)


@given(VOXELS, VOXELS)
def test_agreement_is_that_of_sets(found, reference):
    def sets(voxels):
        codes = voxel_codes(np.array(sorted(voxels), np.int64).reshape(-1, 3))
        return VoxelSets(known=codes, occupied=codes)

    agreement = compare("a", sets(found), sets(reference))

    part = len(found & reference) / len(reference) if reference else 0.0
    either = found | reference
    assert agreement.known_found == part
    assert agreement.occupied_iou == (len(found & reference) / len(either) if either else 1.0)
    assert agreement.known == len(found)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands the mark down")
def test_the_peak_of_a_child_is_not_that_of_its_parent():
    ballast = np.ones(400 << 20, np.uint8)

    peak = peak_of(Request(None, Setup("flat", 0.1, 5.0), TINY))

    assert 10e6 < peak < len(ballast)
