"""How results look: JSON with its schema, and tables that fit a terminal. Imports nothing heavy."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence

SCHEMA = 1


def print_json(fields: Mapping[str, object]) -> None:
    """Print one object; `schema` is the version of its keys."""
    print(json.dumps({"schema": SCHEMA, **fields}, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print left-aligned columns; empty columns are left out, a terminal's width is kept."""
    columns = [c for c in zip(header, *rows, strict=True) if any(c[1:])]
    widths = [max(map(len, column)) for column in columns]
    for line in zip(*columns, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(fitted("  ".join(cells).rstrip()))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, the values aligned."""
    facts = list(facts)
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name.ljust(width)}  {value}")


def fitted(line: str) -> str:
    """Cut a line to the terminal's width; leave it whole where it goes to a file."""
    width = shutil.get_terminal_size().columns
    return line if not sys.stdout.isatty() or len(line) <= width else f"{line[: width - 1]}…"


def print_text(text: str) -> None:
    """Print sentences, broken between words on a terminal."""
    print(textwrap.fill(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text)
