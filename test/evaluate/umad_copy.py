"""A made-up copy of UMAD-1.0: tiny pictures whose masks are known."""

import cv2
import numpy as np

HEIGHT, WIDTH = 80, 120
BOX, PERSON = (slice(40, 60), slice(30, 50)), (slice(30, 60), slice(80, 90))  # rows, columns


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def ground(seed):
    rng = np.random.default_rng(seed)
    blotches = cv2.resize(rng.normal(0, 18, (10, 15)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(120 + blotches + cv2.GaussianBlur(rng.normal(0, 25, (HEIGHT, WIDTH)), (0, 0), 1.2), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def labels(*parts):
    """Below the middle the horizon's bit, and a bit on each part."""
    bits = np.zeros((HEIGHT, WIDTH), np.uint8)
    bits[HEIGHT // 2:] = 64
    for part, bit in parts:
        bits[part] |= bit
    return bits


def write_frame(root, scene, sequence, number, bits, seed=1):
    """One pair: a red box where BOX is anomalous, a blue person where PERSON is dynamic in the query."""
    reference = ground(seed)
    query = reference.copy()
    query[BOX] = np.where((bits[BOX] & 128 > 0)[..., None], (30, 20, 190), query[BOX])
    query[PERSON] = np.where((bits[PERSON] & 32 > 0)[..., None], (190, 60, 20), query[PERSON])
    name = f"{number:08d}"
    write(root / "data" / scene / sequence / "G1" / "rgb" / f"{name}.jpg", reference)
    write(root / "data" / scene / sequence / "Q1" / "rgb" / f"{name}.jpg", query)
    write(root / "gt" / scene / sequence / "rgb" / f"{name}.png", bits)


def write_umad(root):
    """Three scenes, four sequences, seven frames; scene 10 sorts last though "1" sorts first."""
    for scene, sequence, numbers in (("10.New", "00", (4,)), ("1.N6", "00", (0, 7, 9)), ("1.N6", "01", (2,)), ("2.Bridge", "03", (1, 2))):
        for number in numbers:
            write_frame(root, scene, sequence, number, labels((BOX, 128), (PERSON, 32)))
    return root
