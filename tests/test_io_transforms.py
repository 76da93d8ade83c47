"""The tree of frames over time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import FrameError, Reason
from robomem.geometry import interpolate, inverse, pose, rotation_from_quaternion, rotation_from_yaw
from robomem.io.transforms import TransformBuffer

S = 1_000_000_000


def _buffer(**changes):
    return TransformBuffer(**({"tolerance_s": 0.1, "history_s": 10.0} | changes))


def _at_x(x, yaw=0.0):
    return pose(rotation_from_yaw(yaw), (x, 0.0, 0.0))


def _random_pose(rng):
    return pose(rotation_from_quaternion(rng.normal(size=4)), rng.normal(size=3))


def test_a_pose_between_two_samples_is_interpolated():
    buffer = _buffer()
    buffer.insert(_at_x(0.0), parent="odom", child="base", stamp_ns=0)
    buffer.insert(_at_x(2.0, yaw=1.0), parent="odom", child="base", stamp_ns=S)

    T = buffer.lookup("odom", "base", S // 4)

    np.testing.assert_allclose(T, _at_x(0.5, yaw=0.25), atol=1e-12)


@pytest.mark.parametrize("beyond_s", [-0.05, 0.05])
def test_a_sample_is_held_within_the_tolerance_only(beyond_s):
    buffer = _buffer()
    for i in range(2):
        buffer.insert(_at_x(i), parent="odom", child="base", stamp_ns=(5 + i) * S)
    edge_ns = 5 * S if beyond_s < 0 else 6 * S

    held = buffer.lookup("odom", "base", edge_ns + round(beyond_s * S))

    assert held[0, 3] == (0.0 if beyond_s < 0 else 1.0)
    assert not buffer.covers("odom", "base", edge_ns + round(beyond_s * S))
    with pytest.raises(FrameError, match="odom -> base"):
        buffer.lookup("odom", "base", edge_ns + round(3 * beyond_s * S))


def test_a_static_transform_holds_at_all_times():
    buffer = _buffer()
    buffer.insert(_at_x(3.0), parent="base", child="cam", stamp_ns=None)

    assert buffer.covers("base", "cam", 10**18)
    assert buffer.lookup("cam", "base", 10**18)[0, 3] == -3.0


def test_a_missing_path_is_named_with_what_there_is():
    buffer = _buffer()
    buffer.insert(_at_x(3.0), parent="odom", child="base", stamp_ns=None)

    with pytest.raises(
        FrameError, match="no path from map to cam: the tree has odom -> base"
    ) as caught:
        buffer.lookup("map", "cam", 0)

    assert caught.value.reason is Reason.NO_TRANSFORM


@pytest.mark.parametrize("edge", [("cam", "map"), ("base", "map"), ("map", "map"), ("", "map")])
def test_a_loop_is_refused_and_changes_nothing(edge):
    buffer = _buffer()
    buffer.insert(_at_x(1.0), parent="map", child="base", stamp_ns=None)
    buffer.insert(_at_x(1.0), parent="base", child="cam", stamp_ns=None)

    with pytest.raises(FrameError):
        buffer.insert(_at_x(9.0), parent=edge[0], child=edge[1], stamp_ns=None)

    assert buffer.lookup("map", "cam", 0)[0, 3] == 2.0


def test_a_child_moves_to_its_new_parent():
    buffer = _buffer()
    buffer.insert(_at_x(1.0), parent="odom", child="base", stamp_ns=0)
    buffer.insert(_at_x(5.0), parent="map", child="base", stamp_ns=0)

    assert buffer.lookup("map", "base", 0)[0, 3] == 5.0
    assert not buffer.is_connected("odom", "base")


def test_what_is_no_rigid_motion_is_refused():
    for T in (np.full((4, 4), np.nan), np.diag([1.0, 1.0, -1.0, 1.0]), 2 * np.eye(4)):
        with pytest.raises(FrameError) as caught:
            _buffer().insert(T, parent="a", child="b", stamp_ns=0)
        assert caught.value.reason is Reason.POSE_INVALID


def test_history_is_bounded():
    buffer = _buffer(history_s=1.0)
    for i in range(1000):
        buffer.insert(_at_x(i), parent="odom", child="base", stamp_ns=i * S // 10)

    assert buffer.covers("odom", "base", 999 * S // 10 - S)
    assert not buffer.covers("odom", "base", 999 * S // 10 - 2 * S)


@pytest.mark.parametrize("jump_s", [-500, 500])
def test_after_a_jump_of_the_clock_the_new_time_counts(jump_s):
    buffer = _buffer()
    for i in range(10):
        buffer.insert(_at_x(i), parent="odom", child="base", stamp_ns=(1000 + i) * S)
    for i in range(2):
        buffer.insert(_at_x(100 + i), parent="odom", child="base", stamp_ns=(1000 + jump_s + i) * S)

    assert buffer.lookup("odom", "base", (1000 + jump_s) * S)[0, 3] == 100.0
    assert not buffer.covers("odom", "base", 1005 * S)


def test_samples_may_arrive_in_any_order(rng):
    stamps = rng.permutation(20)
    buffer = _buffer(history_s=100.0)
    for stamp in stamps.tolist():
        buffer.insert(_at_x(stamp), parent="odom", child="base", stamp_ns=stamp * S)

    assert buffer.lookup("odom", "base", 7 * S + S // 2)[0, 3] == pytest.approx(7.5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 8))
def test_any_tree_composes_and_inverts_as_its_brute_force_twin(seed, size):
    rng = np.random.default_rng(seed)
    buffer = _buffer(history_s=1000.0)
    parents = [int(rng.integers(0, i)) for i in range(1, size)]
    samples = [[(k * S, _random_pose(rng)) for k in range(4)] for _ in parents]
    for child, (parent, edge) in enumerate(zip(parents, samples, strict=True), start=1):
        for stamp_ns, T in edge:
            buffer.insert(T, parent=f"f{parent}", child=f"f{child}", stamp_ns=stamp_ns)
    stamp_ns = int(rng.integers(0, 3 * S))
    a, b, c = (int(i) for i in rng.integers(0, size, 3))

    def T_root(frame):
        T = np.eye(4)
        while frame:
            edge = samples[frame - 1]
            k = min(stamp_ns // S, 2)
            T = interpolate(edge[k][1], edge[k + 1][1], (stamp_ns - k * S) / S) @ T
            frame = parents[frame - 1]
        return T

    T_a_b = buffer.lookup(f"f{a}", f"f{b}", stamp_ns)

    np.testing.assert_allclose(T_a_b, np.linalg.inv(T_root(a)) @ T_root(b), atol=1e-9)
    np.testing.assert_allclose(buffer.lookup(f"f{b}", f"f{a}", stamp_ns), inverse(T_a_b), atol=1e-9)
    np.testing.assert_allclose(
        T_a_b @ buffer.lookup(f"f{b}", f"f{c}", stamp_ns),
        buffer.lookup(f"f{a}", f"f{c}", stamp_ns),
        atol=1e-9,
    )


@settings(max_examples=60, deadline=None)
@given(
    edges=st.lists(
        st.tuples(
            st.integers(0, 5), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 10**10))
        ),
        max_size=40,
    )
)
def test_no_sequence_of_edges_makes_a_loop_or_a_crash(edges):
    buffer = _buffer()
    for parent, child, stamp_ns in edges:
        try:
            buffer.insert(np.eye(4), parent=str(parent), child=str(child), stamp_ns=stamp_ns)
        except FrameError:
            continue
    for a in range(6):
        for b in range(6):
            try:
                assert np.isfinite(buffer.lookup(str(a), str(b), 5 * 10**9)).all()
            except FrameError:
                continue


def test_a_correction_is_held_longer_than_other_transforms():
    tree = TransformBuffer(tolerance_s=0.1, history_s=10.0, correction_tolerance_s=2.0)
    for parent, child in (("map", "odom"), ("odom", "base_link")):
        tree.insert(np.eye(4), parent=parent, child=child, stamp_ns=3_000_000_000)

    tree.lookup("map", "odom", 1_000_000_000)
    with pytest.raises(FrameError):
        tree.lookup("map", "odom", 900_000_000)
    with pytest.raises(FrameError):
        tree.lookup("odom", "base_link", 2_000_000_000)
