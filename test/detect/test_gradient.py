"""The gradient detector computes the same with OpenCV, on a CPU, as with torch, which it uses everywhere else."""

import pytest
import torch

from umad_patrol.config import DetectSettings
from umad_patrol.detect import make_detector
from umad_patrol.detect.gradient import cells, on_any, on_cpu

TOLERANCE = 1e-5
SCORE_TOLERANCE = 1e-4


@pytest.fixture
def random():
    generator = torch.Generator().manual_seed(4)
    return lambda *shape: torch.rand(shape, generator=generator)


@pytest.mark.parametrize("work", ["cells", "log", "highest", "highest beyond", "mean", "doubled"])
def test_opencv_does_what_torch_does(work, random):
    picture, values, by_cells = random(1, 3, 44, 60), random(1, 3, 1, 21, 30), random(1, 1, 4, 21, 30)
    picture[0, :, 3:5, 7] = torch.nan
    call = {"cells": lambda on: on.by_cells(picture[:, :, 8:]), "log": lambda on: on.log_halved(picture, 0.03),
            "highest": lambda on: on.highest(values, 2, -torch.inf), "highest beyond": lambda on: on.highest(values, 3, 1.0),
            "mean": lambda on: on.mean(values, 4), "doubled": lambda on: on.doubled(by_cells)}[work]
    fast, plain = call(on_cpu), call(on_any)
    assert fast.shape == plain.shape and torch.allclose(fast, plain, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", [(64, 80), (61, 87), (18, 16)])
def test_scores_are_the_same_either_way(size, random, monkeypatch):
    detector, valid = make_detector(DetectSettings()), torch.ones((1, 1, *size), dtype=torch.bool)
    query, reference = (0.3 + 0.1 * random(1, 3, *size) for _ in range(2))
    query[:, :, size[0] // 3:size[0] // 2, size[1] // 3:size[1] // 2] = torch.tensor([0.9, 0.2, 0.1])[None, :, None, None]
    valid[..., -2:] = False
    fast = detector.score(query, reference, valid)
    monkeypatch.setattr(cells, "operations", lambda planes: on_any)
    assert torch.allclose(fast, detector.score(query, reference, valid), rtol=0, atol=SCORE_TOLERANCE)
    assert float(fast.max()) > 0.5 or min(size) < 40


def test_a_cell_is_known_where_all_its_pixels_are():
    seen = torch.ones((1, 1, 10, 13), dtype=torch.bool)
    seen[..., 5, 6] = False
    known = cells.everywhere(seen, 4)
    assert known.shape == (1, 1, 3, 4) and known.dtype == torch.bool
    assert not known[0, 0, 1, 1] and int(known.sum()) == 11
