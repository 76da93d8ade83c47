"""The memory: one class that joins the parts. Read this page to understand the whole.

observe   perceive: the map grows, things are recognised, events are logged
log       what happened that is no image: captions, utterances, actions, outcomes
recall    a typed query, answered from the records
ask       the same in words
route     a path through remembered free space
correct   keyframes move, and all that was remembered with them
forget    erase, for good

Parts that have more to say than a verb are attributes: `event_search`, `facts`, `experience`, `hierarchy`, `guard`, `retention`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.ask.answering import Answerer
from robomem.ask.bounds import Reach
from robomem.ask.encoders import Meanings, with_embeddings
from robomem.ask.recall import Recaller
from robomem.ask.rooms import Rooms
from robomem.ask.timebase import Timebase
from robomem.claims import ClaimKind
from robomem.config import Config
from robomem.episodic.episodes import Episode, EpisodeLevel
from robomem.episodic.experience import Experience, Experiences
from robomem.episodic.hierarchy import Hierarchy
from robomem.episodic.retention.keeper import Retention
from robomem.episodic.search import EventSearch
from robomem.errors import QueryError, Reason
from robomem.forgetting import Forgetter
from robomem.geometry import Depth, Points
from robomem.guard import Guard
from robomem.observer import Observer
from robomem.semantic.facts import Facts
from robomem.semantic.standings import Standing, standings
from robomem.spatial.correction import MapFollower, move_keyframes
from robomem.spatial.floors import Floors
from robomem.spatial.scan_log import ScanLog
from robomem.spatial.stored_map import StoredMap
from robomem.spatial.stored_views import StoredViews
from robomem.spatial.trajectory import from_odometry, poses_on_path
from robomem.store import folder
from robomem.store.access import Access
from robomem.store.images import ImageFiles
from robomem.store.records import Records
from robomem.store.rows import keyframe_of
from robomem.store.settings import settle
from robomem.types import (
    Answer,
    Counts,
    Cursor,
    Entity,
    EntityState,
    Event,
    Happening,
    Hit,
    Keyframe,
    LogReceipt,
    MemoryInfo,
    Observation,
    Query,
    Receipt,
    Vector,
)

if TYPE_CHECKING:
    from robomem.spatial.dynamics import Track
    from robomem.spatial.octree import Octree
    from robomem.spatial.slam import Closing, SlamConfig
    from robomem.spatial.topology.regions import Region
    from robomem.spatial.topology.topology_graph import TopologyGraph
    from robomem.spatial.views import CovisibleView, View


class Memory:
    """A robot's memory, in a folder. One process writes it, any number read it.

    Open it with `Memory.open`; use it as a context manager. What `observe` and `log` acknowledged is on the disk.

    Attributes:
        path: The folder.
        config: The settings.
        event_search: Events by time, place, room, name, words and meaning at once.
        facts: What is so, was so, and since when that is known.
        experience: What was tried, what came of it, and procedures that worked.
        hierarchy: Events in segments, chunks and days.
        guard: Who is believed, and what is held back.
        retention: What is kept within the budgets, and what is pinned.
    """

    def __init__(self, path: Path, config: Config, *, writer_lock: IO[str] | None) -> None:
        self.path = path
        self.config = config
        self._writer_lock = writer_lock
        self._images = ImageFiles(path / "images")
        self._records = Records(
            path / "records.sqlite", is_writer=writer_lock is not None, sync=config.store.sync
        )
        self._access = Access(self._records, path, is_writer=writer_lock is not None)
        self._access.on_rollback(self._renew_observer)
        self.event_search = EventSearch(self._access, config.episodic, path)
        self.guard = Guard(
            self._access, config.guard, room_of=self._room_of, on_ruling=self._follow_ruling
        )
        self.facts = Facts(self._access, config.facts, admit=self.guard.admit)
        self.retention = Retention(self._access, config.retention, let_go=self._let_go)
        self.experience = Experiences(
            self._access,
            config.experience,
            admit=self.guard.admit,
            on_failure=self._learn_from_failure,
        )
        self.hierarchy = Hierarchy(self._access, config.segments)
        self._access.before_commit(self.hierarchy.follow)  # what retention let go is not in them
        self._recaller = Recaller(
            self._records,
            self.event_search,
            reach=Reach(config.ask.near_radius_m, config.semantic.touch_m),
            rooms=self.rooms,
            facts=self.facts,
            meanings=Meanings(config.ask),
        )
        self._answerer = Answerer(self._recaller, config.ask)
        self._observer: Observer | None = None
        self._until_checkpoint = config.store.checkpoint_observations
        try:
            self._map = StoredMap(path / "bricks", self._records, config.spatial)
            self._scans = ScanLog(self._records, config)
            self._views = StoredViews(self._records, config.spatial)
            self._forgetter = Forgetter(self._records, self._images, self._scans, self.facts)
            self._follower = MapFollower(
                self._records, self._map, self._scans, lock=self._access.lock, config=config
            )
            self._floors = Floors(path / "floor.npz", self._map, config.route)
            if self.is_writer:
                self._begin()
        except BaseException:
            self._records.close()
            raise

    @classmethod
    def open(
        cls, path: str | Path, mode: Literal["w", "r"] = "w", *, config: Config | None = None
    ) -> Self:
        """Open a memory: "w" to observe into it (a new one where there is none), "r" to read it.

        Args:
            path: The `.rmem` folder.
            mode: "w" or "r".
            config: Settings; by default those the memory was made with. The map's cannot change.

        Raises:
            StoreError: Not there, foreign, too new, damaged, or written by another process.
            ConfigError: The memory was made with another map resolution, or more is pinned than may be kept.
        """
        if mode not in ("w", "r"):
            raise ValueError(f"mode is 'w' or 'r', got {mode!r}")
        path = Path(path)
        if mode == "r":
            return cls(path, config or folder.read_manifest(path), writer_lock=None)
        folder.prepare(path)
        writer_lock = folder.lock(path)
        try:
            config = settle(path, config)
            memory = cls(path, config, writer_lock=writer_lock)
            if config != folder.read_manifest(path):  # only what could be opened so
                folder.write_manifest(path, config)
        except BaseException:
            writer_lock.close()
            raise
        return memory

    @property
    def is_writer(self) -> bool:
        """Whether this one may observe and forget."""
        return self._writer_lock is not None

    # ---- perceive ---------------------------------------------------------------------------------

    def observe(self, observation: Observation, *, cursor: Cursor | None = None) -> Receipt:
        """Take in an observation, whole or not at all; durable when this returns.

        Args:
            observation: What was perceived.
            cursor: Its place in a recording, so that a replay can resume after it.

        Returns:
            The keyframe it hangs on, or the reason it was rejected for; rejections are counted.
        """
        with self._access.lock:
            self._map.refresh()
            with self._writing() as observer:
                receipt = observer.take_in(observation)
                if receipt:  # a look that finds nothing tells, too
                    self.guard.look_again(now_ns=observation.stamp_ns)
                self._advance(cursor)
            if receipt.is_new_keyframe and self._records.scans.count("is_stale"):
                self._follower.start()
            self._until_checkpoint -= 1
            if self._until_checkpoint <= 0:
                self.checkpoint()
            return receipt

    def log(self, happenings: Iterable[Happening]) -> LogReceipt:
        """Append what happened that is no image, all in one step; durable when this returns.

        What is wrong among them is counted under the reason that the receipt names, and the rest is kept.
        """
        happenings = with_embeddings(happenings, self.config.ask)
        with self._writing() as observer:
            return observer.log(happenings)

    def reject(
        self, reason: Reason, *, source: str = "robot", cursor: Cursor | None = None
    ) -> None:
        """Count an observation that could not even be made."""
        with self._writing():
            self._records.reject(source, reason)
            self._advance(cursor)

    def position(self, recording: str) -> int:
        """Return how many items of a recording, named by its fingerprint, were taken in."""
        return self._records.position(recording)

    # ---- remember ---------------------------------------------------------------------------------

    def recall(self, query: Query | None = None) -> list[Hit]:
        """Return what satisfies a query, best first; the same memory and query give the same hits."""
        with self._reading():
            query = query or Query()
            hits = self._recaller.recall(query)
            self.retention.recalled(query, hits)
            return hits

    def ask(self, question: str, *, now_ns: int | None = None) -> Answer:
        """Answer a question in words, with evidence; falsy when there is none.

        Args:
            question: Such as "where did I last see the red mug?".
            now_ns: What "ago" counts from; by default the newest stamp in the memory.

        Raises:
            QueryError: The question is not understood; the message lists what would be.
            ModelError: A language model was to understand it, and cannot be asked.
        """
        with self._reading():
            first_ns, last_ns = self.span_ns or (0, 0)
        now_ns = last_ns if now_ns is None else now_ns
        timebase = Timebase(now_ns, first_ns, self.config.ask.timezone)
        query = self._answerer.understand(question, timebase, names=self._names)  # nobody waits
        with self._reading():
            answer = self._answerer.answer(question, query, timebase)
            self.retention.recalled(answer.query, answer.hits)
            return answer

    def _names(self) -> list[str]:
        return sorted({entity.label for entity in self.entities()})

    def entities(self) -> list[Entity]:
        """Return every thing believed in, by id."""
        with self._reading():
            return self._recaller.entities()

    def events(self) -> list[Event]:
        """Return everything that happened, by id."""
        with self._reading():
            return self._recaller.events()

    def episodes(
        self,
        level: EpisodeLevel | str = EpisodeLevel.SEGMENT,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> list[Episode]:
        """Return what happened together: segments, chunks or days; see `Hierarchy.episodes`."""
        return self.hierarchy.episodes(level, since_ns=since_ns, until_ns=until_ns)

    def keyframes(self) -> list[Keyframe]:
        """Return every keyframe, by id."""
        with self._reading():
            return [keyframe_of(row) for row in self._records.keyframes.select()]

    def depth(self, keyframe: Keyframe) -> Depth | None:
        """Return the depth image (H, W) in metres kept with a keyframe, None where there is none."""
        return self._images.depth(keyframe.depth_digest) if keyframe.depth_digest else None

    def color(self, keyframe: Keyframe) -> NDArray[np.uint8] | None:
        """Return the colour image (H, W, 3) kept with a keyframe, None where there is none."""
        return self._images.color(keyframe.color_digest) if keyframe.color_digest else None

    def views(self, *, of: "Entity | ArrayLike", k: int = 5) -> "list[View]":
        """Return the keyframes that show something best, each unlike those before it.

        Args:
            of: A thing; a point (3,) in map; or points (N, 3), for the box around them.
            k: How many at most.

        Raises:
            QueryError: `of` is nothing of that, or k is less than one.
        """
        if isinstance(of, Entity):
            size_m = np.zeros(3) if of.size_m is None else of.size_m
            of = np.array([of.p_map - size_m / 2, of.p_map + size_m / 2])
        with self._reading():
            return self._views.current().views(of=of, k=k)

    def covisible(
        self, T_map_cam: ArrayLike, *, K: ArrayLike, shape: tuple[int, int], k: int = 5
    ) -> "list[CovisibleView]":
        """Return the keyframes that share most surface with what is in view of a pose, best first.

        Args:
            T_map_cam: Pose of the optical frame in map, (4, 4).
            K: Pinhole intrinsics, (3, 3) pixels.
            shape: Height and width of its image in pixels.
            k: How many at most.
        """
        with self._reading():
            return self._views.current().covisible(T_map_cam, K=K, shape=shape, k=k)

    def tracks(self) -> "tuple[Track, ...]":
        """Return what moved lately, the last look at each, by id; only a writer knows, and only since it opened.

        What moves clears the space before it and does not go into the map; see `config.motion`.
        """
        with self._access.lock:
            return () if self._observer is None else self._observer.tracks()

    @property
    def map(self) -> "Octree":
        """The octree, with all that was acknowledged; do not keep it, ask for it again."""
        with self._access.lock:
            self._map.refresh()
            return self._map.octree

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """The first and the newest stamp, None while it is empty."""
        sources = self._records.sources.select()
        spans = [(s.first_stamp_ns, s.last_stamp_ns) for s in sources]
        spans += [(c.first_stamp_ns, c.last_stamp_ns) for c in self._records.log_clocks.select()]
        return (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None

    # ---- act --------------------------------------------------------------------------------------

    def route(
        self,
        start_map: Iterable[float],
        goal_map: Iterable[float],
        *,
        radius_m: float = 0.25,
        standoff_m: float = 0.0,
    ) -> Points:
        """Return waypoints (N, 3) in map for a round robot, through space remembered as free.

        Args:
            start_map: Where the robot stands, (x, y, z), z on the floor.
            goal_map: Where to go, (x, y) or (x, y, z).
            radius_m: The robot's radius.
            standoff_m: How near is near enough.

        Raises:
            QueryError: A number is not finite or missing, or a distance negative.
            UnreachableError: No such path is known.
        """
        try:
            x, y, z = start_map
            goal_x, goal_y, *_ = goal_map
        except ValueError as err:
            raise QueryError(
                f"a route leads from (x, y, z) to (x, y), got {start_map} and {goal_map}"
            ) from err
        self._check_floor(z)
        with self._access.lock:
            self._map.refresh()
            return self._floors.route(
                (x, y),
                (goal_x, goal_y),
                floor_m=z,
                radius_m=radius_m,
                standoff_m=standoff_m,
                driven_map=self._driven(),
            )

    def floor(self, floor_m: float | None = None) -> "TopologyGraph":
        """Return where a robot can go: places, the passages between them, rooms, routes with clearance.

        It is as the map is now; do not keep it, ask for it again. Passages that are blocked on it stay so.

        Args:
            floor_m: Height in map, by default `route.floor_m`.

        Raises:
            QueryError: The map has no such height.
        """
        floor_m = self.config.route.floor_m if floor_m is None else float(floor_m)
        self._check_floor(floor_m)
        with self._access.lock:
            self._map.refresh()
            return self._floors.at(floor_m, driven_map=self._driven())

    def rooms(self) -> "list[Region]":
        """Return the rooms of the floor, named from the things believed to be in them; none without a map."""
        if not (self._records.brick_files() or self._records.deltas.count()):
            return []
        things = [e for e in self.entities() if e.state is EntityState.PRESENT]
        return self.floor().regions((thing.label, thing.p_map) for thing in things)

    def room_of(self, entity: Entity) -> str | None:
        """Return the name of the room that a thing is in, or was last; None where no room is known there."""
        rooms = Rooms(self.rooms)
        (index,) = rooms.of(entity.p_map[None])
        return rooms.all()[index].name if index >= 0 else None

    def standings(self) -> list[Standing]:
        """Return what stands on, in and near what, of the things believed to be there, by their ids."""
        things = [e for e in self.entities() if e.state is EntityState.PRESENT]
        semantic = self.config.semantic
        return standings(things, touch_m=semantic.touch_m, beside_m=semantic.beside_m)

    def _check_floor(self, floor_m: float) -> None:
        if not abs(floor_m) <= self.config.intake.max_coordinate_m:  # nor NaN
            raise QueryError(f"the floor is at a height within the map's bounds, got {floor_m}")

    def _driven(self) -> Points:
        return np.array([k.T_map_kf[:3, 3] for k in self.keyframes()]).reshape(-1, 3)

    # ---- stay true --------------------------------------------------------------------------------

    def correct(self, T_map_kfs: Mapping[int, ArrayLike], *, wait: bool = False) -> list[int]:
        """Move keyframes, and with them all that hangs on them: things, events, views, the map.

        Things and events are at their new places when this returns, and things that drift had made two, and
        no keyframe saw together, are one where they meet. The map follows in the background, and
        answers as it was until it has; a process that dies meanwhile goes on when the memory is reopened.

        Args:
            T_map_kfs: By keyframe id its pose (4, 4) in map from now on.
            wait: Return when the map has followed, too.

        Returns:
            The ids of the keyframes that moved.

        Raises:
            QueryError: There is no such keyframe.
            FrameError, DataError: A pose is no rigid motion, or out of bounds. Nothing has moved then.
        """
        with self._writing():
            moved = move_keyframes(self._records, T_map_kfs, config=self.config)
            if moved:
                self._observer = self._new_observer(anew=True)
                self._observer.unite()
        if moved:
            self._follower.start()
        if wait:
            self.wait_for_map()
        return moved

    def correct_path(
        self,
        stamps_ns: ArrayLike,
        T_map_bases: ArrayLike,
        *,
        source: str = "robot",
        wait: bool = False,
    ) -> list[int]:
        """Move the keyframes of a source onto a path that SLAM corrected; see `correct`.

        Args:
            stamps_ns: Times of the path, (N,), rising.
            T_map_bases: Poses of the base (of the sensor, where it is not known where that is on the robot).
            source: Whose path it is.
            wait: Return when the map has followed, too.
        """
        with self._reading():
            rows = self._records.keyframes.select("source = ?", source)
        return self.correct(poses_on_path(rows, stamps_ns, T_map_bases), wait=wait)

    def close_loops(
        self,
        *,
        source: str = "robot",
        config: "SlamConfig | None" = None,
        wait: bool = False,
    ) -> "Closing":
        """Correct the path of a recording without SLAM by the places that it saw more than once.

        Args:
            source: Whose path.
            config: How sure a loop must be.
            wait: Return when the map has followed, too.

        Returns:
            What was found; nothing has moved where no loop was accepted.

        Raises:
            MissingExtraError: The extra `slam` is not installed.
        """
        from robomem.spatial.slam import close_loops
        from robomem.spatial.slam.keyframes import scan_of

        with self._reading():
            rows = self._records.keyframes.select("source = ?", source)
        closing = close_loops((scan_of(row, self._images) for row in rows), config=config)
        if closing.accepted:
            self.correct(from_odometry(rows, closing.poses), wait=wait)
        return closing

    def wait_for_map(self, timeout_s: float | None = None) -> bool:
        """Wait until the map has followed every correction; False when it has not by then."""
        return self._follower.wait(timeout_s)

    # ---- forget and keep --------------------------------------------------------------------------

    def forget(
        self,
        entity_ids: Iterable[int] = (),
        *,
        event_ids: Iterable[int] = (),
        experience_ids: Iterable[int] = (),
    ) -> int:
        """Erase things, what happened to them and the images they were seen in; returns how many.

        No byte of them stays in any file, nor their shapes in the scans that are kept. The map keeps its
        shape: a voxel has no name.

        Args:
            entity_ids: The things; ids that are not there are passed over.
            event_ids: Single events, such as something that was told.
            experience_ids: What was tried; procedures are learnt anew from the rest.
        """
        with self._access.lock:
            with self._writing():
                entity_ids, event_ids = tuple(entity_ids), tuple(event_ids)
                self.retention.forget(entity_ids, event_ids)
                count = self._forgetter.erase(entity_ids, event_ids)
                count += self.experience.erase(experience_ids)
                self._observer = self._new_observer()
            self._forgetter.finish()
        return count

    def counts(self) -> Counts:
        """Count what is held; unlike `info` it reads little."""
        with self._reading():
            return Counts(
                observations=sum(s.observations for s in self._records.sources.select()),
                keyframes=self._records.keyframes.count(),
                entities=self._records.entities.count("is_confirmed"),
                events=self._records.events.count(),
            )

    def info(self) -> MemoryInfo:
        """Measure what is held; it reads everything, for the hash."""
        with self._reading():
            sources, volume = self._records.sources.select(), self.map.volume()
            first_ns, last_ns = self.span_ns or (None, None)
            return MemoryInfo(
                **asdict(self.counts()),
                frames=sum(s.frames for s in sources),
                rejections=self._records.rejections(),
                path_length_m=sum(s.path_length_m for s in sources),
                known_m3=volume.known_m3,
                free_m3=volume.free_m3,
                occupied_m3=volume.occupied_m3,
                first_stamp_ns=first_ns,
                last_stamp_ns=last_ns,
                voxel_size_m=self.config.spatial.voxel_size_m,
                bytes_on_disk=folder.size_bytes(self.path),
                retention=self.retention.report(),
                schema=folder.SCHEMA,
                content_hash=self.content_hash,
            )

    @property
    def content_hash(self) -> str:
        """A digest of all that is remembered: equal for equal recordings and settings."""
        with self._reading():
            digest = hashlib.blake2b(digest_size=16)
            self._records.hash_into(digest)
            digest.update(self.map.digest().encode())
            return digest.hexdigest()

    def checkpoint(self) -> None:
        """Write the map's changed bricks to a brick file; a writer does so by itself now and then."""
        with self._access.lock:
            self._map.checkpoint()
            self._floors.save()
            self.event_search.save()
            self._until_checkpoint = self.config.store.checkpoint_observations

    def close(self) -> None:
        """Finish writing and release the folder; closing twice is allowed.

        A correction that the map has not followed yet is finished first; Ctrl-C leaves it for later.
        """
        try:
            self._follower.wait()
        finally:
            self._follower.stop()
            self._close()

    def _close(self) -> None:
        with self._access.lock:
            if self._writer_lock is not None and not self._writer_lock.closed:
                with self._writing():
                    self.retention.settle()  # what was recalled since
                self.checkpoint()
                self.event_search.save(is_closing=True)
                self._writer_lock.close()
            self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        counts = self.counts()
        return (
            f"Memory({str(self.path)!r}, {counts.keyframes} keyframes, {counts.entities} entities)"
        )

    def _advance(self, cursor: Cursor | None) -> None:
        if cursor is not None:
            self._records.set_position(cursor.recording, cursor.position + 1)

    def _begin(self) -> None:
        """Go on where the last writer ended, or died; the budgets may be smaller than they were then."""
        self._clean_up()
        self._observer = self._new_observer()
        with self._writing():
            self.retention.check_pins()
        self._follower.start()

    def _clean_up(self) -> None:
        """Finish what a writer that died had begun."""
        self._map.remove_orphans()
        if self._records.is_erasing():
            self._forgetter.finish()

    def _room_of(self, p_map: Vector) -> str | None:
        return self._recaller.room_of(p_map)

    def _follow_ruling(self, kind: ClaimKind, item_id: int) -> None:
        """Let facts and procedures follow what the guard let out, or holds from now on."""
        if kind is ClaimKind.EXPERIENCE:
            self.experience.judged(item_id)
        else:
            self.facts.judged(kind, item_id)

    def _learn_from_failure(self, failed: Experience, experience_id: int) -> None:
        """Keep a lesson, to be consulted before something alike is tried again."""
        self.guard.learn(
            f"{failed.task}, {failed.state}" if failed.state else failed.task,
            ": ".join(filter(None, ("; ".join(failed.plan), failed.outcome))),
            source=failed.source,
            stamp_ns=failed.stamp_ns,
            of=(ClaimKind.EXPERIENCE, experience_id),
        )

    def _new_observer(self, *, anew: bool = False) -> Observer:
        records, hear = self._records, self._hear
        return Observer(records, self._map, self._images, self.config, hear=hear, anew=anew)

    def _hear(self, numbered: Iterable[tuple[int, Happening]]) -> None:
        """Judge what was said, and learn from it; what is held is learned when it is let out."""
        numbered = list(numbered)
        self.guard.hear(numbered)
        self.facts.hear(numbered)

    def _let_go(self, event_ids: Iterable[int]) -> None:
        event_ids = list(event_ids)
        self._forgetter.let_go(event_ids)
        if self._observer is not None:
            self._observer.look_up_events()

    def _renew_observer(self) -> None:
        self._observer = self._new_observer()

    @contextmanager
    def _writing(self) -> Iterator[Observer]:
        """Do everything inside in one transaction; on any error as if nothing had happened."""
        with self._access.writing():
            assert self._observer is not None, "a writer has one"
            yield self._observer

    def _reading(self) -> AbstractContextManager[object]:
        return self._access.reading()
