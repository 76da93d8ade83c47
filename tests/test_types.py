"""The vocabulary refuses what is wrong, by name, at the boundary."""

import numpy as np
import pytest

from robomem.errors import DataError, FormatError, FrameError, QueryError, Reason, StampError
from robomem.types import Detection, Observation, Query

T = np.eye(4)
K = np.array([[50.0, 0, 8], [0, 50, 6], [0, 0, 1]])
DEPTH = np.ones((12, 16), np.float32)


@pytest.mark.parametrize(
    ("fields", "error", "reason"),
    [
        ({"stamp_ns": -1}, StampError, Reason.STAMP_INVALID),
        ({"stamp_ns": 1.5}, StampError, Reason.STAMP_INVALID),
        ({"stamp_ns": 2**63}, StampError, Reason.STAMP_INVALID),
        ({"T_map_cam": np.full((4, 4), np.nan)}, FrameError, Reason.POSE_INVALID),
        ({"T_map_cam": np.eye(3)}, FrameError, Reason.POSE_INVALID),
        ({"T_map_cam": 2 * T}, FrameError, Reason.POSE_INVALID),
        ({"T_base_cam": np.zeros((4, 4))}, FrameError, Reason.POSE_INVALID),
        ({"depth_m": np.ones(5)}, FormatError, Reason.DEPTH_SHAPE),
        ({"depth_m": np.ones((2, 3, 4))}, FormatError, Reason.DEPTH_SHAPE),
        ({"depth_m": np.zeros((0, 4))}, FormatError, Reason.DEPTH_SHAPE),
        ({"depth_m": np.full((4, 4), np.nan)}, FormatError, Reason.DEPTH_EMPTY),
        ({"depth_m": np.zeros((4, 4))}, FormatError, Reason.DEPTH_EMPTY),
        ({"K": None}, FormatError, Reason.INTRINSICS_INVALID),
        ({"K": np.eye(4)}, FormatError, Reason.INTRINSICS_INVALID),
        ({"K": -K}, FormatError, Reason.INTRINSICS_INVALID),
        ({"points_cam": np.full((3, 3), np.inf)}, FormatError, Reason.POINTS_EMPTY),
        ({"points_cam": np.ones((3, 2))}, FormatError, Reason.VALUE_INVALID),
        ({"color": np.ones((4, 4, 3))}, FormatError, Reason.IMAGE_CORRUPT),
        ({"color": np.ones((4, 4), np.uint8)}, FormatError, Reason.IMAGE_CORRUPT),
        ({"T_map_cam": None}, FrameError, Reason.NO_TRANSFORM),
    ],
)
def test_a_wrong_field_is_refused_by_name(fields, error, reason):
    good = {"stamp_ns": 0, "T_map_cam": T, "depth_m": DEPTH, "K": K}
    Observation(**good)

    with pytest.raises(error) as info:
        Observation(**(good | fields))

    assert info.value.reason is reason


def test_an_empty_observation_is_refused():
    with pytest.raises(FormatError) as info:
        Observation(stamp_ns=0)

    assert info.value.reason is Reason.OBSERVATION_EMPTY


def test_an_observation_keeps_what_it_was_given():
    T_mine = T.copy()
    observation = Observation(stamp_ns=np.int64(3), T_map_cam=T_mine, text=" a  b ")

    T_mine[0, 3] = 9.0

    assert observation.T_map_cam[0, 3] == 0
    assert observation.text == "a b"
    assert type(observation.stamp_ns) is int


@pytest.mark.parametrize(
    "fields",
    [
        {"label": "  "},
        {"score": np.nan},
        {"score": 1.2},
        {"p_cam": None},
        {"p_cam": (1, 2)},
        {"p_cam": (1, 2, np.inf)},
        {"box_px": (1, 2, 3)},
        {"embedding": np.zeros(4)},
        {"embedding": np.array([np.nan])},
    ],
)
def test_a_wrong_detection_is_refused(fields):
    with pytest.raises(DataError):
        Detection(**({"label": "cup", "p_cam": (1, 2, 3)} | fields))


def test_a_detection_is_normalised():
    detection = Detection(label=" Red   MUG ", p_cam=(1, 2, 3), embedding=[3.0, 4.0])

    assert detection.label == "red mug"
    np.testing.assert_allclose(detection.embedding, [0.6, 0.8])


@pytest.mark.parametrize(
    "fields",
    [
        {"near_map": (1,)},
        {"near_map": (1, np.nan)},
        {"radius_m": 0},
        {"radius_m": np.inf},
        {"limit": 0},
        {"since_ns": 2, "until_ns": 1},
        {"since_ns": 2**63},
        {"until_ns": -(2**63)},
    ],
)
def test_a_query_out_of_range_is_refused(fields):
    with pytest.raises(QueryError):
        Query(**fields)
