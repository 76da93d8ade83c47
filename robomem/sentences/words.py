"""Words by what they do in a sentence."""

import re

PLACES = (
    "in", "inside", "within", "into", "on", "on top of", "onto", "at", "under", "underneath", "beneath", "below", "above",
    "behind", "near", "next to", "close to", "beside", "besides", "in front of",
)  # fmt: skip
ONE_PLACE = {
    "into": "in",
    "onto": "on",
    "beneath": "under",
    "close to": "near",
    "besides": "beside",
}
ROOMS = frozenset({
    "kitchen", "bedroom", "bathroom", "hall", "hallway", "corridor", "office", "study", "garage", "lounge", "pantry",
    "nursery", "attic", "basement", "cellar", "lobby", "laboratory", "lab", "workshop", "garden", "balcony", "terrace",
    "toilet", "room", "library", "laundry",
})  # fmt: skip
# The words of a state, by what they are about: two of one group exclude each other.
STATES = (
    ("on", "off"),
    ("open", "closed", "shut"),
    ("locked", "unlocked"),
    ("empty", "full"),
    ("clean", "dirty"),
    ("hot", "cold", "cool", "warm"),
    ("safe", "dangerous", "unsafe"),
    ("working", "broken"),
    ("charged", "flat", "dead"),
    ("plugged in", "unplugged"),
    ("running", "stopped"),
    ("wet", "dry"),
    ("home", "away"),
    ("free", "occupied", "blocked"),
)
SAME_STATES = {"shut": "closed", "dead": "flat", "unsafe": "dangerous", "cool": "cold"}
COLOURS = "red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ae]y|golden|silver|beige|turquoise"
# Verbs of putting, of bringing and of leaving in the past (Levin, "English Verb Classes and Alternations", 1993:
# classes 9, 11, 13.3 and 15.2): after them something is where it was not.
MOVED = (
    "put", "placed", "set", "laid", "left", "stored", "stowed", "stashed", "dropped", "parked", "hung", "deposited",
    "moved", "shifted", "brought", "took", "taken", "carried", "dragged", "pushed", "pulled", "returned",
)  # fmt: skip


def either(words: tuple[str, ...]) -> str:
    """Return a pattern of any of these, the longest that fits."""
    return "|".join(sorted(words, key=len, reverse=True))


def is_place(relation: str) -> bool:
    """Tell whether a relation says where something is: "in", "is under", "is kept in"; nobody is where he lives."""
    return _PLACE.fullmatch(relation) is not None


PLACED = either(PLACES)
STATE = either(tuple(state for group in STATES for state in group))
_PLACE = re.compile(rf"(?:(?:is|are|lies) )?(?:(?:located|kept) )?(?:{PLACED})", re.IGNORECASE)

# Words that make a sentence of what should be a name: verbs, pronouns, doubts, times, other clauses.
NO_NAME = re.compile(
    r"[^\w' -]|_|\b(?:is|are|was|were|am|be|been|being|has|have|had|do|does|did|will|would|can|could|shall|should"
    r"|may|might|must|not|no|never|always|nothing|nobody|none|neither|if|whether|unless|because|although|though"
    r"|when|while|since|until|till|before|after|ago|yesterday|today|tomorrow|tonight|now|soon|later|already|still"
    r"|yet|again|anymore|longer|maybe|perhaps|probably|possibly|think|thinks|guess|believe|suppose|hope|wish|seems?"
    r"|said|says|say|told|tell|asked|heard|who|whom|whose|what|where|which|why|how|that|this|these|those|it|its|he"
    r"|she|they|them|him|we|us|you|i|me|there|here|somewhere|anywhere|everywhere|nowhere|else|and|or|but|nor|than"
    r"|either|mine|yours|hers|ours|theirs|every|any|all|anything|something|everything|everyone|someone|anyone|somebody"
    r"|supposed|going|called|known|in|inside|into|on|onto|at|to|from|with|without|by|under|behind|near|next)\b",
    re.IGNORECASE,
)
