"""What an exported policy says of itself, and whether its files are those that were exported.

policy/
  manifest.json        this: what goes in, what comes out, which graphs there are, the sha256 of every file
  encoder.onnx         an observation to features
  memory.onnx          features, stamps, positions and the state before to what is remembered, and the state after
  initial_state.npz    the state before the first moment
  chunk.onnx           diffusion: context and noise to a chunk, with the sampler's table as an input of a Loop
  context.onnx, step.onnx  the same in two graphs, where Loops are not welcome
  act.onnx             others: features and what is remembered to an action
  config.json, model.safetensors, stats.json   what it was exported from
  README.md            its card
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from robomem.errors import PolicyFolderError

SCHEMA = 1
MANIFEST, INITIAL_STATE = "manifest.json", "initial_state.npz"
MAX_OPSET = 23  # that the ONNX Runtime of this version is known to run
DTYPES = ("bool", "float32", "int32", "int64", "uint8")
MAX_NUMBERS = 1 << 26  # of an array: 256 MB of float32
MAX_LEVELS = 10_000  # of noise; 100 or 1,000 are usual
Kind = Literal["diffusion", "direct"]


@dataclass(frozen=True, slots=True)
class Spec:
    """An array: its type, and its shape without the batch."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How chunks are made of noise; see `robomem.policy.schedules`.

    Attributes:
        schedule: Name of the noise schedule that was trained with,
        levels: and how many levels it has.
        sampler: Name of the sampler.
        prediction: What the network predicts.
        spacing: Where the steps lie.
        steps: How many, unless somebody asks for others.
        clip: Estimates of normalised actions are held within ± this; None: not at all.
    """

    schedule: str
    levels: int
    sampler: str
    prediction: str
    spacing: str
    steps: int
    clip: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an exported policy wants, gives and consists of.

    Attributes:
        name: What it is called.
        kind: "diffusion" makes chunks, "direct" one action at a time.
        observation: What it wants of every moment, by LeRobot's keys.
        action: What it gives, (A,).
        state: What its memory holds, by name.
        graphs: Files of the graphs by their roles; roles in int8 end in "-int8".
        files: sha256 of every file.
        horizon: H, actions in a chunk.
        execute: So many of them are done before the next chunk.
        period_s: From one action to the next.
        action_middle: (A,) what a normalised action of 0 stands for,
        action_reach: (A,) and how much 1 is more.
        sampling: Of a diffusion policy.
        opset: Of the graphs.
        robomem: Version that exported it.
    """

    name: str
    kind: Kind
    observation: Mapping[str, Spec]
    action: Spec
    state: Mapping[str, Spec]
    graphs: Mapping[str, str]
    files: Mapping[str, str]
    horizon: int
    execute: int
    period_s: float
    action_middle: tuple[float, ...]
    action_reach: tuple[float, ...]
    sampling: Sampling | None
    opset: int
    robomem: str

    def to_json(self) -> str:
        """Return it as manifest.json holds it."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1)


def read_manifest(folder: Path) -> Manifest:
    """Read what a policy says of itself, and check its files.

    Raises:
        PolicyFolderError: It is not an exported policy, it is of another version, or a file is missing or altered.
    """
    fields = _fields(folder)
    if fields.pop("schema", None) != SCHEMA:
        raise PolicyFolderError(
            f"{folder} is not of schema {SCHEMA}, all that this robomem reads: export it again"
        )
    manifest = _parsed(folder, fields)
    if not manifest.opset <= MAX_OPSET:
        raise PolicyFolderError(
            f"{folder} is of opset {manifest.opset}, this robomem runs up to {MAX_OPSET}: upgrade robomem"
        )
    for name, digest in manifest.files.items():
        check_file(folder, name, digest)
    return manifest


def check_file(folder: Path, name: str, digest: str) -> None:
    """Raise PolicyFolderError where a file is missing, or is another one than was exported."""
    if Path(name).name != name:
        raise PolicyFolderError(f"{folder / MANIFEST} names {name!r}, which is not in its folder")
    try:
        found = sha256_of(folder / name)
    except FileNotFoundError as err:
        raise PolicyFolderError(f"{folder} lacks {name}: export it again") from err
    except OSError as err:
        raise PolicyFolderError(f"{folder / name} cannot be read: {err.strerror}") from err
    if found != digest:
        raise PolicyFolderError(
            f"{folder / name} was altered: its sha256 is {found[:12]}…, {digest[:12]}… was exported"
        )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fields(folder: Path) -> dict[str, Any]:
    try:
        fields = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as err:
        raise PolicyFolderError(
            f"{folder} has no readable {MANIFEST}: make one with `robomem export-policy`"
        ) from err
    if not isinstance(fields, dict):
        raise PolicyFolderError(f"{folder / MANIFEST} is no object")
    return fields


def _parsed(folder: Path, fields: dict[str, Any]) -> Manifest:
    try:
        sampling = fields["sampling"]
        manifest = Manifest(
            **{
                **fields,
                "observation": _specs(fields["observation"]),
                "action": _spec(fields["action"]),
                "state": _specs(fields["state"]),
                "action_middle": tuple(map(float, fields["action_middle"])),
                "action_reach": tuple(map(float, fields["action_reach"])),
                "sampling": None if sampling is None else Sampling(**sampling),
            }
        )
        _check(manifest)
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise PolicyFolderError(f"{folder / MANIFEST} tells of no policy: {err}") from err
    return manifest


def _check(manifest: Manifest) -> None:
    """Raise ValueError or TypeError where the parts do not fit."""
    if not isinstance(manifest.name, str):
        raise TypeError(f"name {manifest.name!r}")
    if manifest.kind not in ("diffusion", "direct"):
        raise ValueError(f"kind {manifest.kind!r}")
    if (manifest.kind == "diffusion") != (manifest.sampling is not None):
        raise ValueError("a diffusion policy samples, others do not")
    if not {"encoder", "memory"} <= manifest.graphs.keys():
        raise ValueError("no graph encoder or memory")
    if not set(manifest.graphs.values()) | {INITIAL_STATE} <= manifest.files.keys():
        raise ValueError("a graph without its sha256")
    if not all(isinstance(digest, str) for digest in manifest.files.values()):
        raise ValueError("a sha256 that is no text")
    _check_actions(manifest)
    if manifest.sampling is not None:
        _check_sampling(manifest.sampling)


def _check_actions(manifest: Manifest) -> None:
    counts = manifest.horizon, manifest.execute, manifest.opset
    if not all(type(count) is int and count > 0 for count in counts):
        raise ValueError(f"horizon, execute and opset {counts}")
    if not 0 < manifest.period_s < math.inf:
        raise ValueError(f"period_s {manifest.period_s}")
    size, scales = manifest.action.shape, (*manifest.action_middle, *manifest.action_reach)
    if not (len(manifest.action_middle),) == (len(manifest.action_reach),) == size:
        raise ValueError(f"actions of shape {size}")
    if not all(map(math.isfinite, scales)) or manifest.horizon * len(scales) > MAX_NUMBERS:
        raise ValueError(f"{manifest.horizon} actions, of scales {str(scales)[:60]}")


def _check_sampling(sampling: Sampling) -> None:
    counts, clip = (sampling.levels, sampling.steps), sampling.clip
    if not all(type(count) is int and 0 < count <= MAX_LEVELS for count in counts):
        raise ValueError(f"levels and steps {counts}")
    if clip is not None and not 0 < clip < math.inf:
        raise ValueError(f"clip {clip}")


def _specs(told: Mapping[str, Any]) -> dict[str, Spec]:
    return {str(key): _spec(each) for key, each in told.items()}


def _spec(told: Mapping[str, Any]) -> Spec:
    shape = tuple(told["shape"])
    if told["dtype"] not in DTYPES or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"an array {told}")
    if math.prod(shape) > MAX_NUMBERS:
        raise ValueError(f"an array of more than {MAX_NUMBERS} numbers, {told}")
    return Spec(told["dtype"], shape)
