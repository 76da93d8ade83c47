"""So many happenings of a robot's month as are wanted: days of a generated life, over and over, each a little different.

All are the robot's own, and what people say is a caption: what guard and facts make of talk is measured elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.types import EventKind, Happening
from robomem_sim.lives import ConceptEncoder, Words, live

DAYS_LIVED = 4.0
MONTH_NS = 30 * 86_400 * 1_000_000_000
START_NS = 1_772_400_000_000_000_000
BATCH = 5_000
OWN = 0.25  # how much of an embedding no other event of the same text has
SPREAD_M = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """What is lived over and over."""

    words: list[Words]
    embeddings: NDArray[np.float32]


def draw_pool(seed: int) -> Pool:
    """Live some days, and encode what was said of them."""
    encoder = ConceptEncoder(seed)
    words = [moment for moment in live(seed, days=DAYS_LIVED).moments if isinstance(moment, Words)]
    of_text = {text: encoder.encode(text) for text in dict.fromkeys(word.text for word in words)}
    return Pool(words, np.stack([of_text[word.text] for word in words]))


def happenings(pool: Pool, count: int, rng: Generator) -> Iterator[list[Happening]]:
    """Yield batches of happenings, spread over a month."""
    for first in range(0, count, BATCH):
        numbers = np.arange(first, min(first + BATCH, count))
        which = numbers % len(pool.words)
        embeddings = vary(pool.embeddings[which], rng)
        stamps_ns = START_NS + (numbers * (MONTH_NS / count)).astype(np.int64)
        offsets = rng.normal(0, SPREAD_M, (len(numbers), 3)) * (1, 1, 0)
        yield [
            _happening(pool.words[w], int(stamp_ns), embedding, offset)
            for w, stamp_ns, embedding, offset in zip(
                which, stamps_ns, embeddings, offsets, strict=True
            )
        ]


def vary(embeddings: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Return embeddings (N, D) that mean about the same, each in a way of its own."""
    own = rng.standard_normal(embeddings.shape, dtype=np.float32) / embeddings.shape[1] ** 0.5
    return np.asarray(embeddings + OWN * own, np.float32)


def _happening(
    word: Words, stamp_ns: int, embedding: NDArray[np.float32], offset: NDArray[np.float64]
) -> Happening:
    return Happening(
        kind=EventKind.OBSERVED if word.voice == EventKind.TOLD else EventKind(word.voice),
        stamp_ns=stamp_ns,
        text=word.text,
        label=word.label,
        room=word.room,
        T_map_base=word.T_map_base,
        p_map=word.T_map_base[:3, 3] + offset,
        embedding=embedding,
    )
