"""Lives of household robots with their truth, without images: days and months in seconds.

    life = live(seed=0, days=1.0)
    for moment in life.moments: ...        # looks (Observation) and words (Happening), in order
    ask_about(life, rng, count=100)        # questions with their true answers

home       rooms, furniture, people, things            start here
world      where people and things truly are
robot      what the robot does and logs: moments, phrases, talk
truth      a life, and what truly was
questions  what may be asked of it
encoder    texts and looks to embeddings
"""

import numpy as np

from robomem_sim.lives.encoder import ConceptEncoder
from robomem_sim.lives.gazes import Gazes
from robomem_sim.lives.home import draw_home
from robomem_sim.lives.moments import Look, Moment, Words
from robomem_sim.lives.questions import Asked, Question, Right, ask_about
from robomem_sim.lives.robot import SPARING, Robot, Senses
from robomem_sim.lives.truth import Claim, Deed, Glimpse, Life, Segment, Told
from robomem_sim.lives.world import World

__all__ = [
    "SPARING", "Asked", "Claim", "ConceptEncoder", "Deed", "Glimpse", "Life", "Look", "Moment", "Question", "Right", "Segment",
    "Senses", "Told", "Words", "ask_about", "live",
]  # fmt: skip


def live(seed: int, *, days: float = 1.0, senses: Senses | None = None) -> Life:
    """Live some days.

    Args:
        seed: Of the household, its people's habits, and all chance.
        days: How long, from midnight of a Monday.
        senses: How well the robot sees.
    """
    home_rng, world_rng, robot_rng = np.random.default_rng(seed).spawn(3)
    world = World(draw_home(home_rng), world_rng, days=days)
    senses = senses or Senses()
    robot = Robot(world, senses, robot_rng)
    robot.live()
    log = robot.log
    looks = (moment for moment in log.moments if isinstance(moment, Look))
    return Life(
        seed=seed,
        world=world,
        moments=tuple(log.moments),
        segments=tuple(log.segments),
        glimpses=tuple(log.glimpses),
        told=tuple(log.told),
        claims=robot.talk.claims,
        deeds=tuple(log.deeds),
        gazes=Gazes(looks, range_m=senses.range_m),
    )
