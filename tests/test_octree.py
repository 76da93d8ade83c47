"""The octree against a brute-force twin, against OctoMap, and against its own laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.errors import (
    ConfigError,
    DataError,
    FormatError,
    FrameError,
    QueryError,
    StoreCorruptError,
)
from robomem.geometry import pose, rotation_from_yaw, transform
from robomem.spatial.octree import OccupancyModel, Octree
from robomem.spatial.octree.formats import nav2, ply
from robomem.spatial.octree.kernels import morton
from robomem.store import brick_files
from robomem.store.bricks import BrickRows

UNCLAMPED = OccupancyModel(lowest=-30, highest=30)


def scan(rng, size=200, around=(0, 0, 0)):
    return rng.uniform(-4, 4, (size, 3)) + around, rng.uniform(-0.5, 0.5, 3) + around


def add(octree, points, origin, *, max_range_m=3.0, stamp_ns=0):
    octree.integrate_points(
        points, origin_map=origin, max_range_m=max_range_m, mode="exact", stamp_ns=stamp_ns
    )


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def cells(points, voxel_size_m=0.1):
    return {tuple(v) for v in np.floor(np.asarray(points) / voxel_size_m).astype(int).tolist()}


def twin_of_one_ray(origin, end, *, size, reach):
    """Sample a ray so finely that no voxel is skipped, but for corners grazed by less than 1e-4."""
    length = np.linalg.norm(end - origin)
    last = origin + (end - origin) * min(1.0, reach / length)
    steps = np.linspace(0, 1, max(2, int(np.linalg.norm(last - origin) / 1e-4)))[:, None]
    passed = cells(origin + steps * (last - origin), size)
    hit = cells([end], size) if length <= reach else set()
    return passed - cells([last], size), hit


def test_one_ray_passes_the_voxels_that_a_finely_sampled_twin_passes(rng):
    for _ in range(50):
        (end,), origin = scan(rng, 1)
        octree = Octree(0.1)

        add(octree, end[None], origin)

        passed, hit = twin_of_one_ray(origin, end, size=0.1, reach=3.0)
        assert cells(octree.occupied()) == hit
        assert passed <= cells(octree.free())
        grazed = cells(octree.free()) - passed  # corners that the samples stepped over
        assert len(grazed) <= 2


@pytest.mark.parametrize("max_range_m", [3.0, 100.0])
def test_known_and_occupied_voxels_are_those_of_octomap(rng, max_range_m):
    pyoctomap = pytest.importorskip("pyoctomap", reason="pyoctomap has no wheel for this platform")
    octree, oracle = Octree(0.1), pyoctomap.OcTree(0.1)
    for _ in range(3):
        points, origin = scan(rng, 1000)
        add(octree, points, origin, max_range_m=max_range_m)
        oracle.insertPointCloud(points, origin, max_range=max_range_m, discretize=False)

    occupied, free = cells(octree.occupied()), cells(octree.free())
    of_oracle = {True: set(), False: set()}
    for leaf in oracle.begin_leafs():
        low = np.array(leaf.getCoordinate()) - leaf.getSize() / 2
        n = round(leaf.getSize() / 0.1)
        corner = np.rint(low / 0.1).astype(int)
        is_occupied = bool(oracle.isNodeOccupied(leaf))
        of_oracle[is_occupied] |= {tuple((corner + d).tolist()) for d in np.ndindex(n, n, n)}

    # OctoMap keeps coordinates in float32: a ray through a corner may take the other side of it.
    assert len(occupied ^ of_oracle[True]) <= 0.002 * len(occupied)
    assert len(free ^ of_oracle[False]) <= 0.002 * len(free)
    assert len(free) > 10_000


def test_a_batch_of_rays_is_the_union_of_its_rays(rng):
    points, origin = scan(rng)
    batch, loop = Octree(0.1), Octree(0.1)

    add(batch, points, origin)
    for point in points:
        add(loop, point[None], origin)

    assert cells(batch.occupied()) | cells(batch.free()) == cells(loop.occupied()) | cells(
        loop.free()
    )


def test_the_order_of_unclamped_scans_does_not_matter(rng):
    scans = [scan(rng) for _ in range(4)]
    forward, backward = Octree(0.1, occupancy=UNCLAMPED), Octree(0.1, occupancy=UNCLAMPED)

    for points, origin in scans:
        add(forward, points, origin, stamp_ns=1)
    for points, origin in reversed(scans):
        add(backward, points, origin, stamp_ns=1)

    assert forward.digest() == backward.digest()


def test_a_move_by_whole_voxels_moves_the_map(rng):
    points, origin = scan(rng)
    points, origin = np.round(points, 2) + 0.005, np.round(origin, 2) + 0.005  # off every border
    T = pose(rotation_from_yaw(math.pi / 2), [12.8, -6.4, 0.8])
    here, there = Octree(0.1), Octree(0.1)

    add(here, points, origin)
    add(there, transform(T, points), transform(T, origin))

    assert cells(transform(T, here.occupied())) == cells(there.occupied())
    assert len(cells(transform(T, here.free())) ^ cells(there.free())) <= 0.01 * len(here.free())


def test_log_odds_add_up_and_stop_at_the_clamp():
    octree = Octree(0.1)
    end, origin = np.array([[1.05, 0.05, 0.05]]), np.array([0.05, 0.05, 0.05])

    seen = []
    for _ in range(6):
        add(octree, end, origin)
        seen.append(octree.log_odds([[1.05, 0.05, 0.05], [0.55, 0.05, 0.05], [2, 2, 2]]))

    np.testing.assert_allclose(seen[0], [0.85, -0.4, 0.0])
    np.testing.assert_allclose(seen[1], [1.7, -0.8, 0.0])
    np.testing.assert_allclose(seen[5], [3.5, -2.0, 0.0])


def test_a_return_beyond_the_range_clears_and_hits_nothing():
    octree = Octree(0.1)

    add(octree, np.array([[9.05, 0.05, 0.05]]), [0.05, 0.05, 0.05])

    assert len(octree.occupied()) == 0
    assert octree.free()[:, 0].max() == pytest.approx(2.95)


def test_rows_that_are_not_finite_are_skipped():
    octree = Octree(0.1)

    add(octree, np.array([[np.nan, 0, 0], [0.05, 0.05, 0.05], [1.0, 1.0, np.inf]]), [0, 0, 0])

    assert len(octree.occupied()) == 1
    assert len(octree.free()) == 0


def test_points_that_are_unknown_far_or_not_finite_are_unknown():
    octree = Octree(0.1)

    values = octree.log_odds([[1, 2, 3], [1e300, 0, 0], [np.nan, 0, 0]])

    assert values.tolist() == [0.0, 0.0, 0.0]


def test_bricks_put_back_are_the_map(rng):
    octree, copy = Octree(0.1), Octree(0.1)
    add(octree, *scan(rng), stamp_ns=7)

    for rows in octree.rows():
        copy.put(rows)

    assert copy.digest() == octree.digest()


def test_only_bricks_that_were_touched_since_are_changed(rng, tmp_path):
    octree = Octree(0.1)
    add(octree, *scan(rng))
    octree.save(tmp_path / "a.brk")
    octree.settle(brick_files.BrickFile(tmp_path / "a.brk"))

    add(octree, np.array([[0.05, 0.05, 0.25]]), [0.05, 0.05, 0.05], stamp_ns=1)

    assert [len(region.bricks) for region in octree.changed()] == [1]


def truth_of(octree):
    """What a dictionary of voxels says of the map, brick by brick."""
    rows = BrickRows.joined(list(octree.rows()))
    return dict(zip(rows.keys.tolist(), rows.values(), strict=True))


def nodes_in_use(n):
    below = [n.root]
    for row in below:
        yield row
        if n.levels[row] > 1:
            below += [child for child in n.children[row] if child >= 0]


def test_inner_nodes_say_what_is_below_them(rng):
    octree = Octree(0.1)

    for step in range(5):
        add(octree, *scan(rng, 300, around=(3 * step - 8, step, -step)))

        values, n = truth_of(octree), octree.nodes
        for row in nodes_in_use(n):
            shift, key = 3 * int(n.levels[row]), int(n.keys[row])
            below = {k: v for k, v in values.items() if k >> shift == key}
            voxels = np.concatenate(list(below.values()))
            assert n.highest[row] == max(voxels[voxels != 0], default=0)
            for c in range(8):
                child = [v for k, v in below.items() if k >> (shift - 3) == 8 * key + c]
                is_full = len(child) == 8 ** (int(n.levels[row]) - 1)
                is_known = is_full and all((v != 0).all() for v in child)
                assert bool(n.occupied[row] >> c & 1) == any((v > 0).any() for v in child)
                assert bool(n.unknown[row] >> c & 1) == (not is_known)


def test_a_brick_of_one_value_takes_no_block():
    octree, corners = (
        Octree(0.1),
        np.stack(np.meshgrid(*[(0.05, 0.75)] * 3), axis=-1).reshape(-1, 3),
    )
    inside = np.stack(np.meshgrid(*[np.arange(8) * 0.1 + 0.05] * 3), axis=-1).reshape(-1, 3)

    for point in inside:
        add(octree, point[None], point)  # a hit of every voxel of one brick
    dense = octree.memory_bytes
    add(octree, inside[:1], inside[0])
    for point in np.repeat(inside, 4, axis=0):
        add(octree, point[None], point)

    assert (octree.log_odds(corners) == 3.5).all()
    assert [rows.is_dense.tolist() for rows in octree.rows()] == [[False]]
    assert octree.memory_bytes == dense  # the block was given back, and is there for the next brick


@pytest.mark.parametrize("budget_bytes", [1 << 20, 3 << 20])
def test_a_map_larger_than_its_budget_gives_the_same_answers(rng, budget_bytes):
    whole, paged = Octree(0.05), Octree(0.05, budget_bytes=budget_bytes)
    kinds = unit(rng.normal(size=(3, 16)))
    for i, a in enumerate(np.linspace(0, 9, 12)):
        points, origin = scan(rng, 400, around=(4 * np.cos(a), 4 * np.sin(a), 0))
        for octree in (whole, paged):
            add(octree, points, origin, stamp_ns=i)
            octree.label(points[:40], kinds[i % 3])
            assert octree is whole or octree.memory_bytes <= budget_bytes
    assert whole.memory_bytes > 2 * budget_bytes

    asked, directions = rng.uniform(-8, 8, (5000, 3)), rng.normal(size=(5000, 3))

    np.testing.assert_array_equal(paged.log_odds(asked), whole.log_odds(asked))
    np.testing.assert_array_equal(paged.classify(asked), whole.classify(asked))
    np.testing.assert_array_equal(paged.occupied(), whole.occupied())
    np.testing.assert_array_equal(paged.free(), whole.free())
    np.testing.assert_array_equal(paged.frontiers(), whole.frontiers())
    np.testing.assert_array_equal(paged.slice_2d(-1, 1).values, whole.slice_2d(-1, 1).values)
    np.testing.assert_array_equal(paged.embeddings(points), whole.embeddings(points))
    np.testing.assert_array_equal(paged.similar(kinds[0]), whole.similar(kinds[0]))
    for stop in (False, True):
        np.testing.assert_allclose(
            paged.cast_rays(asked, directions, max_range_m=6, stop_at_unknown=stop),
            whole.cast_rays(asked, directions, max_range_m=6, stop_at_unknown=stop),
        )
    for level in range(9):
        here, there = paged.at_level(level), whole.at_level(level)
        np.testing.assert_array_equal(here.centres_map, there.centres_map)
        np.testing.assert_array_equal(here.log_odds, there.log_odds)
        np.testing.assert_array_equal(here.is_whole, there.is_whole)
    box, twin = (octree.box((-4, -4, -1), (4, 4, 1)) for octree in (paged, whole))
    np.testing.assert_array_equal(box.log_odds, twin.log_odds)
    np.testing.assert_array_equal(paged.distance_field(box), whole.distance_field(twin))
    assert paged.volume() == whole.volume()
    assert paged.digest() == whole.digest()
    assert paged.memory_bytes <= budget_bytes


def test_threads_change_no_answer(rng):
    one, two = Octree(0.1), Octree(0.1, threads=2)
    points, origin = scan(rng, 1000)
    for octree in (one, two):
        add(octree, points, origin)
    asked, directions = rng.uniform(-5, 5, (20_001, 3)), rng.normal(size=(20_001, 3))

    np.testing.assert_array_equal(two.log_odds(asked), one.log_odds(asked))
    np.testing.assert_array_equal(
        two.cast_rays(asked, directions, max_range_m=4),
        one.cast_rays(asked, directions, max_range_m=4),
    )


def test_a_box_holds_the_voxels_it_touches(rng):
    octree = Octree(0.1)
    add(octree, *scan(rng, 2000))

    box = octree.box((-1.23, -0.5, 0.0), (1.23, 0.5, 0.31))

    np.testing.assert_allclose(box.origin_map, (-1.3, -0.5, 0.0))
    assert box.log_odds.shape == (26, 10, 4)
    centres = box.origin_map + 0.1 * (np.argwhere(box.log_odds < 9) + 0.5)
    np.testing.assert_array_equal(box.log_odds.reshape(-1), octree.log_odds(centres))


def test_a_ray_ends_at_the_face_of_the_voxel_that_it_hits():
    octree = Octree(0.1)
    add(octree, np.array([[1.05, 0.05, 0.05]]), [0.05, 0.05, 0.05])

    along_x = octree.cast_rays([0.05, 0.05, 0.05], [[2, 0, 0], [-1, 0, 0]], max_range_m=5)
    unknown = octree.cast_rays([0.05, 0.05, 0.05], [0, 0, 1], max_range_m=5, stop_at_unknown=True)

    np.testing.assert_allclose(along_x, [0.95, np.inf])
    np.testing.assert_allclose(unknown, [0.05])


@pytest.mark.parametrize(
    "ask",
    [
        lambda octree: octree.cast_rays([0, 0, 0], [0, 0, 0], max_range_m=1),
        lambda octree: octree.cast_rays([0, np.nan, 0], [1, 0, 0], max_range_m=1),
        lambda octree: octree.cast_rays([[0, 0, 0]] * 3, [[1, 0, 0]] * 2, max_range_m=1),
        lambda octree: octree.log_odds([[1, 2]]),
        lambda octree: octree.at_level(-1),
        lambda octree: octree.box((0, 0, 0), (1, 1, -1)),
        lambda octree: octree.box((0, 0, 0), (1e5, 1e5, 1e5)),
        lambda octree: octree.similar([1, 0], min_similarity=2),
    ],
)
def test_a_wrong_question_is_named(ask):
    octree = Octree(0.1)
    add(octree, np.array([[1.0, 0, 0]]), [0, 0, 0])
    octree.label(np.array([[1.0, 0, 0]]), [1.0, 0.0])

    with pytest.raises(QueryError):
        ask(octree)


def test_an_empty_map_has_answers():
    octree = Octree(0.1)

    assert octree.classify([[0, 0, 0]]).tolist() == [-1]
    assert octree.cast_rays([0, 0, 0], [1, 0, 0], max_range_m=1).tolist() == [np.inf]
    assert (
        len(octree.frontiers()) == len(octree.occupied()) == len(octree.at_level(5).log_odds) == 0
    )
    assert not octree.box((0, 0, 0), (1, 1, 1)).log_odds.any()
    assert octree.slice_2d(0, 1).values.size == 0
    assert octree.volume().known_m3 == 0
    assert octree.similar([1.0]).shape == (0, 3)


@pytest.mark.parametrize("budget_bytes", [None, 1 << 20])
def test_a_saved_map_is_the_map(rng, tmp_path, budget_bytes):
    octree = Octree(0.1, occupancy=UNCLAMPED)
    for _ in range(3):
        add(octree, *scan(rng, 2000), stamp_ns=5)

    octree.save(tmp_path / "map.brk")
    loaded = Octree.load(tmp_path / "map.brk", budget_bytes=budget_bytes)

    assert loaded.digest() == octree.digest()
    assert loaded.resolution_m == octree.resolution_m
    assert loaded.volume() == octree.volume()
    points, origin = scan(rng)
    for tree in (octree, loaded):
        tree.occupancy = OccupancyModel()
        add(tree, points, origin, stamp_ns=6)
    assert loaded.digest() == octree.digest()


def test_a_map_goes_to_octomap_and_comes_back(rng, tmp_path):
    octree = Octree(0.1)
    for _ in range(3):
        add(octree, *scan(rng, 2000))

    octree.to_octomap(tmp_path / "map.ot")
    octree.to_octomap(tmp_path / "map.bt")
    exact, rough = (Octree.from_octomap(tmp_path / f"map.{suffix}") for suffix in ("ot", "bt"))

    centres = np.concatenate([octree.occupied(), octree.free()])
    np.testing.assert_array_equal(exact.log_odds(centres), octree.log_odds(centres))
    np.testing.assert_array_equal(rough.classify(centres), octree.classify(centres))
    assert exact.volume() == rough.volume() == octree.volume()


def test_the_map_is_written_for_others(rng, tmp_path):
    octree = Octree(0.1)
    add(octree, *scan(rng))

    octree.to_ply(tmp_path / "map.ply")
    octree.to_nav2(tmp_path / "map.yaml", z_min_m=-1, z_max_m=1)

    np.testing.assert_allclose(ply.read_ply(tmp_path / "map.ply").points, octree.occupied())
    grid = nav2.read_nav2(tmp_path / "map.yaml")
    np.testing.assert_array_equal(grid.values, octree.slice_2d(-1, 1).values)


def test_a_cut_file_is_refused(rng, tmp_path):
    octree = Octree(0.1)
    add(octree, *scan(rng))
    octree.save(tmp_path / "map.brk")
    data = (tmp_path / "map.brk").read_bytes()

    for size in (0, 7, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.brk").write_bytes(data[:size])
        with pytest.raises(StoreCorruptError):
            Octree.load(tmp_path / "cut.brk")


K = np.array([[100.0, 0, 4.5], [0, 100.0, 3.5], [0, 0, 1]])
FLAT = np.full((8, 10), 1.5, np.float32)


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"depth_m": np.zeros((8, 10))}, FormatError),
        ({"depth_m": np.full((8, 10), np.nan)}, FormatError),
        ({"depth_m": np.full((8, 10), 1500, np.uint16)}, FormatError),
        ({"depth_m": FLAT[0]}, FormatError),
        ({"K": np.eye(4)}, FormatError),
        ({"K": np.zeros((3, 3))}, FormatError),
        ({"T_map_cam": np.zeros((4, 4))}, FrameError),
        ({"T_map_cam": np.diag([1, 1, 2, 1])}, FrameError),
        ({"T_map_cam": pose(np.eye(3), [1e9, 0, 0])}, DataError),
        ({"max_range_m": np.inf}, DataError),
        ({"max_range_m": -1}, DataError),
    ],
)
def test_a_wrong_image_is_named_and_changes_nothing(mode, wrong, error):
    octree = Octree(0.1)
    good = {"depth_m": FLAT, "K": K, "T_map_cam": np.eye(4), "max_range_m": 5.0}
    octree.integrate_depth(**good, mode=mode)
    before = octree.digest()

    with pytest.raises(error):
        octree.integrate_depth(**good | wrong, mode=mode)

    assert octree.digest() == before


@pytest.mark.parametrize(
    "points", [np.zeros((3, 2)), np.full((3, 3), np.nan), np.empty((0, 3)), np.zeros(3)]
)
def test_wrong_points_are_named(points):
    with pytest.raises(FormatError):
        add(Octree(0.1), points, [0, 0, 0])


@pytest.mark.parametrize(
    "wrong", [{"resolution_m": 0}, {"resolution_m": np.nan}, {"threads": 0}, {"budget_bytes": 5}]
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ConfigError):
        Octree(**wrong)


@pytest.mark.parametrize("budget_bytes", [None, 1 << 20])
def test_what_things_are_is_fused_kept_and_found(rng, tmp_path, budget_bytes):
    octree, kinds = Octree(0.1, budget_bytes=budget_bytes), unit(rng.normal(size=(2, 32)))
    points, origin = scan(rng, 500)
    points = points[np.linalg.norm(points - origin, axis=1) < 3]
    truth = (points[:, 0] > 0).astype(int)
    add(octree, points, origin)

    for view in range(5):
        mistaken = truth if view != 2 else 1 - truth
        octree.label(points, unit(kinds[mistaken] + 0.02 * rng.normal(size=(len(points), 32))))

    found = octree.embeddings(points)
    is_plain = np.abs(points[:, 0]) > 0.1  # not in a voxel of both kinds
    assert (np.einsum("nd,nd->n", found, kinds[truth])[is_plain] > 0.95).all()
    assert not octree.embeddings([[9, 9, 9], [np.nan, 0, 0]]).any()
    assert cells(octree.similar(kinds[1])) >= cells(points[is_plain & (truth == 1)])
    assert not cells(octree.similar(kinds[1])) & cells(points[is_plain & (truth == 0)])
    octree.save(tmp_path / "map.brk")
    loaded = Octree.load(tmp_path / "map.brk", budget_bytes=budget_bytes)
    assert loaded.digest() == octree.digest()
    np.testing.assert_array_equal(loaded.embeddings(points), found)


def test_embeddings_of_another_size_are_refused_and_change_nothing(rng):
    octree, (points, origin) = Octree(0.1), scan(rng)
    add(octree, points, origin)
    octree.label(points, unit(rng.normal(size=8)))
    before = octree.digest()

    for wrong in (unit(np.ones(9)), np.ones(8), np.full(8, np.nan), unit(np.ones((3, 8)))):
        with pytest.raises(DataError):
            octree.label(points, wrong)

    assert octree.digest() == before


def test_a_brick_knows_when_it_was_seen_and_how_often_hit():
    octree, origin = Octree(0.1), [0.05, 0.05, 0.05]

    for stamp_ns in (5, 9, 7):
        add(octree, np.array([[1.05, 0.05, 0.05]]), origin, stamp_ns=stamp_ns)

    asked = [[1.05, 0.05, 0.05], [0.3, 0.1, 0.1], [5, 5, 5], [np.nan, 0, 0]]
    assert octree.last_seen_ns(asked).tolist() == [9, 9, -1, -1]
    assert octree.hit_counts(asked).tolist() == [3, 0, -1, -1]


def test_a_slice_is_occupied_where_anything_in_it_is(rng):
    octree = Octree(0.1)
    add(octree, *scan(rng, 2000))

    grid = octree.slice_2d(0.2, 0.5)

    def columns(points):
        inside = points[(points[:, 2] > 0.2) & (points[:, 2] < 0.5)]
        xy = (inside[:, :2] - grid.origin_map) / grid.resolution_m
        return {(int(y), int(x)) for x, y in xy}

    occupied, known = (
        columns(octree.occupied()),
        columns(octree.free()) | columns(octree.occupied()),
    )
    assert {tuple(c) for c in np.argwhere(grid.values == 100).tolist()} == occupied
    assert {tuple(c) for c in np.argwhere(grid.values != -1).tolist()} == known


@given(*[st.integers(-morton.KEY_REACH, morton.KEY_REACH - 1)] * 3)
def test_a_key_holds_its_brick(x, y, z):
    key = morton.brick_key(x, y, z)

    assert key >= 0
    assert morton.brick_origins(np.array([key]))[0].tolist() == [8 * x, 8 * y, 8 * z]
