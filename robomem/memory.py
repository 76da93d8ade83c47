"""The memory: one class that joins the parts. Read this page to understand the whole.

    observe   perceive: the map grows, things are recognised, events are logged
    recall    a typed query, answered from the records
    ask       the same in words
    route     a path through remembered free space
    forget    erase, for good
"""

import hashlib
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import numpy as np

from robomem.ask import compose, grammar
from robomem.ask.recall import Recaller
from robomem.config import Config
from robomem.errors import ConfigError, Reason, StoreReadOnlyError
from robomem.geometry import Points, Pose, back_project, transform
from robomem.episodic.timeline import Timeline
from robomem.perception import intake
from robomem.semantic.absence import Look
from robomem.semantic.entities import EntityTracker, Glance, News, NewsKind
from robomem.semantic.lifting import lift
from robomem.spatial import grid_planner
from robomem.spatial.keyframes import needs_keyframe
from robomem.spatial.octree import MapDelta, Octree
from robomem.spatial.stored_map import StoredMap
from robomem.store import folder
from robomem.store.images import ImageFiles
from robomem.store.tables import KeyframeRow, Records, SourceRow, keyframe_of
from robomem.types import (
    Answer,
    Cursor,
    Entity,
    Event,
    Hit,
    Keyframe,
    MemoryInfo,
    Observation,
    Query,
    QueryKind,
    Receipt,
    Vector,
)

logger = logging.getLogger(__name__)

# A place counts as free before a thing appeared there if most of this little cube around it was.
NOVELTY_OFFSETS_M = 0.05 * np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), axis=-1).reshape(-1, 3)
NOVELTY_LOG_ODDS = -0.5  # passed through more than once


