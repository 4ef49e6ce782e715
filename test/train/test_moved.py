"""References seen from beside: laid back they are as they were, and where they are not seen that is known."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from umad_patrol.train.moved import STILL, homographies, moved

SIDE = 160


def smooth(count):
    y, x = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    return torch.stack([torch.sin(x / 15) * torch.cos(y / 18), torch.cos(x / 22), torch.sin((x + y) / 25)])[None].repeat(count, 1, 1, 1) * 0.4 + 0.5


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_laid_back_they_show_what_they_showed():
    pictures, valid = smooth(8), torch.ones(8, 1, SIDE, SIDE)
    found = moved(pictures, valid, draw())
    grid = (2 * found.seen / (SIDE - 1) - 1).permute(0, 2, 3, 1)
    back, seen = F.grid_sample(found.pictures, grid, align_corners=True), found.valid[:, :, ::4, ::4] > 0
    apart = (back - pictures[..., ::4, ::4]).abs().amax(1, keepdim=True)[seen]
    assert float(apart.quantile(0.99)) < 0.02 and 0.5 < float(seen.float().mean()) < 1
    assert float((found.pictures - pictures).abs().mean()) > 0.05


def test_what_was_not_valid_stays_so():
    valid = torch.ones(4, 1, SIDE, SIDE)
    valid[..., :50] = 0
    found = moved(smooth(4), valid, draw())
    assert not bool(found.valid[..., :50].any()) and bool(found.valid[..., 60:100].any())


def test_the_same_draw_moves_alike_and_another_otherwise():
    one, same, other = (homographies(5, (SIDE, SIDE), draw(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_they_move_by_some_pixels_and_some_stay():
    H = homographies(400, (SIDE, SIDE), draw())
    middle = (H @ torch.tensor([(SIDE - 1) / 2, (SIDE - 1) / 2, 1.0]))
    shift = (middle[:, :2] / middle[:, 2:] - (SIDE - 1) / 2).norm(dim=1)
    still = torch.isclose(H, torch.eye(3), atol=1e-4).all(2).all(1)
    assert float(still.float().mean()) == pytest.approx(STILL, abs=0.06)
    assert 10 < float(shift[~still].median()) < 30 and bool((torch.linalg.det(H) > 0.3).all())
    assert np.isfinite(H.numpy()).all()
