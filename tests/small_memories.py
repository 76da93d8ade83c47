"""Small memories, and lives for them: what the tests of memories share."""

import torch

from robomem.policy.memories import Moments, make_memory

TINY = {
    "none": {"size": 16},
    "frame-stack": {"size": 16, "frames": 3},
    "gru": {"size": 16},
    "transformer": {"size": 16, "heads": 2, "layers": 2, "window": 8},
    "hcam": {"size": 16, "heads": 2, "chunk": 4, "chunks": 3, "top_k": 2, "hops": 2},
    "ffm": {"size": 16, "traces": 6, "contexts": 3},
    "token-bank": {"size": 16, "heads": 2, "slots": 5, "cognitive": 2},
    "place-wise": {"size": 16, "heads": 2, "places": 5, "queue": 3, "top_k": 2, "hops": 2},
    "reversible": {"size": 16, "blocks": 2, "places": 5},
    "short-term": {"size": 16, "heads": 2, "slots": 7, "radius_m": 4.0},
    "compressed-window": {"size": 16, "heads": 2, "window": 6},
    "neural": {"size": 8, "hidden": 6, "chunk": 4},
}
D, OUT = 6, 5


def tiny(name, seed=0, **settings):
    torch.manual_seed(seed)
    return make_memory(name, D, OUT, **{**TINY[name], **settings}).eval()


def lived(batch, moments, seed=1):
    """Sequences whose stamps are irregular, in places that are visited again."""
    generator = torch.Generator().manual_seed(seed)
    stamps_s = torch.rand(batch, moments, generator=generator).mul(0.4).cumsum(1)
    return Moments(
        torch.randn(batch, moments, D, generator=generator),
        stamps_s,
        torch.randint(0, 4, (batch, moments, 3), generator=generator) * 2.5,
    )


def cut(moments, first, last):
    return Moments(*(part[:, first:last] for part in moments))


def walk(memory, moments, state=None):
    state, outputs = state or memory.init_state(len(moments.stamps_s)), []
    for t in range(moments.stamps_s.shape[1]):
        output, state = memory.step(Moments(*(part[:, t] for part in moments)), state)
        outputs.append(output)
    return torch.stack(outputs, 1), state
