"""The map in others' files: against OctoMap itself, trimesh, and the rules of nav2's map server."""

import json
import struct
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from robomem.cli import main
from robomem.cli.parser import EXPORT_SUFFIXES
from robomem.errors import DataError, FormatError, Reason
from robomem.memory import Memory
from robomem.spatial.octree import OccupancyGrid
from robomem.spatial.octree.formats import nav2, octomap, ply
from robomem.spatial.octree.formats.octomap import read
from robomem.spatial.octree.kernels import morton
from robomem.spatial.octree.values import UNITS_PER_LOG_ODD as UNITS
from tests.golden.make_octomap import FOLDER, contents, octomap_of
from tests.worlds import wall_observation

OT, BT = FOLDER / "octomap.ot", FOLDER / "octomap.bt"


# ---- OctoMap ----------------------------------------------------------------------------------


def bricks_of(values):
    """Return keys (N,) and log-odds (N, 512) in units of a map of voxel: log-odds."""
    rows = {}
    for (x, y, z), value in values.items():
        row = rows.setdefault(
            int(morton.brick_key(x >> 3, y >> 3, z >> 3)), np.zeros(512, np.int16)
        )
        row[(x & 7) + 8 * (y & 7) + 64 * (z & 7)] = round(UNITS * value)
    keys = np.array(sorted(rows), np.int64)
    return keys, np.array([rows[key] for key in keys.tolist()], np.int16).reshape(-1, 512)


def voxels_of(keys, log_odds):
    """Undo `bricks_of`, in units."""
    brick, voxel = np.nonzero(log_odds)
    offsets = np.stack([voxel & 7, voxel >> 3 & 7, voxel >> 6], axis=-1)
    voxels = morton.brick_origins(keys)[brick] + offsets
    return dict(zip(map(tuple, voxels.tolist()), log_odds[brick, voxel].tolist(), strict=True))


def in_units(values):
    return {voxel: round(UNITS * value) for voxel, value in values.items()}


def most_likely(values):
    """Return what OctoMap's .bt makes of a map, in units."""
    return {voxel: 3511 if value >= 0 else -2000 for voxel, value in values.items()}


def contents_of(path):
    file = read(path)
    return voxels_of(file.keys, file.log_odds)


def write(path, values, resolution_m=0.1):
    keys, log_odds = bricks_of(values)
    octomap.write(path, keys=keys, log_odds=log_odds, resolution_m=resolution_m)
    return path


def random_map(rng, size=400):
    """Make voxels in bulk and alone: some octants and bricks of one value, so that some is pruned."""
    voxels = rng.integers(-40, 40, (size, 3))
    values = {tuple(v): rng.choice([-2, -0.4, 0.85, 3.5]) for v in voxels.tolist()}
    for edge in (2, 4, 8, 16):
        corner = edge * rng.integers(-3, 3, 3)
        for offset in product(range(edge), repeat=3):
            values[tuple((corner + offset).tolist())] = 0.85
    return values


def leaves_of(tree, resolution_m=0.1):
    """Return voxel: log-odds in units, as OctoMap iterates its leaves, the pruned ones expanded."""
    values = {}
    for leaf in tree.begin_leafs():
        edge = 1 << 16 - leaf.getDepth()
        corner = np.array(leaf.getCoordinate()) / resolution_m - edge / 2
        value = round(UNITS * leaf.current_node.getLogOdds())
        for offset in product(range(edge), repeat=3):
            values[tuple((np.rint(corner).astype(int) + offset).tolist())] = value
    return values


def stream(*nodes, size=None, kind="OcTree", res="0.1"):
    """Make an .ot file of nodes (value, mask of children)."""
    header = f"# Octomap OcTree file\nid {kind}\nsize {len(nodes) if size is None else size}\n"
    body = b"".join(struct.pack("<fB", *node) for node in nodes)
    return f"{header}res {res}\ndata\n".encode() + body


def path_to_a_leaf(value, levels=16):
    """Make an .ot file with one leaf, so many levels below the root, at OctoMap's lowest corner."""
    return stream(*[(value, 1)] * levels, (value, 0))


def test_the_golden_files_hold_what_octomap_put_in():
    assert contents_of(OT) == in_units(contents())
    assert contents_of(BT) == most_likely(contents())
    assert read(OT).resolution_m == read(BT).resolution_m == 0.1


