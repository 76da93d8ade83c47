"""The peak memory of one map, in a process of its own: a high-water mark is never lowered again.

`python -m robomem.eval.footprint REQUEST` takes a request as JSON and prints the bytes.
"""

import subprocess
import sys
from dataclasses import dataclass

from pydantic import TypeAdapter

from robomem.eval.measure import peak_bytes
from robomem.eval.peers import make
from robomem.eval.plan import Settings, Setup, scans_of


@dataclass(frozen=True, slots=True)
class Request:
    """Which map is to take which scans; without a map the scans are made and dropped."""

    map: str | None
    setup: Setup
    settings: Settings


def peak_of(request: Request) -> int:
    """Return the peak memory in bytes of a process that maps all scans of a setup."""
    text = TypeAdapter(Request).dump_json(request).decode()
    command = [sys.executable, "-m", "robomem.eval.footprint", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    if done.returncode:
        raise RuntimeError(f"measuring {request.map} failed: {done.stderr.strip()[-2000:]}")
    return int(done.stdout.split()[-1])


def run(request: Request) -> int:
    """Map all scans; return the peak memory in bytes."""
    setup = request.setup
    mapper = (
        make(request.map, resolution_m=setup.resolution_m, max_range_m=setup.max_range_m)
        if request.map
        else None
    )
    for scan in scans_of(setup, request.settings):
        if mapper:
            mapper.integrate(mapper.prepare(scan))
        else:
            scan.returns_map()
    return peak_bytes()


if __name__ == "__main__":
    sys.stdout.write(f"{run(TypeAdapter(Request).validate_json(sys.argv[1]))}\n")
