"""Places see all that a robot can reach, the ways between them are free, and all of it follows the map."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import ConfigError, DataError, FormatError, QueryError, UnreachableError
from robomem.spatial.octree import Octree
from robomem.spatial.octree.kernels.morton import brick_key
from robomem.spatial.topology.settings import TopologySettings
from robomem.spatial.topology.topology_graph import TopologyGraph
from robomem.store.bricks import BrickRows

SIZE = 0.1
SETTINGS = TopologySettings(
    radius_m=0.15, body_m=(0.0, 0.1), walls_m=(0.1, 0.2), reach_m=1.0, max_clearance_m=0.8
)
VALUE = {100: 850, 0: -400, -1: 0}
seeds = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=15)


def write(octree, body, walls=None):
    """Make the map say this of the cells from the origin on: body at z = 0, walls one voxel above."""
    shape = [-(-n // 8) * 8 for n in body.shape]
    voxels = np.zeros((8, *shape), np.int16)  # z, y, x
    for z, layer in enumerate((body, np.full_like(body, -1) if walls is None else walls)):
        voxels[z, : body.shape[0], : body.shape[1]] = np.vectorize(VALUE.get)(layer)
    bricks = voxels.reshape(8, shape[0] // 8, 8, shape[1] // 8, 8).transpose(1, 3, 0, 2, 4)
    rows = [
        (brick_key(x, y, 0), bricks[y, x].reshape(512)) for y, x in np.ndindex(bricks.shape[:2])
    ]
    keys, values = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    octree.put(BrickRows.from_values(np.array(keys), np.array(values)))
    return octree


def octree_of(body, walls=None):
    return write(Octree(SIZE), body, walls)


def random_map(rng, shape=(44, 56), count=14):
    """Free space with rectangles of things, of unknown space and of free space in it."""
    body = np.zeros(shape, np.int8)
    for _ in range(count):
        change_at_random(body, rng)
    return body


def change_at_random(body, rng):
    """Fill a rectangle; returns the box that holds it, in metres."""
    low = rng.integers(0, np.array(body.shape) - 2)
    high = np.minimum(low + rng.integers(1, 14, size=2), body.shape)
    body[low[0] : high[0], low[1] : high[1]] = rng.choice([100, -1, 0])
    return np.array([[*low[::-1] * SIZE, 0.0], [*high[::-1] * SIZE, 0.2]])


def traversable(body, radius_m=SETTINGS.radius_m):
    """Tell from where in a cell, wherever that is, the robot touches no cell that is not free."""
    padded = np.pad(body, 12, constant_values=-1)
    blocked = np.argwhere(padded != 0) - 12
    found = np.zeros(body.shape, bool)
    for cell in np.argwhere(body == 0):
        gaps = np.maximum(np.abs(blocked - cell) - 1, 0)
        found[tuple(cell)] = SIZE * np.linalg.norm(gaps, axis=1).min() >= radius_m - 1e-6
    return found


def cells_of(points_map):
    return np.floor(np.asarray(points_map)[..., 1::-1] / SIZE).astype(int)


def is_line_free(free, a, b):
    """Tell whether points close together on the line between two cells' centres are in free cells."""
    line = np.linspace(a, b, 20 * (1 + np.abs(np.subtract(b, a)).max()))
    return bool(free[tuple(np.rint(line).astype(int).T)].all())


def clearance_of(points_map, body):
    """Return the distance (N,) of points to the nearest cell that is not free, as a square."""
    padded = np.pad(body, 12, constant_values=-1)
    centres = (np.argwhere(padded != 0)[:, ::-1] - 12 + 0.5) * SIZE
    gaps = np.maximum(np.abs(points_map[:, None, :2] - centres) - SIZE / 2, 0)
    return np.linalg.norm(gaps, axis=2).min(axis=1)


