"""`robomem info`: what a memory holds, in numbers."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta

from robomem.ask.timebase import SECOND_NS, Timebase
from robomem.cli.hits import short_time
from robomem.cli.opening import open_to_read, timebase_of
from robomem.cli.output import print_facts, print_json
from robomem.types import MemoryInfo, RetentionInfo


def run(args: Namespace) -> int:
    """Print the numbers."""
    with open_to_read(args.memory) as memory:
        info, timebase = memory.info(), timebase_of(memory)
    if args.json:
        fields = asdict(info)
        counts = {"store_schema": fields.pop("schema"), "rejected": info.rejected}
        print_json(counts | fields)
        return 0
    print_facts(_facts(info, timebase))
    return 0


def _facts(info: MemoryInfo, timebase: Timebase) -> Iterator[tuple[str, str]]:
    yield "span", _span(info, timebase)
    yield "observations", f"{info.observations:,}"
    yield "frames", f"{info.frames:,}"
    yield "rejected", f"{info.rejected:,}"
    for reason, count in sorted(info.rejections.items()):
        yield "", f"{count:,} {reason}"
    yield "keyframes", f"{info.keyframes:,}"
    yield "entities", f"{info.entities:,}"
    yield "events", f"{info.events:,}"
    yield from _kept(info.retention)
    yield "path length", f"{info.path_length_m:,.1f} m"
    yield "known", f"{info.known_m3:,.2f} m3, voxels of {info.voxel_size_m:g} m"
    yield "free", f"{info.free_m3:,.2f} m3"
    yield "occupied", f"{info.occupied_m3:,.2f} m3"
    yield "size on disk", _size(info.bytes_on_disk)
    yield "schema", str(info.schema)
    yield "content hash", info.content_hash


def _kept(kept: RetentionInfo) -> Iterator[tuple[str, str]]:
    yield "", f"{kept.events / kept.max_events:.0%} of {kept.max_events:,}, {kept.pinned:,} pinned"
    yield "", f"{_size(kept.bytes)} of {_size(kept.max_bytes)}"
    if kept.merged:
        yield "", f"{kept.merged:,} merged into others"
    for kind, count in sorted(kept.evicted.items()):
        yield "", f"{count:,} {kind} went"


def _span(info: MemoryInfo, timebase: Timebase) -> str:
    if info.first_stamp_ns is None or info.last_stamp_ns is None:
        return "nothing observed yet"
    first, last = (short_time(ns, timebase) for ns in (info.first_stamp_ns, info.last_stamp_ns))
    zone = f" {timebase.timezone}" if timebase.has_dates else ""
    seconds = round((info.last_stamp_ns - info.first_stamp_ns) / SECOND_NS)
    return f"{first} to {last}{zone}, {timedelta(seconds=seconds)} h"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
