"""MCAP files from front to back, as far as they go: those of a killed recorder have no index.

Format: https://mcap.dev/spec. rosbags reads whole files; it needs the index and messages in order.
"""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import lz4.frame  # type: ignore[import-untyped]
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from robomem.errors import FormatError, Reason

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

__all__ = ["MAGIC", "McapScan", "ZstdError"]

MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_RECORD = struct.Struct("<BQ")
_MESSAGE_HEADER = struct.Struct("<HIQQ")
_CHUNK_HEADER = struct.Struct("<QQQI")
_PIECE_BYTES = 1 << 16
_DEFINITION_FORMATS = {
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}
_NO_SCHEMA = ("", MessageDefinition(MessageDefinitionFormat.NONE, ""))


class McapScan:
    """The readable part of an MCAP file; `damage` says where `messages` ended, None at the true end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schemas: dict[int, tuple[str, MessageDefinition]] = {}
        self._channels: dict[int, tuple[str, int]] = {}  # topic and schema
        self.damage: str | None = None

    def topics(self) -> list[tuple[str, str, MessageDefinition]]:
        """Return topic, type and definition of what `messages` met so far."""
        known = (
            (topic, *self._schemas.get(schema, _NO_SCHEMA))
            for topic, schema in self._channels.values()
        )
        return list(known)

    def messages(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield topic, time of recording and data, in order of time within a chunk.

        Raises:
            FormatError: The file is no MCAP.
        """
        with self._path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise FormatError(
                    f"{self._path} is no MCAP file", reason=Reason.RECORDING_TRUNCATED
                )
            for stretch in self._stretches(file):
                found = [each for record in _records(stretch) if (each := self._learn(*record))]
                yield from sorted(found, key=lambda message: message[1])

    def _stretches(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield runs of records, chunks unpacked; note the damage."""
        self.damage = "the file has no end: its recorder was stopped or its copy is cut"
        while len(header := file.read(_RECORD.size)) == _RECORD.size:
            opcode, size = _RECORD.unpack(header)
            if opcode == _DATA_END:
                self.damage = None
                return
            body = file.read(min(size, self._path.stat().st_size))
            yield _unpacked(body) if opcode == _CHUNK else header + body

    def _learn(self, opcode: int, body: bytes) -> tuple[str, int, bytes] | None:
        if opcode == _MESSAGE:
            channel, _, received_ns, _ = _MESSAGE_HEADER.unpack_from(body)
            if channel in self._channels:
                return self._channels[channel][0], received_ns, body[_MESSAGE_HEADER.size :]
        elif opcode == _SCHEMA:
            name, encoding, text = _strings(body, start=2, count=3)
            kind = _DEFINITION_FORMATS.get(encoding, MessageDefinitionFormat.NONE)
            self._schemas[_id(body, 0)] = name, MessageDefinition(kind, text)
        elif opcode == _CHANNEL:
            self._channels[_id(body, 0)] = _strings(body, start=4, count=1)[0], _id(body, 2)
        return None


def _records(stretch: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcode and body of every whole record; a cut one at the end is left out."""
    at = 0
    while at + _RECORD.size <= len(stretch):
        opcode, size = _RECORD.unpack_from(stretch, at)
        at += _RECORD.size
        if at + size > len(stretch):
            return
        yield opcode, stretch[at : at + size]
        at += size


def _unpacked(chunk: bytes) -> bytes:
    """Return the records of a chunk, as many as are there."""
    if len(chunk) < _CHUNK_HEADER.size + 12:
        return b""
    size = _CHUNK_HEADER.unpack_from(chunk)[2]
    compression = _strings(chunk, start=_CHUNK_HEADER.size, count=1)[0]
    data = chunk[_CHUNK_HEADER.size + 4 + len(compression) + 8 :]
    if compression == "zstd":
        return _inflated(ZstdDecompressor(), data, size)
    if compression == "lz4":
        return _inflated(lz4.frame.LZ4FrameDecompressor(), data, size)
    return data if compression == "" else b""


def _inflated(
    decompressor: "ZstdDecompressor | lz4.frame.LZ4FrameDecompressor", data: bytes, size: int
) -> bytes:
    """Decompress up to the damage, and no more than the chunk says it holds."""
    inflated = bytearray()
    for at in range(0, len(data), _PIECE_BYTES):
        if decompressor.eof or len(inflated) >= size:
            break
        try:
            inflated += decompressor.decompress(data[at : at + _PIECE_BYTES])
        except (ZstdError, RuntimeError):  # what came before it is good
            break
    return bytes(inflated)


def _id(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 2], "little")


def _strings(body: bytes, *, start: int, count: int) -> list[str]:
    """Read strings that carry their length in front; what is cut reads as shorter."""
    strings = []
    for _ in range(count):
        size = int.from_bytes(body[start : start + 4], "little")
        strings.append(body[start + 4 : start + 4 + size].decode(errors="replace"))
        start += 4 + size
    return strings
