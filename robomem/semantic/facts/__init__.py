"""What was told and found out, as a temporal graph: what held when, by what was known when."""

from robomem.semantic.facts.fact import Fact, Meaning, ScoredFact
from robomem.semantic.facts.facts import Facts
from robomem.semantic.facts.names import reference

__all__ = ["Fact", "Facts", "Meaning", "ScoredFact", "reference"]
