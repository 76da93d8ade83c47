"""Hierarchical chunk attention memory: the past in chunks with summaries, of which the few that fit are read.

Lampinen et al., "Towards mental time travel: a hierarchical memory for reinforcement learning agents", 2021. There
the memory is a layer of a deep recurrent agent; here a moment is written after it has looked at the S moments
before it, so that a chunk knows what moved and not only what was, and the gradient flows into what was written.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomem.policy.memories.attention import Entries
from robomem.policy.memories.attentive import Attended, AttentiveMemory
from robomem.policy.memories.group_attention import Chunks, EqualGroups, GroupReader
from robomem.policy.memories.layers import at_reads, at_rows, counts, output_head, parted, zeros
from robomem.policy.memories.memory import Moments, State
from robomem.policy.memories.window import WindowBlock, visible_now


@dataclass(frozen=True, slots=True)
class HCAMSettings:
    """Settings of `HCAM`.

    Attributes:
        size: C, numbers that a moment is encoded in.
        heads: of the attention.
        chunk: S, moments in a chunk, and in the window that a moment looks at before it is written.
        chunks: M, full chunks that are held; the oldest goes when another is full.
        top_k: chunks that are read.
        hops: readings, one after the other.
    """

    size: int = 64
    heads: int = 4
    chunk: int = 32
    chunks: int = 32
    top_k: int = 4
    hops: int = 2


class HCAM(AttentiveMemory):
    """Holds M chunks of S moments, the one that is being filled, and a window of S moments.

    The chunk that moment n is written to is n // S; it lies at slot (n // S) mod (M + 1) of a ring.
    """

    def __init__(
        self, input_size: int, output_size: int, settings: HCAMSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or HCAMSettings()
        size, heads = self.settings.size, self.settings.heads
        self.embed = nn.Linear(input_size, size)
        self.near = WindowBlock(size, heads, self.settings.chunk)
        self.reader = GroupReader(size, heads, top_k=self.settings.top_k, hops=self.settings.hops)
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return an empty ring and an empty window."""
        chunk, size = self.settings.chunk, self.settings.size
        ring = (batch_size, self._ring, size)
        return {
            "keys": zeros(self, *ring),
            "values": zeros(self, *ring),
            "means": zeros(self, batch_size, self.settings.chunks + 1, size),
            "near_keys": zeros(self, batch_size, chunk, size),
            "near_values": zeros(self, batch_size, chunk, size),
            "written": counts(self, batch_size),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Look at the window, write into the ring, read the full chunks."""
        rows, stamps_s = self.embed(moment.features)[:, None], moment.stamps_s[:, None]
        near = _near(state).newest(self.settings.chunk - 1)
        near = near.then(self.near.entries(rows, stamps_s))
        visible = visible_now(state["written"] + 1, window=self.settings.chunk)
        rows = self.near.look(rows, stamps_s, near, visible).rows
        chunks = self._written(self.reader.entries(rows, stamps_s), state)
        rows = self.reader.read_chunks(rows, stamps_s, chunks)
        return self.head(rows[:, 0]), _state(chunks, near, state["written"] + 1)

    def attend(self, moments: Moments, state: State | None = None, *, reads: Tensor) -> Attended:
        """Look at the windows everywhere, read the full chunks at `reads`; the weights are the last reading's."""
        before, stamps_s = state or self.init_state(len(moments.stamps_s)), moments.stamps_s
        rows = self.embed(moments.features)
        near = _near(before).then(self.near.entries(rows, stamps_s))
        held = before["written"].clamp(max=self.settings.chunk)
        rows = self.near.look_everywhere(rows, stamps_s, near, held)
        entries = self.reader.entries(rows, stamps_s)
        timeline = _Timeline(
            before["written"],
            chunk=self.settings.chunk,
            past=self.settings.chunks if state else 0,
            moments=stamps_s.shape[1],
        )
        ring = Entries(before["keys"], before["values"])
        laid = Entries(*(timeline.lay(*part) for part in zip(ring, entries, strict=True)))
        asked = at_reads(rows, reads), at_reads(stamps_s, reads)
        visible = timeline.visible(reads, chunks=self.settings.chunks)
        recollection = self.reader(*asked, laid, visible, EqualGroups(self.settings.chunk))
        ring = Entries(*(timeline.fold(part, self._ring) for part in laid))
        chunks = Chunks(ring, self._by_chunk(ring.values).mean(dim=2), self._full(timeline.end))
        after = _state(chunks, near.newest(self.settings.chunk), timeline.end)
        weights = timeline.at_moments(recollection.weights)
        return Attended(self.head(recollection.rows), after, weights)

    @property
    def _ring(self) -> int:
        """Moments that the ring has slots for."""
        return (self.settings.chunks + 1) * self.settings.chunk

    def _written(self, entry: Entries, state: State) -> Chunks:
        """Write the entry (B, 1, C) of the present moment into its slot, and say what its chunk is like now.

        In place, since a ring of a thousand moments is dear to copy at every one of them. Nobody reads the slot before
        its chunk is full: a step whose state is thrown away has changed nothing.
        """
        robots = torch.arange(len(state["written"]), device=state["written"].device)
        slot = state["written"] % self._ring
        ring = Entries(state["keys"], state["values"])
        for part, new in zip(ring, entry, strict=True):
            part[robots, slot] = new[:, 0]
        chunk = (slot // self.settings.chunk)[:, None]
        mean = at_rows(self._by_chunk(ring.values), chunk).mean(dim=2)
        here = torch.arange(self.settings.chunks + 1, device=chunk.device) == chunk
        means = torch.where(here[..., None], mean, state["means"])
        return Chunks(ring, means, self._full(state["written"]))

    def _by_chunk(self, ring: Tensor) -> Tensor:
        """Part a ring (B, N, C) into its chunks, (B, M + 1, S, C)."""
        return parted(ring, 1, self.settings.chunks + 1, self.settings.chunk)

    def _full(self, written: Tensor) -> Tensor:
        """Say which chunks are full while moment number `written` (B,) is lived: (B, M + 1)."""
        current = (written // self.settings.chunk)[:, None]
        chunks = torch.arange(self.settings.chunks + 1, device=written.device)
        age = (current - chunks) % (self.settings.chunks + 1)
        return (age > 0) & (age <= current)


class _Timeline:
    """Where moments lie when what the ring holds and a new sequence are laid out one after the other.

    Attributes:
        end: (B,) moments that were ever lived, when the sequence is over.
    """

    def __init__(self, written: Tensor, *, chunk: int, past: int, moments: int) -> None:
        """Begin with the chunk that is `past` before the one which is being filled."""
        self._chunk = chunk
        self._first = written // chunk - past
        self._length = (past + -(-(chunk - 1 + moments) // chunk)) * chunk
        self._origin = self._first * chunk
        number = written[:, None] + torch.arange(moments, device=written.device)
        self._number = number
        self._index = number - self._origin[:, None]
        self._is_fresh = past == 0
        self.end = written + moments

    def lay(self, ring: Tensor, new: Tensor) -> Tensor:
        """Lay a ring (B, N, C) out in the order of time, and the new rows (B, T, C) behind: (B, G S, C)."""
        if self._is_fresh:
            old = new.new_zeros(len(new), self._length, new.shape[-1])
        else:
            slots = torch.arange(ring.shape[1], device=ring.device)
            old = at_reads(ring, (self._origin[:, None] + slots) % ring.shape[1])
            old = functional.pad(old, (0, 0, 0, self._length - ring.shape[1]))
        return old.scatter(1, self._index[..., None].expand_as(new), new)

    def fold(self, laid: Tensor, ring: int) -> Tensor:
        """Return the ring (B, N, C) after the sequence; slots that no visible moment has hold anything."""
        newest = self.end[:, None] - 1
        number = newest - (newest - torch.arange(ring, device=laid.device)) % ring
        return at_reads(laid, (number - self._origin[:, None]).clamp(min=0))

    def visible(self, reads: Tensor, *, chunks: int) -> Tensor:
        """Say what a moment reads, the `chunks` full ones before its own: (B, R, G S)."""
        laid = torch.arange(self._length, device=reads.device) // self._chunk
        chunk = (self._first[:, None] + laid)[:, None]
        current = (self._number.gather(1, reads) // self._chunk)[..., None]
        return (chunk >= 0) & (chunk < current) & (chunk >= current - chunks)

    def at_moments(self, weights: Tensor) -> Tensor:
        """Pick the weights (B, H, R, G S) of the sequence's own moments: (B, H, R, T)."""
        index = self._index[:, None, None].expand(*weights.shape[:3], -1)
        return weights.gather(-1, index)


def _near(state: State) -> Entries:
    return Entries(state["near_keys"], state["near_values"])


def _state(chunks: Chunks, near: Entries, written: Tensor) -> State:
    held = {"keys": chunks.past.keys, "values": chunks.past.values, "means": chunks.means}
    return {**held, "near_keys": near.keys, "near_values": near.values, "written": written}
