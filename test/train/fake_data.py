"""Makers of photographs, sprites, model folders and labelled pairs."""

import cv2
import numpy as np

from umad_patrol.train.sprites import Sprite

BOX, PERSON, MOVED = (slice(90, 120), slice(40, 70)), (slice(60, 120), slice(150, 170)), (slice(100, 110), slice(100, 120))  # rows, columns
SIZE = 160, 220


def ground(seed, size=(260, 340)):
    """`(H, W, 3)` uint8 of soft grey blotches."""
    rng = np.random.default_rng(seed)
    blotches = cv2.resize(rng.normal(0, 18, (10, 15)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(125 + blotches + rng.normal(0, 2, size), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def sprite(kind, name, colour, size):
    """A full rectangle."""
    image = np.zeros((*size, 4), np.uint8)
    image[...] = (*colour, 255)
    return Sprite(kind, name, image, 0.5)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_photos(folder, count=4, size=(260, 340)):
    for index in range(count):
        write(folder / f"p{index}.jpg", ground(index, size))
    return folder


def write_assets(folder):
    """Three boxes as GLB: an anomaly, a person, a piece of furniture."""
    import trimesh

    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,class,name,height_m,x_m,y_m"]
    for name, kind, (x, y, z) in (("box", "anomaly", (0.4, 0.3, 0.5)), ("man", "people", (0.5, 0.3, 1.7)), ("bin", "furniture", (0.5, 0.5, 0.9))):
        mesh = trimesh.creation.box((x, y, z))
        mesh.apply_translation((0, 0, z / 2))
        mesh.export(folder / f"{name}.glb")
        rows.append(f"{name}.glb,{kind},{name},{z},{x},{y}")
    (folder / "MANIFEST.csv").write_text("\n".join(rows) + "\n")
    return folder


def bits():
    """UMAD's: an anomaly, a person of the query, a thing that was there before, and the ground below the horizon."""
    labels = np.zeros(SIZE, np.uint8)
    labels[60:] = 64
    for part, bit in ((BOX, 128), (PERSON, 32), (MOVED, 1)):
        labels[part] |= bit
    return labels


def pair(seed=1):
    """Reference and query `(H, W, 3)` uint8 BGR of what `bits` says."""
    reference = ground(seed, SIZE)
    query = reference.copy()
    query[BOX], query[PERSON], reference[MOVED] = (30, 20, 190), (190, 60, 20), (20, 190, 20)
    return reference, query


def write_pairs(folder, count=3, names="abcdefghijklmnopqrstuvwxyz"):
    for index in range(count):
        reference, query = pair(index)
        for name, image in (("reference", reference), ("query", query), ("labels", bits())):
            write(folder / names[index] / f"{name}.png", image)
    return folder


def write_teacher(path):
    """An untaught teacher of a few channels, as the published checkpoints are laid out."""
    import torch

    from umad_patrol.train.teacher import Teacher

    torch.manual_seed(0)
    torch.save(Teacher((16, 32, 64, 128)).state_dict(), path)
    return path
