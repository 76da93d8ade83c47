"""Recordings in, observations out; no ROS needed."""

from pathlib import Path

from robomem.config import IoConfig
from robomem.errors import FormatError
from robomem.io.recording import Item, Recording, Stream

__all__ = ["Item", "Recording", "Stream", "open_recording"]

_EXPECTED = (
    "a rosbag2 folder, an .mcap or .db3 file, or an RGB-D folder"
    " (7-Scenes: frame-*.depth.png; TUM: depth.txt)"
)


def open_recording(path: str | Path, *, config: IoConfig | None = None) -> Recording:
    """Open a recording; what it is, its content says.

    Raises:
        FormatError: There is nothing, or nothing that robomem reads; the message says what was found.
    """
    # Here, for the ROS node takes the assembler without rosbags and Pillow's folders.
    from robomem.io import bags, rgbd_folders, storage

    path, config = Path(path), config or IoConfig()
    if path.is_file() and storage.is_storage(path):
        return bags.BagRecording(path, config)
    if path.is_dir():
        if (path / "metadata.yaml").exists() or storage.storage_files(path):
            return bags.BagRecording(path, config)
        if recording := rgbd_folders.open_folder(path):
            return recording
    raise FormatError(f"{path} is {_found(path)}; expected {_EXPECTED}")


def _found(path: Path) -> str:
    if not path.exists():
        return "not there"
    if path.is_file():
        return f"a file of {path.stat().st_size} bytes that is no MCAP and no SQLite"
    names = sorted(entry.name for entry in path.iterdir())
    return (
        f"a folder with {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        if names
        else "an empty folder"
    )