def components(free):
    """Number the parts of cells that are joined by their edges."""
    labels = np.full(free.shape, -1)
    for number, start in enumerate(np.argwhere(free)):
        stack = [tuple(start)] if labels[tuple(start)] < 0 else []
        while stack:
            r, c = stack.pop()
            if (
                0 <= r < free.shape[0]
                and 0 <= c < free.shape[1]
                and free[r, c]
                and labels[r, c] < 0
            ):
                labels[r, c] = number
                stack += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
    return labels


def shape_of(topology):
    """What is where, numbers aside."""
    places = {p.place_id: (*p.p_map, p.clearance_m) for p in topology.places()}
    passages = {
        (frozenset(places[i] for i in p.place_ids), p.length_m, p.clearance_m)
        for p in topology.passages()
    }
    rooms = {frozenset(map(tuple, r.cells_map.tolist())) for r in topology.regions()}
    return set(places.values()), passages, rooms


# ---- places ---------------------------------------------------------------------------------------


@few
@given(seeds)
def test_every_cell_that_the_robot_can_be_in_sees_a_place_within_reach(seed):
    body = random_map(np.random.default_rng(seed))

    places = TopologyGraph.build(octree_of(body), settings=SETTINGS).places()

    free = traversable(body)
    cells = cells_of([p.p_map for p in places]).reshape(-1, 2)
    assert all(free[tuple(cell)] for cell in cells)
    for cell in np.argwhere(free):
        near = cells[np.linalg.norm(cells - cell, axis=1) <= SETTINGS.reach_m / SIZE]
        assert any(is_line_free(free, cell, place) for place in near)


@few
@given(seeds)
def test_places_are_connected_where_the_cells_are(seed):
    body = random_map(np.random.default_rng(seed), count=24)

    topology = TopologyGraph.build(octree_of(body), settings=SETTINGS)

    cells = cells_of([p.p_map for p in topology.places()]).reshape(-1, 2)
    part_of_cell = components(traversable(body))[tuple(cells.T)]
    part_of_place = topology.graph.components()
    assert len(set(part_of_cell.tolist())) == len(set(part_of_place.tolist()))
    assert len(set(zip(part_of_cell, part_of_place, strict=True))) == len(set(part_of_cell))


@few
@given(seeds)
def test_the_robot_touches_nothing_between_places(seed):
    body = random_map(np.random.default_rng(seed))

    topology = TopologyGraph.build(octree_of(body), settings=SETTINGS)

    p_map = {p.place_id: p.p_map for p in topology.places()}
    for place in topology.places():
        assert clearance_of(place.p_map[None], body)[0] >= place.clearance_m - 1e-6
    for passage in topology.passages():
        a, b = (p_map[i] for i in passage.place_ids)
        least = clearance_of(np.linspace(a, b, 20), body).min()
        assert passage.length_m == pytest.approx(np.linalg.norm(a - b))
        assert SETTINGS.radius_m - 1e-6 <= passage.clearance_m <= least + 1e-6


@few
@given(seeds)
def test_a_changed_box_gives_what_the_whole_map_gives(seed):
    rng = np.random.default_rng(seed)
    body, walls = random_map(rng), random_map(rng, count=6)
    octree = octree_of(body, walls)
    topology = TopologyGraph.build(octree, settings=SETTINGS)

    for _ in range(4):
        box = change_at_random(body if rng.random() < 0.7 else walls, rng)
        write(octree, body, walls)
        before = {p.place_id: tuple(p.p_map) for p in topology.places()}
        topology.update(octree, box)

        assert shape_of(topology) == shape_of(TopologyGraph.build(octree, settings=SETTINGS))
        after = {p.place_id: tuple(p.p_map) for p in topology.places()}
        assert {before[i] for i in before.keys() & after.keys()} >= (
            set(before.values()) & set(after.values())
        )
        assert all(
            before[i] == after[i] or before[i] not in after.values()
            for i in before.keys() & after.keys()
        )


