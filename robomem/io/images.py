"""Encoded images (png, jpeg) to arrays, with a bound on their size."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from robomem.errors import FormatError, Reason
from robomem.geometry import Depth

MAX_PIXELS = 50_000_000  # 8K video is 33 M; an image file can claim anything
_FORMATS = ("PNG", "JPEG")  # nothing else comes from a camera: fewer decoders see untrusted bytes
_NO_MEASUREMENT = np.uint16(65535)  # 7-Scenes, and drivers that saturate
_DEPTH_MODES = ("I;16", "I;16B", "I")


def decode_color(data: bytes) -> NDArray[np.uint8]:
    """Return RGB (H, W, 3) uint8 of a png or jpeg; raises FormatError when it is damaged."""
    return np.asarray(_decoded(data).convert("RGB"))


def fitted(color: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
    """Return RGB (h, w, 3) as (C, H, W), stretched to that size; it is grey where C is 1."""
    channels, height, width = shape
    assert channels in (1, 3)
    image = Image.fromarray(color)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def decode_depth(data: bytes) -> NDArray[np.uint16]:
    """Return (H, W) uint16 of a 16-bit grey png; raises FormatError when it is none."""
    image = _decoded(data)
    if image.mode not in _DEPTH_MODES:
        raise FormatError(
            f"a depth image is a 16-bit grey png, got mode {image.mode}", reason=Reason.DEPTH_SHAPE
        )
    return np.asarray(image).astype(np.uint16)


def depth_from_millimetres(depth_mm: NDArray[np.uint16]) -> Depth:
    """Return metres, float32; 0 and 65535 are invalid."""
    return depth_from_units(depth_mm, units_per_m=1000.0)


def depth_from_units(depth: NDArray[np.uint16], *, units_per_m: float) -> Depth:
    """Return metres, float32; 0 and 65535 are invalid."""
    depth_m = depth.astype(np.float32) / np.float32(units_per_m)
    depth_m[(depth == 0) | (depth == _NO_MEASUREMENT)] = np.nan
    return depth_m


def image_shape(data: bytes) -> tuple[int, int] | None:
    """Return (H, W) as the header says, without decoding; None where there is no readable header."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            return image.height, image.width
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None


def _decoded(data: bytes) -> Image.Image:
    """Decode after a look at the size; Pillow's errors on damage are OSError, SyntaxError, ValueError."""
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise FormatError(
                f"image of {image.width} x {image.height} exceeds {MAX_PIXELS} pixels",
                reason=Reason.IMAGE_CORRUPT,
            )
        image.load()
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        SyntaxError,
        ValueError,
    ) as err:
        raise FormatError(f"image is damaged: {err}", reason=Reason.IMAGE_CORRUPT) from err
    return image