@pytest.mark.parametrize("golden", [OT, BT])
def test_what_is_written_is_what_octomap_writes_byte_for_byte(golden, tmp_path):
    path = write(tmp_path / golden.name, contents())

    assert path.read_bytes() == golden.read_bytes()


@pytest.mark.parametrize("suffix", [".ot", ".bt"])
def test_octomap_and_we_read_and_write_the_same_leaves(suffix, rng, tmp_path):
    pyoctomap = pytest.importorskip("pyoctomap", reason="pyoctomap has no wheel for this platform")
    values = random_map(rng)
    theirs, ours = tmp_path / f"theirs{suffix}", tmp_path / f"ours{suffix}"
    tree = octomap_of(values)
    is_written = tree.write(str(theirs)) if suffix == ".ot" else tree.writeBinary(str(theirs))
    assert is_written

    write(ours, values)

    assert ours.read_bytes() == theirs.read_bytes()
    expected = in_units(values) if suffix == ".ot" else most_likely(values)
    assert contents_of(theirs) == expected
    back = pyoctomap.OcTree(1.0)
    if suffix == ".ot":
        back = back.read(str(ours))
    else:
        assert back.readBinary(str(ours))
    assert leaves_of(back) == expected
    assert back.getResolution() == 0.1


@pytest.mark.parametrize("suffix", [".ot", ".bt"])
def test_an_empty_map_is_a_file_that_octomap_reads(suffix, tmp_path):
    pyoctomap = pytest.importorskip("pyoctomap", reason="pyoctomap has no wheel for this platform")
    path = write(tmp_path / f"empty{suffix}", {}, resolution_m=0.05)

    tree = pyoctomap.OcTree(1.0)
    tree = tree.read(str(path)) if suffix == ".ot" else tree.readBinary(str(path)) and tree

    assert (tree.size(), tree.getResolution()) == (0, 0.05)
    assert len(read(path).keys) == 0


@settings(max_examples=30, deadline=None)
@given(
    data=st.lists(
        st.tuples(
            *[st.integers(-4096, 4095)] * 3,
            st.integers(0, 511),
            st.integers(-(2**15), 2**15 - 1).filter(bool),
        ),
        max_size=40,
    ),
    resolution_m=st.floats(1e-4, 1e4),
)
def test_every_value_and_place_comes_back(data, resolution_m, tmp_path_factory):
    values = {
        (8 * x + (i & 7), 8 * y + (i >> 3 & 7), 8 * z + (i >> 6)): units / UNITS
        for x, y, z, i, units in data
    }
    folder = tmp_path_factory.mktemp("octomap")

    exact = write(folder / "a.ot", values, resolution_m)
    likely = write(folder / "a.bt", values, resolution_m)

    assert contents_of(exact) == in_units(values)
    assert contents_of(likely) == most_likely(values)
    assert read(exact).resolution_m == resolution_m


def test_the_order_of_the_bricks_does_not_matter(rng, tmp_path):
    keys, log_odds = bricks_of(random_map(rng))
    order = rng.permutation(len(keys))

    for name, rows in (("a.ot", slice(None)), ("b.ot", order)):
        octomap.write(tmp_path / name, keys=keys[rows], log_odds=log_odds[rows], resolution_m=0.1)

    assert (tmp_path / "a.ot").read_bytes() == (tmp_path / "b.ot").read_bytes()


@pytest.mark.parametrize(
    ("value", "units"),
    [
        (0.0, 1),
        (-0.0, 1),
        (1e-9, 1),
        (-1e-9, -1),
        (0.0006, 1),
        (0.8472979, 847),
        (40.0, 32767),
        (float("inf"), 32767),
        (float("-inf"), -32768),
    ],
)
def test_a_leaf_stays_known_and_keeps_its_side(value, units, tmp_path):
    path = tmp_path / "one.ot"
    path.write_bytes(path_to_a_leaf(value))

    assert contents_of(path) == {(-32768, -32768, -32768): units}


def test_a_leaf_above_the_bricks_becomes_all_its_bricks(tmp_path):
    path = tmp_path / "large.ot"
    path.write_bytes(path_to_a_leaf(-2.0, levels=11))  # 32 voxels along each axis

    file = read(path, max_bricks=64)

    assert (len(np.unique(file.keys)), np.unique(file.log_odds).tolist()) == (64, [-2000])
    origins = morton.brick_origins(file.keys)
    assert (origins.min(axis=0), origins.max(axis=0)) == pytest.approx((-32768, -32768 + 24))
    with pytest.raises(FormatError, match="more than 63 bricks"):
        read(path, max_bricks=63)


