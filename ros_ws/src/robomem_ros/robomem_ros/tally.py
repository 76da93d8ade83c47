"""What a memory holds and what it turned away, counted along instead of measured anew."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from robomem.memory import Memory
from robomem.types import Receipt
from robomem_ros import convert
from robomem_ros.convert import Factory


@dataclass(slots=True)
class Tally:
    """The figures of a robomem_msgs/Status; `rejected` counts by reason since the node started."""

    observations: int
    keyframes: int
    entities: int
    events: int
    stamp_ns: int
    rejected: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, memory: Memory) -> "Tally":
        """Measure a memory once."""
        counts, span_ns = memory.counts(), memory.span_ns
        return cls(**asdict(counts), stamp_ns=span_ns[1] if span_ns else 0)

    def add(self, receipt: Receipt, stamp_ns: int) -> None:
        """Count an observation."""
        if receipt.rejected is not None:
            self.rejected[receipt.rejected] += 1
            return
        self.observations += 1
        self.keyframes += receipt.is_new_keyframe
        self.stamp_ns = max(self.stamp_ns, stamp_ns)

    def status(self, make: Factory) -> Any:
        """Return the robomem_msgs/Status."""
        message = make("robomem_msgs/Status")
        message.stamp = convert.time(self.stamp_ns, make=make)
        message.observations = self.observations
        message.keyframes = self.keyframes
        message.rejected = self.rejected.total()
        message.entities = self.entities
        message.events = self.events
        message.reasons = sorted(self.rejected)
        message.counts = [self.rejected[reason] for reason in sorted(self.rejected)]
        return message

    def diagnostics(self, name: str, make: Factory) -> Any:
        """Return the diagnostic_msgs/DiagnosticArray."""
        held = {"observations": self.observations, "keyframes": self.keyframes}
        held |= {"entities": self.entities, "events": self.events}
        turned_away = {
            f"rejected: {reason}": count for reason, count in sorted(self.rejected.items())
        }
        return convert.diagnostics(
            name, held | turned_away, is_ok=not turned_away, stamp_ns=self.stamp_ns, make=make
        )
