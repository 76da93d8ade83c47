"""The rows of the records: one frozen dataclass a table. An array is kept as its float64 bytes."""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.types import EntityState, EventKind, Keyframe

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SourceRow:
    """What is known of one source: its clock, its path, where it last was in map and in odom.

    `pending_stamp_ns` awaits confirmation; `frames` counts the observations that carried a scan.
    """

    name: str
    first_stamp_ns: int
    last_stamp_ns: int
    pending_stamp_ns: int | None
    observations: int
    frames: int
    path_length_m: float
    p_map: Array | None
    p_odom: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class KeyframeRow:
    """See `types.Keyframe`; poses are (16,) and K is (9,), row by row.

    `T_base_kf` and `T_odom_kf` say where it is on the robot and in odom, as it was made, where that is known.
    """

    keyframe_id: int
    stamp_ns: int
    until_ns: int
    T_map_kf: Array
    T_base_kf: Array | None
    T_odom_kf: Array | None
    source: str
    depth_digest: str | None
    color_digest: str | None
    K: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class EntityRow:
    """All that is known of a thing, believed in or not yet.

    Attributes:
        label: What it was called most often; a name as often as the first one does not replace it.
        labels: How often it was called what: a JSON object of counts.
        is_confirmed: Whether it was sighted often enough to be believed in.
        is_novel: Whether it stood, when first seen, where the map had seen free space.
        p_kf: Its centre in the keyframe of the last sighting, (3,) metres.
        size_m: Its extent, (3,) metres.
        absent_ns: The last look at its place that did not find it,
        missed_ns: and the first since it was last sighted, from which on it was missing.
        averaged: Over how many sightings its place is the mean: those since it last moved.
        astray: How many sightings in a row were too far from there.
        misnamed: How many sightings in a row were by names that it does not have.
        score_sum: Sum of the detector's scores.
        existence: Log-odds that it is there; see `semantic.entities`.
        seen_range_m: The farthest it was sighted from.
        split_from: The entity whose sightings were its own, until both were seen at once.
    """

    entity_id: int
    label: str
    labels: str
    state: EntityState
    is_confirmed: bool
    is_novel: bool
    keyframe_id: int
    p_kf: Array
    size_m: Array | None
    first_seen_ns: int
    last_seen_ns: int
    absent_ns: int | None
    missed_ns: int | None
    sightings: int
    averaged: int
    astray: int
    misnamed: int
    score_sum: float
    existence: float
    seen_range_m: float
    split_from: int | None

    def votes(self) -> dict[str, int]:
        """Return how often it was called what, the most often first."""
        counts: dict[str, int] = json.loads(self.labels)
        return dict(sorted(counts.items(), key=lambda vote: (-vote[1], vote[0])))


@dataclass(frozen=True, slots=True, eq=False)
class EventRow:
    """See `types.Event`; positions are (3,) metres in their keyframes."""

    event_id: int
    kind: EventKind
    stamp_ns: int
    until_ns: int
    text: str
    source: str
    keyframe_id: int | None
    entity_id: int | None
    label: str | None
    p_kf: Array | None
    from_keyframe_id: int | None = None
    p_from_kf: Array | None = None
    room: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingRow:
    """What an event means: (D,) int8; see `store.embeddings`."""

    event_id: int
    vector: bytes


@dataclass(frozen=True, slots=True, eq=False)
class LogClockRow:
    """The clock of one source of happenings: a caption comes later than its image, so it is not `SourceRow`'s."""

    name: str
    first_stamp_ns: int
    last_stamp_ns: int
    pending_stamp_ns: int | None


@dataclass(frozen=True, slots=True, eq=False)
class SightingRow:
    """Where one keyframe saw an entity: what a correction places anew, and `forget` must look at.

    `p_kf` is the mean, (3,) metres, of `count` sightings; with a count below zero it was at another place than now.
    """

    entity_id: int
    keyframe_id: int
    p_kf: Array
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class SurfelsRow:
    """The surfaces that a keyframe saw; see `spatial.views.ViewRow`."""

    keyframe_id: int
    camera: Array
    quantum_m: float
    p_kf: bytes
    n_kf: bytes


@dataclass(frozen=True, slots=True, eq=False)
class DeltaRow:
    """A scan that is in no brick file yet; see `spatial.octree.MapDelta`."""

    seq: int
    stamp_ns: int
    keys: bytes
    hit: bytes
    free: bytes


@dataclass(frozen=True, slots=True, eq=False)
class LabelRow:
    """What a view named, and is in no brick file yet; see `spatial.octree.Labels`. Numbered with the scans."""

    seq: int
    dim: int
    keys: bytes
    voxels: bytes
    codes: bytes
    born_rows: bytes
    born_scales: bytes


@dataclass(frozen=True, slots=True, eq=False)
class ScanRow:
    """A scan that is kept, and how it is in the map; what it measured is in a `ScanDataRow`.

    Attributes:
        T_kf_cam: Pose of the sensor in its keyframe, (16,) row by row.
        T_map_cam: Its pose in map when it was traced, (16,).
        weight: How many scans it stands for: the robot stood still.
        is_stale: Whether its keyframe was moved since, and the map does not show it yet.
        regions: The keys of the map's regions that it touches, int64.
        data_bytes: How large it is.
    """

    scan_id: int
    keyframe_id: int
    source: str
    stamp_ns: int
    T_kf_cam: Array
    T_map_cam: Array
    weight: int
    is_stale: bool
    regions: bytes
    data_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class ScanDataRow:
    """What a kept scan measured, packed by `store.scans`."""

    scan_id: int
    depth_unit_m: float
    point_unit_m: float
    height: int
    width: int
    K: Array | None
    depth: bytes
    has_points: bool
    points: bytes
    moving: bytes
    named: bytes
    codes: bytes


def keyframe_of(row: KeyframeRow) -> Keyframe:
    """Return the keyframe that a row holds."""
    return Keyframe(
        keyframe_id=row.keyframe_id,
        stamp_ns=row.stamp_ns,
        until_ns=row.until_ns,
        T_map_kf=row.T_map_kf.reshape(4, 4),
        source=row.source,
        depth_digest=row.depth_digest,
        color_digest=row.color_digest,
        K=None if row.K is None else row.K.reshape(3, 3),
    )