@pytest.mark.parametrize("levels", [0, 1, 5])
def test_a_leaf_of_astronomic_size_is_refused(levels, tmp_path):
    path = tmp_path / "huge.ot"
    path.write_bytes(path_to_a_leaf(-2.0, levels=levels))

    with pytest.raises(FormatError, match="too large"):
        read(path)


def test_colours_are_passed_over(tmp_path):
    pyoctomap = pytest.importorskip("pyoctomap", reason="pyoctomap has no wheel for this platform")
    for name in ("ColorOcTree", "OcTreeStamped"):
        tree = getattr(pyoctomap, name)(0.1)
        for point, is_hit in (((1.0, 2, 3), True), ((1.1, 2, 3), True), ((-3.0, 0, 0), False)):
            tree.updateNode(np.array(point) + 0.05, is_hit)
        tree.write(str(tmp_path / f"{name}.ot"))
        tree.writeBinary(str(tmp_path / f"{name}.bt"))

        for suffix, occupied, free in (("ot", 847, -405), ("bt", 3511, -2000)):
            assert contents_of(tmp_path / f"{name}.{suffix}") == {
                (10, 20, 30): occupied,
                (11, 20, 30): occupied,
                (-30, 0, 0): free,
            }


@pytest.mark.parametrize("golden", [OT, BT])
def test_a_file_cut_anywhere_is_damaged(golden, tmp_path):
    data, path = golden.read_bytes(), tmp_path / "cut"

    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError):
            read(path)


@settings(max_examples=200, deadline=None)
@given(
    golden=st.sampled_from([OT, BT]),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5),
)
def test_a_damaged_file_is_read_or_refused(golden, edits, tmp_path_factory):
    data = bytearray(golden.read_bytes())
    for place, byte in edits:
        data[place % len(data)] = byte
    path = tmp_path_factory.mktemp("damaged") / "map"
    path.write_bytes(data)

    try:
        file = read(path, max_bricks=1 << 10)
    except FormatError:
        return
    assert file.log_odds.shape == (len(file.keys), 512)


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"", "no map of OctoMap"),
        (b"ply\nformat ascii 1.0\n", "no map of OctoMap"),
        (b"# Octomap OcTree file\n" + b"#" * (1 << 20), "missing or cut off"),
        (stream(kind="CountingOcTree"), "id 'CountingOcTree'"),
        (stream(res="nan"), "resolution of nan"),
        (stream(res="-0.1"), "resolution of -0.1"),
        (stream(res="1e300"), "resolution of 1e\\+300"),
        (stream(res="small"), "no number"),
        (stream(size="-1"), "size -1"),
        (stream(size="many"), "no number"),
        (stream(size=10**18), "it ends there"),
        (stream((0.5, 1), (0.5, 0)), "too large"),
        (path_to_a_leaf(0.5).replace(b"size 17", b"size 16"), "17 nodes, not 16"),
        (path_to_a_leaf(0.5, levels=17), "below the 16th level"),
        (path_to_a_leaf(float("nan")), "not a number"),
        (
            b"# Octomap OcTree binary file\nid OcTree\nsize 2\nres 1\ndata\n\3\0\0\0",
            "without child",
        ),
    ],
)
def test_what_is_no_map_is_refused(data, hint, tmp_path):
    path = tmp_path / "map.ot"
    path.write_bytes(data)

    with pytest.raises(FormatError, match=hint):
        read(path)


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"absent\.ot cannot be read"):
        read(tmp_path / "absent.ot")


def test_a_map_wider_than_octomap_is_out_of_bounds(tmp_path):
    with pytest.raises(DataError, match=r"3276\.8 m around the origin") as caught:
        write(tmp_path / "wide.ot", {(0, 0, 0): 1.0, (0, -32769, 0): 1.0})

    assert caught.value.reason == Reason.OUT_OF_BOUNDS
    assert not (tmp_path / "wide.ot").exists()


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"path": "map.pcd"}, "called .bt or .ot"),
        ({"resolution_m": 0.0}, "voxel of 0.0 m"),
        ({"resolution_m": float("nan")}, "voxel of nan m"),
        ({"keys": np.zeros(2, np.int64)}, "expected keys"),
        ({"log_odds": np.zeros((1, 512), np.float32)}, "expected keys"),
        ({"log_odds": np.zeros((1, 500), np.int16)}, "expected keys"),
        ({"keys": np.zeros(2, np.int64), "log_odds": np.zeros((2, 512), np.int16)}, "comes twice"),
    ],
)
def test_a_wrong_map_is_not_written(change, hint, tmp_path):
    key = np.array([morton.brick_key(0, 0, 0)])
    given = {"keys": key, "log_odds": np.ones((1, 512), np.int16), "resolution_m": 0.1} | change
    if len(given["keys"]) == 2:
        given["keys"] = np.repeat(key, 2)
    path = tmp_path / given.pop("path", "map.ot")

    with pytest.raises(DataError, match=hint):
        octomap.write(path, **given)
    assert list(tmp_path.iterdir()) == []


