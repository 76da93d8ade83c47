"""The parts that policies are cut into: senses, memory, and what acts."""

import torch
from torch import Tensor

from robomem.policy.diffusion.denoiser import Context
from robomem.policy.export.tracing import EXAMPLES, Named, Part
from robomem.policy.memories.memory import Moments, PolicyMemory
from robomem.policy.observation import (
    IMAGES,
    POSITION,
    RECALLED,
    RECALLED_MASK,
    STATE,
    Perceived,
    Recalled,
)
from robomem.policy.policy import DiffusionPolicy
from robomem.policy.runtime.policy import STATE_IN, STATE_OUT
from robomem.policy.training.agent import DirectAgent


class Senses(Part):
    """The encoder of a diffusion policy: an observation to features."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        super().__init__()
        self.policy = policy

    def example(self) -> dict[str, Tensor]:
        """Return an observation of `EXAMPLES` robots."""
        config = self.policy.config
        images = {
            IMAGES + camera: torch.rand(EXAMPLES, *size) for camera, size in config.images.items()
        }
        return {STATE: torch.randn(EXAMPLES, config.state_size), **images}

    def compute(self, inputs: Named) -> dict[str, Tensor]:
        """Return the features."""
        states = inputs[STATE]
        images = {
            key.removeprefix(IMAGES): value
            for key, value in inputs.items()
            if key.startswith(IMAGES)
        }
        observed = Perceived(states, images, states[:, 0], states[:, :3])
        return {"features": self.policy.encode(observed)}


class Remembering(Part):
    """One step of a memory: a moment and the state before it to what is remembered, and the state after it."""

    def __init__(self, memory: PolicyMemory) -> None:
        super().__init__()
        self.memory = memory

    def example(self) -> dict[str, Tensor]:
        """Return a moment of `EXAMPLES` robots, and the state before it."""
        state = self.memory.init_state(EXAMPLES)
        return {
            "features": torch.randn(EXAMPLES, self.memory.input_size),
            "stamps_s": torch.rand(EXAMPLES),
            "positions": torch.randn(EXAMPLES, 3),
            **{STATE_IN + name: value for name, value in state.items()},
        }

    def compute(self, inputs: Named) -> dict[str, Tensor]:
        """Return what is remembered, and the state after the moment."""
        moment = Moments(inputs["features"], inputs["stamps_s"], inputs["positions"])
        # A step may write into its state, and a tensor that goes in and comes out as it was would be one name for two
        # things.
        state = {
            name.removeprefix(STATE_IN): value.clone()
            for name, value in inputs.items()
            if name.startswith(STATE_IN)
        }
        remembered, after = self.memory.step(moment, state)
        return {"remembered": remembered, **{STATE_OUT + name: after[name] for name in state}}


class Preparing(Part):
    """What the denoiser needs to know of a context, computed once a chunk.

    With classifier-free guidance bias and pooled vector are (B, 2, ...), of no context and of this one; keys and
    values are the same for both.
    """

    def __init__(self, policy: DiffusionPolicy) -> None:
        super().__init__()
        self.policy = policy

    def example(self) -> dict[str, Tensor]:
        """Return features of `EXAMPLES` robots, what they remember, and what they recalled."""
        config = self.policy.config
        made = {
            "features": torch.randn(EXAMPLES, config.width),
            "remembered": torch.randn(EXAMPLES, config.memory_tokens * config.width),
        }
        if config.recalled_slots:
            slots = EXAMPLES, config.recalled_slots
            made[RECALLED] = torch.randn(*slots, config.recalled_size)
            made[RECALLED_MASK] = torch.ones(slots, dtype=torch.bool)
        return made

    def compute(self, inputs: Named) -> dict[str, Tensor]:
        """Return the context's keys and values, its bias and its pooled vector."""
        recalled = None
        if RECALLED in inputs:
            recalled = Recalled(inputs[RECALLED], inputs[RECALLED_MASK])
        tokens, mask = self.policy.tokens(inputs["features"], inputs["remembered"], recalled)
        context = self.policy.denoiser.prepare(tokens, mask)
        if self.policy.config.guidance_scale != 1.0:
            nothing = self.policy.denoiser.prepare(tokens, torch.zeros_like(mask))
            context = Context(
                context.keys_values,
                torch.stack([nothing.bias, context.bias], dim=1),
                torch.stack([nothing.pooled, context.pooled], dim=1),
            )
        return context._asdict()


class Denoising(Part):
    """One step of the denoiser, with its guidance."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        super().__init__()
        self.policy = policy
        self.batch_axes = {"keys_values": 2}
        self.scale = policy.config.guidance_scale

    def example(self) -> dict[str, Tensor]:
        """Return noisy chunks of `EXAMPLES` robots, their times, and their contexts."""
        config = self.policy.config
        with torch.no_grad():
            context = Preparing(self.policy).compute(Preparing(self.policy).example())
        chunk = torch.randn(EXAMPLES, config.horizon, config.action_size)
        return {"x": chunk, "time": torch.rand(EXAMPLES), **context}

    def compute(self, inputs: Named) -> dict[str, Tensor]:
        """Return what is predicted."""
        x, time, denoiser = inputs["x"], inputs["time"], self.policy.denoiser
        keys_values, bias, pooled = inputs["keys_values"], inputs["bias"], inputs["pooled"]
        if self.scale == 1.0:
            return {"predicted": denoiser(x, time, Context(keys_values, bias, pooled))}
        both = Context(
            torch.cat([keys_values, keys_values], dim=2),
            torch.cat([bias[:, 0], bias[:, 1]]),
            torch.cat([pooled[:, 0], pooled[:, 1]]),
        )
        predicted = denoiser(torch.cat([x, x]), torch.cat([time, time]), both)
        without, with_it = predicted[: x.shape[0]], predicted[x.shape[0] :]
        return {"predicted": without + self.scale * (with_it - without)}


class AgentSenses(Part):
    """The encoder of an agent, with its normalisation."""

    def __init__(self, agent: DirectAgent) -> None:
        super().__init__()
        self.agent = agent

    def example(self) -> dict[str, Tensor]:
        """Return a state of `EXAMPLES` robots, and where they are for an agent that wants to know."""
        made = {STATE: torch.randn(EXAMPLES, self.agent.shape.state_size)}
        if self.agent.sees_position:
            made[POSITION] = torch.randn(EXAMPLES, 3)
        return made

    def compute(self, inputs: Named) -> dict[str, Tensor]:
        """Return the features."""
        states = inputs[STATE]
        moments = Moments(states, states[:, 0], inputs.get(POSITION, states))
        return {"features": self.agent.encoded(moments).features}


class Acting(Part):
    """The head of an agent."""

    def __init__(self, agent: DirectAgent) -> None:
        super().__init__()
        self.agent = agent

    def example(self) -> dict[str, Tensor]:
        """Return features of `EXAMPLES` robots, and what they remember."""
        memory = self.agent.memory
        return {
            "features": torch.randn(EXAMPLES, memory.input_size),
            "remembered": torch.randn(EXAMPLES, memory.output_size),
        }

    def compute(self, inputs: Named) -> dict[str, Tensor]:
        """Return the action."""
        context = torch.cat((inputs["remembered"], inputs["features"]), -1)
        return {"action": self.agent.head.act(context)}
