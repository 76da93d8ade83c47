"""Folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robomem.errors import ConfigError


@contextmanager
def whole_folder(path: Path, *, mark: str, force: bool = False) -> Iterator[Path]:
    """Return a folder to write to, which takes its name when all of it is written, and vanishes on an error.

    Args:
        path: The name. Beside it there must be room for a second folder.
        mark: A file by which folders of this kind are told from others.
        force: Replace a folder of this kind, or an empty one, that has that name.

    Raises:
        ConfigError: Something has that name and is not to be replaced.
    """
    _check_free(path, mark, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield draft
        draft.chmod(0o777 & ~_umask())  # mkdtemp keeps others out
        _settle(draft)
        _rename(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_free(path: Path, mark: str, *, force: bool) -> None:
    if not path.exists():
        return
    if not force:
        raise ConfigError(f"{path} is there already: choose another name, or --force")
    if not path.is_dir() or not ((path / mark).is_file() or next(path.iterdir(), None) is None):
        raise ConfigError(f"{path} holds no {mark}, so it is not replaced: choose another name")


def _settle(draft: Path) -> None:
    """Let the disk have all of it before it has its name: a power cut leaves it whole or not there."""
    for path in (*draft.rglob("*"), draft):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _rename(draft: Path, path: Path) -> None:
    """Give the draft its name; what had it steps aside first, since no folder is renamed over a full one."""
    if not path.exists():
        draft.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    path.rename(old / path.name)
    try:
        draft.rename(path)
    except OSError:
        (old / path.name).rename(path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