# ---- PLY --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_come_back_and_trimesh_sees_them(dtype, rng, tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="comes with the simulator")
    points, log_odds = rng.normal(size=(50, 3)).astype(dtype), rng.normal(size=50)

    ply.write_ply(tmp_path / "a.ply", points, log_odds=log_odds)

    ours, theirs = ply.read_ply(tmp_path / "a.ply"), trimesh.load(tmp_path / "a.ply")
    np.testing.assert_array_equal(ours.points, points)
    np.testing.assert_array_equal(ours.log_odds, log_odds.astype(np.float32))
    np.testing.assert_array_equal(theirs.vertices, points)
    vertex = theirs.metadata["_ply_raw"]["vertex"]["data"]
    np.testing.assert_array_equal(vertex["log_odds"], ours.log_odds)


def test_clouds_of_trimesh_are_read(rng, tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="comes with the simulator")
    points = rng.normal(size=(20, 3))
    box, cloud = trimesh.creation.box(), trimesh.PointCloud(points, colors=np.ones((20, 4)))

    for encoding in ("ascii", "binary_little_endian"):
        for name, shape in (("box", box), ("cloud", cloud)):
            data = shape.export(file_type="ply", encoding=encoding)
            (tmp_path / f"{name}.ply").write_bytes(data)

        read_box, read_cloud = (ply.read_ply(tmp_path / f"{n}.ply") for n in ("box", "cloud"))
        np.testing.assert_allclose(read_box.points, box.vertices, atol=1e-6)
        np.testing.assert_allclose(read_cloud.points, points, atol=1e-6)
        assert (read_cloud.log_odds == 0).all()


def test_properties_in_any_order_are_read(tmp_path):
    (tmp_path / "a.ply").write_bytes(
        b"ply\r\nformat ascii 1.0\r\ncomment of mine\r\nelement vertex 2\r\nproperty uchar red\r\n"
        b"property double z\r\nproperty float log_odds\r\nproperty int y\r\nproperty float x\r\n"
        b"element face 0\r\nproperty list uchar int vertex_indices\r\nend_header\r\n"
        b"255 3.5 0.25 2 1\r\n0 6 -1 5 4e0\r\n"
    )

    cloud = ply.read_ply(tmp_path / "a.ply")

    assert cloud.points.tolist() == [[1, 2, 3.5], [4, 5, 6]]
    assert cloud.log_odds.tolist() == [0.25, -1]


def test_no_points_are_a_file_too(tmp_path):
    ply.write_ply(tmp_path / "a.ply", np.empty((0, 3)), log_odds=[])

    assert ply.read_ply(tmp_path / "a.ply").points.shape == (0, 3)


def test_points_without_their_values_are_not_written(tmp_path):
    for points, log_odds in ((np.zeros((2, 3)), [1.0]), (np.zeros((2, 2)), [1.0, 1.0])):
        with pytest.raises(DataError, match="expected points"):
            ply.write_ply(tmp_path / "a.ply", points, log_odds=log_odds)
    assert list(tmp_path.iterdir()) == []


def test_a_cloud_cut_anywhere_is_damaged(rng, tmp_path):
    ply.write_ply(tmp_path / "a.ply", rng.normal(size=(3, 3)), log_odds=np.ones(3))
    data = (tmp_path / "a.ply").read_bytes()

    for length in range(len(data)):
        (tmp_path / "a.ply").write_bytes(data[:length])
        with pytest.raises(FormatError):
            ply.read_ply(tmp_path / "a.ply")


