"""A g2o file holds the whole graph, and a damaged one is named with its line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import FormatError
from robomem.geometry import inverse, pose, rotation_from_quaternion, rotation_from_yaw
from robomem.spatial.slam.g2o import read_g2o, write_g2o
from robomem.spatial.slam.pose_graph import Edge, EdgeKind, PoseGraph

SPACE = """VERTEX_SE3:QUAT 0 0 0 0 0 0 0 1
VERTEX_SE3:QUAT 1 1 0 0 0 0 0 1
FIX 0
EDGE_SE3:QUAT 0 1 1 0 0 0 0 0 1 1 0 0 0 0 0 1 0 0 0 0 1 0 0 0 1 0 0 1 0 1
"""


def random_graph(seed, *, is_planar):
    rng = np.random.default_rng(seed)

    def any_pose():
        if is_planar:
            return pose(rotation_from_yaw(rng.uniform(-3, 3)), (*rng.uniform(-9, 9, 2), 0))
        return pose(rotation_from_quaternion(rng.standard_normal(4)), rng.uniform(-9, 9, 3))

    size = 3 if is_planar else 6
    graph = PoseGraph(is_planar=is_planar)
    for i in (3, 4, 8, 20):
        graph.add_pose(i, any_pose(), is_fixed=i == 8)
    for i, j, kind in (
        (3, 4, EdgeKind.ODOMETRY),
        (4, 8, EdgeKind.ODOMETRY),
        (20, 3, EdgeKind.LOOP),
    ):
        root = rng.standard_normal((size, size))
        graph.add_edge(Edge(i, j, any_pose(), root @ root.T + np.eye(size), kind))
    return graph


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_what_was_written_is_read(tmp_path_factory, seed, is_planar):
    graph = random_graph(seed, is_planar=is_planar)
    path = tmp_path_factory.mktemp("g2o") / "a.g2o"

    write_g2o(path, graph)
    back = read_g2o(path)

    assert back.is_planar == is_planar
    assert list(back.poses) == list(graph.poses)
    assert back.fixed == graph.fixed
    for i, T in graph.poses.items():
        np.testing.assert_allclose(back.poses[i], T, atol=1e-12)
    for got, edge in zip(back.edges, graph.edges, strict=True):
        assert (got.kf_from, got.kf_to, got.kind) == (edge.kf_from, edge.kf_to, edge.kind)
        np.testing.assert_allclose(got.T_from_to, edge.T_from_to, atol=1e-12)
        np.testing.assert_allclose(got.information, edge.information, rtol=1e-12)


def test_the_information_is_the_upper_triangle_translation_first(tmp_path):
    path = tmp_path / "a.g2o"
    upper = " ".join(
        map(str, [100, 1, 0, 0, 0, 2, 200, 0, 0, 0, 0, 300, 0, 0, 0, 400, 0, 0, 500, 0, 600])
    )
    path.write_text(SPACE[: SPACE.index("EDGE")] + f"EDGE_SE3:QUAT 0 1 1 0 0 0 0 0 1 {upper}\n")

    information = read_g2o(path).edges[0].information

    np.testing.assert_array_equal(np.diag(information), [100, 200, 300, 400, 500, 600])
    assert information[0, 1] == information[1, 0] == 1
    assert information[0, 5] == information[5, 0] == 2


def test_without_vertices_the_poses_follow_from_the_edges(tmp_path):
    path = tmp_path / "a.txt"
    information = "1 0 0 0 0 0 1 0 0 0 0 1 0 0 0 1 0 0 1 0 1"
    path.write_text(
        f"EDGE3 2 1 1 2 3 0.1 0.2 0.3 {information}\nEDGE3 2 5 0 0 1 0 0 1.5 {information}\n"
    )

    graph = read_g2o(path)

    np.testing.assert_array_equal(graph.poses[1], np.eye(4))
    for edge in graph.edges:
        T_from_to = inverse(graph.poses[edge.kf_from]) @ graph.poses[edge.kf_to]
        np.testing.assert_allclose(T_from_to, edge.T_from_to, atol=1e-12)
    np.testing.assert_allclose(graph.edges[1].T_from_to[:3, :3], rotation_from_yaw(1.5), atol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPACE.replace("VERTEX_SE3:QUAT 1 1 0", "VERTEX_SE3:QUAT 1 1"), ":2: .*expected 7 numbers"),
        (SPACE[:-10] + "\n", ":4: .*expected 28 numbers"),
        (SPACE.replace("VERTEX_SE3:QUAT 1 1", "VERTEX_SE3:QUAT 1 nan"), ":2: .*not finite"),
        (SPACE.replace("VERTEX_SE3:QUAT 1 1", "VERTEX_SE3:QUAT 1 1e999"), ":2: .*not finite"),
        (SPACE.replace("0 0 0 1\nFIX", "0 0 0 0\nFIX"), ":2: .*no direction"),
        (SPACE.replace("VERTEX_SE3:QUAT 1", "VERTEX_SE3:QUAT one"), ":2: "),
        (SPACE.replace("VERTEX_SE3:QUAT 1", "VERTEX_SE3:QUAT 0"), ":2: .*unique"),
        (SPACE.replace("QUAT 0 1 1", "QUAT 0 7 1"), ":4: .*no keyframe 7"),
        (SPACE.replace("FIX 0", "FIX 9"), ":3: .*no keyframe 9"),
        (SPACE.replace("0 1 0 1\n", "0 1 0 -1\n"), ":4: .*positive definite"),
        (SPACE + "VERTEX_SE2 3 0 0 0\n", ": it holds both 2-D and 3-D"),
        (SPACE + "\x00\x01rubbish 1 2\n", ":5: unknown record"),
        (SPACE + "EDGE_SE3:QUAT\n", ":5: "),
        ("", ": it holds no vertex"),
        ("# nothing\n\n", ": it holds no vertex"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "damaged.g2o"
    path.write_text(text)

    with pytest.raises(FormatError, match=r"damaged\.g2o" + message):
        read_g2o(path)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "a.g2o").write_bytes(b"\xff\xfe\x00VERTEX")

    with pytest.raises(FormatError, match=r"a\.g2o"):
        read_g2o(tmp_path / "a.g2o")
    with pytest.raises(FormatError, match=r"b\.g2o"):
        read_g2o(tmp_path / "b.g2o")
