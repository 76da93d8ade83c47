"""The optimum of a pose graph is that of other optimisers, and wrong loops do not move it."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import DataError, MissingExtraError
from robomem.geometry import inverse, pose, rotation_angle, rotation_from_quaternion
from robomem.geometry import rotation_from_yaw as yaw
from robomem.spatial.slam.g2o import read_g2o, write_g2o
from robomem.spatial.slam.pose_graph import Edge, EdgeKind, PoseGraph

INFORMATION = np.diag([400.0] * 3 + [2500.0] * 3)  # 5 cm, 0.02 rad


def circle(count, radius_m=5.0):
    """Poses of a drive once round, looking ahead."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [
        pose(yaw(a + np.pi / 2), (radius_m * np.cos(a), radius_m * np.sin(a), 0)) for a in angles
    ]


def noisy(T, rng, *, sigma_m=0.05, sigma_rad=0.02):
    q = np.append(0.5 * sigma_rad * rng.standard_normal(3), 1.0)
    return T @ pose(rotation_from_quaternion(q), sigma_m * rng.standard_normal(3))


def drifting(truth, rng, *, loops=()):
    """Return a graph whose odometry drifts, with the loops given as (from, to, T or None for the truth)."""
    graph = PoseGraph()
    T_map_kf = truth[0]
    graph.add_pose(0, T_map_kf)
    for i in range(1, len(truth)):
        T = noisy(inverse(truth[i - 1]) @ truth[i], rng)
        T_map_kf = T_map_kf @ T
        graph.add_pose(i, T_map_kf)
        graph.add_edge(Edge(i - 1, i, T, INFORMATION))
    for kf_from, kf_to, T in loops:
        T = noisy(inverse(truth[kf_from]) @ truth[kf_to], rng) if T is None else T
        graph.add_edge(Edge(kf_from, kf_to, T, INFORMATION, EdgeKind.LOOP))
    return graph


def error_m(poses, truth):
    return float(
        np.sqrt(np.mean([np.sum((poses[i] - T)[:3, 3] ** 2) for i, T in enumerate(truth)]))
    )


def log_se3(T):
    """Return the twist (translation, rotation) whose exponential is T: Barfoot, 2017, Equation (7.98)."""
    angle = rotation_angle(T[:3, :3])
    skew = (T[:3, :3] - T[:3, :3].T) / 2
    turn = skew * (1.0 if angle < 1e-9 else angle / np.sin(angle))
    factor = 1 / 12 if angle < 1e-4 else 1 / angle**2 - 1 / (2 * angle * np.tan(angle / 2))
    left_inverse = np.eye(3) - turn / 2 + factor * turn @ turn
    return np.concatenate([left_inverse @ T[:3, 3], [turn[2, 1], turn[0, 2], turn[1, 0]]])


def cost(graph, poses):
    """Half the squared Mahalanobis distances, by the book."""
    total = 0.0
    for edge in graph.edges:
        T = inverse(edge.T_from_to) @ inverse(poses[edge.kf_from]) @ poses[edge.kf_to]
        r = log_se3(T)[[0, 1, 5]] if graph.is_planar else log_se3(T)
        total += 0.5 * r @ edge.information @ r
    return total


def test_a_loop_takes_the_drift_out(rng):
    pytest.importorskip("gtsam")
    truth = circle(40)
    graph = drifting(truth, rng, loops=[(0, 39, None), (1, 38, None), (10, 30, None)])

    optimum = graph.optimize()

    assert error_m(optimum.poses, truth) < 0.5 * error_m(graph.poses, truth)
    assert optimum.cost < optimum.cost_before
    assert optimum.rejected == ()


def test_the_cost_is_the_sum_over_the_edges_by_the_book(rng):
    pytest.importorskip("gtsam")
    graph = drifting(circle(12), rng, loops=[(0, 11, None), (2, 9, None)])

    optimum = graph.optimize(is_robust=False)

    assert optimum.cost_before == pytest.approx(cost(graph, graph.poses), rel=1e-6)
    assert optimum.cost == pytest.approx(cost(graph, optimum.poses), rel=1e-6)
    np.testing.assert_allclose(0.5 * optimum.sigmas @ optimum.sigmas, optimum.cost)


