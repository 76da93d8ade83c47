"""The folder itself: what makes it a memory, its version, its settings and its one writer.

house.rmem/
  robomem.json     format, schema version, settings
  records.sqlite   everything but images and bricks (records.py)
  events.idx       the events as columns, made anew from the records when lost (event_index.py)
  bricks/*.brk     the map (brick_files.py)
  floor.npz        places and rooms of the floor, and what is blocked there (spatial/floors.py)
  images/ab/*.png  depth and colour of keyframes, by digest (images.py)
  writer.lock      held by the one process that writes
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from robomem.config import Config
from robomem.errors import (
    ConfigError,
    StoreCorruptError,
    StoreError,
    StoreLockedError,
    StoreVersionError,
)

FORMAT = "rmem"
SCHEMA = 4
MANIFEST = "robomem.json"
LOCK = "writer.lock"


def prepare(path: Path) -> None:
    """Make the folder where it is absent; raises StoreCorruptError when something else is there."""
    if path.exists() and not path.is_dir():
        raise StoreCorruptError(f"{path} is a file: a memory is a folder, give another path")
    path.mkdir(parents=True, exist_ok=True)
    others = {p.name for p in path.iterdir()} - {LOCK}
    if others and MANIFEST not in others:
        raise StoreCorruptError(f"{path} holds other files and no {MANIFEST}: give another path")


def write_manifest(path: Path, config: Config) -> None:
    """Write format, version and settings in one step."""
    manifest = {"format": FORMAT, "schema": SCHEMA, "config": config.model_dump(mode="json")}
    write_atomically(path / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def read_manifest(path: Path) -> Config:
    """Return the settings of a memory; raises when the folder is none, or is too new."""
    if not path.exists():
        raise StoreError(
            f"{path} does not exist: make a memory with `robomem replay RECORDING -o {path}`"
        )
    if not (path / MANIFEST).is_file():
        raise StoreCorruptError(f"{path} is no memory: it has no {MANIFEST}")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        is_ours, schema = manifest["format"] == FORMAT, int(manifest["schema"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise StoreCorruptError(f"{path / MANIFEST} cannot be read: {err}") from err
    if not is_ours:
        raise StoreCorruptError(f"{path} is no memory: its format is {manifest['format']!r}")
    if schema > SCHEMA:
        raise StoreVersionError(
            f"{path} is schema {schema}, this robomem reads up to {SCHEMA}: upgrade robomem"
        )
    if schema < SCHEMA:
        raise StoreVersionError(
            f"{path} is schema {schema}, from before the first release, this robomem reads {SCHEMA}: "
            "replay the recording into a new memory"
        )
    try:
        return Config.from_json(json.dumps(manifest.get("config", {})))
    except ConfigError as err:
        raise StoreCorruptError(f"{path / MANIFEST}: {err}") from err


def lock(path: Path) -> IO[str]:
    """Take the writer's lock, held until the file is closed; raises StoreLockedError with its holder."""
    handle = (path / LOCK).open("a+", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise StoreLockedError(
            f"{path} is being written by process {holder}: stop it, or open with mode='r'"
        ) from err
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, and on the disk when this returns."""
    with atomic_file(path) as handle:
        handle.write(data)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Let a file be written piece by piece: it is there whole afterwards, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def size_bytes(path: Path) -> int:
    """Bytes of every file in the folder."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
