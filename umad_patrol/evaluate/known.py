"""What a pair tells the aligner besides its pictures: cameras, believed poses, the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.homo_eva import read_pose_pair
from umad_patrol.evaluate.pair_poses import PairPoses, read_poses
from umad_patrol.evaluate.pairs import Pair
from umad_patrol.geometry.camera import check_camera, load_camera
from umad_patrol.reference.cloud import read_cloud
from umad_patrol.reference.standing import Standing
from umad_patrol.records import Camera, Reference


@dataclass(frozen=True, eq=False)
class Known:
    """The pair's poses (empty where it has none) and its camera, None where nothing is to be made of poses."""

    poses: PairPoses
    camera: Camera | None
    cloud: np.ndarray | None = None

    def reference(self, image: np.ndarray) -> Reference:
        """The keyframe that a map would hold."""
        if self.camera is None:
            return Reference(0, "pair", 0, image, Camera(image.shape[1], image.shape[0], np.eye(3)), np.eye(4))
        return Reference(0, "pair", 0, image, self.camera, self.poses.map_T_reference, None, self.poses.ground, self.cloud)

    def believed(self) -> dict:
        """What `Aligner.align` takes of the query's camera."""
        return {} if self.camera is None else {"query_camera": self.camera, "map_T_camera": self.poses.map_T_query}


def known_of(pair: Pair, image: np.ndarray, use_poses: bool = True) -> Known:
    """Read what lies beside the pictures, of which `image` is one. Poses that cannot be used without a camera are refused.

    Raises DatasetError or CameraError naming the file.
    """
    if pair.poses is None:
        return Known(PairPoses(), None)
    poses = read_poses(pair.poses) if pair.poses.suffix == ".yaml" else read_pose_pair(pair.poses)
    if not use_poses or poses.map_T_reference is None or poses.map_T_query is None:
        return Known(poses, None)
    if pair.camera is None:
        raise DatasetError(f"{pair.poses} has poses, but {pair.folder} has no camera.yaml; add it, or give --no-poses")
    camera = load_camera(pair.camera)
    check_camera(camera, image.shape)
    path = pair.folder / "cloud.pcd"
    if poses.ground is None or not path.is_file():
        return Known(poses, camera)
    return Known(poses, camera, Standing(read_cloud(path)).before(poses.map_T_reference, camera, poses.ground))
