"""Images of keyframes, each a file named by the digest of its bytes: depth as PNG in mm, colour as JPEG."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from robomem.errors import StoreCorruptError
from robomem.geometry import Depth
from robomem.store.folder import write_atomically

JPEG_QUALITY = 90
MAX_DEPTH_MM = 65534  # 65535 says "no return", 0 says "invalid"
NO_RETURN_MM = 65535


class ImageFiles:
    """Content-addressed images under one folder. Writing the same image twice keeps one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put_depth(self, depth_m: Depth) -> str:
        """Keep a depth image (H, W) to the millimetre; returns its digest."""
        with np.errstate(invalid="ignore"):
            depth_mm = np.clip(np.rint(depth_m * 1000.0), 0, MAX_DEPTH_MM)
        depth_mm[np.isnan(depth_mm)] = 0
        depth_mm[np.isposinf(depth_m)] = NO_RETURN_MM
        return self._put(Image.fromarray(depth_mm.astype(np.uint16)), "PNG", compress_level=1)

    def put_color(self, color: NDArray[np.uint8]) -> str:
        """Keep a colour image (H, W, 3); returns its digest."""
        return self._put(Image.fromarray(color), "JPEG", quality=JPEG_QUALITY)

    def depth(self, digest: str) -> Depth:
        """Return a depth image (H, W) in metres; NaN is invalid, inf is no return."""
        depth_mm = self._get(digest, ".png").astype(np.float32)
        depth_m = depth_mm / np.float32(1000.0)
        depth_m[depth_mm == 0] = np.nan
        depth_m[depth_mm == NO_RETURN_MM] = np.inf
        return depth_m

    def color(self, digest: str) -> NDArray[np.uint8]:
        """Return a colour image (H, W, 3)."""
        return self._get(digest, ".jpg").astype(np.uint8)

    def delete(self, digest: str) -> None:
        """Remove an image; one that is not there is no error."""
        for suffix in (".png", ".jpg"):
            self._file(digest, suffix).unlink(missing_ok=True)

    def _put(self, image: Image.Image, form: str, **options: int) -> str:
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        digest = hashlib.blake2b(buffer.getvalue(), digest_size=16).hexdigest()
        file = self._file(digest, ".png" if form == "PNG" else ".jpg")
        if not file.exists():
            write_atomically(file, buffer.getvalue())
        return digest

    def _get(self, digest: str, suffix: str) -> NDArray[np.generic]:
        file = self._file(digest, suffix)
        try:
            data = file.read_bytes()
        except OSError as err:
            raise StoreCorruptError(f"{file} is missing") from err
        if hashlib.blake2b(data, digest_size=16).hexdigest() != digest:
            raise StoreCorruptError(f"{file} is damaged: its digest differs from its name")
        try:
            return np.asarray(Image.open(io.BytesIO(data)))
        except UnidentifiedImageError as err:
            raise StoreCorruptError(f"{file} is no image") from err

    def _file(self, digest: str, suffix: str) -> Path:
        return self._path / digest[:2] / (digest + suffix)
