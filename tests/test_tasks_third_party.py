"""Tasks of others, where they are installed: scored as ours, solved by their experts, and named where they are not."""

import sys
from types import ModuleType, SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from robomem_sim.tasks import NAMESPACE, THIRD_PARTY
from robomem_sim.tasks.mikasa import GONE_M, INSTALL, JOINTS, MATERIALS
from robomem_sim.tasks.minigrid_memory import Turn
from robomem_sim.tasks.task import STATE

from robomem.errors import ConfigError, MissingExtraError

PACKAGES = {"Popgym": "popgym", "MiniGrid": "minigrid"}
INSTALLED = [
    ("PopgymRepeatPrevious-v0", {}),
    ("PopgymRepeatPrevious-v0", {"decks": 2, "k": 32}),
    ("PopgymConcentration-v0", {"level": "easy"}),
    ("PopgymConcentration-v0", {"level": "hard"}),
    ("MiniGridMemory-v0", {"size": 13}),
    ("MiniGridMemory-v0", {"size": 7, "is_random": False}),
]
WRONG = [
    ("PopgymRepeatPrevious-v0", {"decks": 0}),
    ("PopgymRepeatPrevious-v0", {"k": 52}),
    ("PopgymConcentration-v0", {"level": "expert"}),
    ("MiniGridMemory-v0", {"size": 8}),
    ("MiniGridMemory-v0", {"size": 5}),
    ("MikasaRememberColor-v0", {"colours": 4}),
    ("MikasaRememberColor-v0", {"delay_steps": -1}),
]
MIKASA = "mikasa_robo_suite.rl.memory_envs"


def make(name, **settings):
    for prefix, package in PACKAGES.items():
        if name.startswith(prefix):
            pytest.importorskip(package)
    return gymnasium.make(f"{NAMESPACE}/{name}", disable_env_checker=True, **settings).unwrapped


def play(task, seed, act):
    """Play an episode; return the states, what was told and the score."""
    states, infos, score, is_over = [], [], 0.0, False
    moment, info = task.reset(seed=seed)
    while not is_over:
        assert task.observation_space.contains(moment)
        states.append(moment[STATE])
        infos.append(info)
        moment, reward, is_over, _, info = task.step(act(task))
        score += reward
    return np.array(states), infos, score


@pytest.mark.parametrize(("name", "settings"), INSTALLED)
def test_the_expert_reaches_the_oracle_score(name, settings):
    task = make(name, **settings)

    played = [play(task, seed, lambda task: task.expert_action()) for seed in range(30)]

    assert [score for *_, score in played] == pytest.approx([task.oracle_score] * 30)
    assert task.action_space.contains(task.expert_action())  # though it is over
    assert all(
        0 <= source <= now
        for _, infos, _ in played
        for now, info in enumerate(infos)
        for source in info["depends_on"]
    )


@pytest.mark.parametrize(("name", "settings"), INSTALLED)
def test_a_guess_is_at_chance(name, settings):
    task = make(name, **settings)
    task.action_space.seed(0)

    scores = [play(task, seed, lambda task: task.guess_action())[2] for seed in range(120)]

    error = np.std(scores) / np.sqrt(len(scores)) + 0.01
    assert np.mean(scores) == pytest.approx(task.chance_score, abs=4 * error)


@pytest.mark.parametrize(
    "name", ["PopgymRepeatPrevious-v0", "PopgymConcentration-v0", "MiniGridMemory-v0"]
)
def test_a_task_keeps_to_the_rules_of_gymnasium(name):
    task = make(name)

    check_env(task)


@pytest.mark.parametrize(("name", "settings"), WRONG)
def test_a_wrong_setting_is_told(name, settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        make(name, **settings)


@pytest.mark.parametrize("name", list(THIRD_PARTY))
def test_what_is_not_installed_is_named_with_what_brings_it(name, monkeypatch):
    for module in ("popgym", "minigrid", "mikasa_robo_suite", "mujoco"):
        for loaded in [known for known in sys.modules if known.partition(".")[0] == module]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtraError, match="pip install"):
        gymnasium.make(f"{NAMESPACE}/{name}", disable_env_checker=True)


def test_the_expert_of_the_corridor_has_seen_the_thing_before_it_turns():
    """The thing of the state at `depends_on` is what stands on the side where it goes."""
    task, sides = make("MiniGridMemory-v0"), []

    for seed in range(30):
        states, infos, score = play(task, seed, lambda task: task.expert_action())
        cells = states[:, :-4].reshape(-1, 7, 7, 4)
        (cue,) = infos[-1]["depends_on"]

        assert score == 1
        assert cells[cue, ..., 2:].any()  # a key or a ball
        sides.append(tuple(cells[cue, ..., 2:].any((0, 1))))

    assert (True, False) in sides
    assert (False, True) in sides


