"""A text encoder made of concepts: what means the same is near, in 384 numbers, from a seed.

It stands in for a sentence encoder where none is installed, and makes runs repeatable: every content word is a
concept (words of the same meaning share one), every concept leans towards its category, and every text has noise of its own.
"""

import hashlib
import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float32]

DIM = 384
CATEGORY = 0.5  # how far concepts of a category lean to each other: cosine 0.2
APPEARANCE = 0.8  # how much a thing's look is its own, and not of its kind

SYNONYMS = (
    ("mug", "cup"), ("sofa", "couch"), ("television", "tv", "telly"), ("laptop", "computer"),
    ("glasses", "spectacles"), ("dinner", "supper"), ("child", "kid"), ("bathroom", "washroom"), ("hall", "corridor"),
    ("cooking", "cook", "preparing", "cooked"), ("eating", "eat", "ate", "having"), ("guest", "visitor", "visit"),
    ("watching", "watch"), ("reading", "read"), ("working", "work"), ("cleaning", "clean", "tidying", "tidy"),
    ("charging", "charge", "docked", "dock"), ("bring", "fetch", "brought", "bringing"), ("put", "placed", "leave", "left"),
    ("sleeping", "sleep", "asleep"), ("playing", "play"), ("laundry", "washing"), ("failed", "failure", "could"),
)  # fmt: skip
CATEGORIES = (
    ("mug", "bottle", "teapot", "pan", "cereal", "cookbook"), ("keys", "key", "wallet", "umbrella", "backpack", "leash"),
    ("book", "notebook", "cookbook", "glasses"), ("laptop", "charger", "headphones", "remote", "camera", "television"),
    ("kitchen", "counter", "sink"), ("bedroom", "bed", "nightstand", "dresser", "sleeping"), ("study", "desk", "working"),
    ("breakfast", "lunch", "dinner", "eating", "cooking"), ("red", "blue", "white", "green", "striped"),
    ("towel", "toothbrush", "dryer", "washbasin", "bathroom"), ("teddy", "toy", "game", "chess", "guitar", "playing"),
)  # fmt: skip
STOP_WORDS = frozenset(
    re.findall(
        "[a-z]+",
        "a an the is are was were be been am i you he she it we they me my your his her their our of on in at to for "
        "from by with and or that this there here did do does has have had when where what who how last time please "
        "so as about into",
    )
)


class ConceptEncoder:
    """Encodes texts, and what things look like.

    Args:
        seed: Of the concepts; encoders of different seeds share nothing.
        noise: How much of a text's embedding is its own.
    """

    dim = DIM

    def __init__(self, seed: int = 0, *, noise: float = 0.35) -> None:
        self._seed = seed
        self._noise = noise
        self._word = lru_cache(maxsize=4096)(self._concept)

    def encode(self, text: str) -> Embedding:
        """Return the embedding (384,) of a text, of unit length."""
        words = concepts_of(text)
        meaning = np.sum([self._word(word) for word in words], axis=0) if words else np.zeros(DIM)
        return _unit(_unit(meaning) + self._noise * self._direction(f"text {text}"))

    def look(self, label: str, thing_id: int, view: int) -> Embedding:
        """Return what one thing looks like in one view, (384,): near to its other views, less so to its kind."""
        kind, own = self.encode(label), self._direction(f"thing {thing_id}")
        seen = self._noise * self._direction(f"view {thing_id} {view}")
        return _unit((1 - APPEARANCE) * kind + APPEARANCE * own + seen)

    def _concept(self, word: str) -> NDArray[np.float64]:
        own = self._direction(f"word {word}")
        category = _CATEGORY_OF.get(word)
        return own if category is None else own + CATEGORY * self._direction(f"kind {category}")

    def _direction(self, name: str) -> NDArray[np.float64]:
        """Return the unit vector of a name."""
        digest = hashlib.blake2b(f"{self._seed} {name}".encode(), digest_size=8).digest()
        rng = np.random.Generator(np.random.SFC64(int.from_bytes(digest, "little")))
        vector = rng.standard_normal(DIM)
        return np.asarray(vector / np.linalg.norm(vector))


def concepts_of(text: str) -> list[str]:
    """Return the concepts that a text names, in its order."""
    words = (word.removesuffix("'s") for word in re.findall(r"[a-z']+", text.lower()))
    return [_CONCEPT_OF.get(_singular(w), _singular(w)) for w in words if w not in STOP_WORDS]


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


_CONCEPT_OF = {_singular(word): _singular(group[0]) for group in SYNONYMS for word in group}
_CATEGORY_OF = {_singular(word): group[0] for group in CATEGORIES for word in group}


def _unit(vector: NDArray[np.float64]) -> Embedding:
    norm = float(np.linalg.norm(vector))
    return (vector / norm if norm else vector).astype(np.float32)
