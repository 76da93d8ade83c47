"""Recall from the top down, beside a search of all events and one that may look at no more of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from robomem.config import Config, StoreConfig
from robomem.episodic.hierarchy import CHUNKS_PER_SEGMENT
from robomem.eval.trial import new_memory
from robomem.memory import Memory
from robomem_sim.lives import Asked, ConceptEncoder, ask_about, live

BREADTHS = (2, 4, 8, 16)
QUESTIONS = 10  # of each kind
KINDS = (Asked.HAPPENED, Asked.TOLD, Asked.WHERE, Asked.WHEN)
K = 5
EPSILON = 1e-3  # of scores: embeddings are kept in 16 bits


@dataclass(frozen=True, slots=True)
class TopDownScore:
    """What is lost and saved by looking into few episodes.

    Attributes:
        days: Length of the lives.
        breadth: How many segments were looked into.
        events: In a life.
        compared: Vectors that were compared with the question's, of episodes and events.
        recall: Part of the five best events of all that are among the five found; equals count as one another.
        recall_at_cost: The same, of a search through as many events, drawn at random.
    """

    days: float
    breadth: int
    events: int
    compared: float
    recall: float
    recall_at_cost: float


def measure_top_down(seeds: Sequence[int], *, days: float) -> tuple[TopDownScore, ...]:
    """Ask about lives, and look into few and into many episodes."""
    encoder = ConceptEncoder(0)
    found: dict[int, list[_Compared]] = {breadth: [] for breadth in BREADTHS}
    events = 0
    for seed in seeds:
        life = live(seed, days=days)
        rng = np.random.default_rng([seed, 8])
        questions = ask_about(life, rng, each=QUESTIONS, kinds=KINDS)
        with new_memory(Config(store=StoreConfig(sync="normal"))) as memory:
            receipt = memory.log(words.happening(encoder) for words in life.words())
            events += len(receipt.event_ids)
            embeddings = memory.event_search.embeddings(receipt.event_ids)
            chunks = len(memory.hierarchy.episodes("chunk"))
            for question in questions:
                query = encoder.encode(question.words)
                flat = _similarity(embeddings, query)
                for breadth, compared in found.items():
                    compared.append(
                        _compare(memory, query, flat, breadth=breadth, rng=rng, chunks=chunks)
                    )
    return tuple(
        TopDownScore(
            days=days,
            breadth=breadth,
            events=events // len(seeds),
            compared=mean(c.count for c in compared),
            recall=mean(c.recall for c in compared),
            recall_at_cost=mean(c.recall_at_cost for c in compared),
        )
        for breadth, compared in found.items()
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """One question: how many vectors were compared, and what was found; see `TopDownScore`."""

    count: int
    recall: float
    recall_at_cost: float


def _compare(
    memory: Memory,
    query: NDArray[np.float32],
    flat: NDArray[np.float64],
    *,
    breadth: int,
    chunks: int,
    rng: np.random.Generator,
) -> _Compared:
    """Ask from the top down; what is compared is all chunks, the segments of some, and the events in some of these."""
    looked_into = memory.hierarchy.recall(embedding=query, breadth=breadth, limit=len(flat))
    least = np.sort(flat)[-K] - EPSILON
    found = sum(hit.score >= least for hit in looked_into[:K])
    looked_at = min(CHUNKS_PER_SEGMENT * breadth, chunks)
    keys = chunks + looked_at * memory.config.segments.chunk_segments
    count = len(looked_into) + keys
    drawn = flat[rng.permutation(len(flat))[:count]]
    found_at_cost = min(K, int((drawn >= least).sum()))
    return _Compared(count, found / K, found_at_cost / K)


def _similarity(embeddings: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    cosines = embeddings @ query / np.linalg.norm(embeddings, axis=1)
    return np.asarray((1 + cosines) / 2, np.float64)