class Memory:
    """A robot's memory, in a folder. One process writes it, any number read it.

    Open it with `Memory.open`; use it as a context manager. What `observe` acknowledged is on the disk.
    """

    def __init__(self, path: Path, config: Config, *, writer_lock: IO[str] | None) -> None:
        self.path = path
        self.config = config
        self._writer_lock = writer_lock
        self._thread_lock = threading.RLock()
        self._images = ImageFiles(path / "images")
        self._records = Records(
            path / "records.sqlite", is_writer=writer_lock is not None, sync=config.store.sync
        )
        self._map = StoredMap(path / "bricks", self._records, config.spatial)
        self._recaller = Recaller(self._records, config.ask.near_radius_m)
        if self.is_writer:
            self._map.remove_orphans()
            self._load_state()

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
            ConfigError: The memory was made with another map resolution.
        """
        if mode not in ("w", "r"):
            raise ValueError(f"mode is 'w' or 'r', got {mode!r}")
        path = Path(path)
        if mode == "r":
            return cls(path, config or folder.read_manifest(path), writer_lock=None)
        folder.prepare(path)
        writer_lock = folder.lock(path)
        try:
            return cls(path, _settle(path, config), writer_lock=writer_lock)
        except BaseException:
            writer_lock.close()
            raise

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
        with self._writing():
            receipt, delta = self._take_in(observation)
            self._advance(cursor)
        if delta is not None:
            self._map.add(delta, seq=self._seq, stamp_ns=observation.stamp_ns)
        self._until_checkpoint -= 1
        if self._until_checkpoint <= 0:
            self.checkpoint()
        return receipt

    def reject(self, reason: Reason, *, source: str = "robot", cursor: Cursor | None = None) -> None:
        """Count an observation that could not even be made."""
        with self._writing():
            self._records.reject(source, reason)
            self._advance(cursor)

    def position(self, recording: str) -> int:
        """Return how many items of a recording, named by its fingerprint, were taken in."""
        return self._records.position(recording)

    def _take_in(self, observation: Observation) -> tuple[Receipt, MapDelta | None]:
        source = self._records.sources.get(observation.source)
        T_map_cam = _pose_in_map(observation)
        rejected = self._judge(observation, source, T_map_cam)
        if rejected is not None:
            self._records.reject(observation.source, rejected)
            return Receipt(None, rejected=rejected), None
        self._seq = self._records.next_id("observation")
        self._records.sources.save(_advanced(source, observation, T_map_cam))
        last = self._keyframe
        if T_map_cam is not None:
            self._keyframe = self._anchor(observation, T_map_cam)
        if observation.text:
            self._timeline.told(
                observation.text,
                stamp_ns=observation.stamp_ns,
                source=observation.source,
                keyframe=self._keyframe,
            )
        delta = None
        if T_map_cam is not None and self._keyframe is not None:
            self._recognise(observation, T_map_cam, self._keyframe)
            delta = self._scan(observation, T_map_cam)
        is_new = self._keyframe is not None and (
            last is None or last.keyframe_id != self._keyframe.keyframe_id
        )
        return Receipt(self._keyframe.keyframe_id if self._keyframe else None, is_new), delta

    def _judge(
        self, observation: Observation, source: SourceRow | None, T_map_cam: Pose | None
    ) -> Reason | None:
        if T_map_cam is not None and not (
            intake.is_in_bounds(T_map_cam, self.config.intake)
            and self.map.can_hold(T_map_cam[:3, 3])
        ):
            return Reason.OUT_OF_BOUNDS
        verdict = intake.judge_stamp(
            observation.stamp_ns,
            last_ns=source.last_stamp_ns if source else None,
            pending_ns=source.pending_stamp_ns if source else None,
            config=self.config.intake,
        )
        if source is not None and verdict.pending_stamp_ns != source.pending_stamp_ns:
            self._records.sources.save(replace(source, pending_stamp_ns=verdict.pending_stamp_ns))
        return verdict.rejected

    def _anchor(self, observation: Observation, T_map_cam: Pose) -> Keyframe:
        """Hang an observation on the current keyframe, or on a new one when the robot has moved on."""
        current = self._keyframe
        stamp_ns = observation.stamp_ns
        if current is not None and not needs_keyframe(
            current, T_map_cam, stamp_ns=stamp_ns, source=observation.source, config=self.config.keyframes
        ):
            row = self._records.keyframes.get(current.keyframe_id)
            assert row is not None
            row = replace(row, until_ns=max(row.until_ns, stamp_ns))
        else:
            keeps = self.config.store.keep_images
            depth_m, color = observation.depth_m, observation.color
            row = KeyframeRow(
                keyframe_id=self._records.next_id("keyframe"),
                stamp_ns=stamp_ns,
                until_ns=stamp_ns,
                T_map_kf=T_map_cam.reshape(16),
                source=observation.source,
                depth_digest=self._images.put_depth(depth_m) if keeps and depth_m is not None else None,
                color_digest=self._images.put_color(color) if keeps and color is not None else None,
            )
        self._records.keyframes.save(row)
        return keyframe_of(row)

    def _recognise(self, observation: Observation, T_map_cam: Pose, keyframe: Keyframe) -> None:
        """Match detections with the things believed in, and log what changed."""
        look = None
        if observation.depth_m is not None and observation.K is not None:
            # "No return" is only known to be free up to the range that the map believes.
            depth_m = np.where(
                np.isposinf(observation.depth_m), self.config.spatial.max_range_m, observation.depth_m
            )
            look = Look(depth_m, observation.K, T_map_cam, bool(observation.detections))
        glance = Glance(
            stamp_ns=observation.stamp_ns,
            keyframe=keyframe,
            sightings=lift(observation, T_map_cam, min_score=self.config.semantic.min_score),
            look=look,
        )
        for news in self._tracker.update(glance):
            self._log(news, stamp_ns=observation.stamp_ns, source=observation.source)

    def _log(self, news: News, *, stamp_ns: int, source: str) -> None:
        if news.kind is NewsKind.FOUND:
            self._timeline.found(news.row, source=source)
        elif news.kind is NewsKind.SIGHTED:
            self._timeline.sighted(news.row, source=source)
        elif news.kind is NewsKind.MISSING:
            self._timeline.missing(news.row, stamp_ns=stamp_ns, source=source)
        elif news.before is not None and news.absorbed_id is not None:
            self._timeline.moved(
                news.row, before=news.before, absorbed_id=news.absorbed_id, source=source
            )

    def _scan(self, observation: Observation, T_map_cam: Pose) -> MapDelta | None:
        """Trace the depth image and the points, and journal what they say of the map."""
        returns_cam = []
        if observation.depth_m is not None and observation.K is not None:
            beyond_m = np.float32(2 * self.config.spatial.max_range_m)
            depth_m = np.where(np.isposinf(observation.depth_m), beyond_m, observation.depth_m)
            depth_m = np.where(depth_m > 0, depth_m, np.float32(np.nan))
            returns_cam.append(back_project(depth_m, observation.K))
        if observation.points_cam is not None:
            returns_cam.append(observation.points_cam)
        if not returns_cam:
            return None
        points_map = transform(T_map_cam, np.concatenate(returns_cam))
        delta = self.map.trace(points_map, T_map_cam[:3, 3])
        self._map.journal(delta, seq=self._seq, stamp_ns=observation.stamp_ns)
        return delta

    # ---- remember ---------------------------------------------------------------------------------

    def recall(self, query: Query | None = None) -> list[Hit]:
        """Return what satisfies a query, best first; the same memory and query give the same hits."""
        with self._reading():
            return self._recaller.recall(query or Query())

    def ask(self, question: str, *, now_ns: int | None = None) -> Answer:
        """Answer a question in words, with evidence; falsy when there is none.

        Args:
            question: Such as "where did I last see the red mug?".
            now_ns: What "ago" counts from; by default the newest stamp in the memory.

        Raises:
            QueryError: The question is not understood; the message lists what would be.
        """
        with self._reading():
            first_ns, last_ns = self.span_ns or (0, 0)
            now_ns = last_ns if now_ns is None else now_ns
            timezone = self.config.ask.timezone
            query = grammar.parse(question, now_ns=now_ns, start_ns=first_ns, timezone=timezone)
            return compose.compose(
                question,
                query,
                self._recaller.recall(query),
                now_ns=now_ns,
                start_ns=first_ns,
                timezone=timezone,
            )

    def entities(self) -> list[Entity]:
        """Return every thing believed in, by id."""
        with self._reading():
            return self._recaller.entities()

    def events(self) -> list[Event]:
        """Return everything that happened, by id."""
        with self._reading():
            return self._recaller.events()

    def keyframes(self) -> list[Keyframe]:
        """Return every keyframe, by id."""
        with self._reading():
            return [keyframe_of(row) for row in self._records.keyframes.select()]

    @property
    def map(self) -> Octree:
        """The octree; a reader's is as of its last `refresh`."""
        return self._map.octree

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """The first and the newest stamp, None while it is empty."""
        sources = self._records.sources.select()
        if not sources:
            return None
        return min(s.first_stamp_ns for s in sources), max(s.last_stamp_ns for s in sources)

    def refresh(self) -> None:
        """Take in what a writer added to the map since; a writer has nothing to do."""
        if not self.is_writer:
            self._map.refresh()

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
            UnreachableError: No such path is known.
        """
        x, y, z = start_map
        goal_x, goal_y, *_ = goal_map
        self.refresh()
        bounds = self.config.route
        driven = np.array([k.T_map_kf[:3, 3] for k in self.keyframes()]).reshape(-1, 3)
        path = grid_planner.plan(
            self.map.slice_2d(z + bounds.z_min_m, z + bounds.z_max_m),
            (x, y),
            (goal_x, goal_y),
            radius_m=radius_m,
            standoff_m=standoff_m,
            driven_map=driven,
        )
        return np.column_stack([path, np.full(len(path), float(z))])

    # ---- forget and keep --------------------------------------------------------------------------

    def forget(self, entity_ids: Iterable[int]) -> int:
        """Erase things, what happened to them and the images they were seen in; returns how many.

        No byte of them stays in any file. The map keeps its shape: a voxel has no name.
        """
        with self._writing():
            wanted = [row for i in entity_ids if (row := self._records.entities.get(i)) is not None]
            digests = set().union(*(self._erase(row.entity_id) for row in wanted))
            kept = self._records.keyframes.select()
            digests -= {d for row in kept for d in (row.depth_digest, row.color_digest)}
        for digest in digests:
            self._images.delete(digest)
        self._records.erase_deleted()
        self._load_state()
        return len(wanted)

    def _erase(self, entity_id: int) -> set[str]:
        """Delete the rows of a thing; returns the digests of the images it was seen in."""
        digests = set()
        for sighting in self._records.sightings.select("entity_id = ?", entity_id):
            row = self._records.keyframes.get(sighting.keyframe_id)
            assert row is not None
            digests |= {d for d in (row.depth_digest, row.color_digest) if d is not None}
            self._records.keyframes.save(replace(row, depth_digest=None, color_digest=None))
        for table in (self._records.entities, self._records.events, self._records.sightings):
            table.delete("entity_id = ?", entity_id)
        return digests

    def info(self) -> MemoryInfo:
        """Measure what is held; it reads everything, for the hash."""
        with self._reading():
            self.refresh()
            sources, volume = self._records.sources.select(), self.map.volume()
            first_ns, last_ns = self.span_ns or (None, None)
            return MemoryInfo(
                observations=sum(s.observations for s in sources),
                rejected=self._records.rejections(),
                keyframes=self._records.keyframes.count(),
                entities=self._records.entities.count("is_confirmed"),
                events=self._records.events.count(),
                path_length_m=sum(s.path_length_m for s in sources),
                known_m3=volume.known_m3,
                free_m3=volume.free_m3,
                occupied_m3=volume.occupied_m3,
                first_stamp_ns=first_ns,
                last_stamp_ns=last_ns,
                voxel_size_m=self.config.spatial.voxel_size_m,
                bytes_on_disk=folder.size_bytes(self.path),
                schema=folder.SCHEMA,
                content_hash=self.content_hash,
            )

    @property
    def content_hash(self) -> str:
        """A digest of all that is remembered: equal for equal recordings and settings."""
        with self._reading():
            self.refresh()
            digest = hashlib.blake2b(digest_size=16)
            self._records.hash_into(digest)
            digest.update(self.map.digest().encode())
            return digest.hexdigest()

    def checkpoint(self) -> None:
        """Write the map's changed bricks to a brick file; a writer does so by itself now and then."""
        with self._thread_lock:
            self._map.checkpoint()
            self._until_checkpoint = self.config.store.checkpoint_observations

    def close(self) -> None:
        """Finish writing and release the folder; closing twice is allowed."""
        with self._thread_lock:
            if self._writer_lock is not None and not self._writer_lock.closed:
                self.checkpoint()
                self._writer_lock.close()
            self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        keyframes, entities = self._records.keyframes.count(), self._records.entities.count()
        return f"Memory({str(self.path)!r}, {keyframes} keyframes, {entities} entities)"

    def _load_state(self) -> None:
        """Take up the state that the records hold, as after opening or a rollback."""
        self._until_checkpoint = self.config.store.checkpoint_observations
        row = self._records.keyframes.last()
        self._keyframe = keyframe_of(row) if row else None
        self._timeline = Timeline(self._records, self.config.episodic)
        self._tracker = EntityTracker(
            self._records,
            self.config.semantic,
            keyframe_of=self._keyframe_by_id,
            is_known_free=self._is_known_free,
        )

    def _keyframe_by_id(self, keyframe_id: int) -> Keyframe:
        row = self._records.keyframes.get(keyframe_id)
        assert row is not None, f"keyframe {keyframe_id} is referred to and absent"
        return keyframe_of(row)

    def _is_known_free(self, p_map: Vector) -> bool:
        log_odds = self.map.log_odds(p_map + NOVELTY_OFFSETS_M)
        return bool((log_odds < NOVELTY_LOG_ODDS).mean() > 0.5)

    def _advance(self, cursor: Cursor | None) -> None:
        if cursor is not None:
            self._records.set_position(cursor.recording, cursor.position + 1)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Do everything inside in one transaction; on any error as if nothing had happened."""
        if not self.is_writer:
            raise StoreReadOnlyError(f"{self.path} was opened for reading: open it with mode='w'")
        with self._thread_lock:
            try:
                with self._records.transaction():
                    yield
            except BaseException:
                self._load_state()
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._thread_lock, self._records.snapshot():
            yield


def _settle(path: Path, config: Config | None) -> Config:
    """Return the settings to open a folder with, making it a memory where it is none."""
    if not (path / folder.MANIFEST).exists():
        config = config or Config()
        folder.write_manifest(path, config)
        return config
    stored = folder.read_manifest(path)
    if config is None or config == stored:
        return stored
    if config.spatial != stored.spatial:
        raise ConfigError(
            f"{path} was made with {stored.spatial}: a map keeps its settings, make another memory"
        )
    folder.write_manifest(path, config)
    return config


def _pose_in_map(observation: Observation) -> Pose | None:
    if observation.T_map_cam is not None:
        return observation.T_map_cam
    if observation.T_odom_base is None:
        return None
    T_base_cam = np.eye(4) if observation.T_base_cam is None else observation.T_base_cam
    return observation.T_odom_base @ T_base_cam  # odom starts as map; `correct` will tell them apart


def _advanced(source: SourceRow | None, observation: Observation, T_map_cam: Pose | None) -> SourceRow:
    """Return the source after one more observation."""
    stamp_ns = observation.stamp_ns
    if source is None:
        source = SourceRow(observation.source, stamp_ns, stamp_ns, None, 0, 0.0, None)
    step_m = 0.0
    if T_map_cam is not None and source.p_map is not None:
        step_m = float(np.linalg.norm(T_map_cam[:3, 3] - source.p_map))
    return replace(
        source,
        first_stamp_ns=min(source.first_stamp_ns, stamp_ns),
        last_stamp_ns=max(source.last_stamp_ns, stamp_ns),
        pending_stamp_ns=None,
        observations=source.observations + 1,
        path_length_m=source.path_length_m + step_m,
        p_map=source.p_map if T_map_cam is None else T_map_cam[:3, 3].copy(),
    )
