"""A life enters a memory: looks are observed one by one, the words between them logged together."""

from collections.abc import Iterable
from itertools import groupby

from robomem.claims import Level
from robomem.memory import Memory
from robomem_sim.lives.encoder import ConceptEncoder
from robomem_sim.lives.moments import Look, Moment


def remember(
    memory: Memory,
    moments: Iterable[Moment],
    *,
    encoder: ConceptEncoder | None = None,
    has_depth: bool = False,
) -> None:
    """Tell a memory of moments, in order; who speaks was introduced to it.

    Args:
        memory: It is told.
        moments: As a life has them.
        encoder: Of words and looks; without one nothing has an embedding.
        has_depth: Whether looks have depth, so that the memory has a map, and can see that a thing is gone.
    """
    known = {"robot"}
    for is_look, run in groupby(moments, key=lambda moment: isinstance(moment, Look)):
        if is_look:
            for look in run:
                if isinstance(look, Look):
                    memory.observe(look.observation(encoder, has_depth=has_depth))
            continue
        said = [words.happening(encoder) for words in run if not isinstance(words, Look)]
        for name in sorted({words.source for words in said} - known):
            memory.guard.set_trust(name, Level.KNOWN)
            known.add(name)
        memory.log(said)
