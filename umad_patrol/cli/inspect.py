"""Say what a map holds, and whether it is sound: every file is read and its checksum compared.

Exit status 2, naming the file, if the map is damaged, incomplete or of another version.

example: umad-patrol inspect map --images route.png
"""

from __future__ import annotations

import argparse

import numpy as np
from tqdm import tqdm

from umad_patrol.errors import MapError
from umad_patrol.geometry import plane
from umad_patrol.io.files import PICTURES, check_file
from umad_patrol.io.images import write_image
from umad_patrol.records import Camera
from umad_patrol.reference.dismissed import read_dismissed
from umad_patrol.reference.map import VERSION, ReferenceMap
from umad_patrol.reference.plot import draw_map


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """MAP [--images OUT.png]."""
    parser.add_argument("map", metavar="MAP", help="folder of the map")
    parser.add_argument("--images", metavar="OUT.png", help="also draw the route, its runs and the cloud from above")


def run(args: argparse.Namespace) -> dict:
    """Load the map with all checks and print its summary."""
    check_file("--images", args.images, MapError, PICTURES)
    reference_map = ReferenceMap.load(args.map, verify=False)
    for index in tqdm(range(len(reference_map)), unit="keyframe", desc="inspect", disable=None):
        reference_map.reference(index)  # checks the files and that they can be used; the summary checks the cloud
    found = {**summary(reference_map), "sound": True}
    print_summary(found)
    print("sound: every file is as it was written")
    if args.images:
        write_image(args.images, draw_map(reference_map))
        print(f"route drawn in {args.images}")
    return found


def summary(reference_map: ReferenceMap) -> dict:
    """What a map holds, in plain numbers."""
    cloud = reference_map.cloud()
    dismissed = read_dismissed(reference_map.path)
    heights = [plane.height(ground, pose[None, :3, 3])[0] for ground, pose in zip(reference_map.grounds, reference_map.poses)]
    tilts = np.degrees(np.arccos(np.clip(reference_map.grounds[:, 2], -1, 1)))
    return {
        "map": str(reference_map.path), "version": VERSION, "checksum": reference_map.checksum, "made_by": reference_map.info.made_by,
        "keyframes": len(reference_map), "runs": [_run(reference_map, i) for i in range(len(reference_map.runs))],
        "camera": _camera(reference_map.camera),
        "cloud_points": 0 if cloud is None else len(cloud), "size_bytes": reference_map.size_bytes(),
        "dismissed": [{"alert": d.alert, "class": d.class_name, "position": list(d.position)} for d in dismissed],
        "ground": {"camera_height_m": float(np.median(heights)), "largest_tilt_deg": float(tilts.max())},
    }


def print_summary(found: dict) -> None:
    """The summary in lines."""
    ground = found["ground"]
    print(f"map {found['map']}: version {found['version']}, {found['keyframes']} keyframes, {found['size_bytes'] / 1e6:.1f} MB, {found['made_by']}")
    for run_ in found["runs"]:
        print(f"  run {run_['name']}: {run_['keyframes']} keyframes over {run_['length_m']:.1f} m, {run_['widest_gap_m']:.2f} m at most between two, "
              f"{run_['seconds']:.0f} s, brightness {run_['brightness']:.2f}, {'with' if run_['features'] else 'without'} features")
    alike = all(run_["camera"] == found["camera"] for run_ in found["runs"])
    for name, camera in [("", found["camera"])] if alike else [(f" of run {run_['name']}", run_["camera"]) for run_ in found["runs"]]:
        print(f"  camera{name} {camera['width']}x{camera['height']}, fx {camera['fx']:.1f}, fy {camera['fy']:.1f}")
    print(f"  ground {ground['camera_height_m']:.2f} m below the camera, tilted up to {ground['largest_tilt_deg']:.1f} deg; "
          + (f"cloud of {found['cloud_points']} points" if found["cloud_points"] else "no cloud, so it is as teach.camera_height_m said"))
    for thing in found["dismissed"]:
        x, y, z = thing["position"]
        print(f"  dismissed as {thing['alert']}: {thing['class']} at ({x:.2f}, {y:.2f}, {z:.2f})")
    print(f"  checksum {found['checksum']}")


def _camera(camera: Camera) -> dict:
    return {"width": camera.width, "height": camera.height, "fx": float(camera.K[0, 0]), "fy": float(camera.K[1, 1])}


def _run(reference_map: ReferenceMap, number: int) -> dict:
    rows, run_ = reference_map.run_of == number, reference_map.info.runs[number]
    steps = np.linalg.norm(np.diff(reference_map.poses[rows, :3, 3], axis=0), axis=1)
    stamps = reference_map.stamps_ns[rows]
    return {"name": run_.name, "keyframes": run_.keyframes, "features": run_.has_features, "length_m": float(steps.sum()),
            "widest_gap_m": float(steps.max(initial=0.0)), "seconds": float(stamps.max() - stamps.min()) / 1e9,
            "brightness": float(reference_map.light[rows, 2].mean()), "camera": _camera(run_.camera)}
