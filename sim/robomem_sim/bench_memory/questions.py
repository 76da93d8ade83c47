"""Questions by what things are for: "something to drink from", among the things of a household.

Every household has some of the things below. A description of one that it has should find it; one of a thing that
it has not should find nothing. The encoders are held beside each other, and beside always taking the nearest
caption as a plain vector store does: that never abstains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from robomem.ask.encoders import TextEncoder, encoder_of
from robomem.errors import MissingExtraError
from robomem.eval.bench import Table
from robomem.eval.columns import Column, table_of
from robomem.eval.trial import Stopwatch

OWNED = 16  # things in a household
USES: dict[str, str] = {
    "mug": "to drink from", "kettle": "to boil water with", "umbrella": "that keeps the rain off",
    "scissors": "to cut paper with", "hammer": "to drive nails with", "broom": "to sweep the floor with",
    "pillow": "to rest my head on", "towel": "to dry my hands with", "torch": "that gives light in the dark",
    "armchair": "to sit on", "wardrobe": "to hang clothes in", "fridge": "to keep food cold in",
    "toothbrush": "to clean my teeth with", "pen": "to write with", "novel": "to read",
    "guitar": "to make music with", "laptop": "to send an email with", "charger": "to charge my phone with",
    "frying pan": "to fry an egg in", "watering can": "to water the plants with", "suitcase": "to pack for a journey",
    "thermometer": "to measure a fever with", "headphones": "to listen to music with", "clock": "that tells the time",
    "bandage": "to put on a wound", "bicycle": "to ride to work on", "blanket": "that keeps me warm in bed",
    "vase": "to put flowers in", "needle": "to sew on a button with", "ladder": "to climb up to the ceiling",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class EncoderFindings:
    """What one encoder found.

    Attributes:
        name: Which; "nearest" of it never abstains.
        first: Of the descriptions of a thing that is there, those that find it first,
        first_three: among the first three,
        nothing: or not at all, with nothing else in its place.
        abstained: Of those of a thing that is not there, those that find nothing.
        text_ms: To encode one text, the median.
    """

    name: str
    first: float
    first_three: float
    nothing: float
    abstained: float
    text_ms: float


@dataclass(frozen=True, slots=True)
class QuestionsFindings:
    """What was found of questions by meaning.

    Attributes:
        seeds: Of the households.
        encoders: One by one.
    """

    seeds: tuple[int, ...]
    encoders: tuple[EncoderFindings, ...]

    def tables(self) -> tuple[Table, ...]:
        """Return the findings as tables."""
        columns: tuple[Column[EncoderFindings], ...] = (
            Column("first is right", lambda found: found.first, ".0%"),
            Column("in the first three", lambda found: found.first_three, ".0%"),
            Column("found nothing", lambda found: found.nothing, ".0%"),
            Column("abstains rightly", lambda found: found.abstained, ".0%"),
            Column("ms a text", lambda found: found.text_ms, ".2f"),
        )
        rows = [(found.name, found) for found in self.encoders]
        title = f'"Something to drink from", in {len(self.seeds)} households of {OWNED} things'
        return (table_of(title, rows, columns, first="encoder"),)


def measure_questions(seeds: Sequence[int], is_quick: bool) -> QuestionsFindings:
    """Ask for things by what they are for; without the extra `text` only by spelling.

    Args:
        seeds: Of the households.
        is_quick: Ask in half of them.
    """
    seeds = tuple(seeds[: max(1, len(seeds) // 2)] if is_quick else seeds)
    found = [_measure(encoder_of("lexical"), seeds)]
    try:
        minilm = encoder_of("minilm")
    except MissingExtraError:
        return QuestionsFindings(seeds, tuple(found))
    found += [_measure(minilm, seeds), _measure(minilm, seeds, is_nearest=True)]
    return QuestionsFindings(seeds, tuple(found))


def _measure(
    encoder: TextEncoder, seeds: Sequence[int], *, is_nearest: bool = False
) -> EncoderFindings:
    watch = Stopwatch()
    ranks: list[float] = []
    absent: list[bool] = []
    for seed in seeds:
        owned = _household(np.random.default_rng(seed))
        rank = _ranking(encoder, owned, watch, least=-1.0 if is_nearest else encoder.least)
        for label, use in USES.items():
            order = rank(use)
            if label in owned:
                ranks.append(order.index(label) if label in order else np.inf if order else np.nan)
            else:
                absent.append(not order)
    found = np.array(ranks)
    return EncoderFindings(
        name=f"{encoder.name}, nearest" if is_nearest else encoder.name,
        first=float(np.mean(found == 0)),
        first_three=float(np.mean(found < 3)),
        nothing=float(np.mean(np.isnan(found))),
        abstained=float(np.mean(absent)),
        text_ms=watch.times().p50_ms,
    )


def _household(rng: Generator) -> list[str]:
    return sorted(rng.choice(sorted(USES), OWNED, replace=False).tolist())


def _ranking(
    encoder: TextEncoder, labels: Sequence[str], watch: Stopwatch, *, least: float
) -> Callable[[str], list[str]]:
    """Return what ranks labels by a description: those that say something, the nearest first."""
    vectors = encoder.encode(labels)

    def rank(use: str) -> list[str]:
        with watch.timing():
            (wanted,) = encoder.encode([use])
        cosines = vectors @ wanted
        return [labels[i] for i in np.argsort(-cosines, kind="stable") if cosines[i] >= least]

    return rank
