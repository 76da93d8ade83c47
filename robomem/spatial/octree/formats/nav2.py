"""Floor maps of nav2's map server: NAME.yaml beside an image, one pixel a cell, row 0 at the highest y.

A pixel's occupancy is 1 - its brightness (its brightness where `negate` is set). What it means is up to
`mode`, as in nav2_map_server's map_io:

trinary  above `occupied_thresh` occupied, below `free_thresh` free, else unknown. Transparency counts as
         one more channel of the brightness.
scale    the same, but between the thresholds 0 to 100; unknown where it is not wholly opaque.
raw      the brightness, 0 to 255, is the value; above 100 unknown. `negate` means nothing.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from robomem.errors import DataError, FormatError, Reason
from robomem.spatial.octree.values import OccupancyGrid
from robomem.store.folder import write_atomically

MAX_PIXELS = 50_000_000  # 350 x 350 m at 5 cm; an image file can claim anything
MAX_YAML_BYTES = 1 << 16
OCCUPIED_THRESHOLD, FREE_THRESHOLD = 0.65, 0.196
_FREE, _OCCUPIED, _UNKNOWN = 254, 0, 205  # brightness; 1 - 205/255 is just above the free threshold
_IMAGES = ("PPM", "PNG", "BMP")  # what nav2 writes; PPM is Pillow's name of PGM
_MODES = ("trinary", "scale", "raw")


def write_nav2(path: Path, grid: OccupancyGrid) -> None:
    """Write NAME.yaml and NAME.pgm, trinary: what is read back is 100, 0 and -1, cell by cell.

    Values between are rounded as nav2 does: up to 20 free, from 65 occupied, else unknown. The image is
    written first, so a map that is there has its image.

    Args:
        path: The yaml file.
        grid: At least one cell.

    Raises:
        DataError: The suffix is another, or there is no cell.
    """
    if path.suffix != ".yaml":
        raise DataError(f"{path.name}: a map of nav2 is called .yaml")
    if not grid.values.size:
        raise DataError("a map of no cells cannot be written: nothing is known at these heights")
    values = grid.values[::-1]
    pixels = np.full_like(values, _UNKNOWN, np.uint8)
    pixels[(values >= 0) & (values <= round(100 * FREE_THRESHOLD))] = _FREE
    pixels[(values >= round(100 * OCCUPIED_THRESHOLD)) & (values <= 100)] = _OCCUPIED
    height, width = pixels.shape
    image = path.with_suffix(".pgm")
    write_atomically(image, f"P5\n{width} {height}\n255\n".encode() + pixels.tobytes())
    x, y = float(grid.origin_map[0]), float(grid.origin_map[1])
    text = (
        f"image: {json.dumps(image.name, ensure_ascii=False)}\n"
        f"mode: trinary\nresolution: {float(grid.resolution_m)!r}\norigin: [{x!r}, {y!r}, 0.0]\n"
        f"negate: 0\noccupied_thresh: {OCCUPIED_THRESHOLD}\nfree_thresh: {FREE_THRESHOLD}\n"
    )
    write_atomically(path, text.encode())


def read_nav2(path: Path) -> OccupancyGrid:
    """Read a map as nav2's map server does; the image is a PGM, PNG or BMP.

    As with nav2, `image` is relative to the yaml file's folder or absolute, and may lead out of it: a
    yaml file can name any image that this process may read.

    Raises:
        FormatError: The yaml or the image is not readable, or the map is turned (a yaw that is not 0).
    """
    settings = _read_settings(path)
    values = _interpret(_read_image(settings.image), settings)
    return OccupancyGrid(values[::-1].copy(), settings.origin_map, settings.resolution_m)


@dataclass(frozen=True, slots=True)
class _Settings:
    image: Path
    mode: str
    resolution_m: float
    origin_map: tuple[float, float]
    is_negated: bool
    occupied_threshold: float
    free_threshold: float


def _read_settings(path: Path) -> _Settings:
    try:
        with path.open("rb") as handle:
            text = handle.read(MAX_YAML_BYTES + 1)
        if len(text) > MAX_YAML_BYTES:
            raise FormatError(f"{path} is no map of nav2: it is larger than {MAX_YAML_BYTES} bytes")
        fields = YAML(typ="safe", pure=True).load(text)
        if not isinstance(fields, dict):
            raise FormatError(f"{path} is no map of nav2: expected keys and values")
        return _parse(fields, path.parent)
    except OSError as err:
        raise FormatError(f"{path} cannot be read: {err}") from err
    except (YAMLError, KeyError, RecursionError, TypeError, ValueError) as err:
        raise FormatError(f"{path} is no map of nav2: {type(err).__name__} {err}") from err


def _parse(fields: dict[str, object], folder: Path) -> _Settings:
    """Return the settings; KeyError, TypeError or ValueError where one is missing or wrong."""
    image, mode, origin = fields["image"], fields.get("mode", "trinary"), fields["origin"]
    if not isinstance(image, str) or not image:
        raise ValueError(f"image is a path, not {image!r}")
    if mode not in _MODES:
        raise ValueError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    if not isinstance(origin, list) or len(origin) != 3:
        raise ValueError(f"origin is [x, y, yaw], not {origin!r}")
    x, y, yaw_rad = (_number(part, "origin") for part in origin)
    if yaw_rad != 0:
        raise ValueError(f"the map is turned by {yaw_rad} rad: turn its image first")
    settings = _Settings(
        image=folder / image,
        mode=str(mode),
        resolution_m=_number(fields["resolution"], "resolution"),
        origin_map=(x, y),
        is_negated=bool(_number(fields["negate"], "negate")),
        occupied_threshold=_number(fields["occupied_thresh"], "occupied_thresh"),
        free_threshold=_number(fields["free_thresh"], "free_thresh"),
    )
    if settings.resolution_m <= 0:
        raise ValueError(f"resolution is positive, not {settings.resolution_m}")
    if settings.free_threshold >= settings.occupied_threshold:
        raise ValueError("free_thresh is not below occupied_thresh")
    return settings


def _number(value: object, key: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} is a number, not {value!r}")
    return float(value)


def _read_image(path: Path) -> "_Pixels":
    try:
        with Image.open(path, formats=_IMAGES) as image:
            if image.width * image.height > MAX_PIXELS:
                raise FormatError(f"{path} has more than {MAX_PIXELS:,} pixels")
            return _decode(image)
    except (
        Image.DecompressionBombError, Image.DecompressionBombWarning, OSError, SyntaxError, ValueError,
    ) as err:  # fmt: skip
        raise FormatError(f"{path} cannot be read: {err}", reason=Reason.IMAGE_CORRUPT) from err


@dataclass(frozen=True, slots=True, eq=False)
class _Pixels:
    """An image: brightness (H, W), 0 to 1, the same with opacity as a channel, and where it is opaque."""

    shade: NDArray[np.float64]
    shade_and_opacity: NDArray[np.float64]
    is_opaque: NDArray[np.bool_]


def _decode(image: Image.Image) -> _Pixels:
    if "A" in image.getbands() or "transparency" in image.info:
        channels = np.asarray(image.convert("RGBA"))
        shade, both = (channels[..., :n].mean(axis=-1) / 255 for n in (3, 4))
        return _Pixels(shade, both, channels[..., 3] == 255)
    if image.mode.startswith("I"):  # 16 bits
        shade = np.asarray(image) / 65535
    elif image.mode == "L":
        shade = np.asarray(image) / 255
    else:
        shade = np.asarray(image.convert("RGB")).mean(axis=-1) / 255
    return _Pixels(shade, shade, np.ones(shade.shape, np.bool_))


def _interpret(pixels: _Pixels, settings: _Settings) -> NDArray[np.int8]:
    """Return the values of cells (H, W)."""
    if settings.mode == "raw":
        values = np.rint(pixels.shade * 255)
        return np.where(values <= 100, values, -1).astype(np.int8)
    shade = pixels.shade_and_opacity if settings.mode == "trinary" else pixels.shade
    occupancy = shade if settings.is_negated else 1.0 - shade
    low, high = settings.free_threshold, settings.occupied_threshold
    if settings.mode == "scale":
        values = np.rint((occupancy - low) / (high - low) * 100)
    else:
        values = np.full(shade.shape, -1.0)
    values[occupancy > high] = 100
    values[occupancy < low] = 0
    if settings.mode == "scale":
        values[~pixels.is_opaque] = -1
    return values.astype(np.int8)
