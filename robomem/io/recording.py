"""What a recording is to the rest: a numbered sequence of items, each of which loads as an observation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from robomem.types import Observation


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a recording and what it is used for; `role` "ignored" when it is not."""

    name: str
    role: str
    message_type: str
    count: int


@dataclass(frozen=True, slots=True)
class Item:
    """One observation to be. `load` decodes it and raises DataError when it cannot be used.

    `position` counts from 0 without gaps and is the same at every reading; skipping an item costs no
    decoding. `progress` is the fraction of the recording read, in [0, 1].
    """

    position: int
    progress: float
    load: Callable[[], Observation]


class Recording(Protocol):
    """A recording opened for reading; see `robomem.io.open_recording`."""

    @property
    def kind(self) -> str:
        """The layout in words: "rosbag2 (mcap)", "RGB-D folder (7-Scenes)"."""

    @property
    def fingerprint(self) -> str:
        """Name the content, whatever the path: a replay resumes by it."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What it holds and what of it is used."""

    @property
    def lacks(self) -> tuple[str, ...]:
        """What a memory would want and this recording does not have, in words."""

    def items(self) -> Iterator[Item]:
        """Yield every item in order of time; a damaged end raises FormatError after the last good one."""


def source_name(kind: str, fingerprint: str) -> str:
    """Name who perceived what a recording holds: two recordings are two sources, whatever their stamps."""
    return f"{kind.split()[0].lower()}:{fingerprint[:12]}"
