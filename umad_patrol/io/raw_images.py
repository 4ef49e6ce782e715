"""Raw pictures of sensor_msgs/Image to BGR, without cv_bridge."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from umad_patrol.errors import ImageError

# encoding: (channels, bytes a channel, OpenCV's conversion to BGR or None). OpenCV names a Bayer pattern by its second row.
_ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    "bgr8": (3, 1, None), "8UC3": (3, 1, None), "rgb8": (3, 1, cv2.COLOR_RGB2BGR),
    "bgra8": (4, 1, cv2.COLOR_BGRA2BGR), "8UC4": (4, 1, cv2.COLOR_BGRA2BGR), "rgba8": (4, 1, cv2.COLOR_RGBA2BGR),
    "mono8": (1, 1, cv2.COLOR_GRAY2BGR), "8UC1": (1, 1, cv2.COLOR_GRAY2BGR),
    "bgr16": (3, 2, None), "rgb16": (3, 2, cv2.COLOR_RGB2BGR), "mono16": (1, 2, cv2.COLOR_GRAY2BGR),
    "yuv422": (2, 1, cv2.COLOR_YUV2BGR_UYVY), "uyvy": (2, 1, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": (2, 1, cv2.COLOR_YUV2BGR_YUYV), "yuyv": (2, 1, cv2.COLOR_YUV2BGR_YUYV),
}
for _pattern, _code in (("rggb", cv2.COLOR_BayerBG2BGR), ("bggr", cv2.COLOR_BayerRG2BGR),
                        ("gbrg", cv2.COLOR_BayerGR2BGR), ("grbg", cv2.COLOR_BayerGB2BGR)):
    _ENCODINGS[f"bayer_{_pattern}8"] = (1, 1, _code)
    _ENCODINGS[f"bayer_{_pattern}16"] = (1, 2, _code)
_TWO_PLANES = {"nv12": cv2.COLOR_YUV2BGR_NV12, "nv21": cv2.COLOR_YUV2BGR_NV21}


def raw_to_bgr(data: Any, encoding: str, width: int, height: int, step: int, is_bigendian: bool, max_mpx: float) -> np.ndarray:
    """`(H, W, 3)` uint8 BGR of the bytes of a sensor_msgs/Image; 16 bits a channel keep their upper 8. Raises ImageError."""
    channels, depth, code = _layout(encoding)
    if width < 1 or height < 1:
        raise ImageError(f"picture is {width}x{height}: it has no pixels")
    if width * height > max_mpx * 1e6:
        raise ImageError(f"picture is {width}x{height} = {width * height / 1e6:.1f} megapixel, more than the {max_mpx:g} allowed "
                         "(setting input.max_image_mpx)")
    rows, used = height * 3 // 2 if encoding in _TWO_PLANES else height, width * channels * depth
    flat = np.frombuffer(data, np.uint8)
    if step < used or flat.size < rows * step:
        raise ImageError(f"picture {width}x{height} {encoding} needs rows of {used} bytes; it has {flat.size} bytes in rows of {step}")
    if (encoding in _TWO_PLANES and (width % 2 or height % 2)) or (channels == 2 and width % 2):
        raise ImageError(f"picture {width}x{height} {encoding} halves its colour, so its size must be even")
    pixels = np.ascontiguousarray(flat[:rows * step].reshape(rows, step)[:, :used])
    if depth == 2:
        pixels = (pixels.view(">u2" if is_bigendian else "<u2") >> 8).astype(np.uint8)
    pixels = pixels.reshape(rows, width, channels)
    if code is None:
        return pixels.copy() if np.may_share_memory(pixels, flat) else pixels
    return _converted(pixels, code, encoding)


def demosaiced(image: np.ndarray, encoding: str) -> np.ndarray:
    """A decoded picture `(H, W, 3)` uint8 BGR: in colour where it is the grey mosaic of a Bayer `encoding`, as image_transport compresses it.

    Raises ImageError.
    """
    grey = image[..., 0]
    if not encoding.startswith("bayer_") or not all(np.array_equal(grey, image[..., i]) for i in (1, 2)):
        return image
    return _converted(np.ascontiguousarray(grey), _layout(encoding)[2], encoding)


def _layout(encoding: str) -> tuple[int, int, int | None]:
    if encoding in _TWO_PLANES:
        return 1, 1, _TWO_PLANES[encoding]
    if encoding not in _ENCODINGS:
        raise ImageError(f"picture has encoding {encoding!r}; known are {', '.join([*_ENCODINGS, *_TWO_PLANES])}")
    return _ENCODINGS[encoding]


def _converted(pixels: np.ndarray, code: int, encoding: str) -> np.ndarray:
    try:
        return cv2.cvtColor(pixels, code)
    except cv2.error as error:
        raise ImageError(f"picture {pixels.shape[1]}x{pixels.shape[0]} cannot be converted from {encoding}") from error
