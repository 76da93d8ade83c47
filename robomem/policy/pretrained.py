"""A policy in a folder, as users of LeRobot know it: config.json, model.safetensors and stats.json."""

import json
from pathlib import Path

from torch import Tensor, nn

from robomem.errors import PolicyFolderError
from robomem.policy.config import PolicyConfig
from robomem.policy.encoder import Stats
from robomem.store.folder import write_atomically

CONFIG, WEIGHTS, STATS = "config.json", "model.safetensors", "stats.json"


def save(folder: Path, config: PolicyConfig, weights: dict[str, Tensor], *, stats: Stats) -> None:
    """Write a policy; each file is there whole or not at all."""
    from safetensors.torch import save as to_bytes

    contiguous = {name: value.contiguous() for name, value in weights.items()}
    write_atomically(folder / WEIGHTS, to_bytes(contiguous))
    write_atomically(folder / STATS, json.dumps(stats, indent=1).encode())
    write_atomically(folder / CONFIG, config.model_dump_json(indent=1).encode())


def read_config(folder: Path) -> PolicyConfig:
    """Read the settings of a policy.

    Raises:
        PolicyFolderError: There are none.
        ConfigError: They are not what settings are.
    """
    try:
        text = (folder / CONFIG).read_text()
    except (OSError, UnicodeDecodeError) as err:
        raise PolicyFolderError(f"{folder} has no readable {CONFIG}: is it a policy?") from err
    return PolicyConfig.from_json(text)


def load_weights(policy: nn.Module, folder: Path) -> None:
    """Read the weights of a policy into it.

    Raises:
        PolicyFolderError: There are none, they are of another policy, or not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(folder / WEIGHTS)
        policy.load_state_dict(weights)
    except (OSError, SafetensorError) as err:
        raise PolicyFolderError(f"{folder / WEIGHTS} cannot be read: {err}") from err
    except RuntimeError as err:  # names or shapes
        raise PolicyFolderError(f"{folder / WEIGHTS} does not fit its {CONFIG}: {err}") from err
    if not all(value.isfinite().all() for value in weights.values()):
        raise PolicyFolderError(f"{folder / WEIGHTS} holds numbers that are not finite")