def test_places_that_move_a_little_keep_their_numbers():
    octree = octree_of(ROOMS)
    topology = TopologyGraph.build(octree, settings=SETTINGS)
    before = {p.place_id: p.p_map for p in topology.places()}

    moved = np.full((32, 56), -1, np.int8)
    moved[2:26, 1:50] = ROOMS
    topology.update(write(octree, moved), [[0.0, 0.0, 0.0], [5.6, 3.2, 0.2]])

    after = {p.place_id: p.p_map for p in topology.places()}
    stayed = before.keys() & after.keys()
    assert len(stayed) >= 0.7 * len(before)
    for place_id in stayed:
        assert np.linalg.norm(after[place_id] - before[place_id]) <= 0.4
    assert [r.region_id for r in topology.regions()] == [0, 1]


def test_a_map_that_grows_is_followed():
    body = random_map(np.random.default_rng(3))
    octree = octree_of(body[:20, :24])
    topology = TopologyGraph.build(octree, settings=SETTINGS)

    write(octree, body)
    topology.update(octree, [[0.0, 0.0, 0.0], [5.6, 4.4, 0.2]])

    assert shape_of(topology) == shape_of(TopologyGraph.build(octree, settings=SETTINGS))


def test_what_happens_above_the_robot_changes_nothing():
    octree = octree_of(np.zeros((24, 24), np.int8))
    topology = TopologyGraph.build(octree, settings=SETTINGS)
    before = shape_of(topology)

    write(octree, np.full((24, 24), 100, np.int8))
    topology.update(octree, [[0.0, 0.0, 0.3], [2.4, 2.4, 0.9]])

    assert shape_of(topology) == before


def test_the_same_map_gives_the_same_places_and_numbers(rng):
    body = random_map(rng)

    first, second = (TopologyGraph.build(octree_of(body), settings=SETTINGS) for _ in range(2))

    assert [(p.place_id, *p.p_map) for p in first.places()] == [
        (p.place_id, *p.p_map) for p in second.places()
    ]


def test_where_the_robot_drove_it_can_drive_again():
    body = np.full((30, 30), -1, np.int8)
    body[5:25, 5:12] = 0
    body[10, 20] = 100
    octree = octree_of(body)
    way = np.column_stack([np.linspace(0.8, 2.5, 40), np.full(40, 1.6), np.zeros(40)])

    unseen = TopologyGraph.build(octree, settings=SETTINGS)
    driven = TopologyGraph.build(octree, settings=SETTINGS, driven_map=way)

    with pytest.raises(UnreachableError):
        unseen.route((0.8, 1.6), (2.5, 1.6))
    assert driven.route((0.8, 1.6), (2.5, 1.6)).length_m == pytest.approx(1.7, abs=0.1)
    with pytest.raises(UnreachableError):  # what it drove into is still there
        driven.route((0.8, 1.6), (2.05, 1.05))
    unseen.update(octree, [[0, 0, 0], [3, 3, 0.2]], driven_map=way)
    assert shape_of(unseen) == shape_of(driven)


def test_an_empty_map_has_no_places():
    topology = TopologyGraph.build(Octree(SIZE), settings=SETTINGS)

    assert topology.places() == []
    assert topology.passages() == []
    assert topology.regions() == []
    with pytest.raises(UnreachableError):
        topology.route((0.0, 0.0), (1.0, 0.0))


# ---- routes ---------------------------------------------------------------------------------------


@few
@given(seeds)
def test_a_route_touches_nothing_and_is_found_where_there_is_one(seed):
    rng = np.random.default_rng(seed)
    body = random_map(rng, count=20)
    topology = TopologyGraph.build(octree_of(body), settings=SETTINGS)
    free = traversable(body)
    part = components(free)
    cells = np.argwhere(free)

    for a, b in rng.integers(len(cells), size=(6, 2)) if len(cells) else ():
        start, goal = ((cells[i][::-1] + 0.5) * SIZE for i in (a, b))
        if part[tuple(cells[a])] != part[tuple(cells[b])]:
            with pytest.raises(UnreachableError):
                topology.route(start, goal)
            continue
        route = topology.route(start, goal)
        np.testing.assert_allclose(route.waypoints_map[[0, -1], :2], [start, goal])
        points = np.concatenate(
            [np.linspace(p, q, 40) for p, q in itertools.pairwise(route.waypoints_map)]
        )
        clearance = clearance_of(points, body)
        assert clearance.min() >= max(SETTINGS.radius_m, route.least_clearance_m) - 1e-6
        assert (clearance_of(route.waypoints_map, body) >= route.clearance_m - 1e-6).all()
        legs = np.diff(route.waypoints_map, axis=0)
        assert route.length_m == pytest.approx(np.linalg.norm(legs, axis=1).sum())