def test_wrong_loops_are_rejected_and_move_nothing(rng):
    pytest.importorskip("gtsam")
    truth = circle(60)
    right = [(0, 59, None), (3, 57, None), (5, 55, None), (10, 50, None)]
    wrong = [(0, 30, np.eye(4)), (12, 45, pose(yaw(1.0), (0.5, 0, 0))), (20, 50, np.eye(4))]
    graph = drifting(truth, np.random.default_rng(3), loops=right + wrong)
    clean = drifting(truth, np.random.default_rng(3), loops=right)

    optimum, expected = graph.optimize(), clean.optimize()

    assert optimum.rejected == (63, 64, 65)
    for i in range(60):
        np.testing.assert_allclose(optimum.poses[i], expected.poses[i], atol=1e-4)


def test_the_same_graph_has_the_same_optimum_to_the_bit(rng):
    pytest.importorskip("gtsam")
    graph = drifting(circle(40), rng, loops=[(0, 39, None), (5, 20, np.eye(4)), (3, 35, None)])

    first, second = graph.optimize(), graph.optimize()

    assert all(np.array_equal(first.poses[i], second.poses[i]) for i in graph.poses)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 15))
def test_an_optimum_is_never_worse_than_the_start_or_the_truth(seed, count):
    pytest.importorskip("gtsam")
    truth = circle(count)
    graph = drifting(truth, np.random.default_rng(seed), loops=[(0, count - 1, None)])

    optimum = graph.optimize(is_robust=False)

    assert optimum.cost <= optimum.cost_before * (1 + 1e-9)
    assert optimum.cost <= cost(graph, dict(enumerate(truth))) * (1 + 1e-9)
    np.testing.assert_allclose(optimum.poses[0], truth[0], atol=1e-6)


def test_parts_that_nothing_joins_are_each_held_by_themselves(rng):
    pytest.importorskip("gtsam")
    graph = PoseGraph()
    for i, x_m in enumerate((0.0, 1.0, 50.0, 51.2, 90.0)):
        graph.add_pose(i, pose(np.eye(3), (x_m, 0, 0)))
    for i in (0, 2):
        graph.add_edge(Edge(i, i + 1, pose(np.eye(3), (1.1, 0, 0)), INFORMATION))

    optimum = graph.optimize()

    assert graph.components() == [[0, 1], [2, 3], [4]]
    moved = [optimum.poses[i][0, 3] for i in range(5)]
    np.testing.assert_allclose(moved, [0.0, 1.1, 50.0, 51.1, 90.0], atol=1e-6)


def test_fixed_keyframes_stay(rng):
    pytest.importorskip("gtsam")
    graph = PoseGraph()
    for i in range(3):
        graph.add_pose(i, pose(np.eye(3), (1.0 * i, 0, 0)), is_fixed=i != 1)
    for i in range(2):
        graph.add_edge(Edge(i, i + 1, pose(np.eye(3), (1.2, 0, 0)), INFORMATION))

    optimum = graph.optimize()

    np.testing.assert_allclose([optimum.poses[i][0, 3] for i in range(3)], [0, 1, 2], atol=1e-4)


def test_a_planar_graph_stays_in_its_plane():
    pytest.importorskip("gtsam")
    graph = PoseGraph(is_planar=True)
    for i, xy in enumerate([(0, 0), (1.3, 0.1), (0.8, 1.2), (0, 0.7)]):
        graph.add_pose(i, pose(yaw(i * 1.5), (*xy, 0)))
    step = pose(yaw(np.pi / 2), (1, 0, 0))
    for i in range(4):
        graph.add_edge(Edge(i, (i + 1) % 4, step, np.diag([100.0, 100.0, 400.0])))

    optimum = graph.optimize()

    assert optimum.cost < 1e-9
    assert all(T[2, 3] == 0.0 and T[2, 2] == 1.0 for T in optimum.poses.values())


def test_edges_that_exclude_each_other_are_named_and_change_nothing():
    pytest.importorskip("gtsam")
    graph = PoseGraph()
    for i in range(5):
        graph.add_pose(i, pose(np.eye(3), (1.0 * i, 0, 0)))
    for i, j, x_m in ((0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0), (1, 3, 40.0), (3, 4, 1.0)):
        graph.add_edge(Edge(i, j, pose(np.eye(3), (x_m, 0, 0)), INFORMATION))
    before = {i: T.copy() for i, T in graph.poses.items()}

    with pytest.raises(
        DataError, match=r"cycle (1-2-3-1|2-1-3-2|3-1-2-3|2-3-1-2|1-3-2-1|3-2-1-3) contradict"
    ):
        graph.optimize()

    assert all(np.array_equal(graph.poses[i], T) for i, T in before.items())
    assert len(graph.edges) == 5


