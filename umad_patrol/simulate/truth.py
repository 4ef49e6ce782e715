"""What is known of every simulated frame: labels in UMAD's bits, how well each thing is seen, poses, places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from umad_patrol.geometry import se3
from umad_patrol.geometry.camera import camera_to_dict
from umad_patrol.io import umad_bits
from umad_patrol.records import Camera
from umad_patrol.simulate.mesh import Mesh
from umad_patrol.simulate.render import View, rays_through
from umad_patrol.simulate.stage import Stage
from umad_patrol.simulate.world import PATROL, World

VISIBLE_SHARE = 0.3
MIN_PIXELS = 12
SAMPLES = 20_000  # rays at most that measure a silhouette
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Seen:
    """How much of a thing a frame shows: its pixels, those its whole silhouette would have, its horizontal distance."""

    thing: int
    pixels: int
    silhouette: int
    range_m: float

    @property
    def visible(self) -> bool:
        """At least 30 % of the whole silhouette is in the picture and not hidden, and it is more than a dozen pixels."""
        return self.pixels >= MIN_PIXELS and self.pixels >= VISIBLE_SHARE * self.silhouette


def labels(world: World, view: View, map_T_camera: np.ndarray, camera: Camera) -> np.ndarray:
    """UMAD's bit mask `(H, W)` uint8 of a patrol frame; bit 1 is where the old place of a moved thing is seen from here."""
    mask = world.bits()[view.thing]
    mask[~view.above] |= umad_bits.HORIZON   # as in the published masks: what lies below the horizon
    for old, _ in world.moved:
        alone = silhouette(old.mesh, map_T_camera, camera)
        if alone is None:
            continue
        (x0, y0, x1, y1), distance = alone
        part = mask[y0:y1, x0:x1]
        part[distance < view.distance[y0:y1, x0:x1] + 0.02] |= umad_bits.MOVED_IN_REFERENCE
    return mask


def sightings(world: World, view: View, map_T_camera: np.ndarray, camera: Camera) -> list[Seen]:
    """How well every anomaly is seen in this frame, those out of sight left out."""
    counts = np.bincount(view.thing.ravel(), minlength=len(world.anomalies) + 1)
    found = []
    for thing in world.anomalies:
        if counts[thing.id] == 0:
            continue
        whole = _whole(thing.mesh, map_T_camera, camera)
        offset = np.array(thing.position[:2]) - map_T_camera[:2, 3]
        found.append(Seen(thing.id, int(counts[thing.id]), whole, float(np.hypot(*offset))))
    return found


def _whole(mesh: Mesh, map_T_camera: np.ndarray, camera: Camera) -> int:
    """How many pixels a thing would have if nothing hid it and the picture had no border; large ones are counted coarsely."""
    box = pixel_box(mesh, map_T_camera, camera, margin_px=camera.width)
    step = max(1, int(np.sqrt((box[2] - box[0]) * (box[3] - box[1]) / SAMPLES)))
    return int(np.isfinite(_distances(mesh, box, step, map_T_camera, camera)).sum()) * step * step


def silhouette(mesh: Mesh, map_T_camera: np.ndarray, camera: Camera) -> tuple[Box, np.ndarray] | None:
    """The box of pixels round a thing alone, cut to the picture, and the distance to it at each; None if it is outside."""
    box = pixel_box(mesh, map_T_camera, camera, margin_px=0)
    return None if box is None else (box, _distances(mesh, box, 1, map_T_camera, camera))


