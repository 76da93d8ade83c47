import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("embreex")
pytest.importorskip("trimesh")

from PIL import Image
from robomem_sim.bag import BagSettings, BagWriter
from robomem_sim.bag import main as write_bag_main
from robomem_sim.demo import main as demo_main
from robomem_sim.report import Row, table
from robomem_sim.rgbd_folder import write_rgbd_folder
from robomem_sim.robot import ROBOT_RADIUS_M
from robomem_sim.run import START_NS, Simulation, SimulationSettings
from robomem_sim.scenario import MOVED_LABEL, TOLD_TEXT, Check, Scenario, Told
from rosbags.highlevel import AnyReader

from robomem.geometry import is_pose, transform
from robomem.io import open_recording

SHORT = 12
DIGEST = """
import hashlib
from itertools import islice
from robomem_sim.run import Simulation
digest = hashlib.sha256()
for frame in islice(Simulation(5).patrol(), 12):
    digest.update(frame.depth_m.tobytes() + frame.color.tobytes() + frame.T_odom_base.tobytes())
    digest.update(repr([(d.label, d.score, d.p_cam.tolist()) for d in frame.detections]).encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def told_scenario():
    """A scenario after both patrols, and the frames of the first."""
    scenario = Scenario(0, SimulationSettings(rate_hz=2.5))  # half the frames, half the time
    before = scenario.moved
    first = list(scenario.first_patrol())
    scenario.move()
    second = list(scenario.second_patrol())
    return SimpleNamespace(scenario=scenario, before=before, first=first, second=second)


@pytest.fixture(scope="module")
def frames():
    return list(islice(Simulation(5).patrol(), SHORT))


def _answer(text, *places, stamp_ns=0, is_found=True):
    evidence = [SimpleNamespace(stamp_ns=stamp_ns, p_map=np.array(p)) for p in places]
    return SimpleNamespace(text=text, is_found=is_found, evidence=evidence)


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed():
    digests = set()
    for hash_seed in ("0", "1"):
        env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run(
            [sys.executable, "-c", DIGEST], env=env, capture_output=True, text=True, check=True
        )
        digests.add(run.stdout)

    assert len(digests) == 1


def test_another_seed_gives_another_run(frames):
    other = next(Simulation(6).patrol())

    assert not np.array_equal(other.depth_m, frames[0].depth_m)


def test_stamps_advance_by_the_rate_from_the_start(frames):
    stamps = [frame.stamp_ns for frame in frames]

    assert stamps[0] == START_NS + 200_000_000
    assert set(np.diff(stamps)) == {200_000_000}


def test_a_frame_becomes_an_observation_with_the_localised_pose(frames):
    frame = frames[3]
    observation = frame.observation()

    T_localised = frame.T_map_odom @ frame.T_odom_base @ frame.T_base_cam
    assert np.allclose(observation.T_map_cam, T_localised)
    assert is_pose(T_localised)
    assert observation.depth_m.shape == (120, 160)
    assert observation.detections == frame.detections


def test_a_patrol_sees_every_thing_often_and_in_its_place(told_scenario):
    house = told_scenario.scenario.simulation.house
    errors_m: dict[int, list[float]] = {thing.thing_id: [] for thing in house.things}
    for frame in told_scenario.second:
        for detection, thing_id in zip(frame.detections, frame.truth.detected_ids, strict=True):
            if thing_id is not None:
                p_map = transform(frame.T_map_cam, detection.p_cam)
                errors_m[thing_id].append(np.linalg.norm(p_map - house.thing(thing_id).p_map))

    assert min(len(errors) for errors in errors_m.values()) >= 5
    assert max(np.median(errors) for errors in errors_m.values()) < 0.15


def test_a_patrol_touches_nothing(told_scenario):
    path = np.array([frame.T_map_base[:2, 3] for frame in told_scenario.second])
    free_space = told_scenario.scenario.simulation.free_space

    assert free_space.is_free(path, radius_m=ROBOT_RADIUS_M)


def test_the_second_patrol_looks_at_the_old_place(told_scenario):
    place = told_scenario.before.p_map
    looks = 0
    for frame in told_scenario.second:
        p_cam = (place - frame.T_map_cam[:3, 3]) @ frame.T_map_cam[:3, :3]
        u, v = (frame.K @ p_cam)[:2] / p_cam[2]
        if p_cam[2] > 0 and 0 <= u < 160 and 0 <= v < 120:
            looks += frame.depth_m[int(v), int(u)] > p_cam[2]

    assert looks >= 3


def test_the_thing_moves_and_the_robot_is_told_within_the_pause(told_scenario):
    scenario, told = told_scenario.scenario, told_scenario.scenario.told

    assert scenario.moved.room != told_scenario.before.room
    assert told_scenario.first[-1].stamp_ns < told.stamp_ns < told_scenario.second[0].stamp_ns
    assert told.observation().text == TOLD_TEXT


def test_right_answers_pass_and_wrong_ones_fail(told_scenario):
    scenario = told_scenario.scenario
    where, changes, count, visited, told = scenario.questions()
    here, old = scenario.moved.p_map, told_scenario.before.p_map
    last_ns = told_scenario.second[-1].stamp_ns

    assert where.judge(_answer("there", here)).ok
    assert not where.judge(_answer("there", old)).ok
    assert not where.judge(_answer("there", here, is_found=False)).ok
    assert changes.judge(_answer(f"the {MOVED_LABEL} moved", here)).ok
    assert not changes.judge(_answer("the blue mug moved", here)).ok
    assert not changes.judge(_answer(f"the {MOVED_LABEL} moved; the blue mug was gone", here)).ok
    assert count.judge(_answer("I have seen 3 chairs.")).ok
    assert not count.judge(_answer("I have seen 4 chairs.")).ok
    assert not visited.judge(_answer("then", here, stamp_ns=last_ns + 10**12)).ok
    assert told.judge(_answer(f'I was told "{TOLD_TEXT}"')).ok
    assert not told.judge(_answer("nothing about that")).ok


def test_an_answer_without_evidence_is_wrong_and_no_error(told_scenario):
    checks = told_scenario.scenario.questions()

    assert not any(check.judge(_answer("")).ok for check in checks)


def test_a_drive_through_a_wall_is_no_success():
    scenario = Scenario(0)
    goal = scenario.moved.p_map

    result = scenario.drive(np.array([goal]))

    assert not result.is_collision_free
    assert result.distance_to_goal_m == pytest.approx(0.0)
    assert not result.ok


def test_a_drive_along_the_true_route_succeeds():
    scenario = Scenario(0)
    simulation = scenario.simulation
    reachable = simulation.free_space.reachable((0, 0), radius_m=0.3)
    goal = min(reachable, key=lambda xy: np.linalg.norm(xy - scenario.moved.p_map[:2]))

    result = scenario.drive(simulation.free_space.route((0, 0), goal, radius_m=0.3))

    assert result.ok
    assert scenario.position_map == pytest.approx((*goal, 0.0))


def test_the_table_says_what_was_wrong():
    text = table([Row("where?", "there\nand there", "here", ok=False)])

    assert "there and there" in text
    assert text.endswith("NO")


def test_a_check_needs_something_found():
    check = Check("?", "anything", lambda answer: True)

    assert not check.judge(_answer("no", is_found=False)).ok


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bag_gives_back_what_was_written(tmp_path, frames, storage):
    path = tmp_path / "run"
    with BagWriter(path, BagSettings(storage=storage, depth_encoding="32FC1")) as bag:
        bag.write_static(frames[0].T_base_cam, stamp_ns=START_NS)
        for frame in frames:
            bag.write_frame(frame)
        bag.write_told(Told(TOLD_TEXT, frames[-1].stamp_ns + 1))

    with AnyReader([path]) as reader:
        messages = [
            (c.topic, reader.deserialize(raw, c.msgtype)) for c, _, raw in reader.messages()
        ]
    depths = [m for topic, m in messages if topic == "/camera/depth/image_rect_raw"]
    found = [m for topic, m in messages if topic == "/detections"]
    assert len(depths) == len(found) == SHORT
    assert np.array_equal(
        depths[2].data.view("<f4").reshape(120, 160), frames[2].depth_m, equal_nan=True
    )
    assert [d.results[0].hypothesis.class_id for d in found[2].detections] == [
        detection.label for detection in frames[2].detections
    ]
    assert next(m.data for topic, m in messages if topic == "/speech") == TOLD_TEXT


@pytest.mark.parametrize("color", ["rgb8", "jpeg", "png"])
def test_a_replayed_bag_observes_what_the_robot_observed(tmp_path, frames, color):
    with BagWriter(tmp_path / "run", BagSettings(color=color)) as bag:
        bag.write_static(frames[0].T_base_cam, stamp_ns=START_NS)
        for frame in frames:
            bag.write_frame(frame)

    loaded = [item.load() for item in open_recording(tmp_path / "run").items()]

    replayed = {o.stamp_ns: o for o in loaded if o.depth_m is not None}
    for frame in frames[1:-1]:
        observation = replayed[frame.stamp_ns]
        seen = np.isfinite(frame.depth_m)
        assert np.allclose(observation.T_map_cam, frame.T_map_cam, atol=1e-6)
        assert np.allclose(observation.depth_m[seen], frame.depth_m[seen], atol=6e-4)
        assert np.abs(observation.color.astype(int) - frame.color).mean() < 8
        assert [d.label for d in observation.detections] == [d.label for d in frame.detections]


def test_the_bag_command_refuses_an_existing_folder(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        write_bag_main(["-o", str(tmp_path)])

    assert exit_info.value.code == 2
    assert "exists already" in capsys.readouterr().err


def test_an_rgbd_folder_holds_images_and_poses(tmp_path, frames):
    count = write_rgbd_folder(tmp_path / "tum", frames)

    depth_line, *_ = _lines(tmp_path / "tum" / "depth.txt")
    truth = [
        list(map(float, line.split())) for line in _lines(tmp_path / "tum" / "groundtruth.txt")
    ]
    units = np.asarray(Image.open(tmp_path / "tum" / depth_line.split()[1]))
    seen = np.isfinite(frames[0].depth_m)
    assert count == len(truth) == SHORT
    assert np.abs(units[seen] / 5000 - frames[0].depth_m[seen]).max() < 2e-4
    assert (units[~seen] == 0).all()
    assert np.allclose(truth[0][1:4], frames[0].T_map_cam[:3, 3])


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def test_an_interrupted_demo_says_so_and_exits_130(tmp_path, monkeypatch, capsys):
    def interrupt(out, seed):
        raise KeyboardInterrupt

    monkeypatch.setattr("robomem_sim.demo.run_in_process", interrupt)

    assert demo_main(["--in-process", "--out", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_the_demo_goes_through_ros_when_it_is_asked_to(tmp_path, monkeypatch):
    started = []

    def run(command, **_):
        started.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)

    assert demo_main(["--ros", "--out", str(tmp_path), "--seed", "4"]) == 0
    assert started[0][1:] == ["-m", "robomem_ros.demo", "--out", str(tmp_path), "--seed", "4"]