AXES = "property float x\nproperty float y\nproperty float z\n"


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (f"format binary_big_endian 1.0\nelement vertex 0\n{AXES}", "only ascii and binary_little"),
        ("comment nothing\n", "only ascii and binary_little"),
        (f"format ascii 1.0\nelement face 1\n{AXES}", "do not come first"),
        ("format ascii 1.0\n", "do not come first"),
        (f"format ascii 1.0\nelement vertex many\n{AXES}", "invalid literal"),
        (f"format ascii 1.0\nelement vertex -1\n{AXES}", "cut off"),
        (f"format binary_little_endian 1.0\nelement vertex -1\n{AXES}", "cut off"),
        (f"format ascii 1.0\nelement vertex {10**15}\n{AXES}", "cut off"),
        (f"format binary_little_endian 1.0\nelement vertex {10**15}\n{AXES}", "cut off"),
        (f"format ascii 1.0\nelement vertex 1\n{AXES}", "could not convert"),
        (f"format ascii 1.0\nelement vertex 1\n{AXES}property list uchar int n\n", "no scalar"),
        (f"format ascii 1.0\nelement vertex 1\n{AXES}property float x\n", "occurs more than once"),
        ("format ascii 1.0\nelement vertex 1\nproperty float x\n", "no x, y, z"),
    ],
)
def test_a_file_that_is_no_cloud_of_ours_is_refused(header, hint, tmp_path):
    (tmp_path / "a.ply").write_text(f"ply\n{header}end_header\n1 2 three\n")

    with pytest.raises(FormatError, match=hint):
        ply.read_ply(tmp_path / "a.ply")


def test_a_cloud_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"absent\.ply cannot be read"):
        ply.read_ply(tmp_path / "absent.ply")


# ---- nav2 -------------------------------------------------------------------------------------

YAML = """\
image: {image}
mode: {mode}
resolution: 0.05
origin: [-1.5, 2, 0]
negate: {negate}
occupied_thresh: 0.65
free_thresh: 0.25
"""


def write_pair(folder, image, *, mode="trinary", negate=0):
    (folder / "map.yaml").write_text(YAML.format(image=image, mode=mode, negate=negate))
    return folder / "map.yaml"


def twin_of_the_map_server(pixel, *, mode, negate):
    """Return what nav2's map server makes of a pixel (red, green, blue[, opacity]), 0 to 255."""
    is_opaque = len(pixel) == 3 or pixel[3] == 255
    used = pixel if mode == "trinary" else pixel[:3]
    shade = sum(used) / len(used) / 255
    occupancy = shade if negate else 1 - shade
    if mode == "raw":
        return round(shade * 255) if round(shade * 255) <= 100 else -1
    if mode == "scale" and not is_opaque:
        return -1
    if occupancy > 0.65:
        return 100
    if occupancy < 0.25:
        return 0
    return -1 if mode == "trinary" else round((occupancy - 0.25) / (0.65 - 0.25) * 100)


@pytest.mark.parametrize("mode", ["trinary", "scale", "raw"])
@pytest.mark.parametrize("negate", [0, 1, "false", "true"])
@pytest.mark.parametrize("kind", ["L", "RGB", "RGBA"])
def test_pixels_mean_what_they_mean_to_the_map_server(mode, negate, kind, rng, tmp_path):
    pixels = rng.integers(0, 256, (16, 16, len(kind)), dtype=np.uint8)
    if kind == "L":
        pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    elif kind == "RGBA":
        pixels[::2, :, 3] = 255
    Image.fromarray(pixels.squeeze()).save(tmp_path / "map.png")
    path = write_pair(tmp_path, "map.png", mode=mode, negate=negate)

    grid = nav2.read_nav2(path)

    is_negated = negate in (1, "true")
    wide = pixels.repeat(3, axis=-1) if kind == "L" else pixels
    expected = [
        [twin_of_the_map_server(p, mode=mode, negate=is_negated) for p in row]
        for row in wide[::-1].tolist()
    ]
    assert grid.values.tolist() == expected
    assert (grid.values.dtype, grid.resolution_m, grid.origin_map) == (np.int8, 0.05, (-1.5, 2.0))


def test_grey_with_a_transparent_colour_is_read_as_the_map_server_does(tmp_path):
    for name, pixel in (("opaque", (254, 255)), ("clear", (254, 0))):
        Image.new("LA", (1, 1), pixel).save(tmp_path / f"{name}.png")

    values = [
        nav2.read_nav2(write_pair(tmp_path, f"{name}.png", mode=mode)).values.item()
        for name, mode in product(("opaque", "clear"), ("trinary", "scale"))
    ]

    assert values == [0, 0, -1, -1]  # clear, trinary: (3 * 254 + 0) / 4 is grey


