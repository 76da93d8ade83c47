"""The settings that a folder is opened with: those it was made with, or others that fit what is in it."""

from pathlib import Path

from robomem.config import Config
from robomem.errors import ConfigError
from robomem.store import folder
from robomem.store.records import Records


def settle(path: Path, config: Config | None) -> Config:
    """Return the settings to open a folder with, making it a memory where it is none.

    Raises:
        ConfigError: What is in the folder was made with others, and cannot change.
    """
    if not (path / folder.MANIFEST).exists():
        config = config or Config()
        folder.write_manifest(path, config)
        return config
    stored = folder.read_manifest(path)
    if config is None or config == stored:
        return stored
    if config.spatial.content != stored.spatial.content:
        raise ConfigError(
            f"{path} was made with {stored.spatial}: a map keeps its settings, make another memory"
        )
    if stored.embedding_model not in (None, config.embedding_model) and _has_embeddings(path):
        raise ConfigError(
            f"{path} has embeddings of {stored.embedding_model}, those of {config.embedding_model} cannot be "
            "compared with them: name that model, or make another memory"
        )
    return config


def _has_embeddings(path: Path) -> bool:
    records = Records(path / "records.sqlite", is_writer=False)
    try:
        return records.counter("embedding_dim") > 0
    finally:
        records.close()
