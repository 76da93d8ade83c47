"""What moves from scan to scan: clusters become tracks with a position and a velocity."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from robomem.checks import checked_stamp
from robomem.errors import ConfigError
from robomem.geometry import Points
from robomem.spatial.dynamics.motion import Cluster

Vector = NDArray[np.float64]
GATE = 3.5  # standard deviations
SPEED_M_S = 1.0  # standard deviation of the velocity of what is seen first
STOPPED_M_S = 0.15
SURE_LOOKS = 3
GLIMPSE_POINTS = 64
TRACK_BYTES = 1000  # about, with its arrays


class TrackState(StrEnum):
    """What a track does."""

    MOVING = "moving"
    STOPPED = "stopped"
    SETTLED = "settled"  # it is structure now
    GONE = "gone"  # out of sight


class NewsKind(StrEnum):
    """What there is to say of a track."""

    APPEARED = "appeared"  # it is sure that it moves
    PASSED = "passed"  # it moved, and is out of sight
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How clusters are followed.

    Attributes:
        acceleration_m_s2: Standard deviation of what a body does to its velocity.
        position_m: Standard deviation of a cluster's centre: of a body one side shows, or half.
        still_m: A body that stays this near to a place stands there.
        settle_s: What stands so long becomes structure.
        rest_s: What was never seen to move does so after this long: it was put there, or odometry drifted.
        gone_s: What is not seen for so long is gone.
        history_s: What was seen is kept so long,
        history_bytes: and while it takes no more than this.
    """

    acceleration_m_s2: float = 2.0
    position_m: float = 0.12
    still_m: float = 0.3
    settle_s: float = 6.0
    rest_s: float = 1.5
    gone_s: float = 1.0
    history_s: float = 60.0
    history_bytes: int = 4 << 20

    def __post_init__(self) -> None:
        sizes = (
            self.acceleration_m_s2, self.position_m, self.still_m, self.settle_s, self.rest_s, self.gone_s,
            self.history_s, self.history_bytes,
        )  # fmt: skip
        if not all(0 < size < np.inf for size in sizes):
            raise ConfigError(f"distances and times of tracks are positive, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Something that moves or moved, at the time it was last seen.

    Attributes:
        track_id: 1 and up.
        state: What it does.
        p_map: The middle of what was seen of it, (3,) metres in map.
        velocity_map: (3,) metres a second in map.
        box_map: Lowest and highest corner of what was seen of it, (2, 3) metres in map.
        first_seen_ns: When it was first seen,
        last_seen_ns: and last.
        looks: In how many scans.
        reach_m: How far from where it was first seen it has been.
    """

    track_id: int
    state: TrackState
    p_map: Vector
    velocity_map: Vector
    box_map: Points
    first_seen_ns: int
    last_seen_ns: int
    looks: int
    reach_m: float

    @property
    def speed_m_s(self) -> float:
        """How fast it is."""
        return float(np.linalg.norm(self.velocity_map))

    @property
    def lifetime_s(self) -> float:
        """For how long it was seen."""
        return (self.last_seen_ns - self.first_seen_ns) / 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """One look at a track: what was known of it then, and some of its points, (P, 3) float32 in map."""

    track: Track
    points_map: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """What a scan says of a track."""

    kind: NewsKind
    track: Track


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What a scan says of what moves: the track of each cluster, and the news."""

    tracks: tuple[Track, ...]
    news: tuple[News, ...]


class Tracker:
    """Follows clusters by constant velocity, and remembers for a while what passed.

    A Kalman filter each (Bar-Shalom et al., "Estimation with Applications to Tracking and Navigation", 2001,
    6.3.2); the nearest pairs of a track and a cluster are matched first.
    """

    def __init__(self, settings: TrackSettings | None = None) -> None:
        self._settings = settings or TrackSettings()
        self.forget()

    def forget(self) -> None:
        """Forget every track."""
        self._targets: list[_Target] = []
        self._lost: list[_Target] = []  # they stood when they were lost: they may stand there still
        self._glimpses: deque[Glimpse] = deque()
        self._glimpse_bytes = 0
        self._now_ns = 0
        self._next_id = 1

    @property
    def memory_bytes(self) -> int:
        """What is remembered takes so many bytes, about."""
        return self._glimpse_bytes + TRACK_BYTES * (len(self._targets) + len(self._lost))

    def update(self, clusters: Sequence[Cluster], *, stamp_ns: int) -> Motion:
        """Match what moves in a scan with what moved before.

        Args:
            clusters: What the detector found.
            stamp_ns: When. A little before the last one is now; more than `gone_s` before, a new beginning.
        """
        self._advance(checked_stamp(stamp_ns))
        targets = self._match(clusters)
        news = [News(NewsKind.APPEARED, t.track()) for t in targets if t.has_just_moved]
        for target in targets:
            patience_s = self._settings.settle_s
            if not target.is_sure:
                patience_s = min(patience_s, self._settings.rest_s)
            if self._now_ns - target.still_since_ns >= patience_s * 1e9:
                target.state = TrackState.SETTLED
                news.append(News(NewsKind.SETTLED, target.track()))
        news += [News(NewsKind.PASSED, t.track()) for t in self._lose() if t.is_sure]
        tracks = tuple(target.track() for target in targets)
        for cluster, track in zip(clusters, tracks, strict=True):
            self._remember(cluster, track)
        self._targets = [t for t in self._targets if t.state is not TrackState.SETTLED]
        return Motion(tracks, tuple(news))

    def tracks(self) -> tuple[Track, ...]:
        """Return what is remembered, the last look at each track, by id."""
        last = {glimpse.track.track_id: glimpse.track for glimpse in self._glimpses}
        return tuple(
            track if self._is_in_sight(track) else replace(track, state=TrackState.GONE)
            for _, track in sorted(last.items())
        )

    def moving(self, at_ns: int) -> tuple[Glimpse, ...]:
        """Return what was moving at a time: the last look at each track within `gone_s` before, by id."""
        last = {
            glimpse.track.track_id: glimpse
            for glimpse in self._glimpses
            if 0 <= at_ns - glimpse.track.last_seen_ns <= self._gone_ns
        }
        return tuple(
            glimpse
            for _, glimpse in sorted(last.items())
            if glimpse.track.state is TrackState.MOVING
        )

    def glimpses(self, track_id: int) -> tuple[Glimpse, ...]:
        """Return the looks at a track that are remembered, in order of time."""
        return tuple(g for g in self._glimpses if g.track.track_id == track_id)

    @property
    def _gone_ns(self) -> int:
        return round(self._settings.gone_s * 1e9)

    def _is_in_sight(self, track: Track) -> bool:
        is_settled = track.state is TrackState.SETTLED
        return is_settled or any(t.track_id == track.track_id for t in self._targets)

    def _advance(self, stamp_ns: int) -> None:
        if stamp_ns < self._now_ns - self._gone_ns:
            next_id = self._next_id
            self.forget()
            self._next_id = next_id
        step_s = max(0, stamp_ns - self._now_ns) / 1e9 if self._targets else 0.0
        self._now_ns = max(self._now_ns, stamp_ns)
        for target in self._targets:
            target.predict(step_s, self._settings.acceleration_m_s2)
        oldest_ns = self._now_ns - self._settings.history_s * 1e9
        while self._glimpses and self._glimpses[0].track.last_seen_ns < oldest_ns:
            self._drop()
        self._lost = [t for t in self._lost if t.last_seen_ns >= oldest_ns]

    def _match(self, clusters: Sequence[Cluster]) -> list["_Target"]:
        """Return the target of each cluster: the nearest in its gate, one that stood there, or a new one."""
        centers = [cluster.center_map for cluster in clusters]
        pairs = sorted(
            (target.distance2(center, self._settings.position_m), i, j)
            for i, center in enumerate(centers)
            for j, target in enumerate(self._targets)
        )
        matches: dict[int, int] = {}
        for distance2, i, j in pairs:
            if distance2 <= GATE**2 and i not in matches and j not in matches.values():
                matches[i] = j
        targets = [
            self._targets[matches[i]] if i in matches else self._found(center)
            for i, center in enumerate(centers)
        ]
        for target, cluster, center in zip(targets, clusters, centers, strict=True):
            target.see(center, cluster.box_map, self._now_ns, self._settings)
        return targets

    def _found(self, center: Vector) -> "_Target":
        stood = [t for t in self._lost if t.is_at(center, self._settings.still_m)]
        if stood:
            target = stood[0]
            self._lost.remove(target)
        else:
            target = _Target(self._next_id, center, self._now_ns, self._settings)
            self._next_id += 1
        self._targets.append(target)
        return target

    def _lose(self) -> list["_Target"]:
        """Let go of what was not seen for long; returns it."""
        lost = [t for t in self._targets if self._now_ns - t.last_seen_ns > self._gone_ns]
        self._targets = [t for t in self._targets if t not in lost]
        self._lost += [t for t in lost if t.state is TrackState.STOPPED]
        for target in lost:
            target.state = TrackState.GONE
        return lost

    def _remember(self, cluster: Cluster, track: Track) -> None:
        step = -(-len(cluster.points_map) // GLIMPSE_POINTS)
        glimpse = Glimpse(track, cluster.points_map[::step].astype(np.float32))
        self._glimpses.append(glimpse)
        self._glimpse_bytes += TRACK_BYTES + glimpse.points_map.nbytes
        while self._glimpse_bytes > self._settings.history_bytes:
            self._drop()

    def _drop(self) -> None:
        self._glimpse_bytes -= TRACK_BYTES + self._glimpses.popleft().points_map.nbytes


class _Target:
    """A track while it is followed. Its covariance (2, 2), of position and velocity, is that of every axis."""

    def __init__(self, track_id: int, p_map: Vector, now_ns: int, settings: TrackSettings) -> None:
        self.track_id = track_id
        self.state = TrackState.MOVING
        self.is_sure = False
        self.box_map: Points = np.stack([p_map, p_map])
        self.first_seen_ns = self.last_seen_ns = self.still_since_ns = now_ns
        self._x = np.stack([p_map, np.zeros(3)])
        self._P = np.diag([settings.position_m**2, SPEED_M_S**2])
        self._first_map = self._stand_map = p_map
        self._looks = 0
        self._reach_m = 0.0
        self.has_just_moved = False

    def predict(self, step_s: float, acceleration_m_s2: float) -> None:
        T_step = np.array([[1.0, step_s], [0.0, 1.0]])
        g = np.array([step_s**2 / 2, step_s])
        self._x = T_step @ self._x
        self._P = T_step @ self._P @ T_step.T + acceleration_m_s2**2 * np.outer(g, g)

    def distance2(self, center: Vector, position_m: float) -> float:
        """Return the squared distance in standard deviations (Mahalanobis)."""
        away = center - self._x[0]
        return float(away @ away / (self._P[0, 0] + position_m**2))

    def is_at(self, center: Vector, within_m: float) -> bool:
        return bool(np.linalg.norm(center - self._stand_map) <= within_m)

    def see(self, center: Vector, box_map: Points, now_ns: int, settings: TrackSettings) -> None:
        gain = self._P[:, 0] / (self._P[0, 0] + settings.position_m**2)
        self._x = self._x + np.outer(gain, center - self._x[0])
        self._P = self._P - np.outer(gain, self._P[0])
        self.box_map, self.last_seen_ns = box_map, now_ns
        self._looks += 1
        self._reach_m = max(self._reach_m, float(np.linalg.norm(self._x[0] - self._first_map)))
        if not self.is_at(self._x[0], settings.still_m):
            self._stand_map, self.still_since_ns = self._x[0], now_ns
        is_slow = np.linalg.norm(self._x[1]) < STOPPED_M_S
        self.state = TrackState.STOPPED if is_slow else TrackState.MOVING
        is_sure = self._looks >= SURE_LOOKS and self._reach_m >= settings.still_m
        self.has_just_moved = is_sure and not self.is_sure
        self.is_sure = self.is_sure or is_sure

    def track(self) -> Track:
        return Track(
            track_id=self.track_id,
            state=self.state,
            p_map=self._x[0].copy(),
            velocity_map=self._x[1].copy(),
            box_map=self.box_map,
            first_seen_ns=self.first_seen_ns,
            last_seen_ns=self.last_seen_ns,
            looks=self._looks,
            reach_m=self._reach_m,
        )