@pytest.mark.parametrize(
    "image",
    [
        b"P5\n# by hand\n3 # wide\n2\n255\n" + bytes([0, 254, 205, 254, 254, 0]),
        b"P2\n# by hand\n3 2\n# and\n255\n0 254 205\n254 254 0\n",
        b"P5 3 2 65535\n" + np.array([0, 65000, 52685, 65000, 65000, 0], ">u2").tobytes(),
    ],
)
def test_greymaps_are_read_with_the_highest_y_first(image, tmp_path):
    (tmp_path / "map.pgm").write_bytes(image)

    grid = nav2.read_nav2(write_pair(tmp_path, "map.pgm"))

    assert grid.values.tolist() == [[0, 0, 100], [100, 0, 0]]


def test_a_grid_is_written_as_the_map_server_writes_it(tmp_path):
    values = np.array([[0, 100, -1], [20, 21, 64], [65, 99, -128]], np.int8)

    nav2.write_nav2(tmp_path / "house.yaml", OccupancyGrid(values, (-1.25, 0.1), 0.05))

    assert (tmp_path / "house.pgm").read_bytes() == b"P5\n3 3\n255\n" + bytes(
        [0, 0, 205, 254, 205, 205, 254, 0, 205]
    )
    assert (tmp_path / "house.yaml").read_text() == (
        'image: "house.pgm"\nmode: trinary\nresolution: 0.05\norigin: [-1.25, 0.1, 0.0]\n'
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )


@pytest.mark.parametrize("name", ["house", "a: b #1", "größe", 'say "x"', "- 12"])
def test_what_is_written_is_read_back_cell_by_cell(name, rng, tmp_path):
    values = rng.choice(np.array([-1, 0, 100], np.int8), (7, 11))
    grid = OccupancyGrid(values, (-15.1, 1 / 3), 0.03)

    nav2.write_nav2(tmp_path / f"{name}.yaml", grid)

    back = nav2.read_nav2(tmp_path / f"{name}.yaml")
    np.testing.assert_array_equal(back.values, values)
    assert (back.origin_map, back.resolution_m) == (grid.origin_map, grid.resolution_m)


@pytest.mark.parametrize(("name", "occupied"), [("depot", 5947), ("warehouse", 30951)])
def test_maps_of_nav2_keep_every_cell(name, occupied, data_dir, tmp_path):
    path = data_dir / "nav2_maps" / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    grid = nav2.read_nav2(path)

    nav2.write_nav2(tmp_path / "again.yaml", grid)

    back = nav2.read_nav2(tmp_path / "again.yaml")
    np.testing.assert_array_equal(back.values, grid.values)
    assert (grid.values == 100).sum() == occupied
    assert (back.origin_map, back.resolution_m) == (grid.origin_map, grid.resolution_m)


def test_the_image_may_lie_elsewhere(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "maps").mkdir()
    Image.new("L", (2, 1), 254).save(tmp_path / "images" / "map.pgm")

    for image in ("../images/map.pgm", tmp_path / "images" / "map.pgm"):
        assert nav2.read_nav2(write_pair(tmp_path / "maps", image)).values.tolist() == [[0, 0]]


def test_a_map_of_nothing_is_not_written(tmp_path):
    empty = OccupancyGrid(np.empty((0, 0), np.int8), (0.0, 0.0), 0.05)

    with pytest.raises(DataError, match="no cells"):
        nav2.write_nav2(tmp_path / "a.yaml", empty)
    with pytest.raises(DataError, match=r"called \.yaml"):
        nav2.write_nav2(tmp_path / "a.png", OccupancyGrid(np.zeros((1, 1), np.int8), (0, 0), 1.0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (("image: map.pgm", ""), "KeyError 'image'"),
        (("image: map.pgm", "image: [map.pgm]"), "image is a path"),
        (("image: map.pgm", 'image: "a\\0b"'), "null"),
        (("image: map.pgm", "image: absent.pgm"), "absent.pgm cannot be read"),
        (("image: map.pgm", "image: map.yaml"), "map.yaml cannot be read"),
        (("mode: trinary", "mode: colour"), "mode is one of"),
        (("resolution: 0.05", "resolution: wide"), "resolution is a number"),
        (("resolution: 0.05", "resolution: 0"), "resolution is positive"),
        (("resolution: 0.05", "resolution: .nan"), "resolution is a number"),
        (("[-1.5, 2, 0]", "[-1.5, 2]"), "origin is"),
        (("[-1.5, 2, 0]", "[-1.5, two, 0]"), "origin is a number"),
        (("[-1.5, 2, 0]", "[-1.5, 2, 0.5]"), "turned by 0.5 rad"),
        (("negate: 0", "negate: perhaps"), "negate is a number"),
        (("free_thresh: 0.25", "free_thresh: 0.7"), "free_thresh is not below"),
        (("free_thresh: 0.25", "free_thresh: !!python/name:os.system"), "no map of nav2"),
        (("free_thresh: 0.25", "free_thresh: 0.25\nfree_thresh: 1"), "Duplicate"),
        (("mode: trinary", "mode: [" * 2000), "no map of nav2"),
        (("mode: trinary", "#" * (1 << 16)), "larger than"),
    ],
)
def test_a_yaml_that_is_no_map_is_refused(change, hint, tmp_path):
    Image.new("L", (2, 1), 254).save(tmp_path / "map.pgm")
    path = write_pair(tmp_path, "map.pgm")
    path.write_text(path.read_text().replace(*change))

    with pytest.raises(FormatError, match=hint):
        nav2.read_nav2(path)