def test_a_way_that_is_free_is_straight():
    topology = TopologyGraph.build(octree_of(np.zeros((80, 30), np.int8)), settings=SETTINGS)

    route = topology.route((0.45, 0.55), (2.35, 7.25))

    assert len(route.waypoints_map) == 2
    assert route.place_ids == ()


def two_rooms():
    """Rooms of 2.3 m x 2.2 m, side by side, with a door of 0.8 m between them."""
    body = np.full((24, 49), 100, np.int8)
    body[1:23, 1:24] = body[1:23, 25:48] = body[8:16, 24] = 0
    return body


def through_the_door(topology):
    """The passages from one of the two rooms to the other."""
    is_west = {p.place_id: p.p_map[0] < DOOR_X for p in topology.places()}
    pairs = [p.place_ids for p in topology.passages()]
    return [(u, v) for u, v in pairs if is_west[u] != is_west[v]]


ROOMS = two_rooms()
DOOR_X = 2.45
WEST, EAST = (0.55, 0.55), (4.25, 0.55)


def test_a_robot_that_is_too_wide_does_not_pass():
    topology = TopologyGraph.build(octree_of(ROOMS), settings=SETTINGS)

    assert topology.route(WEST, EAST, radius_m=0.25).least_clearance_m >= 0.25
    with pytest.raises(UnreachableError, match="no known free way"):
        topology.route(WEST, EAST, radius_m=0.32)
    assert topology.route(WEST, EAST, radius_m=0.0).least_clearance_m >= SETTINGS.radius_m


def test_a_goal_inside_a_thing_is_reached_to_the_standoff():
    topology = TopologyGraph.build(octree_of(ROOMS), settings=SETTINGS)

    route = topology.route(WEST, (DOOR_X, 0.15), standoff_m=0.5)

    assert np.linalg.norm(route.waypoints_map[-1, :2] - (DOOR_X, 0.15)) <= 0.5 + SIZE
    with pytest.raises(UnreachableError, match="near the goal"):
        topology.route(WEST, (DOOR_X, 0.15))
    with pytest.raises(UnreachableError, match="near the start"):
        topology.route((9.0, 9.0), WEST)


def test_a_blocked_passage_is_closed_to_all_that_leads_through_there():
    topology = TopologyGraph.build(octree_of(ROOMS), settings=SETTINGS)
    through = through_the_door(topology)

    topology.block(*through[0])

    assert len(through) > 1
    assert topology.blocked == (through[0],)
    with pytest.raises(UnreachableError):
        topology.route(WEST, EAST)
    assert len(topology.passages()) > len(topology.graph.edges)
    copy = TopologyGraph.from_rows(topology.to_rows(), SETTINGS)
    assert copy.blocked == topology.blocked
    with pytest.raises(UnreachableError):
        copy.route(WEST, EAST)
    topology.unblock(*through[0])
    assert topology.route(WEST, EAST).region_ids == (0, 1)


def test_a_block_outlasts_changes_of_the_map():
    body = ROOMS.copy()
    octree = octree_of(body)
    topology = TopologyGraph.build(octree, settings=SETTINGS)
    pair = through_the_door(topology)[0]
    topology.block(*pair)

    body[2:4, 8:14] = 100
    topology.update(write(octree, body), [[0.0, 0.0, 0.0], [2.5, 2.4, 0.2]])

    assert topology.blocked == (pair,)
    with pytest.raises(UnreachableError):
        topology.route(WEST, EAST)
    topology.unblock(*pair[::-1])
    assert topology.route(WEST, EAST).length_m < 6.0