def test_in_the_corridor_only_what_turns_and_goes_is_an_action():
    task = make("MiniGridMemory-v0")

    assert task.action_space.n == len(Turn)


UP = np.array([0.0, 0.0, 1000.0])


class FakeCube:
    """What the adapter asks of a cube: where it is, and to be at rest where it is put."""

    def __init__(self, at):
        self.at = at

    @property
    def pose(self):
        return SimpleNamespace(p=self.at[None])

    @pose.setter
    def pose(self, pose):
        self.at = pose.p
        self.linear_velocity = self.angular_velocity = None


class FakeSuite(gymnasium.Env):
    """What the adapter asks of the suite: a tip that goes where it is told, cubes lifted a kilometre up for good."""

    TIME_OFFSET = 5

    def __init__(self, *, delta_time, render_backend, render_mode=None, **_):
        assert render_backend == "none"
        sys.modules["sapien.wrapper.urdf_loader"].RenderMaterial(base_color=[1, 0, 0, 1])
        self.observation_space = self.action_space = gymnasium.spaces.Box(-1, 1, (4,))
        self.DELTA_TIME = delta_time

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.true_color_indices = self.np_random.integers(3, size=1)
        at = np.array([[0.1, y, 0.02] for y in self.np_random.permutation([-0.1, 0.0, 0.1])])
        self.initial_poses = {colour: place[None] for colour, place in enumerate(at)}
        self.cubes = {colour: FakeCube(place + UP) for colour, place in enumerate(at)}
        self._shown.at = np.array([0.0, 0.0, 0.02])
        self.tip, self.steps = np.array([0.0, 0.0, 0.3]), 0
        return np.zeros(4, dtype=np.float32), {}

    @property
    def _shown(self):
        return self.cubes[int(self.true_color_indices[0])]

    @property
    def agent(self):
        tcp = SimpleNamespace(pose=SimpleNamespace(p=self.tip[None]))
        robot = SimpleNamespace(get_qpos=lambda: np.zeros((1, JOINTS)))
        return SimpleNamespace(tcp=tcp, robot=robot)

    def step(self, action):
        self.tip = self.tip + 0.1 * action[:3]
        self.steps += 1
        if self.steps == self.TIME_OFFSET:
            self._shown.at = UP
        is_placed = np.linalg.norm(self.tip - self._shown.at) <= 0.05
        info = {"success": np.array([is_placed and not action[:3].any()])}
        return np.zeros(4, dtype=np.float32), 0.0, info["success"], False, info


@pytest.fixture
def suite(monkeypatch):
    """A stand-in: it shows that the adapter does what its page says, not that the suite does."""
    for name in ("mikasa_robo_suite", "mikasa_robo_suite.rl", MIKASA, "sapien", *MATERIALS):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["sapien"].Pose = SimpleNamespace
    for name in MATERIALS:
        sys.modules[name].RenderMaterial = NoDriver
    gymnasium.register("RememberColor3-v0", entry_point=FakeSuite)
    yield make("MikasaRememberColor-v0")
    del gymnasium.registry["RememberColor3-v0"]


class NoDriver:
    """A material of SAPIEN where there is no Vulkan driver."""

    def __init__(self, **_):
        raise RuntimeError("failed to find a rendering device")


def test_of_the_suite_only_what_a_camera_could_tell_is_seen(suite):
    states, infos, score = play(suite, 0, lambda task: task.expert_action())

    scored = [info["is_scored"] for info in infos]
    assert score == 1
    check_sight(states, opens_at=10)
    assert scored == [False] * 10 + [True] * (len(scored) - 10)
    assert np.abs(states).max() <= 1 < GONE_M


def check_sight(states, *, opens_at):
    """The cue is in sight for 5 moments, nothing while it is to be remembered, then all cubes."""
    in_sight = states[:, JOINTS + 4 :: 4]

    assert (in_sight[:5].sum(1) == 1).all()
    assert (in_sight[5:opens_at] == 0).all()
    assert (in_sight[opens_at:] == 1).all()


def test_a_guess_among_the_cubes_of_the_suite_is_at_chance(suite):
    scores = [play(suite, seed, lambda task: task.guess_action())[2] for seed in range(150)]

    assert np.mean(scores) == pytest.approx(suite.chance_score, abs=0.15)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy and torch, by ManiSkill
@pytest.mark.parametrize(("colours", "delay_steps"), [(3, 0), (3, 60), (5, 5), (9, 5)])
def test_the_suite_itself_is_solved_by_the_expert(colours, delay_steps):
    pytest.importorskip(MIKASA, reason=f"pip install {INSTALL}")
    task = make("MikasaRememberColor-v0", colours=colours, delay_steps=delay_steps)

    played = [play(task, seed, lambda task: task.expert_action()) for seed in range(5)]

    assert [score for *_, score in played] == [1] * 5
    for states, _, _ in played:
        check_sight(states, opens_at=5 + delay_steps)