@pytest.mark.parametrize("text", ["", "- 1\n", "just words", "\0", "\x80".encode("latin-1")])
def test_a_file_that_is_no_yaml_of_ours_is_refused(text, tmp_path):
    (tmp_path / "map.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(FormatError, match="no map of nav2"):
        nav2.read_nav2(tmp_path / "map.yaml")


def test_a_cut_or_boundless_image_is_refused(tmp_path):
    Image.new("L", (40, 40), 254).save(tmp_path / "map.png")
    png = (tmp_path / "map.png").read_bytes()

    for data in (b"P5 9 9 255 ", b"P5 100000 100000 255\n", b"P6 1 1 255 ", png[:-30], b""):
        (tmp_path / "map.png").write_bytes(data)
        with pytest.raises(FormatError) as caught:
            nav2.read_nav2(write_pair(tmp_path, "map.png"))
        assert caught.value.reason == Reason.IMAGE_CORRUPT


# ---- robomem export ---------------------------------------------------------------------------

SIZE_M = 0.05


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Remember a wall across x = 3 m from 1 m above the floor."""
    path = tmp_path_factory.mktemp("export") / "house.rmem"
    with Memory.open(path, "w") as memory:
        for step in range(3):
            memory.observe(wall_observation(step))
    return path


@pytest.fixture(scope="module")
def truth(house):
    """Return the known voxels of the map, each with its log-odds in units."""
    with Memory.open(house, "r") as memory:
        points = np.concatenate([memory.map.occupied(), memory.map.free()])
        units = np.rint(UNITS * memory.map.log_odds(points)).astype(int)
    voxels = np.floor(points / SIZE_M).astype(int)
    return dict(zip(map(tuple, voxels.tolist()), units.tolist(), strict=True))


@pytest.fixture
def export(house, tmp_path, capsys):
    """Run the command on the house; returns what it said as JSON and the path."""

    def run(name, *options):
        path = tmp_path / name
        assert main(["export", str(house), "-o", str(path), "--json", *options]) == 0
        return json.loads(capsys.readouterr().out), path

    return run


def test_the_map_is_exported_to_octomap(export, truth):
    told_exact, exact = export("house.ot")
    told_likely, likely = export("house.bt")

    assert contents_of(exact) == truth
    assert contents_of(likely) == {v: 3511 if units > 0 else -2000 for v, units in truth.items()}
    assert read(exact).resolution_m == SIZE_M
    for told, path in ((told_exact, exact), (told_likely, likely)):
        assert (told["schema"], told["files"], told["unit"]) == (1, [str(path)], "voxels")
        assert told["occupied"] == sum(units > 0 for units in truth.values())
        assert told["free"] == sum(units < 0 for units in truth.values())
        assert told["bytes"] == path.stat().st_size


def test_only_what_lies_between_two_heights_is_exported(export, truth):
    heights = ("--z-min", "-0.1", "--z-max", "0.52")
    part = {voxel: units for voxel, units in truth.items() if -2 <= voxel[2] <= 10}

    told, exact = export("house.ot", *heights)
    _, cloud = export("house.ply", *heights)

    assert contents_of(exact) == part
    assert (told["z_min_m"], told["z_max_m"]) == (-0.1, 0.52)
    points = np.floor(ply.read_ply(cloud).points / SIZE_M).astype(int)
    assert set(map(tuple, points.tolist())) == {v for v, units in part.items() if units > 0}


def test_the_occupied_voxels_are_exported_as_points(export, truth):
    told, path = export("house.ply")

    cloud = ply.read_ply(path)
    voxels = np.floor(cloud.points / SIZE_M).astype(int)
    units = np.rint(UNITS * cloud.log_odds).astype(int)
    assert dict(zip(map(tuple, voxels.tolist()), units.tolist(), strict=True)) == {
        voxel: units for voxel, units in truth.items() if units > 0
    }
    assert (told["unit"], told["occupied"], told["free"]) == ("points", len(cloud.points), 0)


@pytest.mark.parametrize(
    ("options", "lowest", "highest"), [((), 2, 23), (("--z-min", "0", "--z-max", "0.05"), 0, 0)]
)
def test_a_floor_map_is_exported_for_nav2(options, lowest, highest, export, truth):
    told, path = export("house.yaml", *options)

    grid = nav2.read_nav2(path)
    assert told["files"] == [str(path), str(path.with_suffix(".pgm"))]
    seen = {}
    for (x, y, z), units in truth.items():
        if lowest <= z <= highest:
            seen[x, y] = seen.get((x, y), False) or units > 0
    column, row = np.rint(np.array(grid.origin_map) / SIZE_M).astype(int)
    rows, columns = np.nonzero(grid.values >= 0)
    cells = zip((columns + column).tolist(), (rows + row).tolist(), strict=True)
    values = (grid.values[rows, columns] == 100).tolist()
    assert dict(zip(cells, values, strict=True)) == seen
    assert (told["occupied"], told["free"]) == (sum(values), len(values) - sum(values))


def test_what_was_exported_is_said_in_words(house, tmp_path, capsys):
    path = tmp_path / "house.yaml"

    assert main(["export", str(house), "-o", str(path)]) == 0

    said = capsys.readouterr().out
    assert f"wrote    {path}, {path.with_suffix('.pgm')}\n" in said
    assert "heights  from 0.1 to 1.2 m\n" in said
    assert " occupied, " in said


@pytest.mark.parametrize(
    ("options", "rc", "hint"),
    [
        (("-o", "map.pcd"), 2, "expected a file called .bt, .ot, .ply, .yaml, got 'map.pcd'"),
        (("-o", ".bt"), 2, "expected a file called"),
        ((), 2, "-o"),
        (("-o", "map.bt", "--z-min", "low"), 2, "expected metres in map, got 'low'"),
        (("-o", "map.bt", "--z-max", "nan"), 2, "expected metres in map"),
        (("-o", "map.yaml", "--z-max", "1e300"), 2, "expected metres in map"),
        (("-o", "map.yaml", "--z-min", "2"), 2, "--z-min 2 is not below --z-max 1.2"),
    ],
)
def test_a_wrong_export_is_one_line(options, rc, hint, house, capsys, monkeypatch):
    monkeypatch.chdir(house.parent)

    try:
        code = main(["export", str(house), *options])
    except SystemExit as err:
        code = err.code

    said = capsys.readouterr()
    assert (code, said.out) == (rc, "")
    assert said.err.startswith("robomem: ")
    assert said.err.count("\n") == 1
    assert hint in said.err
    assert [path.name for path in house.parent.iterdir()] == ["house.rmem"]


def test_a_place_that_cannot_be_written_to_is_a_store_error(house, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")

    assert main(["export", str(house), "-o", str(tmp_path / "file" / "map.ot")]) == 4
    assert "check the path, its permissions" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_memory_that_is_not_there_cannot_be_exported(tmp_path, capsys):
    assert main(["export", str(tmp_path / "absent"), "-o", str(tmp_path / "map.bt")]) == 4
    assert "absent does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_memory_of_nothing_is_an_empty_map_and_no_floor_map(tmp_path, capsys):
    Memory.open(tmp_path / "new.rmem", "w").close()

    codes = [
        main(["export", str(tmp_path / "new.rmem"), "-o", str(tmp_path / f"map{suffix}")])
        for suffix in EXPORT_SUFFIXES
    ]

    assert codes == [0, 0, 0, 3]
    assert "nothing is known at these heights" in capsys.readouterr().err
    assert contents_of(tmp_path / "map.ot") == contents_of(tmp_path / "map.bt") == {}
    assert not (tmp_path / "map.yaml").exists()
