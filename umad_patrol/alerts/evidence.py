"""The pictures and facts behind an alert, as a folder: query, warped reference, mask, overlay, and a YAML of the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml

from umad_patrol.errors import BAD_YAML, StoreError
from umad_patrol.io.caption import write_caption
from umad_patrol.io.images import to_image, write_image
from umad_patrol.records import Alert, Region, Result, Sighting

QUERY, REFERENCE, MASK, OVERLAY, FACTS = "query.jpg", "reference.jpg", "mask.png", "overlay.jpg", "evidence.yaml"

Overlay = Callable[[np.ndarray, np.ndarray, tuple[Region, ...]], np.ndarray]


def write_evidence(folder: Path, alert: Alert, sighting: Sighting, result: Result, overlay: Overlay,
                   map_checksum: str = "", model_checksum: str = "") -> None:
    """Write the evidence of an alert from the frame that shows it as `sighting`, in place of any that is there.

    The folder is built beside and then renamed, so that it is whole at every moment. Raises StoreError.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        write_image(beside / QUERY, result.frame.image)
        if result.alignment is not None and result.alignment.laid is not None:
            write_image(beside / REFERENCE, to_image(result.alignment.laid.picture))
        write_image(beside / MASK, result.mask)
        drawn = overlay(result.frame.image, result.mask, result.regions)
        write_image(beside / OVERLAY, _marked(drawn, sighting.region, alert.id))
        facts = _facts(alert, sighting, result, map_checksum, model_checksum)
        (beside / FACTS).write_text(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, default_flow_style=None), encoding="utf-8")
        _swap(beside, folder)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise StoreError(f"cannot write evidence into {str(folder)!r}: {error.strerror}; is the disk full?") from error


def read_facts(folder: Path) -> dict:
    """The facts of an evidence folder; empty where there are none or they are damaged."""
    try:
        facts = yaml.safe_load((folder / FACTS).read_text(encoding="utf-8"))
    except BAD_YAML:
        return {}
    return facts if isinstance(facts, dict) else {}


def _swap(beside: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    beside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _marked(drawn: np.ndarray, region: Region, alert_id: str) -> np.ndarray:
    x, y, width, height = region.box
    drawn = drawn.copy()
    cv2.rectangle(drawn, (x - 8, y - 8), (x + width + 7, y + height + 7), (0, 215, 255), 2)
    base = y + height + 28 if y + height + 34 < drawn.shape[0] else max(16, y - 28)
    write_caption(drawn, alert_id, (max(2, x - 8), base), 0.7, (0, 215, 255), 2)
    return drawn


def _facts(alert: Alert, sighting: Sighting, result: Result, map_checksum: str, model_checksum: str) -> dict:
    alignment, reference, match, region = result.alignment, result.reference, result.match, sighting.region
    facts = {
        "alert": alert.id, "class": region.class_name, "score": round(float(region.score), 4), "stamp_ns": int(result.frame.stamp_ns),
        "position": [round(float(v), 3) for v in sighting.position], "range_m": round(sighting.range_m, 3),
        "width_m": round(sighting.width_m, 3), "height_m": round(sighting.height_m, 3),
        "region": {"box": [int(v) for v in region.box], "foot": [round(float(v), 1) for v in region.foot], "area_px": int(region.area_px)},
        "map_T_camera": _rows(result.frame.map_T_camera), "K": _rows(result.frame.camera.K),
    }
    if reference is not None:
        facts["reference"] = {"index": int(reference.index), "run": reference.run, "stamp_ns": int(reference.stamp_ns),
                              "map_T_camera": _rows(reference.map_T_camera)}
    if match is not None:
        facts["reference"] |= {"distance_m": round(float(match.distance_m), 3), "angle_deg": round(float(match.angle_deg), 2)}
    if alignment is not None:
        facts["alignment"] = {"method": alignment.method, "inliers": int(alignment.inliers), "matches": int(alignment.matches),
                              "spread": round(float(alignment.spread), 1), "residual_px": round(float(alignment.residual_px), 3),
                              "overlap": round(float(alignment.overlap), 3), "query_H_reference": _rows(alignment.query_H_reference)}
    return facts | {"map_checksum": map_checksum, "model_checksum": model_checksum}


def _rows(matrix: np.ndarray) -> list[list[float]]:
    return [[float(v) for v in row] for row in np.asarray(matrix, dtype=np.float64)]
