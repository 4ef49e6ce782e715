"""Small made-up maps for the tests of this room."""

import numpy as np

from umad_patrol.config import Settings, with_values
from umad_patrol.geometry import se3
from umad_patrol.records import Camera, Features, Frame
from umad_patrol.reference.teach import Teacher

CAMERA = Camera(96, 64, np.array([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]]))
LEVEL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # optical frame looking along map x
S = 10**9


def pose(x, y=0.0, yaw_deg=0.0, z=0.7, pitch_deg=0.0):
    """map_T_camera of a camera that looks along x, turned left by yaw and down by pitch."""
    a, b = np.radians([yaw_deg, pitch_deg])
    yaw = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    pitch = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = yaw @ pitch @ LEVEL, (x, y, z)
    assert se3.is_rigid(T)
    return T


def picture(seed=0, sharp=True, brightness=1.0):
    """A picture with structure at all scales; one that is not sharp is noise with the fine scales gone."""
    rng = np.random.default_rng(seed)
    cell = 2 if sharp else 16
    coarse = rng.uniform(30, 200, (64 // cell, 96 // cell, 3)) * brightness
    return np.kron(coarse, np.ones((cell, cell, 1))).astype(np.uint8)


def frame(x, stamp_s=None, image=None, camera=CAMERA, **where):
    return Frame(round((x if stamp_s is None else stamp_s) * S), picture() if image is None else image, camera, pose(x, **where))


def extract(image):
    """Stand-in for alignment's features: a few points, binary descriptors that tell of the picture."""
    return Features(np.array([[1.5, 2.25], [80, 40]], np.float32), image.reshape(-1)[:64].reshape(2, 32).copy(), (96, 64))


def settings(**changes):
    return with_values(Settings(), {"teach.run": "noon", **{k.replace("__", "."): v for k, v in changes.items()}})


def ground_cloud(rng, length=6.0, height=lambda x, y: 0.0 * x, n=4000):
    xy = rng.uniform([-1, -4], [length + 6, 4], (n, 2))
    return np.column_stack([xy, height(xy[:, 0], xy[:, 1]) + rng.normal(0, 0.005, n)]).astype(np.float32)


def teach(path, length=1.0, extract_features=extract, cloud=None, y=0.0, start_s=1000.0, brightness=1.0, **changes):
    teacher = Teacher(settings(**changes), extract_features)
    for i, x in enumerate(np.arange(0, length + 1e-9, 0.05)):
        teacher.add_frame(frame(x, start_s + x, picture(i, brightness=brightness), y=y))
    if cloud is not None:
        teacher.add_cloud(cloud)
    reference_map = teacher.save(path)
    teacher.close()
    return reference_map
