"""What the parsers of commands have in common. Imports nothing heavy."""

import argparse
from collections.abc import Callable, Mapping, Sequence

Add = Callable[..., argparse.ArgumentParser]
Value = bool | int | float | str
MOST_EPISODES = 1_000_000


def command(
    add: Add, name: str, does: str, *, epilog: str | None = None
) -> argparse.ArgumentParser:
    """Add the parser of a command."""
    return add(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def settings(text: str) -> dict[str, Value]:
    """Read "key=value,key=value"; a value is true, false, a number or else text."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name and sign for name, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return {name: _value(value) for name, _, value in pairs}


def joined(given: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Return settings as one; of a name given twice the last counts."""
    return {name: value for each in given for name, value in each.items()}


def episodes(text: str) -> int:
    """Read how many episodes there are to be."""
    if not text.isdecimal() or not 0 < int(text) <= MOST_EPISODES:
        raise argparse.ArgumentTypeError(f"expected 1 to {MOST_EPISODES}, got {text!r}")
    return int(text)


def _value(text: str) -> Value:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(text, text)
