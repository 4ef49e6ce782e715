"""What a teacher sees in the photographs: where people and vehicles are, and things worth cutting out."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from umad_patrol.io.images import write_image
from umad_patrol.train.photos import Photo
from umad_patrol.train.sprites import PERSON, SMALLEST_PX, THING, VEHICLE, Sprite, cut_out_of, write_sprite
from umad_patrol.train.teacher import VOC_PERSON, VOC_VEHICLES, Teacher

VOC_THINGS = (5, 9, 16, 18, 20)   # bottle, chair, potted plant, sofa, screen
LOOKED_AT_PX = 960                # longer side of what the teacher sees
SURE, DOUBTFUL = 0.85, 0.5
LARGEST_SHARE = 0.25              # of a picture: larger cut-outs are mostly wrong or cut off


def label_photos(photos: list[Photo], teacher: Teacher, shelf: str | Path) -> None:
    """Write, for each photograph that has none yet, the probability of people and vehicles, and cut-outs of what is surely seen."""
    folder = Path(shelf)
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    missing = [photo for photo in photos if not _label_path(folder, photo).is_file()]
    for photo in tqdm(missing, "looking for people", unit="picture", disable=None):
        chances = _chances(photo.image, teacher)
        if not photo.held_out:
            _cut_out(photo, chances, folder)
        write_image(_label_path(folder, photo), np.dstack([chances[PERSON], chances[VEHICLE], chances[THING]]))


def with_labels(photos: list[Photo], shelf: str | Path) -> list[Photo]:
    """The photographs with what is known of their people and vehicles: `dynamic` `(H, W)` uint8, 255 is surely one."""
    labelled = []
    for photo in photos:
        path = _label_path(Path(shelf), photo)
        chance = cv2.imread(str(path)) if path.is_file() else None
        labelled.append(photo if chance is None else replace(photo, dynamic=np.maximum(chance[..., 0], chance[..., 1])))
    return labelled


def _label_path(folder: Path, photo: Photo) -> Path:
    """By what the picture shows, so that a changed or moved photograph is looked at anew."""
    return folder / "labels" / f"{photo.path.stem}-{zlib.crc32(photo.image.tobytes()):08x}.png"


def _chances(image: np.ndarray, teacher: Teacher) -> dict[str, np.ndarray]:
    """Probability `(H, W)` uint8 of a person, a vehicle and a thing."""
    height, width = image.shape[:2]
    scale = min(1.0, LOOKED_AT_PX / max(height, width))
    size = [max(64, round(side * scale / 16) * 16) for side in (width, height)]
    seen = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    tensor = torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1)))[None].to(teacher.mean.device).float() / 255
    classes = teacher.classes(tensor)[0].cpu()
    found = {PERSON: classes[VOC_PERSON], VEHICLE: classes[list(VOC_VEHICLES)].sum(0), THING: classes[list(VOC_THINGS)].sum(0)}
    return {kind: cv2.resize((chance.clamp(0, 1) * 255).byte().numpy(), (width, height)) for kind, chance in found.items()}


def _cut_out(photo: Photo, chances: dict[str, np.ndarray], folder: Path) -> None:
    for kind, chance in chances.items():
        count, labels, stats, _ = cv2.connectedComponentsWithStats((chance > DOUBTFUL * 255).astype(np.uint8))
        for index in range(1, count):
            x, y, width, height, area = (int(v) for v in stats[index])
            inside = x > 1 and y > 1 and x + width < labels.shape[1] - 1 and y + height < labels.shape[0] - 1
            part = slice(y, y + height), slice(x, x + width)
            mine = labels[part] == index
            if (inside and min(width, height) >= SMALLEST_PX // 2 and max(width, height) >= SMALLEST_PX and area <= LARGEST_SHARE * labels.size
                    and chance[part][mine].mean() >= SURE * 255):
                alpha = np.where(mine, np.clip((chance[part].astype(np.float32) / 255 - 0.3) / 0.4, 0, 1) * 255, 0).astype(np.uint8)
                write_sprite(folder, Sprite(kind, f"{cut_out_of(photo.path)}-{index}", np.dstack([photo.image[part], alpha]),
                                            1.7 if kind == PERSON else 0.0))
