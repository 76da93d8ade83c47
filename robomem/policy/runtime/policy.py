"""An exported policy, run by ONNX Runtime: the interface that users of LeRobot know, with a memory behind it.

policy = RuntimePolicy.from_pretrained("exported/")
policy.reset()
action = policy.select_action({"observation.state": state, "observation.stamp_s": stamp_s})

What it remembers is kept in numpy between calls, and is told of every observation with its stamp.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import ConfigError, FormatError, PolicyFolderError, Reason
from robomem.policy.runtime.chunks import ActionChunks, prefix_weights
from robomem.policy.runtime.graphs import Graph, Precision, RuntimeOptions
from robomem.policy.runtime.manifest import INITIAL_STATE, Manifest, Sampling, read_manifest
from robomem.policy.runtime.senses import Seen, check_order, seen
from robomem.policy.schedules import (
    TIME,
    advance,
    estimate,
    inpainted,
    noise_schedule,
    sampler_table,
)

Arrays = dict[str, NDArray[Any]]
Observation = Mapping[str, ArrayLike]
STATE_IN, STATE_OUT = "state.", "next_state."
INT8 = "-int8"
ALWAYS = ("encoder", "memory")  # graphs of every policy
WARM_UP_RUNS = 2


class RuntimePolicy:
    """Acts by graphs; a fork of it shares them.

    Attributes:
        manifest: What it wants and gives.
        is_ready: Whether it has warmed up: the first runs of a graph are slow.
    """

    def __init__(
        self,
        manifest: Manifest,
        graphs: Mapping[str, Graph],
        initial_state: Arrays,
        options: RuntimeOptions,
        *,
        seed: int | np.random.Generator = 0,
    ) -> None:
        self.manifest = manifest
        self.is_ready = False
        self._graphs = graphs
        self._initial_state = initial_state
        self._options = options
        self._middle = np.array(manifest.action_middle, np.float32)
        self._reach = np.array(manifest.action_reach, np.float32)
        self._table = None if manifest.sampling is None else _table(manifest.sampling, options)
        self._rng = np.random.default_rng(seed)
        self.reset()

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, options: RuntimeOptions | None = None, *, seed: int = 0
    ) -> Self:
        """Load an exported policy, and warm it up.

        Args:
            folder: Made by `robomem export-policy`.
            options: What to run it on.
            seed: Of the noise that chunks are made of.

        Raises:
            PolicyFolderError: The folder is incomplete, altered or of another version.
            ProviderError: What it was to run on is not there.
            ConfigError: It was not exported in that precision.
        """
        folder, options = Path(folder), options or RuntimeOptions()
        manifest = read_manifest(folder)
        graphs = {role: Graph(folder / manifest.graphs[role], options) for role in ALWAYS}
        has_loop = options.uses_loop
        if has_loop is None:  # TensorRT has little to say to a Loop
            has_loop = graphs["encoder"].provider != "tensorrt"
        for role in _heads(manifest, options.precision, has_loop=has_loop):
            graphs[role.removesuffix(INT8)] = Graph(folder / manifest.graphs[role], options)
        _check_outputs(graphs, manifest)
        policy = cls(manifest, graphs, _initial_state(folder, manifest), options, seed=seed)
        policy.warm_up()
        return policy

    @property
    def providers(self) -> dict[str, str]:
        """Return what every graph runs on: "tensorrt", "cuda" or "cpu"."""
        return {role: graph.provider for role, graph in self._graphs.items()}

    @property
    def fallbacks(self) -> Counter[str]:
        """Return how many graphs run on something else than was asked for, by what they run on."""
        return Counter(graph.provider for graph in self._graphs.values() if graph.fell_back)

    def describe(self) -> dict[str, Any]:
        """Return what it wants and gives, for a client."""
        manifest = self.manifest
        specs = {
            key: {"dtype": spec.dtype, "shape": list(spec.shape)}
            for key, spec in manifest.observation.items()
        }
        return {
            "name": manifest.name,
            "kind": manifest.kind,
            "observation": specs,
            "action_size": manifest.action.shape[0],
            "horizon": manifest.horizon,
            "period_s": manifest.period_s,
        }

    def warm_up(self) -> None:
        """Run every graph, so that the first real observation does not wait; what is remembered is left alone."""
        rested = self.fork()
        zeros = {
            key: np.zeros(spec.shape, spec.dtype) for key, spec in self.manifest.observation.items()
        }
        for _ in range(WARM_UP_RUNS):
            rested.predict_action_chunk(zeros)
        self.is_ready = True

    def fork(self) -> Self:
        """Return a policy with the same graphs that remembers nothing, for another robot."""
        (rng,) = self._rng.spawn(1)
        fork = type(self)(self.manifest, self._graphs, self._initial_state, self._options, seed=rng)
        fork.is_ready = self.is_ready
        return fork

    def reset(self, *, seed: int | None = None) -> None:
        """Begin an episode: nothing is remembered, no action is planned.

        Args:
            seed: Of the noise from now on; by default it goes on as it was.
        """
        self._state: Arrays | None = None
        self._stamps_s: NDArray[np.float32] | None = None
        self._steps = 0
        self._plans: list[ActionChunks] = []
        if seed is not None:
            self._rng = np.random.default_rng(seed)

    def observe(self, observation: Observation) -> None:
        """Take an observation of each of B robots in, without acting on it.

        Raises:
            DataError: It is not what the policy wants, or older than the last one; nothing of it is remembered.
        """
        self._remember(self._perceived(observation))

    def select_action(self, observation: Observation) -> NDArray[Any]:
        """Take an observation of each of B robots in; return what each is to do at its stamp, (B, A).

        Raises:
            DataError: It is not what the policy wants, or older than the last one; nothing of it is remembered.
        """
        moment = self._perceived(observation)
        if self.manifest.kind == "direct":
            actions = self._acted(moment)[:, 0]
            self._remember(moment)
            return actions
        plans = self._plans or [self._plan() for _ in moment.seen.stamps_s]
        robots = list(zip(plans, moment.seen.stamps_s.tolist(), strict=True))
        if any(plan.is_due(stamp_s) for plan, stamp_s in robots):
            chunks = self._acted(moment)
            for (plan, stamp_s), chunk in zip(robots, chunks, strict=True):
                if plan.is_due(stamp_s):
                    plan.add(chunk, stamp_s)
        self._plans = plans
        self._remember(moment)
        return np.stack([_planned(plan, stamp_s) for plan, stamp_s in robots])

    def predict_action_chunk(
        self,
        observation: Observation,
        *,
        previous: NDArray[np.floating] | None = None,
        delay: int = 0,
        noise: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        """Take an observation of each of B robots in; return what each is to do from its stamp on, (B, H, A).

        Args:
            observation: By LeRobot's keys, of one robot or with a batch first.
            previous: What the chunk that is being done says from that stamp on, (B, N, A): the new one goes on from
                it (real-time chunking, without derivatives).
            delay: So many actions of it will be done before the new chunk is there.
            noise: (B, H, A) to make the chunk of, instead of noise of its own.

        Raises:
            DataError: It is not what the policy wants, or older than the last one; nothing of it is remembered.
            ConfigError: Not 0 <= delay <= N <= H.
        """
        moment = self._perceived(observation)
        actions = self._acted(moment, self._prefix(previous, delay, moment.seen.batch), noise)
        self._remember(moment)
        return actions

    def _perceived(self, observation: Observation) -> "_Moment":
        clock_s = self._steps * self.manifest.period_s
        shown = seen(observation, self.manifest.observation, clock_s=clock_s)
        if shown.batch > self._options.max_batch:
            raise FormatError(
                f"at most {self._options.max_batch} robots at once, got {shown.batch}",
                reason=Reason.OBSERVATION_SHAPE,
            )
        check_order(shown.stamps_s, self._stamps_s)
        state = self._state or {
            name: np.repeat(value, shown.batch, 0) for name, value in self._initial_state.items()
        }
        features = self._run("encoder", shown.arrays)["features"]
        told = {
            "features": features,
            "stamps_s": shown.stamps_s,
            "positions": shown.positions,
            **{STATE_IN + name: value for name, value in state.items()},
        }
        found = self._run("memory", told)
        after = {name: found[STATE_OUT + name] for name in state}
        return _Moment(shown, features, found["remembered"], after)

    def _remember(self, moment: "_Moment") -> None:
        self._state, self._stamps_s = moment.state, moment.seen.stamps_s
        self._steps += 1

    def _prefix(self, previous: NDArray[np.floating] | None, delay: int, batch: int) -> "_Prefix":
        """Return what a new chunk has to go on from, normalised."""
        horizon, size = self.manifest.horizon, self.manifest.action.shape[0]
        known = np.zeros((batch, horizon, size), np.float32)
        if previous is None:
            return _Prefix(known, np.zeros((horizon, 1), np.float32))
        overlap = previous.shape[1] if previous.ndim == 3 else 0
        if previous.shape != (batch, overlap, size) or not np.isfinite(previous).all():
            raise FormatError(
                f"the previous chunk is ({batch}, N, {size}) finite numbers, got {previous.shape}",
                reason=Reason.OBSERVATION_SHAPE,
            )
        weights = prefix_weights(horizon, delay=delay, overlap=overlap)
        known[:, :overlap] = (previous - self._middle) / self._reach
        return _Prefix(known, weights[:, None].astype(np.float32))

    def _acted(
        self,
        moment: "_Moment",
        prefix: "_Prefix | None" = None,
        noise: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        """Return actions (B, H, A)."""
        context = {
            **moment.seen.arrays,
            "features": moment.features,
            "remembered": moment.remembered,
        }
        if self.manifest.kind == "direct":
            action: NDArray[Any] = self._run("act", context)["action"]
            return action.reshape(len(action), 1, -1)
        shape = (len(moment.features), self.manifest.horizon, *self.manifest.action.shape)
        if noise is None:
            noise = self._rng.standard_normal(shape, np.float32)
        elif noise.shape != shape:
            raise ConfigError(f"noise is {shape}, got {noise.shape}")
        prefix = prefix or self._prefix(None, 0, len(noise))
        chunks = self._sampled(context, noise.astype(np.float32), prefix)
        assert self.manifest.sampling is not None
        if self.manifest.sampling.clip is not None:
            chunks = chunks.clip(-self.manifest.sampling.clip, self.manifest.sampling.clip)
        actions: NDArray[np.float32] = chunks * self._reach + self._middle
        return actions

    def _sampled(
        self, context: Arrays, noise: NDArray[np.float32], prefix: "_Prefix"
    ) -> NDArray[np.float32]:
        """Return normalised chunks: all steps in one graph, or one after the other."""
        assert self._table is not None
        if "chunk" in self._graphs:
            given = {
                "noise": noise,
                "table": self._table,
                "known": prefix.known,
                "weights": prefix.weights,
            }
            chunk: NDArray[np.float32] = self._run("chunk", {**context, **given})["chunk"]
            return chunk
        prepared = self._run("context", context, stays=True)
        x, last_x0 = noise, np.zeros_like(noise)
        for row in self._table:
            x = inpainted(row, x, known=prefix.known, noise=noise, weights=prefix.weights)
            time = np.full(len(x), row[TIME])
            predicted = self._run("step", {**prepared, "x": x, "time": time})["predicted"]
            x0 = estimate(row, x, predicted)
            x, last_x0 = advance(row, x, predicted, x0, last_x0), x0
        return x

    def _run(self, role: str, offered: Mapping[str, Any], *, stays: bool = False) -> dict[str, Any]:
        graph = self._graphs[role]
        try:
            feeds = {name: offered[name] for name in graph.inputs}
        except KeyError as err:
            raise PolicyFolderError(f"the graph {role} wants {err}, which no policy has") from err
        return graph(feeds, stays=stays)

    def _plan(self) -> ActionChunks:
        return ActionChunks(period_s=self.manifest.period_s, execute=self.manifest.execute)


@dataclass(frozen=True, slots=True, eq=False)
class _Prefix:
    """Normalised actions (B, H, A) that a chunk has to go on from, and how much, (H, 1)."""

    known: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """What was seen and remembered at a moment, and the state of the memory after it."""

    seen: Seen
    features: NDArray[np.float32]
    remembered: NDArray[np.float32]
    state: Arrays


def _planned(plan: ActionChunks, stamp_s: float) -> NDArray[Any]:
    action = plan.at(stamp_s)
    assert action is not None  # it was due, or there was one
    return action


def _heads(manifest: Manifest, precision: Precision, *, has_loop: bool) -> list[str]:
    """Return the roles of the graphs that act; raises ConfigError where they were not exported."""
    roles = ["chunk"] if has_loop else ["context", "step"]
    if manifest.kind == "direct":
        roles = ["act"]
    if precision == "int8":
        roles = [role + INT8 for role in roles]
    absent = [role for role in roles if role not in manifest.graphs]
    if absent:
        raise ConfigError(f"{manifest.name} was exported without {', '.join(absent)}")
    return roles


def _check_outputs(graphs: Mapping[str, Graph], manifest: Manifest) -> None:
    """Raise PolicyFolderError where a graph does not give what its role has to."""
    given = {
        "encoder": {"features"},
        "memory": {"remembered", *(STATE_OUT + name for name in manifest.state)},
        "act": {"action"},
        "chunk": {"chunk"},
        "step": {"predicted"},
    }
    for role, graph in graphs.items():
        absent = given.get(role, set()) - set(graph.outputs)
        if absent:
            raise PolicyFolderError(f"the graph {role} gives no {', '.join(sorted(absent))}")


def _table(sampling: Sampling, options: RuntimeOptions) -> NDArray[np.float32]:
    schedule = noise_schedule(sampling.schedule, levels=sampling.levels)
    return sampler_table(
        schedule,
        sampler=sampling.sampler,  # type: ignore[arg-type] # it checks the names itself
        prediction=sampling.prediction,  # type: ignore[arg-type]
        spacing=sampling.spacing,  # type: ignore[arg-type]
        steps=options.sampling_steps or sampling.steps,
        clip=np.inf if sampling.clip is None else sampling.clip,
    )


def _initial_state(folder: Path, manifest: Manifest) -> Arrays:
    """Return the state of one robot before its first moment, (1, ...)."""
    try:
        with np.load(folder / INITIAL_STATE, allow_pickle=False) as file:
            state = dict(file)
    except (OSError, ValueError) as err:
        raise PolicyFolderError(f"{folder / INITIAL_STATE} cannot be read: {err}") from err
    found = {name: (value.dtype.name, value.shape) for name, value in state.items()}
    wanted = {name: (spec.dtype, (1, *spec.shape)) for name, spec in manifest.state.items()}
    if found != wanted:
        raise PolicyFolderError(f"{folder / INITIAL_STATE} is not the state that it should be")
    return state
