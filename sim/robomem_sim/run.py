"""The simulation: a house, a robot and its senses, frame by frame, with the truth beside each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.geometry import Depth, Pose
from robomem.types import Detection, Observation
from robomem_sim.camera import Camera, DepthNoise, Scene, View
from robomem_sim.detector import Detector, DetectorSettings
from robomem_sim.free_space import XY, FreeSpace
from robomem_sim.house import ROOM_TO_STAND_M, House, Thing
from robomem_sim.patrol import plan_stands
from robomem_sim.people import NOBODY, Crowd, People, PeopleSettings, add_crowd
from robomem_sim.robot import Robot, RobotSettings

START_NS = int(datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp()) * 10**9


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """How the robot senses and moves."""

    rate_hz: float = 5.0
    pause_s: float = 3600.0  # between two patrols
    camera: Camera = field(default_factory=Camera)
    depth_noise: DepthNoise = field(default_factory=DepthNoise)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    robot: RobotSettings = field(default_factory=RobotSettings)
    people: PeopleSettings | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is so: for each detection the thing it is of (None: of nothing), and all that shows."""

    detected_ids: tuple[int | None, ...]
    thing_ids: NDArray[np.int32]  # (H, W), NOTHING where no thing shows
    crowd: Crowd = NOBODY


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One instant: poses (4, 4), the measured depth (H, W), colour, detections, and the truth.

    `T_map_base` is exact: `T_map_odom` is what a perfect localiser publishes.
    """

    stamp_ns: int
    T_map_base: Pose
    T_map_odom: Pose
    T_odom_base: Pose
    T_base_cam: Pose
    depth_m: Depth
    K: NDArray[np.float64]
    color: NDArray[np.uint8]
    detections: tuple[Detection, ...]
    truth: Truth

    @property
    def T_map_cam(self) -> Pose:
        """True pose of the optical frame in map."""
        return self.T_map_base @ self.T_base_cam

    def observation(self) -> Observation:
        """Return it as the memory takes it, with the localised pose."""
        return Observation(
            stamp_ns=self.stamp_ns,
            T_map_cam=self.T_map_cam,
            depth_m=self.depth_m,
            K=self.K,
            color=self.color,
            detections=self.detections,
        )


class Simulation:
    """A run that unfolds as its methods are called; the same seed and calls give the same bytes."""

    def __init__(self, seed: int = 0, settings: SimulationSettings | None = None) -> None:
        self.settings = settings or SimulationSettings()
        self.house = House(seed)
        self.stamp_ns = START_NS
        depth_rng, detector_rng, robot_rng = (_stream(seed, name) for name in range(3))
        self.robot = Robot(self.settings.robot, robot_rng)
        self._detector = Detector(self.settings.detector, detector_rng)
        self._depth_rng = depth_rng
        self._refresh()
        people = self.settings.people
        self._people = People(self._free_space, people, seed=seed) if people else None

    @property
    def free_space(self) -> FreeSpace:
        """Where the robot can be now."""
        return self._free_space

    def patrol(self, *, also_seen_map: Sequence[NDArray[np.float64]] = ()) -> Iterator[Frame]:
        """Drive through all rooms and look round, so that every thing is seen; yields the frames.

        Args:
            also_seen_map: Places (3,) in map to look at too, where something may have stood.
        """
        stands = plan_stands(
            self.house,
            self._scene,
            eye_height_m=self.settings.robot.camera_height_m,
            also_seen_map=also_seen_map,
        )
        for stand in stands:
            here = self.robot.T_map_base[:2, 3]
            yield from self.follow(self._free_space.route(here, stand, radius_m=ROOM_TO_STAND_M))
            yield from self.look_round()

    def follow(self, path: XY) -> Iterator[Frame]:
        """Drive through waypoints (N, 2) metres in map; yields a frame per step."""
        for _ in self.robot.follow(path, step_s=1 / self.settings.rate_hz):
            yield self._frame()

    def look_round(self) -> Iterator[Frame]:
        """Turn once on the spot; yields a frame per step."""
        for _ in self.robot.turn(2 * np.pi, step_s=1 / self.settings.rate_hz):
            yield self._frame()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.stamp_ns += round(seconds * 1e9)

    def move(self, thing_id: int, *, to: str | int | None = None, rng: Generator) -> Thing:
        """Carry a thing as `House.move` does; the senses follow."""
        thing = self.house.move(thing_id, to=to, rng=rng)
        self._refresh()
        return thing

    def take_away(self, thing_id: int) -> Thing:
        """Carry a thing out of the house."""
        thing = self.house.take_away(thing_id)
        self._refresh()
        return thing

    def bring(self, thing: Thing, *, rng: Generator) -> Thing:
        """Bring a thing into the house, as `House.bring` does."""
        thing = self.house.bring(thing, rng=rng)
        self._refresh()
        return thing

    def _refresh(self) -> None:
        self._scene = Scene(self.house.mesh())
        self._free_space = self.house.free_space

    def _frame(self) -> Frame:
        settings, robot = self.settings, self.robot
        self.wait(1 / settings.rate_hz)
        T_base_cam = settings.robot.T_base_cam
        T_map_cam = robot.T_map_base @ T_base_cam
        view, crowd = self._look(T_map_cam)
        K = settings.camera.K
        sightings = self._detector.detect(view, K, T_map_cam, self.house.things)
        return Frame(
            stamp_ns=self.stamp_ns,
            T_map_base=robot.T_map_base,
            T_map_odom=robot.T_map_odom,
            T_odom_base=robot.T_odom_base,
            T_base_cam=T_base_cam,
            depth_m=settings.depth_noise.apply(view, self._depth_rng),
            K=K,
            color=view.color,
            detections=tuple(sighting.detection for sighting in sightings),
            truth=Truth(tuple(sighting.thing_id for sighting in sightings), view.thing_ids, crowd),
        )

    def _look(self, T_map_cam: Pose) -> tuple[View, Crowd]:
        """Return what a perfect camera sees, and who of it are people, who walk on meanwhile."""
        camera = self.settings.camera
        view = self._scene.render(camera, T_map_cam)
        if self._people is None:
            return view, NOBODY
        robot_xy_map = self.robot.T_map_base[:2, 3]
        self._people.step(1 / self.settings.rate_hz, robot_xy_map=robot_xy_map)
        of_people = Scene(self._people.mesh()).render(camera, T_map_cam)
        return add_crowd(view, of_people, self._people.now)


def _stream(seed: int, name: int) -> Generator:
    """Return an independent generator per use, so that one more draw in one leaves the others."""
    return np.random.default_rng([seed, name])