# ---- rooms ----------------------------------------------------------------------------------------


def house(rng):
    """Three rooms in a row, 2.4 m x 3 m, with doors of 0.8 m, and things lower than walls in them."""
    walls = np.full((32, 79), 100, np.int8)
    for x in (1, 27, 53):
        walls[1:31, x : x + 25] = 0
    for x in (26, 52):
        walls[10:18, x] = 0
    body = walls.copy()
    for _ in range(12):
        r, c = rng.integers(2, 28), rng.integers(2, 74)
        if not (7 < r < 19 and min(abs(c - 26), abs(c - 52)) < 9):
            body[r : r + 3, c : c + 3] = 100
    return body, walls


def test_rooms_are_parted_at_doors_whatever_stands_in_them(rng):
    for _ in range(5):
        body, walls = house(rng)

        topology = TopologyGraph.build(octree_of(body, walls), settings=SETTINGS)

        regions = topology.regions()
        assert len(regions) == 3
        for x, region in zip((1, 27, 53), regions, strict=True):
            columns = cells_of(region.cells_map)[:, 1]
            assert columns.min() >= x - 1
            assert columns.max() <= x + 25
            assert region.area_m2 == pytest.approx(7.5, abs=0.1)
            assert region.area_m2 == pytest.approx(len(region.cells_map) * SIZE**2)
        place_ids = [i for region in regions for i in region.place_ids]
        assert sorted(place_ids) == sorted(p.place_id for p in topology.places())


def test_rooms_keep_their_numbers_as_the_map_grows(rng):
    body, walls = house(rng)
    octree = octree_of(
        np.where(np.arange(79) > 20, body, -1), np.where(np.arange(79) > 20, walls, -1)
    )
    topology = TopologyGraph.build(octree, settings=SETTINGS)
    before = {r.region_id: r.centre_map[0] for r in topology.regions()}

    topology.update(write(octree, body, walls), [[0.0, 0.0, 0.0], [7.9, 3.2, 0.2]])

    after = {r.region_id: r.centre_map[0] for r in topology.regions()}
    assert before.keys() < after.keys() or before.keys() == after.keys()
    for region_id, x in before.items():
        if x > 2.6:
            assert after[region_id] == pytest.approx(x, abs=0.5)


def test_rooms_are_named_by_what_stands_in_them(rng):
    topology = TopologyGraph.build(octree_of(*house(rng)), settings=SETTINGS)

    names = [
        r.name
        for r in topology.regions(
            [
                ("double bed", (1.0, 1.0, 0.3)),
                ("white fridge", (8.05, 1.0, 0.9)),  # in the wall's cells
                ("red mug", (4.0, 1.0, 0.9)),
                ("beds", (6.0, 2.0, 0.3)),
                ("sofa", (20.0, 2.0, 0.3)),  # outside
            ]
        )
    ]

    assert names == ["bedroom", "room 1", "kitchen"]
    assert [r.name for r in topology.regions()] == ["room 0", "room 1", "room 2"]
    twice = [("bed", (1.0, 1.0, 0.3)), ("Beds", (4.0, 1.0, 0.3)), ("office chair", (6.5, 1.0, 0.3))]
    assert [r.name for r in topology.regions(twice)] == ["bedroom", "bedroom 2", "study"]
    with pytest.raises(DataError):
        topology.regions([("bed", (1.0, np.nan, 0.3))])


# ---- keeping, and what is wrong -------------------------------------------------------------------


