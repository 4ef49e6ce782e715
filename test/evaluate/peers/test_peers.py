"""The peers: sizes, shapes, parameters and operations as published, and what makes each siamese."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from umad_patrol.errors import ConfigError
from umad_patrol.evaluate.peers import PEERS, make_peer
from umad_patrol.evaluate.peers.correlation import correlation
from umad_patrol.evaluate.peers.fc_siam_diff import FCSiamDiff
from umad_patrol.evaluate.peers.resnet18 import ResNet18

M_PARAMETERS = {"FC-Siam-diff": 1.350146, "CSCDNet": 94.19, "C-3PO ResNet-18": 44.67}
GFLOP = {"FC-Siam-diff": 34, "CSCDNet": 336, "C-3PO ResNet-18": 612}  # two 512x512 pictures


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)


def pictures(n, height, width):
    return torch.rand(2, n, 3, height, width).unbind()


@pytest.mark.parametrize("name", PEERS)
def test_parameters_and_operations(name):
    with torch.device("meta"):
        network, picture = make_peer(name).eval(), torch.empty(1, 3, 512, 512)
    with FlopCounterMode(display=False) as counter:
        network(picture, picture)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(M_PARAMETERS[name], rel=1e-3)
    assert counter.get_total_flops() / 1e9 == pytest.approx(GFLOP[name], rel=0.07)


@pytest.mark.parametrize("name", PEERS)
@torch.inference_mode()
def test_logits_have_the_pictures_size(name):
    network = make_peer(name, classes=3).eval()
    for n, height, width in ((2, 32, 64), (1, 37, 83)):
        logits = network(*pictures(n, height, width))
        assert logits.shape == (n, 3, height, width) and logits.isfinite().all()


@pytest.mark.parametrize("name", PEERS)
@torch.inference_mode()
def test_batches_are_pictures_side_by_side(name):
    network = make_peer(name).eval()
    query, reference = pictures(2, 64, 64)
    torch.testing.assert_close(network(query, reference)[1:], network(query[1:], reference[1:]), atol=1e-5, rtol=1e-4)
    assert not torch.equal(network(query, reference), network(query, query))


@torch.inference_mode()
def test_a_difference_of_equal_pictures_is_nothing():
    network = FCSiamDiff().eval()
    query, _ = pictures(1, 48, 64)
    features, _ = network.encode(torch.cat([query, query]))
    assert [f.shape[1:] for f in features] == [(16, 48, 64), (32, 24, 32), (64, 12, 16), (128, 6, 8)]
    for feature in features:
        torch.testing.assert_close(*feature.chunk(2))
        assert feature.abs().sum() > 0


def test_fc_siam_diff_learns_from_both_pictures():
    network = FCSiamDiff(classes=1)
    network(*pictures(2, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@torch.inference_mode()
def test_the_trunk_has_five_features():
    trunk = ResNet18().eval()
    assert [f.shape for f in trunk(torch.rand(1, 3, 64, 96))] == [
        (1, 64, 32, 48), (1, 64, 16, 24), (1, 128, 8, 12), (1, 256, 4, 6), (1, 512, 2, 3)]
    assert sum(p.numel() for p in trunk.parameters()) == 11_176_512  # of ResNet-18's 11,689,512 without the classifier's


@pytest.mark.parametrize("width", [6, 64, 135])
def test_correlation_against_a_loop(width):
    first, second = torch.randn(2, 2, 5, 7, width).unbind()
    found = correlation(first, second, reach=4, step=2)
    assert found.shape == (2, 25, 7, width)
    padded = torch.nn.functional.pad(second, (4, 4, 4, 4))
    for i, dy in enumerate(range(-4, 5, 2)):
        for j, dx in enumerate(range(-4, 5, 2)):
            there = padded[:, :, 4 + dy:11 + dy, 4 + dx:4 + dx + width]
            torch.testing.assert_close(found[:, 5 * i + j], (first * there).mean(1))


def test_an_unknown_peer_is_refused_by_name():
    with pytest.raises(ConfigError, match="'ChangeStar'; known are FC-Siam-diff"):
        make_peer("ChangeStar")
