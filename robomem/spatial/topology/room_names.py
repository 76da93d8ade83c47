"""What kind of room it is, by what stands in it."""

from collections.abc import Iterable

# How much a thing speaks for a room: 3 alone decides, 1 hints. Of equals, the room named first wins.
LEXICON: dict[str, dict[str, float]] = {
    "kitchen": {
        "fridge": 3, "refrigerator": 3, "stove": 3, "oven": 3, "cooker": 3, "dishwasher": 3,
        "kitchen counter": 3, "kitchen sink": 3, "kitchen": 2, "microwave": 2, "kettle": 1,
        "toaster": 2, "coffee machine": 1, "coffee maker": 1, "pan": 1, "pot": 0.5, "counter": 1,
        "sink": 0.5, "dining table": 0.5, "cupboard": 0.5,
    },
    "bathroom": {
        "toilet": 3, "bathtub": 3, "shower": 3, "bath": 2, "washbasin": 2, "towel": 1, "sink": 1,
        "toothbrush": 1, "mirror": 0.5,
    },
    "bedroom": {
        "bed": 3, "nightstand": 2, "wardrobe": 1.5, "dresser": 1, "pillow": 1, "mattress": 2,
        "bedside table": 2, "crib": 2, "alarm clock": 0.5,
    },
    "living room": {
        "sofa": 3, "couch": 3, "settee": 3, "armchair": 1.5, "coffee table": 2, "low table": 1,
        "tv": 1.5, "television": 1.5, "fireplace": 2, "piano": 1.5, "floor lamp": 0.5,
        "cushion": 0.5, "rug": 0.5,
    },
    "dining room": {"dining table": 2, "dining chair": 1, "chandelier": 1, "sideboard": 1},
    "study": {
        "desk": 2.5, "office chair": 2, "bookshelf": 1, "monitor": 1, "keyboard": 1,
        "computer": 1, "paper bin": 1, "desk lamp": 0.5, "printer": 1, "laptop": 0.5, "shelf": 0.5,
    },
    "meeting room": {"conference table": 3, "projector": 2, "whiteboard": 1.5},
    "laundry room": {"washing machine": 2.5, "dryer": 2, "ironing board": 1.5, "laundry": 1},
    "hall": {
        "shoe cabinet": 2, "coat rack": 2, "shoe rack": 2, "doormat": 2, "umbrella stand": 2,
        "elevator": 1.5, "stair": 1, "coat hook": 1, "shoe": 0.25,
    },
    "garage": {"car": 3, "workbench": 2, "bicycle": 1, "tool": 0.5, "lawnmower": 2},
    "storage room": {"pallet": 2, "carton": 1, "cardboard box": 1, "rack": 1, "crate": 1},
}  # fmt: skip
ENOUGH = 1.0  # a mug or a book says nothing


def likely_room(labels: Iterable[str]) -> str | None:
    """Return the kind of room that things of these labels stand in, None where they do not tell.

    A label counts by the longest term among its words, and the same term counts once.
    """
    terms = sorted({term for label in labels if (term := _term(label)) is not None})
    scores = {
        kind: sum(weights.get(term, 0.0) for term in terms) for kind, weights in LEXICON.items()
    }
    best = max(LEXICON, key=lambda kind: scores[kind])
    return best if scores[best] >= ENOUGH else None


def _term(label: str) -> str | None:
    """Return the longest run of a label's words that is in the lexicon, of equals the last."""
    words = [_singular(word) for word in label.lower().split()]
    for length in range(len(words), 0, -1):
        for begin in range(len(words) - length, -1, -1):
            term = " ".join(words[begin : begin + length])
            if term in TERMS:
                return term
    return None


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


TERMS = {term for weights in LEXICON.values() for term in weights}
