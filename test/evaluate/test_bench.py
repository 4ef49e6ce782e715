"""The bench: what contends, how it is related, what the pair is, what is drawn. The verb's test measures."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest
import torch
from textures import SHIFT, make_texture
from torch import nn

from umad_patrol.comparer import Comparer
from umad_patrol.config import DetectSettings, Settings
from umad_patrol.detect.registry import DETECTORS
from umad_patrol.errors import ConfigError
from umad_patrol.evaluate import bench_networks
from umad_patrol.evaluate.bench import Row, _related
from umad_patrol.evaluate.bench_networks import KNOWN, KNOWN_INT8, NETWORKS, SeesAll, contestants, laid_out
from umad_patrol.evaluate.bench_pair import BenchPair
from umad_patrol.evaluate.bench_stages import network_pictures, single_stages, whole_ways
from umad_patrol.evaluate.bench_tables import _figure, _network_lines, _stage_lines, draw, tables
from umad_patrol.evaluate.peers import PEERS
from umad_patrol.records import Camera, Frame, Reference

CPU = torch.device("cpu")


@pytest.fixture
def pair():
    """A texture and the same moved, without poses that say so."""
    image, camera = make_texture(5), Camera(400, 300, np.array([[300.0, 0, 199.5], [0, 300, 149.5], [0, 0, 1]]))
    moved = cv2.warpPerspective(image, SHIFT, (400, 300), borderMode=cv2.BORDER_REFLECT)
    return BenchPair(Frame(1, moved, camera, np.eye(4)), Reference(0, "run", 0, image, camera, np.eye(4)))


@pytest.fixture
def comparer():
    comparer = Comparer(Settings(), CPU)
    yield comparer
    comparer.close()


def test_every_stage_can_be_called_again_and_again(pair, comparer):
    stages = single_stages(pair, Settings(), comparer) | whole_ways(pair, Settings(), comparer)
    assert list(stages)[1] == "align: lay a reference" and list(stages)[-2:] == ["frame to regions, 1 reference", "frame to regions, 2 references"]
    for name, call in stages.items():
        assert call() is not None and call() is not None, name
    assert stages["frame to regions, 1 reference"]().alignment.comparable


def test_networks_see_the_lowest_rows_of_pictures_that_lie_on_each_other(pair):
    query, reference = network_pictures(pair, Settings(), (320, 128))
    assert query.shape == reference.shape == (1, 3, 128, 320) and query.dtype == torch.float32
    blue = pair.frame.image[-128:, :320, 0] / 255.0
    np.testing.assert_allclose(query[0, 2].numpy(), blue, atol=1e-6)
    assert (query - reference)[..., :100, 20:].abs().mean() < 0.03 < (query[..., :100, 20:] - query[..., :100, 12:-8]).abs().mean()


def test_a_pair_that_cannot_be_aligned_is_refused_with_the_way_out(pair, comparer):
    blank = BenchPair(Frame(1, np.full_like(pair.frame.image, 90), pair.frame.camera, np.eye(4)), pair.reference)
    with pytest.raises(ConfigError, match="at 400x300 .* larger --size"):
        single_stages(blank, Settings(), comparer)


def test_ours_come_first_and_peers_can_be_left_out(monkeypatch):
    monkeypatch.setattr(bench_networks, "_in_8_bits", lambda settings, device: None)
    names = list(contestants(Settings(), CPU, peers=True))
    assert names == [*NETWORKS, *(f"detector {name}" for name in DETECTORS), KNOWN, *PEERS]
    assert list(contestants(Settings(), CPU, peers=False)) == names[:-len(PEERS)]


def test_where_8_bits_work_and_are_not_measured_anyway_they_are_measured_as_well():
    pytest.importorskip("onnxruntime")
    names, settings = [*(f"detector {name}" for name in DETECTORS), KNOWN], Settings(detect=DetectSettings(engine="int8"))
    assert list(contestants(Settings(), CPU, peers=False)) == [*NETWORKS, *names, "change_net in 8 bits", KNOWN_INT8]
    assert list(contestants(settings, CPU, peers=False)) == [*NETWORKS, *names]
    call, _ = laid_out(contestants(Settings(), CPU, peers=False)[KNOWN_INT8](), *torch.rand(2, 1, 3, 32, 64).unbind(), half=False)
    assert call().shape == (1, 3, 32, 64)


def test_adding_a_network_is_an_entry_in_the_table(monkeypatch):
    monkeypatch.setitem(bench_networks.NETWORKS, "mine", lambda: SeesAll(Masked()))
    mine = contestants(Settings(), CPU, peers=False)["mine"]()
    call, layout = laid_out(mine, torch.ones(2, 3, 16, 16), torch.zeros(2, 3, 16, 16), half=False)
    assert layout in ("NCHW", "channels last") and mine.parameters == 6
    torch.testing.assert_close(call(), torch.full((2, 3, 16, 16), 2.0))


@pytest.mark.parametrize("name", [*NETWORKS, *(f"detector {name}" for name in DETECTORS), "FC-Siam-diff"])
def test_contestants_compare_a_pair(name):
    contestant = contestants(Settings(), CPU, peers=True)[name]()
    call, _ = laid_out(contestant, *torch.rand(2, 1, 3, 32, 64).unbind(), half=False)
    found = call()
    assert found.shape[0] == 1 and found.isfinite().all() and not found.requires_grad


def test_medians_are_related_to_ours_at_the_same_batch():
    rows = [Row(name, "cpu", batch, ms, ms, 1.0) for name, batch, ms in
            (("ours", 1, 4.0), ("ours", 8, 16.0), ("single", 1, 2.0), ("peer", 1, 8.0), ("peer", 8, 160.0))]
    assert [row.relative for row in _related(rows)] == [1.0, 1.0, 0.5, 2.0, 10.0]


def test_table_and_plot_show_every_row():
    measured = (("cpu", 1, 0.004), ("cuda", 16, 7.0), ("cpu", 1, 12_345.6))
    rows = [asdict(Row(f"net {i}", device, batch, ms, ms, 1e3 / ms, 1.5, "NCHW", 1.0)) for i, (device, batch, ms) in enumerate(measured)]
    result = {"machine": {"cpu": "A CPU", "cores": 2, "gpu": "A GPU", "torch": "2"}, "threads": 2, "repeat": 3,
              "size": [64, 48], "crop": [64, 32], "half_on_cuda": True, "detector": "d",
              "memory_mb": {"start": 1, "stages_peak": 2, "peak": 3}, "cuda_peak_mb": 77,
              "stages": rows[:1], "networks": rows[1:]}
    text = tables(result)
    assert all(word in text for word in ("net 0", "net 1", "net 2", "12345.60", "A GPU", "half precision", "77 MB"))
    image = draw(result)
    bars = [(image == colour).all(2).any(1) for colour in ((200, 120, 30), (60, 160, 60))]
    assert [int(np.count_nonzero(np.diff(bar.astype(int)) == 1)) for bar in bars] == [2, 1]
    assert image.shape[1] == 1100 and (image[:, -1] == 255).all()


def test_long_names_shift_no_column_and_long_times_have_no_exponent():
    rows = [asdict(Row(name, "cpu", 1, ms, ms, 1e3 / ms, 1.5, "NCHW", 1.0)) for name, ms in (("ours", 4.0), (KNOWN, 1250.0), (KNOWN_INT8, 9.0))]
    for lines in (_stage_lines(rows), _network_lines(rows)):
        assert len({line.index("cpu") for line in lines[1:]}) == 1 and lines[0].index("device") + 3 == lines[1].index("cpu")
        assert all(line[line.index("cpu") - 1] == " " for line in lines[1:])
    assert [_figure(ms) for ms in (0.00412, 7.0, 999.4, 999.9, 1250.0)] == ["0.00412", "7", "999", "1000", "1250"]


class Masked(nn.Module):
    """Query, twice where valid."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.ones(1, 6, 1, 1))

    def forward(self, query, reference, valid):
        return (torch.cat([query, reference], 1) * self.weights)[:, :3] * (1 + valid)
