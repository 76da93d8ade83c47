"""Rigid motions keep their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem import geometry as g

finite = st.floats(-100, 100)


@st.composite
def poses(draw):
    q = np.array([draw(st.floats(-1, 1)) for _ in range(4)])
    if np.linalg.norm(q) < 0.1:
        q = np.array([0.0, 0.0, 0.0, 1.0])
    return g.pose(g.rotation_from_quaternion(q), [draw(finite) for _ in range(3)])


@given(poses(), finite, finite, finite)
def test_a_motion_and_its_inverse_cancel(T_a_b, x, y, z):
    p_a = np.array([x, y, z])

    back = g.transform(T_a_b, g.transform(g.inverse(T_a_b), p_a))

    np.testing.assert_allclose(back, p_a, atol=1e-9)


@given(poses())
def test_a_quaternion_holds_the_whole_rotation(T_a_b):
    q = g.quaternion_from_rotation(T_a_b[:3, :3])

    assert q[3] >= 0
    np.testing.assert_allclose(g.rotation_from_quaternion(q), T_a_b[:3, :3], atol=1e-9)


@given(poses(), poses())
def test_interpolation_starts_and_ends_at_its_ends(T_a_b0, T_a_b1):
    np.testing.assert_allclose(g.interpolate(T_a_b0, T_a_b1, 0.0), T_a_b0, atol=1e-7)
    np.testing.assert_allclose(g.interpolate(T_a_b0, T_a_b1, 1.0), T_a_b1, atol=1e-7)


def test_half_way_of_a_turn_is_half_the_angle():
    T_a_b1 = g.pose(g.rotation_from_yaw(1.2), [2.0, 0.0, 0.0])

    half = g.interpolate(np.eye(4), T_a_b1, 0.5)

    np.testing.assert_allclose(half, g.pose(g.rotation_from_yaw(0.6), [1.0, 0.0, 0.0]), atol=1e-12)


def test_projection_undoes_back_projection():
    K = np.array([[100.0, 0, 7.5], [0, 110.0, 5.5], [0, 0, 1]])
    depth_m = np.full((12, 16), 2.5, np.float32)

    uv_px = g.project(g.back_project(depth_m, K), K)

    v_px, u_px = np.divmod(np.arange(12 * 16), 16)
    np.testing.assert_allclose(uv_px, np.stack([u_px, v_px], axis=-1), atol=1e-9)


@pytest.mark.parametrize(
    "T",
    [np.eye(3), np.full((4, 4), np.nan), np.diag([1.0, 1, -1, 1]), 2 * np.eye(4), np.zeros((4, 4))],
    ids=["wrong shape", "nan", "mirrored", "scaled", "zero"],
)
def test_what_is_no_rigid_motion_is_no_pose(T):
    assert not g.is_pose(T)


def test_a_quaternion_without_direction_is_refused():
    with pytest.raises(ValueError, match="no direction"):
        g.rotation_from_quaternion([0, 0, 0, 0])
