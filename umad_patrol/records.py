"""What passes between the stages. Every record is frozen; nothing is changed in place.

Conventions, everywhere in the package:

- pictures are `(H, W, 3)` uint8 in OpenCV's BGR order; tensors are `(1, 3, H, W)` float32 RGB in [0, 1];
- pixel centres are at integer coordinates, `(x, y)` = (column, row);
- `map_T_camera` takes camera coordinates (optical frame: x right, y down, z forward) to `map` (metres, z up);
- `query_H_reference` takes reference pixels to query pixels;
- stamps are integer nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

ANOMALY = "anomaly"
DYNAMIC = "dynamic"
CHANGED = "changed"

COMPARED = "compared"
NO_REFERENCE = "no reference"
NOT_COMPARABLE = "not comparable"

ACTIVE, CLEARED, DISMISSED = "active", "cleared", "dismissed"   # states of an alert


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with lens distortion.

    `K` is `(3, 3)` float64 in pixels. `distortion_model` is "none", "plumb_bob", "rational_polynomial" or
    "equidistant" (the names of sensor_msgs/CameraInfo), `distortion` its coefficients in that order.
    """

    width: int
    height: int
    K: np.ndarray
    distortion_model: str = "none"
    distortion: tuple[float, ...] = ()
    frame_id: str = "camera"


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a body is at one instant: `parent_T_child` `(4, 4)` float64, metres."""

    stamp_ns: int
    parent_T_child: np.ndarray


@dataclass(frozen=True, eq=False)
class Features:
    """Key points `(N, 2)` float32 in pixels and their descriptors, row for row; `size` is the picture's (w, h)."""

    points: np.ndarray
    descriptors: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of an undistorted pinhole camera and where it was taken."""

    stamp_ns: int
    image: np.ndarray
    camera: Camera
    map_T_camera: np.ndarray


@dataclass(frozen=True, eq=False)
class Reference:
    """A keyframe of the map. `ground` is the plane `(nx, ny, nz, d)`, n.x + d = 0 in `map`, or None; `cloud` `(M, 3)` float32 in
    `map` is what is known to stand before the camera, or None.
    """

    index: int
    run: str
    stamp_ns: int
    image: np.ndarray
    camera: Camera
    map_T_camera: np.ndarray
    features: Features | None = None
    ground: np.ndarray | None = None
    cloud: np.ndarray | None = None


@dataclass(frozen=True)
class Match:
    """A keyframe that retrieval offers for a pose: which, how far, how much turned, how much in common."""

    index: int
    distance_m: float
    angle_deg: float
    overlap: float


class Laid(Protocol):
    """A reference as it lies on a query picture `(H, W)`, on the device of the pictures; each part is made when it is asked for.

    `picture` `(1, 3, H, W)` float32 RGB in [0, 1] is the reference in the query's pixels, `valid` `(1, 1, H, W)` bool where it shows
    anything. `seen(columns, rows)` is the reference pixel (x, y) seen at these columns and rows of the query, `(1, 2, len(rows),
    len(columns))` float32; None in place of it where the picture came as it lies. `part(rows, columns)` is `picture[:, :, rows, columns]`,
    made without the rest where that is quicker.
    """

    picture: Any
    valid: Any
    part: Callable[[slice, slice], Any]
    seen: Callable[[np.ndarray, np.ndarray], Any] | None


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a reference lies on a query, and whether that can be trusted.

    `laid` is the reference as it lies there, None if not comparable. `spread` is the uniformization score S of the inliers, `residual_px` their mean transfer error,
    `overlap` the share of valid pixels. Where no single homography lays the whole picture, `query_H_reference` is that of
    the ground and `lookup` `(h, w, 2)` says what is seen where (align/lookup.py). `query_T_reference` `(4, 4)` is how the cameras stand
    to each other by poses and pictures together, None where the pictures say nothing of that.
    """

    query_H_reference: np.ndarray
    method: str
    inliers: int
    matches: int
    spread: float
    residual_px: float
    overlap: float
    comparable: bool
    reason: str
    laid: Laid | None = None
    lookup: np.ndarray | None = None
    query_T_reference: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """What a detector says of each pixel: `scores` `(1, C, H, W)` float32 in [0, 1], a plane a class; `valid` `(1, 1, H, W)` bool.

    `shown(patch, left, top)`, where the pictures are at hand, is the share of the outline of a patch `(h, w)` bool with its corner at (left, top)
    that the query shows better than its references (`detect/outlines.py`).
    """

    classes: tuple[str, ...]
    scores: Any
    valid: Any
    shown: Callable[[np.ndarray, int, int], float] | None = None


@dataclass(frozen=True)
class Region:
    """A connected patch of changed pixels.

    `score` is the highest of its pixels', `box` (x, y, width, height), `foot` the (x, y) of the middle of the lowest pixels that score well
    (`detect.foot_share`), where the thing meets the ground.
    """

    class_name: str
    score: float
    area_px: int
    box: tuple[int, int, int, int]
    foot: tuple[float, float]


@dataclass(frozen=True)
class Sighting:
    """A region placed in the map: `position` (x, y, z) in metres, how far from the camera, how large, how high above that ground the camera is;
    `look` as alerts.look has it."""

    region: Region
    position: tuple[float, float, float]
    range_m: float
    width_m: float
    height_m: float
    eye_height_m: float
    look: tuple[float, ...] = ()


@dataclass(frozen=True)
class Alert:
    """Something new that was seen often enough. `state` is ACTIVE, CLEARED or DISMISSED."""

    id: str
    state: str
    class_name: str
    score: float
    position: tuple[float, float, float]
    size_m: tuple[float, float]
    first_seen_ns: int
    last_seen_ns: int
    sightings: int
    evidence: str = ""


@dataclass(frozen=True)
class Dismissed:
    """Something new that an operator said is fine: the alert it was, where it stands in `map`, how large, what it looks like.

    `look` is what alerts.look makes of it or (), `picture` a JPEG for people or empty.
    """

    alert: str
    class_name: str
    position: tuple[float, float, float]
    size_m: tuple[float, float]
    look: tuple[float, ...] = ()
    stamp_ns: int = 0
    picture: bytes = b""


@dataclass(frozen=True, eq=False)
class Result:
    """What the pipeline says of one frame.

    `status` is COMPARED, NO_REFERENCE or NOT_COMPARABLE, `reason` says why in words. `mask` is `(H, W)` uint8,
    255 where something is new (all zero if not compared). `alerts` are all that are active now, `changed_alerts`
    those that opened, moved or cleared with this frame. `seconds` holds the time of each stage.
    """

    frame: Frame
    status: str
    reason: str
    mask: np.ndarray
    match: Match | None = None
    reference: Reference | None = None
    alignment: Alignment | None = None
    score_map: ScoreMap | None = None
    regions: tuple[Region, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    alerts: tuple[Alert, ...] = ()
    changed_alerts: tuple[Alert, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
