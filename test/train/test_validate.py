"""Scores counted by hand."""

import pytest
import torch
from torch import nn

from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.train import validate as module
from umad_patrol.train.validate import validate


class Says(nn.Module):
    """Says what the query's channels hold: 1 of 255 and more is a yes."""

    def forward(self, query, reference, valid):
        return nn.functional.avg_pool2d((query > 0).float() * 20 - 10, 2)


def sample(said, target, weight=None):
    nothing = torch.zeros(3, 64, 64)
    return (said * 255).byte(), nothing.byte(), torch.ones(1, 64, 64), target, torch.ones(3, 64, 64) if weight is None else weight


def plane(*boxes):
    """`(3, 64, 64)` with 1 in boxes of class, rows, columns."""
    out = torch.zeros(3, 64, 64)
    for cls, rows, columns in boxes:
        out[cls, rows, columns] = 1
    return out


def test_counts_are_those_by_hand():
    large, small = (slice(0, 20), slice(0, 10)), (slice(30, 36), slice(30, 36))
    stray, speck = (slice(50, 58), slice(50, 58)), (slice(60, 62), slice(10, 12))
    truth = plane((0, *large), (0, *small), (1, *small), (2, *large))
    said = plane((0, *large), (0, *stray), (0, *speck), (1, *small))
    scores = validate(Says(), [sample(said, truth)], torch.device("cpu"))
    assert scores.f1[1] == pytest.approx(1, abs=0.15) and scores.f1[2] == 0
    assert scores.f1[0] == pytest.approx(2 * 200 / (200 + 64 + 4 + 200 + 36), abs=0.04)
    assert (scores.large, scores.small, scores.false) == (1.0, 0.0, 1.0)    # the stray region; the speck has under 12 px
    assert scores.row() == {"f1_anomaly": round(scores.f1[0], 3), "f1_dynamic": round(scores.f1[1], 3), "f1_changed": 0.0, "large": 1.0,
                            "small": 0.0, "false": 1.0}


def test_what_has_no_weight_does_not_count():
    box = slice(8, 24), slice(8, 24)
    weight = torch.ones(3, 64, 64)
    weight[(slice(None), *box)] = 0
    scores = validate(Says(), [sample(plane((0, *box)), plane(), weight), sample(plane(), plane((0, *box)), weight)], torch.device("cpu"))
    assert scores.f1[0] == 0 and scores.false == 0 and scores.large == 0
    assert validate(Says(), [], torch.device("cpu")).false == 0


def test_a_region_near_what_is_labelled_otherwise_is_not_false():
    near = plane((0, slice(10, 20), slice(10, 20)))
    assert validate(Says(), [sample(near, plane((1, slice(10, 20), slice(24, 40))))], torch.device("cpu")).false == 0
    assert validate(Says(), [sample(near, plane((1, slice(10, 20), slice(34, 40))))], torch.device("cpu")).false == 1


def test_the_change_network_looks_from_beside_and_always_from_the_same_place(monkeypatch):
    torch.manual_seed(0)
    network, asked = ChangeNet().eval(), []
    laid = module.lay
    monkeypatch.setattr(module, "lay", lambda features, seen: asked.append(seen) or laid(features, seen))
    samples = [sample(plane((0, slice(8, 24), slice(8, 24))), plane((0, slice(8, 24), slice(8, 24)))) for _ in range(3)]
    first, again = (validate(network, samples, torch.device("cpu")) for _ in range(2))
    assert first == again and len(asked) == 6 and all(torch.equal(a, b) for a, b in zip(asked[:3], asked[3:]))
    assert not torch.equal(asked[0], asked[1])
