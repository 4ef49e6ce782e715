"""The network's halves, their shapes, what a missing reference counts as, and the same network folded."""

import pytest
import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.encoder import STRIDES, WIDTHS
from umad_patrol.detect.change_net.folded import folded
from umad_patrol.detect.change_net import network as module
from umad_patrol.detect.change_net.network import CLASSES, ChangeNet, Difference, compared, correlation, less_gone

MOST_PARAMETERS = 1_500_000     # 6 MB of weights


@pytest.mark.parametrize("size", [(16, 16), (16, 80), (48, 32), (112, 208)])
@pytest.mark.parametrize("count", [1, 3])
def test_logits_at_half_the_size_for_sides_in_multiples_of_16(network, pictures, size, count):
    query, reference, valid = pictures(*size, count)
    features = network.encode(query)
    assert [tuple(f.shape) for f in features] == [(count, width, size[0] // s, size[1] // s) for width, s in zip(WIDTHS, STRIDES)]
    logits = network(query, reference, valid)
    assert logits.shape == (count, len(CLASSES), size[0] // 2, size[1] // 2) and bool(logits.isfinite().all())


@pytest.mark.parametrize("correlated", [True, False])
def test_what_it_says_both_ways_is_what_it_says_of_either(pictures, correlated):
    network = ChangeNet(correlated).eval()
    query, reference, valid = pictures(64, 96, 2)
    y, x = torch.meshgrid(torch.arange(0.0, 64, 4), torch.arange(0.0, 96, 4), indexing="ij")
    with torch.no_grad():
        said, exchanged = network.says_both_ways(query, reference, valid, torch.stack([x, y]).expand(2, -1, -1, -1))   # laid as it lies
        of_query, of_reference = network.encode(query), network.encode(reference)
        assert said.shape == (2, len(CLASSES) + 1, 32, 48) and torch.allclose(said, network.says(of_query, of_reference, valid), rtol=0, atol=1e-4)
        assert torch.allclose(exchanged, network.says(of_reference, of_query, valid), rtol=0, atol=1e-4)
        assert torch.allclose(less_gone(said), network(query, reference, valid), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("gone", "least", "most"), [(5.0, -2.1, -2.0), (0.0, 2.3, 2.31), (-10.0, 2.9999, 3.0)])
def test_what_is_gone_is_less_new_and_nothing_is_more(gone, least, most):
    said = torch.tensor([3.0, 1.0, 2.0, gone])[None, :, None, None]
    found = less_gone(said)
    assert least <= float(found[0, 0]) <= most and torch.equal(found[:, 1:], said[:, 1:3])


def test_what_is_gone_lowers_by_its_softplus_without_overflow():
    gone = torch.tensor([-200.0, -30.0, -3.0, -0.5, 0.5, 3.0, 30.0, 200.0])
    said = torch.stack([torch.zeros_like(gone)] * 3 + [gone])[None, :, None]
    assert torch.allclose(less_gone(said)[0, 0, 0], -F.softplus(gone.double(), threshold=300).float(), rtol=1e-6, atol=1e-7)


def test_it_is_small():
    assert sum(p.numel() for p in ChangeNet().parameters()) < MOST_PARAMETERS


def test_untrained_it_says_that_little_changed(pictures):
    with torch.no_grad():
        scores = ChangeNet().eval()(*pictures(64, 64)).sigmoid()
    assert 0.005 < float(scores.mean()) < 0.08


@pytest.fixture(params=[module._by_shifts, module._by_windows], ids=["shifts", "windows"])
def way(request, monkeypatch):
    """Both ways to correlate, each on the CPU."""
    monkeypatch.setattr(module, "_by_shifts", request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("reach", [1, 2])
def test_correlation_is_the_best_cosine_around(reach):
    generator = torch.Generator().manual_seed(1)
    query, reference = (torch.randn(2, 5, 6, 7, generator=generator) for _ in range(2))
    here, best = correlation(query, reference, reach)
    for n in range(2):
        for y in range(6):
            for x in range(7):
                cosines = {(j, i): float(F.cosine_similarity(query[n, :, y, x], reference[n, :, j, i], dim=0))
                           for j in range(max(0, y - reach), min(6, y + reach + 1)) for i in range(max(0, x - reach), min(7, x + reach + 1))}
                assert float(here[n, 0, y, x]) == pytest.approx(cosines[y, x], abs=1e-5)
                assert float(best[n, 0, y, x]) == pytest.approx(max(cosines.values()), abs=1e-5)


@pytest.mark.usefixtures("way")
def test_correlation_of_nothing_is_nothing_in_half_precision_too():
    nothing = torch.zeros(1, 4, 3, 3, dtype=torch.float16)
    assert all(not bool(plane.any()) for plane in correlation(nothing, nothing, 1))


def test_where_the_reference_is_not_valid_it_counts_as_equal():
    difference = Difference(8, 4, reach=1).eval()
    generator = torch.Generator().manual_seed(2)
    query, one, other = (torch.randn(1, 8, 6, 6, generator=generator) for _ in range(3))
    hidden = torch.zeros(1, 1, 6, 6)
    assert torch.equal(difference(query, one, hidden), difference(query, query, hidden))
    hidden[..., 3:] = 1
    assert not torch.equal(difference(query, one, hidden), difference(query, query, hidden))
    mixed = torch.where(hidden > 0, one, other)     # what lies under the mask says nothing
    assert torch.equal(difference(query, one, hidden), difference(query, mixed, hidden))


def test_without_any_valid_reference_logits_do_not_depend_on_it(network, pictures):
    query, reference, valid = pictures(48, 64)
    nowhere = torch.zeros_like(valid)
    assert torch.equal(compared(network, query, reference, nowhere), compared(network, query, 1 - reference, nowhere))


def test_a_cell_is_valid_only_where_all_of_its_pixels_are(network, pictures):
    query, reference, valid = pictures(32, 32)
    nowhere = torch.ones_like(valid)
    nowhere[..., ::4, ::4] = 0      # one pixel of every cell at stride 4
    assert torch.equal(compared(network, query, reference, nowhere), compared(network, query, 1 - reference, nowhere))


@pytest.mark.parametrize("correlated", [True, False])
def test_folded_it_gives_the_same(network, pictures, correlated):
    network = network if correlated else ChangeNet(correlated=False).eval()
    given, quick = pictures(80, 112), folded(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in quick.modules())
    with torch.no_grad():
        assert float((quick(*given) - network(*given)).abs().max()) < 1e-4


def test_folding_leaves_the_network_as_it_was(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
