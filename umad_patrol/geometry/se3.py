"""Rigid motions as `(4, 4)` float64 matrices. `A_T_B` takes coordinates in B to coordinates in A."""

from __future__ import annotations

import math

import numpy as np

from umad_patrol.errors import LocalizationError

FARTHEST_M = 1e7        # of a coordinate: UTM and earth-centred ones are smaller
NORM_TOLERANCE = 0.01  # messages carry rounded quaternions; anything further from unit length is not a rotation


def matrix(translation: np.ndarray, quat_xyzw: np.ndarray) -> np.ndarray:
    """The motion with this translation `(3,)` in metres and unit quaternion `(4,)` (x, y, z, w).

    Raises LocalizationError on NaN, infinity or a quaternion whose length is not 1.
    """
    t, q = np.asarray(translation, dtype=np.float64).reshape(-1), np.asarray(quat_xyzw, dtype=np.float64).reshape(-1)
    if t.shape != (3,) or q.shape != (4,):
        raise LocalizationError(f"a pose has 3 + 4 numbers, this one {t.size} + {q.size}; give x y z qx qy qz qw")
    if not (np.isfinite(t).all() and np.isfinite(q).all()):
        raise LocalizationError(f"pose {_text(t)} {_text(q)} is not finite; is the localization initialized?")
    norm = math.hypot(*q.tolist())  # no warning where it overflows
    if abs(norm - 1.0) > NORM_TOLERANCE:
        raise LocalizationError(f"quaternion {_text(q)} has length {norm:.4g}, not 1; is the localization initialized?")
    T = np.eye(4)
    T[:3, :3] = rotation(q / norm)
    T[:3, 3] = t
    return T


def rotation(quat_xyzw: np.ndarray) -> np.ndarray:
    """The rotation matrices `(..., 3, 3)` of unit quaternions `(..., 4)`."""
    x, y, z, w = np.moveaxis(np.asarray(quat_xyzw, dtype=np.float64), -1, 0)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
            2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
            2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]
    return np.stack(rows, axis=-1).reshape(x.shape + (3, 3))


def quat_xyzw(R: np.ndarray) -> np.ndarray:
    """The unit quaternion `(4,)` with w >= 0 of a rotation matrix `(3, 3)`, or of the rotation in a `(4, 4)`.

    Divides by the largest of the four, so that no angle is special (Shepperd 1978).
    """
    m = np.asarray(R, dtype=np.float64)[:3, :3]
    trace = float(np.trace(m))
    largest = int(np.argmax([m[0, 0], m[1, 1], m[2, 2], trace]))
    if largest == 3:
        q = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1.0 + trace])
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q = np.empty(4)
        q[i] = 1.0 + 2.0 * m[i, i] - trace
        q[j], q[k], q[3] = m[j, i] + m[i, j], m[k, i] + m[i, k], m[k, j] - m[j, k]
    q /= np.linalg.norm(q)
    return -q if q[3] < 0 else q


def inverse(T: np.ndarray) -> np.ndarray:
    """The inverse of rigid motions `(..., 4, 4)`."""
    T = np.asarray(T, dtype=np.float64)
    R = np.swapaxes(T[..., :3, :3], -1, -2)
    out = np.zeros_like(T)
    out[..., :3, :3] = R
    out[..., :3, 3] = -(R @ T[..., :3, 3:])[..., 0]
    out[..., 3, 3] = 1.0
    return out


def interpolate(A: np.ndarray, B: np.ndarray, fraction: float) -> np.ndarray:
    """The motion at `fraction` of the way from A (0) to B (1): straight in translation, slerp in rotation.

    A fraction below 0 or above 1 goes on at the same speed (Shoemake 1985).
    """
    a, b = quat_xyzw(A), quat_xyzw(B)
    cosine = float(a @ b)
    if cosine < 0:
        b, cosine = -b, -cosine
    half = np.arctan2(float(np.linalg.norm(b - cosine * a)), cosine)
    if half < 1e-9:
        q = a + fraction * (b - a)
    else:
        q = (np.sin((1 - fraction) * half) * a + np.sin(fraction * half) * b) / np.sin(half)
    T = np.eye(4)
    T[:3, :3] = rotation(q / np.linalg.norm(q))
    T[:3, 3] = (1 - fraction) * A[:3, 3] + fraction * B[:3, 3]
    return T


def angle_deg(R: np.ndarray) -> float:
    """How far a rotation `(3, 3)`, or the rotation in a `(4, 4)`, turns: 0 to 180 degrees."""
    m = np.asarray(R, dtype=np.float64)
    sine = np.linalg.norm([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    return float(np.degrees(np.arctan2(sine, m[0, 0] + m[1, 1] + m[2, 2] - 1.0)))


def distance_m(A: np.ndarray, B: np.ndarray) -> float:
    """How far apart the origins of two motions lie, in metres."""
    return float(np.linalg.norm(np.asarray(A)[:3, 3] - np.asarray(B)[:3, 3]))


def is_rigid(T: np.ndarray, tolerance: float = 1e-3) -> bool:
    """Whether `T` is a finite `(4, 4)` rigid motion: an orthonormal, right-handed rotation, a place on earth and last row 0 0 0 1."""
    return not fault(T, tolerance)


def fault(T: np.ndarray, tolerance: float = 1e-3) -> str:
    """Why `T` is no pose, to follow its name; empty if it is one."""
    T = np.asarray(T, dtype=np.float64)
    none = "is not a finite rigid motion"
    if T.shape != (4, 4) or not np.isfinite(T).all() or not (T[3] == (0, 0, 0, 1)).all():
        return none
    if np.abs(T[:3, 3]).max() > FARTHEST_M:
        return f"lies at {_text(T[:3, 3])}, farther than {FARTHEST_M:g} m from the origin"
    R = T[:3, :3]
    (a, b, c), (d, e, f), (g, h, i) = R.tolist()
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return "" if determinant > 0 and np.abs(R @ R.T - np.eye(3)).max() < tolerance else none


def _text(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{n:.4g}" for n in numbers) + ")"
