"""What people tell a robot, true or honestly mistaken, and the tasks that they give it."""

from numpy.random import Generator

from robomem_sim.lives.truth import Claim, Deed, Told
from robomem_sim.lives.world import HOUR_NS, World

MISTAKEN = 0.12  # of what is told
ABOUT_THINGS = 0.6  # of what is told; the rest is about people
CHANGES = 0.4  # of what holds of people changes once
RECENT_NS = 18 * HOUR_NS  # people tell what they did since
IS_ON = "is on"

# Of people: relation, how they say it of themselves, how others say it, what it may be.
RELATIONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("favourite drink is", "my favourite drink is {}", "{}'s favourite drink is {}",
     ("green tea", "coffee", "apple juice", "hot chocolate", "lemonade")),
    ("is allergic to", "I am allergic to {}", "{} is allergic to {}",
     ("nuts", "pollen", "milk", "strawberries", "cats")),
    ("works at", "I work at the {}", "{} works at the {}",
     ("bakery", "hospital", "museum", "railway", "school")),
    ("goes swimming on", "I go swimming on {}", "{} goes swimming on {}",
     ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays")),
    ("keeps the spare key in", "I keep the spare key in the {}", "{} keeps the spare key in the {}",
     ("drawer", "blue box", "garage", "flower pot", "letter box")),
)  # fmt: skip

# Tasks, where they are done, and the steps.
TASKS = (
    ("wipe the kitchen table", "kitchen"), ("water the potted plants", "study"), ("close the window", "bedroom"),
    ("empty the laundry basket", "laundry room"), ("tidy the shoe rack", "hall"), ("dust the bookshelf", "living room"),
)  # fmt: skip
STATES = ("in daylight", "in the dark", "with people in the way")
WHY = {
    "in daylight": "the gripper slipped",
    "in the dark": "it was too dark to see",
    "with people in the way": "somebody stood in the way",
}
FAILS = {"in daylight": 0.1, "in the dark": 0.7, "with people in the way": 0.4}
LAMP = "switch the lamp on"  # what helps in the dark
FAILS_WITH_LAMP = 0.1


class Talk:
    """What holds of a household's people, and what they say of it and of things."""

    def __init__(self, world: World, rng: Generator) -> None:
        self._world, self._rng = world, rng
        self.claims = tuple(self._draw_claims())

    def tell(self, speaker: str, stamp_ns: int) -> Told | None:
        """Return something that a person says, None where nothing comes to mind."""
        is_true = bool(self._rng.random() >= MISTAKEN)
        if self._rng.random() < ABOUT_THINGS:
            return self._tell_of_thing(speaker, stamp_ns, is_true=is_true)
        return self._tell_of_person(speaker, stamp_ns, is_true=is_true)

    def _tell_of_thing(self, speaker: str, stamp_ns: int, *, is_true: bool) -> Told | None:
        put = [
            (thing, stay)
            for thing in self._world.home.things
            if (stay := self._world.stay(thing.thing_id, stamp_ns)).by == speaker
            if stay.spot is not None and stamp_ns - stay.since_ns < RECENT_NS
        ]
        if not put:
            return None
        thing, stay = put[int(self._rng.integers(len(put)))]
        assert stay.spot is not None
        wrong = [spot for spot in thing.spots if spot != stay.spot.name]
        spot = stay.spot.name if is_true or not wrong else str(self._rng.choice(wrong))
        claim = Claim(thing.label, IS_ON, spot, stay.since_ns)
        text = f"I put the {thing.label} on the {spot}"
        return Told(stamp_ns, speaker, text, claim, spot == stay.spot.name)

    def _tell_of_person(self, speaker: str, stamp_ns: int, *, is_true: bool) -> Told:
        """Say something of oneself; of somebody else where it is mistaken."""
        about = [c for c in self.claims if (c.subject == speaker) == is_true and holds(c, stamp_ns)]
        claim = about[int(self._rng.integers(len(about)))]
        _, of_self, of_other, objects = next(r for r in RELATIONS if r[0] == claim.relation)
        if is_true:
            return Told(stamp_ns, speaker, of_self.format(claim.object), claim, is_true=True)
        wrong = str(self._rng.choice([o for o in objects if o != claim.object]))
        said = Claim(claim.subject, claim.relation, wrong, stamp_ns)
        return Told(stamp_ns, speaker, of_other.format(claim.subject, wrong), said, is_true=False)

    def _draw_claims(self) -> list[Claim]:
        claims: list[Claim] = []
        start_ns, end_ns = self._world.start_ns, self._world.end_ns
        for person in self._world.home.people:
            for relation, _, _, objects in RELATIONS:
                first, second = self._rng.permutation(objects)[:2].tolist()
                change_ns = start_ns + int(self._rng.uniform(0.3, 0.7) * (end_ns - start_ns))
                if self._rng.random() >= CHANGES:
                    claims.append(Claim(person, relation, first, start_ns))
                    continue
                claims.append(Claim(person, relation, first, start_ns, change_ns))
                claims.append(Claim(person, relation, second, change_ns))
        return claims


def holds(claim: Claim, stamp_ns: int) -> bool:
    """Tell whether a claim holds at one moment."""
    return claim.since_ns <= stamp_ns and (claim.until_ns is None or stamp_ns < claim.until_ns)


def draw_deed(task: str, room: str, start_ns: int, rng: Generator) -> Deed:
    """Draw how a task goes: the state it meets, what the robot tries, whether that works; it ends when it begins."""
    state = str(rng.choice(STATES))
    has_lamp = state == "in the dark" and rng.random() < 0.5
    lamp = (LAMP,) if has_lamp else ()
    plan = (f"drive to the {room}", *lamp, "take the cloth", task)
    fails = FAILS_WITH_LAMP if has_lamp else FAILS[state]
    why = WHY[state] if rng.random() < fails else None
    return Deed(task, state, plan, start_ns, start_ns, why)
