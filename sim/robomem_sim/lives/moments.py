"""What a robot logs of its life, one moment after the other: looks at things, and words."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Pose, inverse, pose, rotation_from_yaw, transform
from robomem.types import Detection, EventKind, Happening, Observation
from robomem_sim.lives.depth import F_PX, SHAPE_PX, Boxes, K, render
from robomem_sim.lives.encoder import ConceptEncoder
from robomem_sim.lives.home import EYE_M, Home, Vector

# The camera looks ahead: x of the optical frame is right, y down, z forward (REP 103).
T_BASE_CAM = pose(np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]), (0.0, 0.0, EYE_M))


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One detection: what it is called, where it seems to be, and which thing it truly is.

    `thing_id` is None for furniture, and where no such thing is. `size_m` is its extent, (3,) metres.
    """

    label: str
    p_cam: Vector
    score: float
    thing_id: int | None
    size_m: Vector | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One image: what a detector saw in it.

    Attributes:
        stamp_ns: When.
        T_map_base: Pose of the robot, (4, 4).
        home: Where it is,
        room: and in which room of it.
        seen: What the detector says.
        solids: What truly stood there and beyond the doors, (N, 2, 3): low and high corners, metres in map.
    """

    stamp_ns: int
    T_map_base: Pose
    home: Home
    room: str
    seen: tuple[Seen, ...]
    solids: Boxes

    @property
    def T_map_cam(self) -> Pose:
        """Pose of the optical frame in map, (4, 4)."""
        return self.T_map_base @ T_BASE_CAM

    def observation(
        self, encoder: ConceptEncoder | None = None, *, has_depth: bool = False
    ) -> Observation:
        """Return what a memory is told.

        Args:
            encoder: Says what the things look like; without one nothing does.
            has_depth: Whether there is a depth image, too; without one the memory has no map, and no rooms.
        """
        detections = tuple(
            Detection(
                label=seen.label,
                score=seen.score,
                p_cam=seen.p_cam,
                size_m=seen.size_m,
                embedding=None if encoder is None else self._appearance(seen, encoder),
            )
            for seen in self.seen
        )
        return Observation(
            stamp_ns=self.stamp_ns,
            T_map_cam=self.T_map_cam,
            K=K,
            depth_m=self.depth_m() if has_depth else None,
            detections=detections,
        )

    def depth_m(self) -> Depth:
        """Return the depth image (H, W) in metres."""
        room = self.home.room(self.room)
        return render(self.home, room, self.solids, self.T_map_cam, seed=self.stamp_ns)

    def _appearance(self, seen: Seen, encoder: ConceptEncoder) -> NDArray[np.float32]:
        thing_id = -1 if seen.thing_id is None else seen.thing_id
        return encoder.look(seen.label, thing_id, self.stamp_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Something to remember that is no image.

    Attributes:
        stamp_ns: When.
        voice: What it is: OBSERVED (a caption), TOLD, ACTED or OUTCOME.
        text: The words.
        source: Who said it: a person, or the robot.
        room: Where the robot was,
        T_map_base: and its pose, (4, 4).
        label: The one thing that it is about, None where it is about none or many.
        p_map: Where that thing is said to be.
    """

    stamp_ns: int
    voice: EventKind
    text: str
    source: str
    room: str
    T_map_base: Pose
    label: str | None = None
    p_map: Vector | None = None

    def happening(self, encoder: ConceptEncoder | None = None) -> Happening:
        """Return what a memory is told; with an encoder, also what the words mean."""
        return Happening(
            kind=self.voice,
            stamp_ns=self.stamp_ns,
            text=self.text,
            source=self.source,
            label=self.label,
            room=self.room,
            p_map=self.p_map,
            T_map_base=self.T_map_base,
            embedding=None if encoder is None else encoder.encode(self.text),
        )


Moment = Look | Words


def base_at(x: float, y: float, yaw_rad: float) -> Pose:
    """Return the pose of a robot on the floor."""
    return pose(rotation_from_yaw(yaw_rad), (x, y, 0.0))


def in_view(T_map_base: Pose, p_map: NDArray[np.float64], *, range_m: float) -> NDArray[np.bool_]:
    """Tell which points (N, 3) in map are in the image, and near enough."""
    return are_framed(transform(inverse(T_map_base @ T_BASE_CAM), p_map), range_m=range_m)


def are_framed(p_cam: NDArray[np.float64], *, range_m: float) -> NDArray[np.bool_]:
    """Tell which points (N, 3) in the optical frame are in the image, and near enough."""
    x, y, z = p_cam.T
    height, width = SHAPE_PX
    ahead = np.maximum(z, 1e-9)
    is_inside = (abs(x / ahead) < width / 2 / F_PX) & (abs(y / ahead) < height / 2 / F_PX)
    return np.asarray((z > 0.1) & is_inside & (np.sqrt(x**2 + y**2 + z**2) < range_m))
