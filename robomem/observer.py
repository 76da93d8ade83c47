"""From one observation to what is remembered of it: the pipeline, on one page.

    judge       may it come in?                     perception.intake
    follow      did map jump under the robot?       spatial.trajectory
    anchor      which keyframe does it hang on?     spatial.keyframes
    recognise   which things are seen, or gone?     semantic.entities
    log         what happened?                      episodic.timeline
    split       what of it moves?                   spatial.scan_splitter
    scan        which space is free, which solid?   spatial.octree, spatial.scan_log
    name        what do the voxels in view look like?

All of it runs inside one transaction of the caller; after a rollback, make a new observer.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from robomem.config import Config
from robomem.episodic.event_log import EventLog
from robomem.episodic.timeline import Timeline
from robomem.errors import Reason
from robomem.geometry import Pose, pose
from robomem.perception import intake
from robomem.semantic.absence import Look
from robomem.semantic.entities import EntityTracker, Glance, News, NewsKind
from robomem.semantic.lifting import lift, name_points
from robomem.spatial import correction, scan_log, trajectory
from robomem.spatial.keyframes import needs_keyframe
from robomem.spatial.scan_splitter import ScanSplitter
from robomem.spatial.stored_map import StoredMap
from robomem.spatial.stored_views import StoredViews
from robomem.store.images import ImageFiles
from robomem.store.records import Records
from robomem.store.rows import KeyframeRow, SourceRow, keyframe_of
from robomem.types import EventKind, Happening, Keyframe, LogReceipt, Observation, Receipt, Vector

if TYPE_CHECKING:
    from robomem.spatial.dynamics import Track

# A place counts as free before a thing appeared there if most of this little cube around it was.
NOVELTY_OFFSETS_M = 0.05 * np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), axis=-1).reshape(-1, 3)
NOVELTY_LOG_ODDS = -0.5  # passed through more than once


class Observer:
    """Takes observations in; its state is what the records hold.

    `hear` judges happenings, under the numbers of their events. With `anew` the next one makes a keyframe: what was measured in a map that moved since hangs on no older one.
    """

    def __init__(
        self,
        records: Records,
        stored_map: StoredMap,
        images: ImageFiles,
        config: Config,
        *,
        hear: Callable[[Iterable[tuple[int, Happening]]], object],
        anew: bool = False,
    ) -> None:
        self._records = records
        self._hear = hear
        self._map = stored_map
        self._images = images
        self._config = config
        self._scans = scan_log.ScanLog(records, config)
        self._views = StoredViews(records, config.spatial)
        self._splitter = ScanSplitter(config)
        last = records.keyframes.last()
        self._keyframe = keyframe_of(last) if last else None
        self._is_anew = anew
        self._timeline = Timeline(records, config.episodic)
        self._event_log = EventLog(records, config.intake, anchor=self._anchor_happening)
        self._tracker = self._new_tracker()

    def unite(self) -> None:
        """Make one of things that a correction of keyframes has brought together; in a transaction.

        What only seemed to have moved, for the robot was elsewhere than it believed, has not.
        """
        for entity_id in self._timeline.stood_still(within_m=self._config.semantic.gate_m):
            self._tracker.stay(entity_id)
        for news in self._tracker.unite():
            self._unite(news)

    def log(self, happenings: Iterable[Happening]) -> LogReceipt:
        """Write down what happened that is no image, or count why it is rejected."""
        happenings = list(happenings)
        receipt = self._event_log.append(happenings)
        accepted = (h for i, h in enumerate(happenings) if i not in receipt.rejected)
        self._hear(zip(receipt.event_ids, accepted, strict=True))
        return receipt

    def look_up_events(self) -> None:
        """Look up anew what goes on: events changed, or are no more."""
        self._timeline.look_up()

    def tracks(self) -> "tuple[Track, ...]":
        """Return what moved lately."""
        return self._splitter.tracks()

    def take_in(self, observation: Observation) -> Receipt:
        """Write down all that an observation says, or count why it is rejected."""
        source = self._records.sources.get(observation.source)
        T_map_cam = _pose_in_map(observation)
        rejected = self._judge(observation, source, T_map_cam)
        if rejected is not None:
            self._records.reject(observation.source, rejected)
            return Receipt(None, rejected=rejected)
        self._records.sources.save(_advanced(source, observation, T_map_cam))
        if self._config.keyframes.follow_jumps:
            self._follow_jump(observation)
        last_id = self._keyframe.keyframe_id if self._keyframe else None
        if T_map_cam is not None:
            observation = self._comparable(observation)
            self._keyframe = self._anchor(observation, T_map_cam)
            self._recognise(observation, T_map_cam, self._keyframe)
            self._scan(observation, T_map_cam, self._keyframe)
        self._listen(observation)
        keyframe_id = self._keyframe.keyframe_id if self._keyframe else None
        return Receipt(keyframe_id, is_new_keyframe=keyframe_id != last_id)

    def _judge(
        self, observation: Observation, source: SourceRow | None, T_map_cam: Pose | None
    ) -> Reason | None:
        if len(observation.text or "") > self._config.intake.max_text_chars:
            return Reason.TEXT_LENGTH
        if T_map_cam is not None and not (
            intake.is_in_bounds(T_map_cam, self._config.intake)
            and self._map.octree.scanner.can_reach(
                T_map_cam[:3, 3], max_range_m=self._config.spatial.max_range_m
            )
        ):
            return Reason.OUT_OF_BOUNDS
        verdict = intake.judge_stamp(
            observation.stamp_ns,
            last_ns=source.last_stamp_ns if source else None,
            pending_ns=source.pending_stamp_ns if source else None,
            config=self._config.intake,
        )
        if source is not None and verdict.pending_stamp_ns != source.pending_stamp_ns:
            self._records.sources.save(replace(source, pending_stamp_ns=verdict.pending_stamp_ns))
        return verdict.rejected

    def _follow_jump(self, observation: Observation) -> None:
        """Move the keyframes since the last jump when map jumps against odom: it was odom that drifted."""
        T_map_cam, T_odom_cam = observation.T_map_cam, _pose_in_odom(observation)
        if self._keyframe is None or T_map_cam is None or T_odom_cam is None:
            return
        last = self._records.keyframes.get(self._keyframe.keyframe_id)
        assert last is not None, "the current keyframe is stored"
        jump = trajectory.jump_of(last, T_map_cam, T_odom_cam)
        if jump is None:
            return
        since = self._records.keyframes.select(
            "source = ? AND keyframe_id >= ?", last.source, self._records.jumped_at(last.source)
        )
        poses = trajectory.spread(since, jump)
        correction.move_keyframes(self._records, poses, config=self._config)
        self._records.set_jumped_at(last.source, last.keyframe_id + 1)
        self._tracker = self._new_tracker()
        self.unite()
        self._is_anew = True

    def _anchor(self, observation: Observation, T_map_cam: Pose) -> Keyframe:
        """Hang an observation on the current keyframe, or on a new one when the robot moved on."""
        current, stamp_ns, source = self._keyframe, observation.stamp_ns, observation.source
        if (
            current is None
            or self._is_anew
            or needs_keyframe(
                current, T_map_cam, stamp_ns=stamp_ns, source=source, config=self._config.keyframes
            )
        ):
            self._is_anew = False
            return self._make_keyframe(observation, T_map_cam)
        row = self._records.keyframes.get(current.keyframe_id)
        assert row is not None, "the current keyframe is stored"
        row = replace(row, until_ns=max(row.until_ns, stamp_ns))
        self._records.keyframes.save(row)
        return keyframe_of(row)

    def _anchor_happening(self, happening: Happening) -> Keyframe | None:
        """Hang a happening on a keyframe near the robot, new where there is none; without a pose on the last one.

        Which way the robot looked, and how long ago, does not matter to it: less keyframes do.
        """
        T_map_base, p_map = happening.T_map_base, happening.p_map
        last = self._latest_of(happening.source)
        if T_map_base is None:
            if p_map is None or last is not None:
                return last
            T_map_base = pose(np.eye(3), p_map)
        if last is not None and not self._is_anew:
            away_m = np.linalg.norm(last.T_map_kf[:2, 3] - T_map_base[:2, 3])
            if away_m < self._config.keyframes.min_distance_m:
                return last
        self._is_anew = False
        robot = Observation(
            stamp_ns=happening.stamp_ns, source=happening.source, T_map_cam=T_map_base
        )
        self._keyframe = self._make_keyframe(robot, T_map_base)
        return self._keyframe

    def _latest_of(self, source: str) -> Keyframe | None:
        """Return the last keyframe of a source."""
        if self._keyframe is not None and self._keyframe.source == source:
            return self._keyframe
        latest = "keyframe_id = (SELECT max(keyframe_id) FROM keyframe WHERE source = ?)"
        rows = self._records.keyframes.select(latest, source)
        return keyframe_of(rows[0]) if rows else None

    def _make_keyframe(self, observation: Observation, T_map_cam: Pose) -> Keyframe:
        depth_m, color = observation.depth_m, observation.color
        if not self._config.store.keep_images:
            depth_m = color = None
        T_odom_cam = _pose_in_odom(observation)
        row = KeyframeRow(
            keyframe_id=self._records.next_id("keyframe"),
            stamp_ns=observation.stamp_ns,
            until_ns=observation.stamp_ns,
            T_map_kf=T_map_cam.reshape(16),
            T_base_kf=None
            if observation.T_base_cam is None
            else observation.T_base_cam.reshape(16),
            T_odom_kf=None if T_odom_cam is None else T_odom_cam.reshape(16),
            source=observation.source,
            depth_digest=None if depth_m is None else self._images.put_depth(depth_m),
            color_digest=None if color is None else self._images.put_color(color),
            K=None if observation.K is None else observation.K.reshape(9),
        )
        self._records.keyframes.save(row)
        self._views.keep(row.keyframe_id, observation)
        return keyframe_of(row)

    def _listen(self, observation: Observation) -> None:
        if observation.text:
            text, stamp_ns, source = observation.text, observation.stamp_ns, observation.source
            event_id = self._timeline.told(
                text, stamp_ns=stamp_ns, source=source, keyframe=self._keyframe
            )
            told = Happening(kind=EventKind.TOLD, stamp_ns=stamp_ns, text=text, source=source)
            self._hear([(event_id, told)])

    def _comparable(self, observation: Observation) -> Observation:
        """Leave out, and count, embeddings of another size than those before: they are of another model."""
        dims = _embedding_dims(observation)
        if not dims:
            return observation
        dim = self._map.octree.embedding_dim or self._tracker.embedding_dim or dims[0]
        if set(dims) == {dim}:
            return observation
        for _ in range(sum(d != dim for d in dims)):
            self._records.reject(observation.source, Reason.EMBEDDING_SIZE)
        detections = tuple(
            d if d.embedding is None or len(d.embedding) == dim else replace(d, embedding=None)
            for d in observation.detections
        )
        return replace(observation, detections=detections)

    def _recognise(self, observation: Observation, T_map_cam: Pose, keyframe: Keyframe) -> None:
        """Match detections with the things believed in, and log what changed."""
        glance = Glance(
            stamp_ns=observation.stamp_ns,
            keyframe=keyframe,
            sightings=lift(observation, T_map_cam, min_score=self._config.semantic.min_score),
            look=self._look(observation, T_map_cam),
        )
        for news in self._tracker.update(glance):
            self._log(news, stamp_ns=observation.stamp_ns, source=observation.source)

    def _look(self, observation: Observation, T_map_cam: Pose) -> Look | None:
        if observation.depth_m is None or observation.K is None:
            return None
        # "No return" is only known to be free up to the range that the map believes.
        reach_m = self._config.spatial.max_range_m
        depth_m = np.where(np.isposinf(observation.depth_m), reach_m, observation.depth_m)
        return Look(depth_m, observation.K, T_map_cam, bool(observation.detections))

    def _log(self, news: News, *, stamp_ns: int, source: str) -> None:
        if news.kind is NewsKind.FOUND:
            self._timeline.found(news.row, source=source)
        elif news.kind is NewsKind.SIGHTED:
            self._timeline.sighted(news.row, source=source)
        elif news.kind is NewsKind.MISSING:
            self._timeline.missing(news.row, stamp_ns=stamp_ns, source=source)
        elif news.kind is NewsKind.UNITED:
            self._unite(news)
        else:
            assert news.before is not None, "what moved was somewhere before"
            assert news.absorbed_id is not None, "and was found as another"
            self._timeline.moved(
                news.row, before=news.before, absorbed_id=news.absorbed_id, source=source
            )

    def _unite(self, news: News) -> None:
        assert news.absorbed_id is not None, "it was two"
        self._timeline.united(news.row, absorbed_id=news.absorbed_id)

    def _scan(self, observation: Observation, T_map_cam: Pose, keyframe: Keyframe) -> None:
        """Split what moves from what stands, trace it, journal what it says of the map, and keep it."""
        scanner, spatial = self._map.octree.scanner, self._config.spatial
        stamp_ns = observation.stamp_ns
        scan = scan_log.measured(observation)
        scan, splits = self._splitter.split(scan, T_map_cam, stamp_ns=stamp_ns)
        deltas = list(scan_log.trace(scanner, scan, T_map_cam, spatial))
        if splits:
            self._splitter.learn(splits, deltas, stamp_ns=stamp_ns)
        for delta in deltas:
            self._map.journal(delta, stamp_ns=stamp_ns)
        named = self._name(observation, T_map_cam)
        if deltas:
            self._scans.keep(
                scan if named is None else scan_log.with_names(scan, named, T_map_cam),
                stamp_ns=stamp_ns,
                keyframe=keyframe,
                T_map_cam=T_map_cam,
                regions=scan_log.regions_of(deltas),
            )

    def _name(self, observation: Observation, T_map_cam: Pose) -> scan_log.Named | None:
        """Journal what the things in view look like, if that is wanted."""
        octree, dims = self._map.octree, _embedding_dims(observation)
        if not self._config.spatial.keep_embeddings or not dims:
            return None
        min_score = self._config.semantic.min_score
        named = name_points(observation, T_map_cam, min_score=min_score, dim=dims[0])
        if named is None:
            return None
        labels = octree.trace_labels(named.points_map, named.embeddings, which=named.which)
        self._map.journal_labels(labels)
        return scan_log.Named(octree.places_of(labels), labels.codes)

    def _new_tracker(self) -> EntityTracker:
        return EntityTracker(
            self._records,
            self._config.semantic,
            keyframe_of=self._keyframe_by_id,
            is_known_free=self._is_known_free,
        )

    def _keyframe_by_id(self, keyframe_id: int) -> Keyframe:
        row = self._records.keyframes.get(keyframe_id)
        assert row is not None, f"keyframe {keyframe_id} is referred to and absent"
        return keyframe_of(row)

    def _is_known_free(self, p_map: Vector) -> bool:
        log_odds = self._map.octree.log_odds(p_map + NOVELTY_OFFSETS_M)
        return bool((log_odds < NOVELTY_LOG_ODDS).mean() > 0.5)


def _pose_in_map(observation: Observation) -> Pose | None:
    if observation.T_map_cam is not None:
        return observation.T_map_cam
    return _pose_in_odom(observation)  # odom starts as map; nothing tells them apart yet


def _pose_in_odom(observation: Observation) -> Pose | None:
    if observation.T_odom_base is None:
        return None
    T_base_cam = np.eye(4) if observation.T_base_cam is None else observation.T_base_cam
    return observation.T_odom_base @ T_base_cam


def _advanced(
    source: SourceRow | None, observation: Observation, T_map_cam: Pose | None
) -> SourceRow:
    """Return the source after one more observation."""
    stamp_ns = observation.stamp_ns
    p_map = None if T_map_cam is None else T_map_cam[:3, 3].copy()
    p_odom = None if observation.T_odom_base is None else observation.T_odom_base[:3, 3].copy()
    if source is None:
        source = SourceRow(observation.source, stamp_ns, stamp_ns, None, 0, 0, 0.0, None, None)
    step_m = _distance_m(source.p_odom, p_odom)
    if step_m is None:
        step_m = _distance_m(source.p_map, p_map)
    return replace(
        source,
        first_stamp_ns=min(source.first_stamp_ns, stamp_ns),
        last_stamp_ns=max(source.last_stamp_ns, stamp_ns),
        pending_stamp_ns=None,
        observations=source.observations + 1,
        frames=source.frames + observation.has_scan,
        path_length_m=source.path_length_m + (step_m or 0.0),
        p_map=source.p_map if p_map is None else p_map,
        p_odom=source.p_odom if p_map is None else p_odom,
    )


def _embedding_dims(observation: Observation) -> list[int]:
    return [len(d.embedding) for d in observation.detections if d.embedding is not None]


def _distance_m(p: Vector | None, q: Vector | None) -> float | None:
    return None if p is None or q is None else float(np.linalg.norm(p - q))
