"""A tiny route: 3 m ahead over textured ground towards a far textured wall, with a box standing 5 m after the start."""

import cv2
import numpy as np

from umad_patrol.align.features import extract
from umad_patrol.config import with_values
from umad_patrol.geometry import se3
from umad_patrol.records import Camera, Frame
from umad_patrol.reference.teach import Teacher

FORWARD = (0.0, 0.0, 0.7, -0.5, 0.5, -0.5, 0.5)
SURE = 0.5      # detect.threshold at which what is planted here is found in every frame: how well drawings are found is tested elsewhere
STEP_S, STEP_M = 0.1, 0.05
STEPS = 60


class Route:
    """What the camera sees and where it is, `i` steps of 0.1 s and 0.05 m after 100 s. The map's x is ahead, y left, z up."""

    grain_m = 0.01
    box = np.array([[5.0, 0.2, 0.0], [5.0, -0.2, 0.0], [5.0, -0.2, 0.45], [5.0, 0.2, 0.45]])

    def __init__(self, domain=0, width=320, height=240, focal=250.0):
        self.domain, self.width, self.height, self.focal = domain, width, height, focal
        rng = np.random.default_rng(3)
        self.ground = cv2.resize(rng.integers(60, 190, (40, 60, 3), np.uint8), (1200, 800), interpolation=cv2.INTER_CUBIC)  # 12 m by 8 m
        self.far = cv2.resize(rng.integers(60, 190, (height // 12, width // 12, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)

    @staticmethod
    def time(i):
        return 100.0 + i * STEP_S

    def pixels(self, points, x):
        """Where map points `(N, 3)` are seen from `x` metres ahead, the camera 0.7 m up."""
        ahead = points[:, 0] - x
        return np.column_stack([(self.width - 1) / 2 - self.focal * points[:, 1] / ahead, (self.height - 1) / 2 - self.focal * (points[:, 2] - 0.7) / ahead])

    def picture(self, i, planted=False):
        """The view at step `i`, which need not be whole."""
        x = self.position(i)[0]
        corners = np.array([[x + 0.6, -4, 0], [x + 0.6, 4, 0], [x + 9, 4, 0], [x + 9, -4, 0]])
        texels = np.column_stack([corners[:, 0], corners[:, 1] + 4]) / self.grain_m
        H = cv2.getPerspectiveTransform(texels.astype(np.float32), self.pixels(corners, x).astype(np.float32))
        view = cv2.warpPerspective(self.ground, H, (self.width, self.height), dst=self.far.copy(), borderMode=cv2.BORDER_TRANSPARENT)
        if planted:
            view[self.truth(i)] = (0, 140, 255)
        return view

    def truth(self, i):
        """`(H, W)` bool: the box."""
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(mask, [np.round(self.pixels(self.box, self.position(i)[0])).astype(np.int32)], 1)
        return mask > 0

    @staticmethod
    def position(i):
        return (i * STEP_M, 0.0, 0.0)

    def bag(self, write_bag, messages, path, planted_from=10**9, count=60):
        items = []
        for i in range(count):
            t = self.time(i)
            items += [("/camera/image/compressed", t + 0.005, messages.jpeg(t, self.picture(i, i >= planted_from))),
                      ("/camera/info", t, messages.camera_info(t, self.width, self.height, self.focal)),
                      ("/odom", t, messages.odometry(t, self.position(i)))]
        return write_bag(path, sorted(items, key=lambda item: item[1]))


def teach(route, settings, path, run="", cloud=None):
    """Write a map of the route, with the points `(N, 3)` of a LiDAR."""
    K = np.array([[route.focal, 0, (route.width - 1) / 2], [0, route.focal, (route.height - 1) / 2], [0, 0, 1]])
    teacher = Teacher(with_values(settings, {"teach.run": run}), lambda image: extract(image, settings.align))
    for i in range(STEPS):
        pose = se3.matrix(route.position(i), (0, 0, 0, 1)) @ se3.matrix(FORWARD[:3], FORWARD[3:])
        teacher.add_frame(Frame(int(route.time(i) * 1e9), route.picture(i), Camera(route.width, route.height, K), pose))
    if cloud is not None:
        teacher.add_cloud(cloud)
    teacher.save(path)
    teacher.close()
    return path
