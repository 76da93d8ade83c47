"""What answers beside a memory: a vector store over captions in ReMEmbR's manner [1], and a buffer of the last N.

ReMEmbR captions every three seconds, embeds the captions, and keeps each with the robot's position and the time; a language
model asks that store by text, place or time, some times over, reads what it got and writes the answer. Here the captions are
those of the life. There is no language model in the loop: in its place a reader that errs in nothing it can know is given to both
baselines. It picks the right tool and the right words, knows which thing, person or room a question is about and which time it
names, takes what was retrieved that names it, and answers from the newest; where nothing names it, it abstains.

What they lack is what their store lacks: a thing has no place but the robot's, and nothing says that a thing is gone.

[1] Anwar et al., "ReMEmbR: Building and Reasoning Over Long-Horizon Spatio-Temporal Memory for Robot Navigation", 2024.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.types import EventKind
from robomem_sim.bench_memory.replies import Reply, Said
from robomem_sim.lives.encoder import ConceptEncoder, concepts_of
from robomem_sim.lives.home import Vector
from robomem_sim.lives.moments import Words
from robomem_sim.lives.questions import Asked, Question

TOP_K = 15  # three rounds of five, as ReMEmbR's language model may ask
BUFFER = 200  # captions that fit the context of a language model


@dataclass(frozen=True, slots=True, eq=False)
class Caption:
    """A caption as ReMEmbR keeps it: when, where the robot was, what was to be seen or heard."""

    stamp_ns: int
    p_map: Vector
    text: str

    @property
    def speaker(self) -> str | None:
        """Who tells something in it."""
        match = re.match(r"(\w+) tells me:", self.text)
        return match[1] if match else None


class Baseline(Protocol):
    """Something that is told captions and asked questions."""

    def add(self, caption: Caption) -> None:
        """Keep a caption."""

    def answer(self, question: Question) -> Reply:
        """Answer a question."""

    @property
    def bytes_kept(self) -> int:
        """How much it keeps."""


class CaptionStore:
    """Captions with their embeddings, found by what they mean."""

    def __init__(self, encoder: ConceptEncoder) -> None:
        self._encoder = encoder
        self._captions: list[Caption] = []
        self._embeddings: list[NDArray[np.float32]] = []
        self._matrix = np.empty((0, encoder.dim), np.float32)

    @property
    def bytes_kept(self) -> int:
        """How much it keeps: texts, embeddings, positions, times."""
        return sum(len(c.text.encode()) + 4 * self._encoder.dim + 32 for c in self._captions)

    def add(self, caption: Caption) -> None:
        """Keep a caption."""
        self._captions.append(caption)
        self._embeddings.append(self._encoder.encode(caption.text))

    def answer(self, question: Question) -> Reply:
        """Read what the tool for such a question retrieves."""
        return read(question, self._retrieve(question))

    def _retrieve(self, question: Question) -> list[Caption]:
        if len(self._matrix) < len(self._embeddings):
            self._matrix = np.stack(self._embeddings)
        rows = np.arange(len(self._captions))
        if question.since_ns is not None or question.until_ns is not None:
            stamps = np.array([caption.stamp_ns for caption in self._captions])
            rows = rows[_is_within(stamps, question)]
        cosines = self._matrix[rows] @ self._encoder.encode(question.words)
        best = rows[np.argsort(-cosines, kind="stable")[:TOP_K]]
        return [self._captions[row] for row in best]


class LastBuffer:
    """The last captions, all of which are read."""

    def __init__(self, count: int = BUFFER) -> None:
        self._count = count
        self._captions: list[Caption] = []

    @property
    def bytes_kept(self) -> int:
        """How much it keeps."""
        return sum(len(c.text.encode()) + 32 for c in self._captions)

    def add(self, caption: Caption) -> None:
        """Keep a caption in the place of the oldest."""
        self._captions.append(caption)
        del self._captions[: -self._count]

    def answer(self, question: Question) -> Reply:
        """Read all of it that is of the time asked for."""
        stamps = np.array([caption.stamp_ns for caption in self._captions])
        kept = np.flatnonzero(_is_within(stamps, question))
        return read(question, [self._captions[row] for row in kept])


def caption_of(words: Words) -> Caption:
    """Return words as a caption: what people tell is heard and captioned with their names."""
    told = words.voice is EventKind.TOLD
    text = f"{words.source} tells me: {words.text}" if told else words.text
    return Caption(words.stamp_ns, words.T_map_base[:3, 3], text)


def read(question: Question, captions: Sequence[Caption]) -> Reply:
    """Answer a question from captions as a reader would who errs in nothing that they say."""
    wanted = set(concepts_of(question.words if question.about is None else question.about))
    if question.asked is Asked.HAPPENED:
        wanted = set(concepts_of(question.words))
    naming = [c for c in captions if wanted <= set(concepts_of(c.text))]
    naming.sort(key=lambda caption: -caption.stamp_ns)
    if question.asked in (Asked.TOLD, Asked.WHO) or " told " in question.words:
        naming = [caption for caption in naming if caption.speaker]
    said = tuple(Said(c.stamp_ns, c.p_map, c.text, _names(c.speaker)) for c in naming)
    answer = _READ.get(question.asked, _answer_by_hits)
    return answer(question, naming, Reply(said, is_found=bool(said)))


def _answer_by_hits(question: Question, captions: Sequence[Caption], reply: Reply) -> Reply:
    del question, captions
    return reply


def _read_count(question: Question, captions: Sequence[Caption], reply: Reply) -> Reply:
    """Count the different things of that noun in what was retrieved: those alike cannot be told apart."""
    noun = re.escape(question.about or "")
    found = {m for c in captions for m in re.findall(rf"\b(?:a|the) ((?:\w+ )?{noun})\b", c.text)}
    return reply.with_value(len(found))


def _read_duration(question: Question, captions: Sequence[Caption], reply: Reply) -> Reply:
    """Take the time from the first to the last caption that names the room."""
    del question
    stamps = [caption.stamp_ns for caption in captions]
    return reply.with_value((max(stamps) - min(stamps)) / 1e9 if stamps else 0.0)


def _read_still(question: Question, captions: Sequence[Caption], reply: Reply) -> Reply:
    """Say yes where the newest caption that names the thing names the place, too."""
    spot = question.words.rpartition(" on the ")[2].rstrip("?")
    return reply.with_yes(bool(captions) and f"on the {spot}" in captions[0].text)


_READ: dict[Asked, Callable[[Question, Sequence[Caption], Reply], Reply]] = {
    Asked.COUNT: _read_count,
    Asked.DURATION: _read_duration,
    Asked.STILL: _read_still,
}


def _is_within(stamps_ns: NDArray[np.int64], question: Question) -> NDArray[np.bool_]:
    since_ns = 0 if question.since_ns is None else question.since_ns
    until_ns = 2**63 - 1 if question.until_ns is None else question.until_ns
    return np.asarray((stamps_ns >= since_ns) & (stamps_ns <= until_ns))


def _names(speaker: str | None) -> frozenset[str]:
    return frozenset() if speaker is None else frozenset([speaker])