def bad_edges():
    good = pose(np.eye(3), (1, 0, 0))
    skew = INFORMATION.copy()
    skew[0, 5] = 50.0
    yield Edge(0, 9, good, INFORMATION), "no keyframe 9"
    yield Edge(8, 9, good, INFORMATION), "no keyframe 8, 9"
    yield Edge(1, 1, good, INFORMATION), "itself"
    yield Edge(0, 1, np.full((4, 4), np.nan), INFORMATION), "no rigid motion"
    yield Edge(0, 1, np.diag([1.0, 1, -1, 1]), INFORMATION), "no rigid motion"
    yield Edge(0, 1, np.eye(3), INFORMATION), "no rigid motion"
    yield Edge(0, 1, good, np.diag([1.0, 1, 1, 1, 1, np.nan])), "finite"
    yield Edge(0, 1, good, np.eye(3)), "finite"
    yield Edge(0, 1, good, np.diag([1.0, 1, 1, 1, 1, 0])), "positive definite"
    yield Edge(0, 1, good, -INFORMATION), "positive definite"
    yield Edge(0, 1, good, skew), "symmetric"


@pytest.mark.parametrize(("edge", "message"), list(bad_edges()))
def test_a_bad_edge_is_refused_and_leaves_the_graph_as_it_was(edge, message):
    graph = PoseGraph()
    graph.add_pose(0, np.eye(4))
    graph.add_pose(1, np.eye(4))

    with pytest.raises(DataError, match=message):
        graph.add_edge(edge)

    assert graph.edges == ()
    assert list(graph.poses) == [0, 1]


def test_a_bad_pose_is_refused():
    graph, plane = PoseGraph(), PoseGraph(is_planar=True)
    graph.add_pose(0, np.eye(4))

    with pytest.raises(DataError, match="no rigid motion"):
        graph.add_pose(1, np.full((4, 4), np.inf))
    with pytest.raises(DataError, match="unique"):
        graph.add_pose(0, np.eye(4))
    with pytest.raises(DataError, match="unique"):
        graph.add_pose(-1, np.eye(4))
    with pytest.raises(DataError, match="leaves the plane"):
        plane.add_pose(0, pose(np.eye(3), (0, 0, 0.1)))
    with pytest.raises(DataError, match="no keyframe 3"):
        graph.fix(3)
    assert list(graph.poses) == [0]
    assert not plane.poses


def test_an_empty_graph_has_an_empty_optimum():
    pytest.importorskip("gtsam")

    optimum = PoseGraph().optimize()

    assert optimum.poses == {}
    assert optimum.cost == 0.0


def test_without_gtsam_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gtsam", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'robomem\[slam\]'"):
        PoseGraph().optimize()


@pytest.mark.parametrize(
    ("name", "is_planar"), [("input_INTEL.g2o", True), ("sphere2500.txt", False)]
)
def test_the_cost_on_real_graphs_is_that_of_another_optimiser(data_dir, tmp_path, name, is_planar):
    gtsam = pytest.importorskip("gtsam")
    graph = read_g2o(data_dir / "posegraphs" / name)

    optimum = graph.optimize()

    assert graph.is_planar == is_planar
    assert optimum.rejected == ()
    assert optimum.cost == pytest.approx(cost(graph, optimum.poses), rel=1e-4)
    other = _gauss_newton(gtsam, graph, optimum.poses, tmp_path)
    assert optimum.cost == pytest.approx(other, rel=1e-6)


def _gauss_newton(gtsam, graph, poses, folder):
    """Let gtsam read the graph by itself, starting off the optimum by 2 cm and 1 degree."""
    rng = np.random.default_rng(0)
    start = PoseGraph(is_planar=graph.is_planar)
    for i, T in poses.items():
        shift = pose(yaw(0.02 * rng.standard_normal()), (*0.02 * rng.standard_normal(2), 0))
        start.add_pose(i, T @ shift)
    for edge in graph.edges:
        start.add_edge(edge)
    write_g2o(folder / "a.g2o", start)
    factors, values = gtsam.readG2o(str(folder / "a.g2o"), not graph.is_planar)
    settings = gtsam.GaussNewtonParams()
    settings.setLinearSolverType("MULTIFRONTAL_QR")
    held = gtsam.NonlinearFactorGraph(factors)
    if graph.is_planar:
        noise = gtsam.noiseModel.Isotropic.Sigma(3, 1e-3)
        held.add(gtsam.PriorFactorPose2(0, values.atPose2(0), noise))
    else:
        noise = gtsam.noiseModel.Isotropic.Sigma(6, 1e-3)
        held.add(gtsam.PriorFactorPose3(0, values.atPose3(0), noise))
    return factors.error(gtsam.GaussNewtonOptimizer(held, values, settings).optimize())
