"""What the parsers of commands have in common. Imports nothing heavy."""

import argparse
from collections.abc import Callable

Add = Callable[..., argparse.ArgumentParser]


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


def settings(text: str) -> dict[str, bool | int | float | str]:
    """Read "key=value,key=value"; a value is true, false, a number or else text."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name and sign for name, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return {name: _value(value) for name, _, value in pairs}


def _value(text: str) -> bool | int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(text, text)