@few
@given(seeds)
def test_rows_give_the_same_topology_again(seed):
    rng = np.random.default_rng(seed)
    body = random_map(rng)
    octree = octree_of(body)
    topology = TopologyGraph.build(octree, settings=SETTINGS)
    topology.update(write(octree, body), change_at_random(body, rng))

    copy = TopologyGraph.from_rows(topology.to_rows(), SETTINGS)

    assert shape_of(copy) == shape_of(topology)
    assert [p.place_id for p in copy.places()] == [p.place_id for p in topology.places()]
    assert [r.region_id for r in copy.regions()] == [r.region_id for r in topology.regions()]
    box = change_at_random(body, rng)
    write(octree, body)
    for each in (copy, topology):
        each.update(octree, box)
    assert [(p.place_id, *p.p_map) for p in copy.places()] == [
        (p.place_id, *p.p_map) for p in topology.places()
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"resolution_m": np.nan},
        {"resolution_m": 0.0},
        {"first": np.zeros(3, np.int64)},
        {"first": np.array([2**40, 0])},
        {"body": np.zeros(16, np.int8)},
        {"body": np.full(ROOMS.shape, 7, np.int8)},
        {"walls": np.zeros((24, 48), np.int8)},
        {"rooms": np.full(ROOMS.shape, 99)},
        {"rooms": np.full(ROOMS.shape, -2)},
        {"place_ids": np.zeros(2, np.int64)},
        {"place_ids": np.zeros(0, np.float64)},
        {"blocked_ids": np.zeros((1, 3), np.int64)},
        {"barriers_map": np.full((0, 2), np.nan)},
        {"next_ids": np.array([0, 9])},
    ],
)
def test_rows_that_do_not_fit_together_are_refused(change):
    rows = TopologyGraph.build(octree_of(ROOMS), settings=SETTINGS).to_rows()
    fields = {name: getattr(rows, name) for name in rows.__slots__}

    with pytest.raises(FormatError, match="topology"):
        type(rows)(**(fields | change))


def test_a_bad_update_leaves_everything_as_it_was():
    octree = octree_of(ROOMS)
    topology = TopologyGraph.build(octree, settings=SETTINGS)
    before = shape_of(topology)
    box = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.2]])

    for bad in (
        [box[0], box[0]],
        [box[0], [1.0, np.nan, 1.0]],
        [box[0], [1.0, np.inf, 1.0]],
        box[:1],
        [box[0], [1e12, 1.0, 1.0]],
        [box[0], [9e7, 1.0, 1.0]],
    ):
        with pytest.raises(DataError):
            topology.update(octree, bad)
    for driven in ([[np.nan, 0.0]], [[1e30, 0.0]], [1.0], [[1.0]]):
        with pytest.raises(DataError):
            topology.update(octree, box, driven_map=driven)
    with pytest.raises(DataError, match="the map voxels of"):
        topology.update(Octree(0.2), box)

    assert shape_of(topology) == before
    assert topology.route(WEST, EAST).length_m > 1


def test_a_bad_question_is_refused():
    topology = TopologyGraph.build(octree_of(ROOMS), settings=SETTINGS)
    apart = topology.places()[0].place_id, 999

    for ask in (
        lambda: topology.route((np.nan, 0.0), EAST),
        lambda: topology.route(WEST, (1.0,)),
        lambda: topology.route(WEST, EAST, radius_m=-1.0),
        lambda: topology.route(WEST, EAST, radius_m=np.nan),
        lambda: topology.route(WEST, EAST, radius_m=SETTINGS.max_clearance_m + 0.1),
        lambda: topology.route(WEST, EAST, standoff_m=np.inf),
        lambda: topology.route(WEST, (1e30, 0.0)),
        lambda: topology.block(*apart),
        lambda: topology.unblock(*apart),
    ):
        with pytest.raises(QueryError):
            ask()


@pytest.mark.parametrize(
    "change",
    [
        {"radius_m": 0.0},
        {"radius_m": np.nan},
        {"reach_m": -1.0},
        {"max_clearance_m": 0.1},
        {"floor_m": np.inf},
        {"body_m": (1.0, 0.5)},
        {"walls_m": (1.0, np.nan)},
        {"min_room_m2": -1.0},
    ],
)
def test_settings_that_cannot_be_are_refused(change):
    with pytest.raises(ConfigError):
        TopologySettings(**change)
