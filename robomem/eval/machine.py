"""Where a bench ran."""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from robomem import __version__


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran."""

    platform: str
    processor: str
    cores: int
    python: str


def this_machine() -> Machine:
    """Return what this process runs on."""
    cpus = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", cpus.read_text()) if cpus.exists() else None
    return Machine(
        platform=platform.platform(terse=True),
        processor=model[1] if model else platform.processor(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
    )


def versions_of(packages: Iterable[str]) -> dict[str, str | None]:
    """Return robomem's version and those of other packages, None where one is not installed."""
    return {"robomem": __version__, **{name: _version(name) for name in packages}}


def where(machine: Machine, versions: Mapping[str, str | None]) -> str:
    """Return the line about a machine and the packages on it."""
    packages = [f"{name} {version}" for name, version in versions.items() if version]
    system = f"{machine.cores} cores, {machine.platform}, Python {machine.python}"
    return f"{machine.processor}, {system}; {', '.join(packages)}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
