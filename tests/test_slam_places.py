"""What the steps of loop closure promise: descriptors, registration, agreement."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import MissingExtraError
from robomem.geometry import inverse, pose, rotation_angle, rotation_from_yaw, transform
from robomem.spatial.slam.consistency import Loop, PathGraph, Verdict, Walk
from robomem.spatial.slam.descriptors import PlaceIndex, describe
from robomem.spatial.slam.local_map import Scan, build_local_map
from robomem.spatial.slam.pose_graph import Edge, EdgeKind
from robomem.spatial.slam.registration import Surface, register, starts_by_correlation
from robomem.spatial.slam.settings import SlamConfig

VOXEL_M = 0.1
NO_COLORS = np.empty((0, 3), np.uint8)


def room(seed, *, width_m=5.0, length_m=7.0):
    """Points of the walls and the floor of a room with boxes in it; z is up, the origin in its middle."""
    rng = np.random.default_rng(seed)
    clouds = [_wall((-width_m / 2, -length_m / 2), (width_m, length_m), 2.4, rng)]
    for _ in range(7):
        corner = rng.uniform((-width_m / 2, -length_m / 2), (width_m / 2 - 1, length_m / 2 - 1))
        clouds.append(_wall(corner, rng.uniform(0.3, 1.0, 2), rng.uniform(0.4, 1.8), rng))
    floor = rng.uniform((-width_m / 2, -length_m / 2), (width_m / 2, length_m / 2), (8000, 2))
    return np.concatenate([*clouds, np.column_stack([floor, np.zeros(len(floor))])])


def _wall(corner, size, height_m, rng):
    (x, y), (dx, dy) = corner, size
    count = int(400 * (dx + dy) * height_m)
    t = rng.uniform(0, 2 * (dx + dy), count)
    u = np.clip(np.stack([t, t - dx, t - dx - dy, t - 2 * dx - dy]), 0, [[dx], [dy], [dx], [dy]])
    return np.column_stack([x + u[0] - u[2], y + u[1] - u[3], rng.uniform(0, height_m, count)])


def look(points_map, T_map_kf, *, rng, max_range_m=5.0, is_solid=True):
    """Return what a sensor sees of points: the nearest in each direction, with a centimetre of noise."""
    points = transform(inverse(T_map_kf), points_map)
    range_m = np.linalg.norm(points, axis=1)
    order = np.argsort(range_m)
    if is_solid:
        directions = np.round(points[order] / range_m[order, None] * 40)
        order = order[np.unique(directions, axis=0, return_index=True)[1]]
    points = points[order][range_m[order] < max_range_m]
    return points + 0.01 * rng.standard_normal(points.shape)


def local_map(points_map, T_map_kf, *, keyframe_id=1, seed=0):
    points = look(points_map, T_map_kf, rng=np.random.default_rng(seed))
    scan = Scan(keyframe_id=keyframe_id, stamp_ns=0, T_map_kf=T_map_kf, points_kf=points)
    return build_local_map([scan], max_range_m=5.0, voxel_size_m=VOXEL_M)


def upright(x_m, y_m, yaw_rad):
    return pose(rotation_from_yaw(yaw_rad), (x_m, y_m, 1.0))


def describe_at(points_map, T_map_kf, colors=NO_COLORS):
    points = transform(inverse(T_map_kf), points_map)
    return describe(points, colors, radius_m=5.0, voxel_size_m=VOXEL_M)


def similarity(a, b):
    index = PlaceIndex()
    index.add(a)
    return index.query(b, limit=1, before=1)[0].similarity


@settings(max_examples=25, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-3.1, 3.1))
def test_a_place_looks_the_same_from_another_spot_and_heading(x_m, y_m, yaw_rad):
    here = describe_at(room(1), upright(0, 0, 0))

    there = describe_at(room(1), upright(x_m, y_m, yaw_rad))
    elsewhere = describe_at(room(2, width_m=3.5), upright(x_m, y_m, yaw_rad))

    assert similarity(here, there) > 0.9
    assert similarity(here, there) > similarity(here, elsewhere)


def test_a_descriptor_is_small_and_comes_out_the_same():
    colors = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.uint8)

    first, second = (describe_at(room(1), upright(0, 0, 0), colors) for _ in range(2))

    assert first.nbytes <= 2048
    assert np.array_equal(first.gram, second.gram)
    assert np.array_equal(first.colors, second.colors)


def test_colours_tell_rooms_of_one_shape_apart():
    red, blue = (np.full((100, 3), color, np.uint8) for color in ((200, 30, 30), (30, 30, 200)))
    T = upright(0, 0, 0)
    a, b = describe_at(room(1), T, red), describe_at(room(1), T, blue)

    assert similarity(a, describe_at(room(1), T, red)) > similarity(b, describe_at(room(1), T, red))
    assert similarity(a, describe_at(room(1), T)) == pytest.approx(1.0, abs=1e-2)


def test_the_index_finds_the_place_among_others_and_none_that_came_later():
    index = PlaceIndex()
    for seed in range(40):
        index.add(describe_at(room(seed, width_m=4 + seed % 5), upright(0, 0, 0)))
    again = describe_at(room(23, width_m=7), upright(0.4, -0.3, 0.5))

    found = index.query(again, limit=3, before=40)

    assert found[0].place == 23
    assert sorted((c.similarity for c in found), reverse=True) == [c.similarity for c in found]
    assert all(c.place < 23 for c in index.query(again, limit=50, before=23))
    assert index.query(again, limit=3, before=0) == []


def test_nothing_at_all_has_a_descriptor_too():
    nothing = describe(np.empty((0, 3)), NO_COLORS, radius_m=5.0, voxel_size_m=VOXEL_M)

    assert np.isfinite(similarity(nothing, nothing))


@pytest.mark.parametrize(
    ("x_m", "y_m", "yaw_rad"), [(0, 0, 0), (1, 0.5, 0.7), (-0.8, 1.2, 3.0), (0.5, -1, -1.7)]
)
def test_registration_finds_the_pose_from_nothing(x_m, y_m, yaw_rad):
    pytest.importorskip("small_gicp")
    points, T_map_b = room(3), upright(x_m, y_m, 0.0)
    a = Surface(local_map(points, upright(0, 0, 0), seed=1), VOXEL_M)
    turned = transform(
        pose(rotation_from_yaw(yaw_rad), (0, 0, 0)), transform(inverse(T_map_b), points)
    )
    b = Surface(local_map(turned, np.eye(4), seed=2), VOXEL_M)

    found = register(a, b, starts=starts_by_correlation(a, b, limit=3))

    expected = pose(rotation_from_yaw(-yaw_rad), (x_m, y_m, 0.0))
    T_error = inverse(expected) @ found.T_a_b
    assert np.linalg.norm(T_error[:3, 3]) < 0.04
    assert rotation_angle(T_error[:3, :3]) < np.deg2rad(1.0)
    assert found.overlap > 0.5
    assert found.residual_m < 0.04
    assert found.seen_through < 0.01


def test_rays_that_pass_through_what_stands_in_the_other_speak_against_it():
    pytest.importorskip("small_gicp")
    empty = room(3)
    full = np.concatenate([empty, _wall((0.6, 0.6), (0.5, 0.5), 1.6, np.random.default_rng(0))])
    a = Surface(local_map(empty, upright(0, 0, 0), seed=1), VOXEL_M)
    b = Surface(local_map(full, upright(0, 0, 0), seed=2), VOXEL_M)

    same, other = register(a, a, starts=[np.eye(4)]), register(a, b, starts=[np.eye(4)])

    assert same.seen_through == 0.0
    assert other.seen_through > 0.03


def test_along_a_bare_wall_nothing_is_known():
    pytest.importorskip("small_gicp")
    rng = np.random.default_rng(0)
    wall = np.column_stack(
        [rng.uniform(-4, 4, 20000), np.full(20000, 2.0), rng.uniform(0, 2.4, 20000)]
    )
    a, b = (Surface(local_map(wall, upright(0, 0, 0), seed=i), VOXEL_M) for i in range(2))

    found = register(a, b, starts=[np.eye(4)])

    sigmas = np.sqrt(np.diag(np.linalg.inv(found.information)))
    assert sigmas[0] > SlamConfig().max_sigma_m  # along it
    assert sigmas[1] < 0.05  # across it


def test_places_with_nothing_in_common_do_not_register():
    pytest.importorskip("small_gicp")
    a = Surface(local_map(room(3), upright(0, 0, 0)), VOXEL_M)
    b = Surface(local_map(room(3) + np.array([30, 0, 0]), upright(30, 0, 0)), VOXEL_M)

    assert register(a, b, starts=[pose(np.eye(3), (100, 0, 0))]) is None
    assert register(a, b, starts=[]) is None


def test_a_local_map_lies_in_its_middle_keyframe_and_stands_upright():
    points = room(4)
    scans = [
        Scan(
            keyframe_id=i,
            stamp_ns=i,
            T_map_kf=T,
            points_kf=look(points, T, rng=np.random.default_rng(i)),
        )
        for i, T in enumerate((upright(0, 0, 0), upright(0.5, 0, 0.4), upright(1, 0, 0.8)))
    ]

    local = build_local_map(scans, max_range_m=5.0, voxel_size_m=VOXEL_M)

    assert local.keyframe_id == 1
    assert local.keyframe_ids == (0, 1, 2)
    np.testing.assert_allclose(local.T_local_kf, pose(rotation_from_yaw(0.4), (0, 0, 0)), atol=1e-9)
    on_floor = local.points[np.abs(local.points[:, 2] + 1.0) < 0.05]
    assert len(on_floor) > 300


def path_graph(count, *, step_m=1.0):
    graph = PathGraph(SlamConfig())
    graph.add_place(None)
    for _ in range(count - 1):
        graph.add_place(Walk(step_m, pose(np.eye(3), (step_m, 0, 0))))
    return graph


def loop(a, b, x_m, yaw_rad=0.0, horizon=0.8):
    edge = Edge(a, b, pose(rotation_from_yaw(yaw_rad), (x_m, 0, 0)), np.eye(6), EdgeKind.LOOP)
    return Loop(a, b, edge, 1.0, 0.0, 0.0, horizon, Verdict.PENDING)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=6))
def test_walks_are_the_shortest(count, loops):
    graph = path_graph(count)
    lengths = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(float)
    for a, b in loops:
        if a != b and max(a, b) < count:
            graph.add_loop(loop(a, b, float(b - a)))
            lengths[a, b] = lengths[b, a] = min(lengths[a, b], 0.3)
    for k in range(count):  # Floyd and Warshall
        lengths = np.minimum(lengths, lengths[:, [k]] + lengths[[k]])

    walks = graph.walks_from(0)

    np.testing.assert_allclose([walks[i].length_m for i in range(count)], lengths[0], atol=1e-9)
    for i in range(count):
        np.testing.assert_allclose(walks[i].T_start_end[0, 3], i, atol=1e-9)


def test_a_loop_counts_where_short_odometry_leads_too_and_not_where_it_leads_elsewhere():
    graph = path_graph(10)
    walk = graph.walks_from(0)[4]

    assert graph.judge(loop(0, 4, 4.2), walk, ()) is Verdict.ACCEPTED
    assert graph.judge(loop(0, 4, 6.0), walk, ()) is Verdict.ODOMETRY
    assert graph.judge(loop(0, 4, 4.0, yaw_rad=2.0), walk, ()) is Verdict.ODOMETRY


def test_a_loop_far_from_odometry_waits_for_another_that_agrees():
    graph = path_graph(40)
    walk = graph.walks_from(0)[30]
    first, right, wrong = loop(0, 30, 28.5), loop(2, 32, 28.6), loop(2, 32, 31.0)

    assert graph.judge(first, walk, ()) is Verdict.PENDING
    assert graph.judge(first, walk, [wrong]) is Verdict.PENDING
    assert graph.judge(first, walk, [wrong, right]) is Verdict.ACCEPTED


def test_looks_that_see_little_need_more_that_agree_and_each_place_counts_once():
    graph = path_graph(40)
    walk = graph.walks_from(2)[32]
    first = loop(2, 32, 28.5, horizon=0.35)
    others = [loop(i, 30 + i, 28.5, horizon=0.35) for i in (1, 3, 4)]
    same_place = [loop(2, 31, 27.5, horizon=0.35), loop(1, 32, 29.5, horizon=0.35)]

    assert graph.judge(first, walk, others[:2]) is Verdict.PENDING
    assert graph.judge(first, walk, [*others[:2], *same_place]) is Verdict.PENDING
    assert graph.judge(first, walk, others) is Verdict.ACCEPTED


def test_where_no_odometry_leads_two_loops_that_agree_count():
    graph = path_graph(5)
    graph.add_place(None)
    for _ in range(3):
        graph.add_place(Walk(1.0, pose(np.eye(3), (1, 0, 0))))
    loops = [loop(0, 5, 7.0), loop(1, 6, 7.1), loop(2, 6, 40.0)]

    assert graph.walks_from(0).get(5) is None
    assert graph.judge(loops[0], None, ()) is Verdict.PENDING
    assert graph.judge(loops[0], None, [loops[2]]) is Verdict.PENDING
    assert graph.judge(loops[0], None, [loops[1]]) is Verdict.ACCEPTED


def test_without_small_gicp_nothing_is_registered(monkeypatch):
    monkeypatch.setitem(sys.modules, "small_gicp", None)

    with pytest.raises(MissingExtraError, match="small_gicp is not installed"):
        Surface(local_map(room(3), upright(0, 0, 0)), VOXEL_M)
