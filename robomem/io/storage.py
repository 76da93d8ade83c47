"""The messages of a bag, still serialised: rosbags reads whole files, a scan what is left of damaged ones."""

import logging
import operator
import re
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import apsw
from rosbags.interfaces import MessageDefinition
from rosbags.rosbag2 import Reader, ReaderError

from robomem.errors import FormatError, Reason
from robomem.io.mcap_scan import MAGIC, McapScan, ZstdError
from robomem.io.sqlite_scan import SqliteScan

logger = logging.getLogger(__name__)
SUFFIXES = (".mcap", ".db3")
_SQLITE_MAGIC = b"SQLite format 3\0"
# What rosbags, its decompressors and databases raise on bytes that are no bag.
DAMAGE = (
    ReaderError,
    apsw.Error,
    ZstdError,
    struct.error,
    OSError,
    EOFError,
    LookupError,
    MemoryError,  # of a length that is nonsense
    OverflowError,
    RuntimeError,  # of lz4
    TypeError,  # of ord(b"") at the end of a file
    ValueError,
)


class RawMessage(NamedTuple):
    """A serialised message as it was recorded."""

    topic: str
    received_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BagTopic:
    """A topic of a bag; `definition` is what the bag itself says of its type."""

    name: str
    message_type: str
    count: int
    definition: MessageDefinition

    def with_more(self, count: int) -> Self:
        """Return the topic with the messages of another file counted in."""
        return replace(self, count=self.count + count)


class Storage(Protocol):
    """One file of a bag, or a whole folder of them."""

    @property
    def topics(self) -> tuple[BagTopic, ...]:
        """What it holds; counts are of the readable part."""

    @property
    def span_ns(self) -> tuple[int, int]:
        """Times of the first and the last message; (0, 0) without messages."""

    @property
    def damage(self) -> str | None:
        """What is known to be wrong with it, in words."""

    def messages(self, topics: Iterable[str]) -> Iterator[RawMessage]:
        """Yield the messages of some topics in order of recording; raises FormatError at damage."""


def open_storages(path: Path) -> tuple[Storage, ...]:
    """Open a bag: a .mcap or .db3 file, or a folder of them with or without its metadata.

    Raises:
        FormatError: Not even the beginning can be read.
    """
    if (path / "metadata.yaml").exists():
        try:
            return (RosbagsStorage(path),)
        except DAMAGE as err:  # a killed recorder leaves none, or one that does not fit its files
            logger.warning("%s: metadata set aside, its files are read one by one: %s", path, err)
    return tuple(_open_file(file) for file in storage_files(path))


def storage_files(path: Path) -> list[Path]:
    """Return the files of a bag in order: `bag_10` after `bag_9`."""
    if path.is_file():
        return [path]
    found = (file for file in path.iterdir() if file.name.endswith(SUFFIXES))
    return sorted(
        found, key=lambda file: ([int(n) for n in re.findall(r"\d+", file.name)], file.name)
    )


def is_storage(file: Path) -> bool:
    """Tell by its first bytes whether a file is an MCAP or a SQLite database."""
    return _begins_with(file, MAGIC, _SQLITE_MAGIC)


def _begins_with(file: Path, *magics: bytes) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_SQLITE_MAGIC)).startswith(magics)


def _open_file(file: Path) -> Storage:
    try:
        return RosbagsStorage(file)
    except DAMAGE as err:
        logger.warning("%s is read as far as it goes: %s", file, err)
    try:
        is_sqlite = _begins_with(file, _SQLITE_MAGIC)
        return ScannedStorage(file, SqliteScan(file) if is_sqlite else McapScan(file))
    except sqlite3.Error as err:
        raise truncated(file, 0, str(err)) from err


class RosbagsStorage:
    """A bag that rosbags can open."""

    damage: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        with Reader(path) as reader:
            connections = reader.connections
            if not all(isinstance(text, str) for c in connections for text in (c.topic, c.msgtype)):
                raise ReaderError("a topic has no name or no type")
            self.topics = tuple(
                BagTopic(each.topic, each.msgtype, each.msgcount, each.msgdef)
                for each in connections
            )
            self.span_ns = (reader.start_time, reader.end_time) if reader.message_count else (0, 0)

    def messages(self, topics: Iterable[str]) -> Iterator[RawMessage]:
        """Yield the messages of some topics in order of time; raises FormatError at damage."""
        wanted = set(topics)
        count = 0
        try:
            with Reader(self._path) as reader:
                connections = [each for each in reader.connections if each.topic in wanted]
                # rosbags takes an empty list of connections for all of them
                for connection, at_ns, data in reader.messages(connections) if connections else ():
                    # a damaged cell of SQLite may hold anything: no bytes are no message
                    cell: object = data
                    sound = cell if isinstance(cell, bytes) else b""
                    yield RawMessage(connection.topic, operator.index(at_ns), sound)
                    count += 1
        except DAMAGE as err:
            raise truncated(self._path, count, str(err)) from err


class ScannedStorage:
    """A bag whose end or index is missing: what can be read of it."""

    def __init__(self, path: Path, scan: McapScan | SqliteScan) -> None:
        self._path = path
        self._scan = scan
        counts: Counter[str] = Counter()
        times = [0]
        for topic, at_ns, _ in scan.messages():
            counts[topic] += 1
            times = [min(times[0] or at_ns, at_ns), max(times[-1], at_ns)]
        self.span_ns = times[0], times[-1]
        self.topics = tuple(
            BagTopic(name, kind, counts[name], definition)
            for name, kind, definition in scan.topics()
        )

    @property
    def damage(self) -> str | None:
        """Where the readable part ends, if it is not the whole."""
        return self._scan.damage and f"the end of {self._path.name}: {self._scan.damage}"

    def messages(self, topics: Iterable[str]) -> Iterator[RawMessage]:
        """Yield the messages of some topics as they lie in the file; raises FormatError at damage."""
        wanted = set(topics)
        count = 0
        for topic, at_ns, data in self._scan.messages():
            if topic in wanted:
                yield RawMessage(topic, at_ns, data)
                count += 1
        if self._scan.damage:
            raise truncated(self._path, count, self._scan.damage)


def truncated(path: Path, count: int, why: str) -> FormatError:
    """Return the error for a bag that ends before its end."""
    return FormatError(
        f"{path} is damaged; {count} messages were read before the damage: {why}",
        reason=Reason.RECORDING_TRUNCATED,
    )