def pixel_box(mesh: Mesh, map_T_camera: np.ndarray, camera: Camera, margin_px: int) -> Box | None:
    """The box (x0, y0, x1, y1) round a thing, cut to the picture widened by `margin_px`; None if it is outside or behind."""
    camera_T_map = se3.inverse(map_T_camera)
    points = mesh.vertices.astype(np.float64) @ camera_T_map[:3, :3].T + camera_T_map[:3, 3]
    if points[:, 2].max() < 0.1:
        return None
    points[:, 2] = np.maximum(points[:, 2], 0.1)
    pixels = points @ camera.K.T / points[:, 2:]
    low = np.maximum(np.floor(pixels[:, :2].min(0)).astype(int), -margin_px)
    high = np.minimum(np.ceil(pixels[:, :2].max(0)).astype(int) + 1, np.array([camera.width, camera.height]) + margin_px)
    return None if np.any(high <= low) else (int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _distances(mesh: Mesh, box: Box, step: int, map_T_camera: np.ndarray, camera: Camera) -> np.ndarray:
    """Distance along the ray to a thing alone at every `step`-th pixel of a box; infinite beside it."""
    x, y = np.meshgrid(np.arange(box[0], box[2], step, dtype=np.float32), np.arange(box[1], box[3], step, dtype=np.float32))
    direction, _ = rays_through(np.stack([x.ravel(), y.ravel()]), camera, map_T_camera)
    return Stage(mesh).cast(map_T_camera[:3, 3], direction)["distance"].reshape(x.shape)


def anomaly_rows(world: World, seen: list[list[Seen]]) -> list[dict]:
    """`anomalies.yaml`: each with its place, size, and how near and in how many frames it was seen."""
    rows = []
    for thing in world.anomalies:
        ranges = [s.range_m for frame in seen for s in frame if s.thing == thing.id and s.visible]
        rows.append(
            {
                "id": f"{thing.kind}-{thing.id}",
                "kind": thing.kind,
                "position": _rounded(thing.position),
                "size": _rounded(thing.size),
                "min_range_m": round(min(ranges), 3) if ranges else None,
                "visible_frames": len(ranges),
            }
        )
    return rows


def dynamics_rows(world: World, times: np.ndarray) -> list[dict]:
    """`dynamics.yaml`: who passes in the patrol and where they are at the stamp of every frame (ns, x, y, z)."""
    drive = world.drives[PATROL]
    return [
        {
            "id": actor.id,
            "kind": actor.kind,
            "speed_mps": round(abs(actor.speed_mps), 3),
            "path": [[drive.stamp_ns(t), *_rounded(actor.place(world.route, t)[0])] for t in times],
        }
        for actor, _ in world.passing(PATROL)
    ]


def moved_rows(world: World) -> list[dict]:
    """`moved.yaml`: what stands elsewhere in the patrol than in the teach run."""
    return [
        {
            "id": f"{old.kind}-{old.id}",
            "kind": old.kind,
            "old_position": _rounded(old.position),
            "new_position": _rounded(new.position),
            "size": _rounded(new.size),
        }
        for old, new in world.moved
    ]


def camera_row(camera: Camera, body_T_camera: np.ndarray) -> dict:
    """`camera.yaml`: size, K, distortion, and where the camera sits on the body (x y z qx qy qz qw)."""
    body_t_camera = [float(v) for v in (*body_T_camera[:3, 3], *se3.quat_xyzw(body_T_camera))]
    return camera_to_dict(camera) | {"K": camera.K.tolist(), "body_T_camera": body_t_camera}


def write_yaml(path: Path, rows: list | dict) -> None:
    """Plain YAML in the order given."""
    path.write_text(yaml.safe_dump(rows, sort_keys=False, default_flow_style=None, width=140), encoding="utf-8")


def write_tum(path: Path, poses: list[tuple[int, np.ndarray]]) -> None:
    """A TUM trajectory: seconds x y z qx qy qz qw a line."""
    lines = ["# timestamp tx ty tz qx qy qz qw: map_T_camera, exact"]
    for stamp_ns, T in poses:
        numbers = " ".join(f"{v:.9f}" for v in (*T[:3, 3], *se3.quat_xyzw(T)))
        lines.append(f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d} {numbers}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rounded(numbers) -> list[float]:
    return [round(float(v), 4) for v in numbers]
