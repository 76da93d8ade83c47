"""The now: what a robot keeps at hand, of a fixed size, without torch."""
