"""One model from one side, by ray casting, as a cut-out with soft edges."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.io.open3d import open3d

HIGHEST_DEG = 35.0
OVERSAMPLED = 2


def render(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray | None, texture: np.ndarray, rng: np.random.Generator,
           side_px: int) -> np.ndarray:
    """RGBA `(h, w, 4)` uint8, at most `side_px` a side, of a model `(V, 3)` with z up, from a random side and in random light.

    `uv` `(V, 2)` says where the vertices lie in `texture` `(h, w, 3)` uint8 RGB; None: all in its middle.
    """
    middle = (vertices.max(0) + vertices.min(0)) / 2
    radius = float(np.linalg.norm(np.ptp(vertices, axis=0))) / 2
    yaw, rise = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(2, HIGHEST_DEG))
    away = np.array([np.cos(yaw) * np.cos(rise), np.sin(yaw) * np.cos(rise), np.sin(rise)])
    eye, directions = _rays(middle, away, radius, side_px * OVERSAMPLED)
    hit, colours, normals = _cast(vertices, faces, uv, texture, eye, directions)
    image = np.zeros((*hit.shape, 4), np.float32)
    image[hit, :3] = np.clip(colours * _shade(normals, directions[hit], rng), 0, 255)
    image[hit, 3] = 255
    return _cut(image)


def _rays(middle: np.ndarray, away: np.ndarray, radius: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Eye `(3,)` and directions `(side, side, 3)`: columns to the right, rows down, four radii off."""
    forward = -away
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    steps = ((np.arange(side) + 0.5) / side * 2 - 1) * 0.28
    directions = forward + steps[None, :, None] * right + steps[:, None, None] * down
    return middle + 4 * radius * away, directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def _cast(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray | None, texture: np.ndarray, eye: np.ndarray,
          directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a ray hits `(H, W)` bool, and of each hit its colour `(N, 3)` and normal `(N, 3)`."""
    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32)))
    rays = np.concatenate([np.broadcast_to(eye, directions.shape), directions], -1).astype(np.float32)
    found = scene.cast_rays(o3d.core.Tensor(rays), nthreads=1)
    hit = np.isfinite(found["t_hit"].numpy())
    triangles = faces[found["primitive_ids"].numpy()[hit].astype(np.int64)]
    share = found["primitive_uvs"].numpy()[hit]
    weights = np.stack([1 - share.sum(1), share[:, 0], share[:, 1]], 1)
    places = np.full((len(weights), 2), 0.5) if uv is None else (uv[triangles] * weights[..., None]).sum(1)
    column = ((places[:, 0] % 1) * texture.shape[1]).astype(int) % texture.shape[1]
    row = ((1 - places[:, 1] % 1) * texture.shape[0]).astype(int) % texture.shape[0]
    return hit, texture[row, column].astype(np.float32), found["primitive_normals"].numpy()[hit]


def _shade(normals: np.ndarray, directions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness `(N, 1)` under a sky and one light from above; normals are turned to the eye first."""
    normals = np.where((normals * directions).sum(1, keepdims=True) > 0, -normals, normals)
    light = rng.standard_normal(3)
    light[2] = abs(light[2]) + 0.6
    ambient = rng.uniform(0.35, 0.75)
    sky = 0.85 + 0.15 * normals[:, 2:]
    return ambient * sky + (1.1 - ambient) * np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)[:, None]


def _cut(image: np.ndarray) -> np.ndarray:
    """Half the size, and only what the thing covers; the colour of half-covered pixels is that of the covered part."""
    solid = np.dstack([image[..., :3] * (image[..., 3:] > 0), image[..., 3]])
    small = cv2.resize(solid, None, fx=1 / OVERSAMPLED, fy=1 / OVERSAMPLED, interpolation=cv2.INTER_AREA)
    small[..., :3] /= np.maximum(small[..., 3:], 1) / 255
    x, y, width, height = cv2.boundingRect((small[..., 3] > 32).astype(np.uint8))
    return np.clip(small[y:y + height, x:x + width], 0, 255).astype(np.uint8)
