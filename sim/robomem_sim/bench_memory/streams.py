"""Streams of events whose true boundaries are known: those of lives, and days that are harder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.episodic.segments import Beat
from robomem.episodic.words import hashed_words
from robomem.types import EventKind
from robomem_sim.lives import ConceptEncoder, Life

NS_PER_S = 1_000_000_000
DIM = 384
TOPICS, ROOMS, ACTIVITIES = 12, 6, 40  # of a planted day
STRAY = 0.05  # of its events have nothing to do with what goes on
NOUNS = [
    "cup",
    "plate",
    "kettle",
    "sofa",
    "lamp",
    "book",
    "carpet",
    "plant",
    "door",
    "window",
    "laundry",
    "basket",
    "vacuum",
    "dust",
    "shoe",
    "coat",
    "letter",
    "parcel",
    "toy",
    "phone",
    "screen",
    "keyboard",
    "bread",
    "oven",
    "soup",
    "knife",
    "spoon",
    "towel",
    "soap",
    "mirror",
    "bed",
    "pillow",
    "blanket",
    "curtain",
    "cat",
    "dog",
    "bowl",
]
VERBS = ("takes", "puts", "cleans", "opens", "closes", "moves", "carries", "washes", "folds")


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Events in order, with the rows where something else truly begins (the first one left out)."""

    beats: tuple[Beat, ...]
    boundaries: tuple[int, ...]

    def with_words_only(self) -> "Stream":
        """Return it without meanings and places."""
        beats = (replace(b, embedding=None, p_map=None, room=None) for b in self.beats)
        return Stream(tuple(beats), self.boundaries)


def stream_of_life(life: Life, encoder: ConceptEncoder) -> Stream:
    """Return what a robot logged in words; a boundary is where it turned to something of another name."""
    beats = [
        Beat(
            event_id=row,
            stamp_ns=words.stamp_ns,
            kind=words.voice,
            words=hashed_words(words.text),
            embedding=encoder.encode(words.text),
            p_map=words.T_map_base[:3, 3] if words.p_map is None else words.p_map,
            room=words.room,
        )
        for row, words in enumerate(life.words())
    ]
    turns = [next(same) for _, same in groupby(life.segments, key=lambda s: s.name)]
    rows = np.searchsorted([b.stamp_ns for b in beats], [turn.start_ns for turn in turns])
    return Stream(tuple(beats), tuple(sorted({int(i) for i in rows if 0 < i < len(beats)})))


def planted_stream(rng: Generator, *, noise: float) -> Stream:
    """Make a day of activities whose events drift, stray and overlap in time, place and words.

    Args:
        rng: Of all chance.
        noise: Length of what is an event's own, where its topic has 1.
    """
    rooms_map = rng.uniform(0, 12, (ROOMS, 3)) * (1, 1, 0)
    topics = np.array([_unit(rng.normal(size=DIM)) for _ in range(TOPICS)])
    beats: list[Beat] = []
    boundaries, topic, room = [], 0, 0
    stamp_ns = 7 * 3600 * NS_PER_S
    for _ in range(ACTIVITIES):
        boundaries.append(len(beats))
        topic = int((topic + rng.integers(1, TOPICS)) % TOPICS)
        room = int(rng.integers(ROOMS)) if rng.random() < 0.6 else room
        stamp_ns += int(rng.uniform(600, 7200) * NS_PER_S) if rng.random() < 0.15 else 0
        meaning = _unit(topics[topic] + 0.5 * _unit(rng.normal(size=DIM)))
        beats += _activity(rng, len(beats), stamp_ns, meaning, noise=noise, p_map=rooms_map[room])
        stamp_ns = beats[-1].stamp_ns
    return Stream(tuple(beats), tuple(boundaries[1:]))


def _activity(
    rng: Generator,
    first_id: int,
    stamp_ns: int,
    meaning: NDArray[np.float64],
    *,
    noise: float,
    p_map: NDArray[np.float64],
) -> list[Beat]:
    nouns, verbs = rng.choice(NOUNS, 5, replace=False), rng.choice(VERBS, 3, replace=False)
    drift, beats = np.zeros(DIM), []
    for i in range(int(rng.integers(6, 41))):
        stamp_ns += NS_PER_S + int(rng.exponential(15) * NS_PER_S)
        drift = 0.8 * drift + 0.3 * _unit(rng.normal(size=DIM))
        embedding = meaning + drift + noise * _unit(rng.normal(size=DIM))
        kind, text = EventKind.OBSERVED, _drawn(rng, verbs) + _drawn(rng, nouns, count=2)
        if rng.random() < STRAY:
            embedding = _unit(rng.normal(size=DIM))
            kind, text = EventKind.TOLD, ["remember", *_drawn(rng, NOUNS)]
        beats.append(
            Beat(
                event_id=first_id + i,
                stamp_ns=stamp_ns,
                kind=kind,
                words=hashed_words(" ".join(["somebody", *text])),
                embedding=_unit(embedding).astype(np.float32),
                p_map=p_map + rng.normal(0, 0.8, 3) * (1, 1, 0),
            )
        )
    return beats


def _drawn(rng: Generator, words: Sequence[str] | NDArray[np.str_], count: int = 1) -> list[str]:
    return [str(word) for word in rng.choice(words, count)]


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector))
