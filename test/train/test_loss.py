"""The loss against the same sums written out in numpy, and which way it pulls."""

import numpy as np
import pytest
import torch

from umad_patrol.train.loss import agreement_loss, change_loss


def by_hand(logits, target, weight):
    """Of arrays `(N, 3, h, w)` and `(N, 3, H, W)`."""
    n, classes, h, w = logits.shape
    stride = target.shape[-1] // w
    total = 0.0
    for c, class_weight in enumerate((1.0, 0.7, 0.5)):
        entropy, both, either = 0.0, 0.0, 0.0
        for i in range(n):
            for y in range(h):
                for x in range(w):
                    cell = np.s_[i, c, y * stride:(y + 1) * stride, x * stride:(x + 1) * stride]
                    mass = weight[cell].mean()
                    t = (target[cell] * weight[cell]).mean() / max(mass, 1e-6)
                    p = 1 / (1 + np.exp(-logits[i, c, y, x]))
                    entropy += -(t * np.log(p) + (1 - t) * np.log(1 - p)) * abs(t - p) ** 1.5 * mass * (1 + 3 * t)
                    both += p * t * mass
                    either += (p + t) * mass
        total += class_weight * (8 * entropy / (n * h * w) + 1 - (2 * both + 1) / (either + 1))
    return total


@pytest.mark.parametrize("stride", (1, 2))
def test_it_is_what_the_papers_sums_say(stride):
    rng = np.random.default_rng(stride)
    logits = rng.normal(0, 2, (2, 3, 6, 8))
    target = (rng.random((2, 3, 6 * stride, 8 * stride)) < 0.3).astype(float)
    weight = rng.random(target.shape) * (rng.random(target.shape) < 0.8) * 4
    mine = change_loss(*(torch.tensor(part, dtype=torch.float32) for part in (logits, target, weight)))
    assert float(mine) == pytest.approx(by_hand(logits, target, weight), rel=1e-4)


def test_it_pulls_up_what_is_new_down_what_is_not_and_leaves_the_rest():
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    target, weight = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    target[..., :2], weight[..., 0, :] = 1, 0
    change_loss(logits, target, weight).backward()
    assert (logits.grad[..., 1:, :2] < 0).all() and (logits.grad[..., 1:, 2:] > 0).all() and (logits.grad[..., 0, :] == 0).all()


def test_the_right_answer_costs_nearly_nothing_and_nothing_valid_is_no_nan():
    target = (torch.rand(1, 3, 8, 8) < 0.4).float()
    right = change_loss((target * 2 - 1) * 20, target, torch.ones_like(target))
    wrong = change_loss((1 - target * 2) * 20, target, torch.ones_like(target))
    assert right < 0.01 < 10 < wrong
    assert float(change_loss(torch.randn(1, 3, 4, 4), target, torch.zeros_like(target))) == pytest.approx(0, abs=1e-6)


def test_who_agrees_loses_nothing_and_who_does_not_is_pulled_there():
    others, valid = torch.randn(2, 3, 4, 4), torch.ones(2, 1, 8, 8)
    assert float(agreement_loss(others, others, valid)) == pytest.approx(0, abs=1e-5)
    logits = (others + 1).requires_grad_()
    loss = agreement_loss(logits, others, valid)
    loss.backward()
    assert float(loss) > 0 and bool((logits.grad > 0).all())


def test_agreement_is_not_asked_where_nothing_is_valid_nor_beyond_what_is_sure():
    others, valid = torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 8, 8)
    valid[..., :4] = 0
    logits = torch.zeros(1, 3, 4, 4)
    logits[..., :2] = 5.0
    assert float(agreement_loss(logits, others, valid)) == pytest.approx(0, abs=1e-6)
    sure = torch.full((1, 3, 4, 4), 40.0)
    assert float(agreement_loss(torch.full((1, 3, 4, 4), 6.0), sure, valid)) == pytest.approx(0, abs=1e-6)
