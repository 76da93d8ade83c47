"""Regions that changed and had to leave memory before anyone wrote them to a brick file."""

import os
import tempfile
from pathlib import Path

from robomem.store import brick_files
from robomem.store.bricks import BrickRows


class Spill:
    """An unnamed temporary file of regions; it is gone with the process, however that ends."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._handle: int | None = None
        self._end = 0
        self._extents: dict[int, tuple[int, int]] = {}  # region key: offset, length
        self._holes: dict[int, list[int]] = {}  # size of an extent: offsets

    def __contains__(self, region_key: int) -> bool:
        return region_key in self._extents

    def keys(self) -> list[int]:
        """Return the keys of the regions in it, in order."""
        return sorted(self._extents)

    def put(self, region_key: int, rows: BrickRows) -> None:
        """Write a region that is not in it."""
        block = brick_files.encode(rows)
        size = 1 << (len(block) - 1).bit_length()
        holes = self._holes.setdefault(size, [])
        offset = holes.pop() if holes else self._end
        os.pwrite(self._open(), block, offset)
        self._end = max(self._end, offset + size)
        self._extents[region_key] = (offset, len(block))

    def read(self, region_key: int) -> BrickRows:
        """Return a region."""
        offset, length = self._extents[region_key]
        return brick_files.decode(os.pread(self._open(), length, offset))

    def take(self, region_key: int) -> BrickRows:
        """Return a region and remove it."""
        rows = self.read(region_key)
        offset, length = self._extents.pop(region_key)
        self._holes.setdefault(1 << (length - 1).bit_length(), []).append(offset)
        return rows

    def clear(self) -> None:
        """Remove everything."""
        self._extents.clear()
        self._holes.clear()
        self._end = 0
        if self._handle is not None:
            os.ftruncate(self._handle, 0)

    def __del__(self) -> None:
        if self._handle is not None:
            os.close(self._handle)

    def _open(self) -> int:
        if self._handle is None:
            handle, name = tempfile.mkstemp(prefix="spill-", dir=self._folder)
            Path(name).unlink()
            self._handle = handle
        return self._handle
