"""Pictures from and to files, bytes and tensors: BGR uint8 arrays on one side, RGB float tensors on the other."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from umad_patrol.errors import ImageError
from umad_patrol.io.files import replaced

if TYPE_CHECKING:
    import torch

MAX_MPX = 40.0
MOST_BYTES = 400_000_000    # a picture of so many pixels takes no more, whatever its kind
JPEGS = (".jpg", ".jpeg")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_BMP = b"BM"
_MOST_SCANS = 100  # of a progressive JPEG; usual are 10, and each costs a pass over the whole picture
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def read_image(path: str | Path, max_mpx: float = MAX_MPX, deep: bool = False) -> np.ndarray:
    """Read a picture as `(H, W, 3)` uint8 BGR, `deep` one of 16 bits as uint16: of small numbers 8 bits would keep nothing.

    Raises ImageError, naming the file, if it is missing, corrupt or too large.
    """
    try:
        if (size := os.stat(path).st_size) > MOST_BYTES:
            raise ImageError(f"picture {path} is of {size / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f}")
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read picture {path}: {error.strerror or error}") from error
    try:
        return decode(data, max_mpx, deep=deep)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def read_mask(path: str | Path) -> np.ndarray:
    """Where the picture of a mask is set, `(H, W)` bool: wherever it is not black; of a JPEG, which smears its borders, from half of white on."""
    brightest = read_image(path, deep=True).max(axis=2)
    return brightest >= 128 if Path(path).suffix.lower() in JPEGS else brightest > 0


def decode(data: bytes, max_mpx: float = MAX_MPX, turned: bool = True, deep: bool = False) -> np.ndarray:
    """Decode a JPEG, PNG or BMP to `(H, W, 3)` uint8 BGR, `turned` upright as EXIF says, or as its sensor has it; `deep` as for `read_image`.

    The size is read from the header first, so that a small file cannot ask for gigabytes; what has no such header is
    given to no decoder. Raises ImageError.
    """
    data = bytes(data)
    size = _header_size(data)
    if size is None:
        raise ImageError(f"{len(data)} bytes starting {data[:8].hex() or 'with nothing'} are no picture that can be decoded (JPEG or PNG expected)")
    _check_size(*size, max_mpx)
    if data.startswith(_JPEG) and data.count(_START_OF_SCAN) > _MOST_SCANS:
        raise ImageError(f"JPEG of {data.count(_START_OF_SCAN)} scans, more than {_MOST_SCANS}, would take long to decode")
    if data.startswith(_JPEG) and data.rfind(_END_OF_IMAGE) < data.rfind(_START_OF_SCAN):
        raise ImageError(f"JPEG of {len(data)} bytes is cut off before its end")
    if data.startswith(_PNG):
        _check_chunks(memoryview(data))
    try:
        how = cv2.IMREAD_COLOR | (0 if turned else cv2.IMREAD_IGNORE_ORIENTATION) | (cv2.IMREAD_ANYDEPTH if deep else 0)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        image = None
    if image is None:
        raise ImageError(f"{len(data)} bytes starting {data[:8].hex()} cannot be decoded; is the picture damaged?")
    _check_size(image.shape[1], image.shape[0], max_mpx)
    return image


def _check_chunks(data: memoryview) -> None:
    """Raise ImageError for a PNG that is cut off or damaged: its decoder would have its own say on standard error."""
    place = len(_PNG)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place:place + 4], "big")
        kind = bytes(data[place + 4:place + 8])
        if end <= len(data) and kind[:1].isupper() and zlib.crc32(data[place + 4:end - 4]) != int.from_bytes(data[end - 4:end], "big"):
            raise ImageError(f"PNG of {len(data)} bytes is damaged in its part {kind.decode('ascii', 'replace')} at byte {place}")
        if kind == b"IEND":
            return
        place = end
    raise ImageError(f"PNG of {len(data)} bytes is cut off before its end")


def write_image(path: str | Path, image: np.ndarray, quality: int = 92) -> None:
    """Write `(H, W)`, `(H, W, 3)` or `(H, W, 4)` uint8 as the suffix says, beside first and then renamed. `quality` is JPEG's."""
    target = Path(path)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if target.suffix.lower() in JPEGS else []
    try:
        done, data = cv2.imencode(target.suffix or ".png", image, options)
    except cv2.error as error:
        raise ImageError(f"cannot write {target}: {image.dtype} {image.shape} as {target.suffix or 'a file without suffix'}") from error
    if not done:
        raise ImageError(f"cannot write {target}: OpenCV cannot encode {image.dtype} {image.shape}")
    with replaced(target) as file:
        file.write_bytes(data.tobytes())


def to_tensor(image: np.ndarray, device: str | torch.device = "cpu") -> torch.Tensor:
    """`(H, W, 3)` uint8 BGR to `(1, 3, H, W)` float32 RGB in [0, 1] on `device`; the bytes travel as they lie, and a GPU turns them."""
    import torch

    device = torch.device(device)
    if device.type != "cpu":
        return sent(image, device).permute(2, 0, 1).flip(0)[None].float().div_(255.0)
    planes = torch.empty((1, 3, *image.shape[:2]))
    for colour, plane in zip(cv2.split(image)[::-1], planes[0].numpy()):
        np.divide(colour, np.float32(255), out=plane, dtype=np.float32)
    return planes


def sent(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array on a device; what a GPU still has to do is not waited for."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def to_image(tensor: torch.Tensor) -> np.ndarray:
    """`(1, 3, H, W)` or `(3, H, W)` float RGB in [0, 1] to `(H, W, 3)` uint8 BGR, rounded; NaN is black."""
    planes = tensor.detach().reshape(tensor.shape[-3:]).float().cpu().numpy()
    return cv2.merge([cv2.addWeighted(plane, 255.0, plane, 0.0, 0.0, dtype=cv2.CV_8U) for plane in planes[::-1]])


def _check_size(width: int, height: int, max_mpx: float) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"picture is {width}x{height}: it has no pixels")
    if width * height > max_mpx * 1e6:
        raise ImageError(f"picture is {width}x{height} = {width * height / 1e6:.1f} megapixel, more than the {max_mpx:g} allowed "
                         "(setting input.max_image_mpx)")


def _header_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) as the header of a PNG, JPEG or BMP has it; None for other formats or where it is not found."""
    if data.startswith(_PNG) and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data.startswith(_BMP) and len(data) >= 26:
        width, height = struct.unpack("<ii", data[18:26])
        return abs(width), abs(height)  # upside down where negative
    position = 2
    while data.startswith(_JPEG) and position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2:position + 4], "big")
        if marker == 0xFF:  # fill byte
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[position + 5:position + 9])
            return width, height
        else:
            position += 2 + length
    return None
