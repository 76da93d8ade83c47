"""What was tried and how it went, and the procedures that come of it."""

from robomem.episodic.experience.experiences import Experiences
from robomem.episodic.experience.precedents import Experience, Precedent, Precedents
from robomem.episodic.experience.procedures import Procedure

__all__ = ["Experience", "Experiences", "Precedent", "Precedents", "Procedure"]
