"""A trained peer: a file of its own, and scored as our detectors are."""

import json

import cv2
import numpy as np
import pytest
import torch

from umad_patrol.cli.main import main
from umad_patrol.detect import Detector
from umad_patrol.detect.change_net.weights import load_weights
from umad_patrol.errors import DetectorError, WeightsError
from umad_patrol.evaluate.peers.trained import PeerDetector, SiamDiffPeer, load_peer, save_peer

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "fc_siam_diff.safetensors"
    save_peer(SiamDiffPeer().eval(), path, {"seed": 1})
    return path


@pytest.fixture
def pictures():
    return torch.rand(2, 1, 3, 45, 70, generator=torch.Generator().manual_seed(1)).unbind()


@pytest.fixture
def pair(tmp_path, rng):
    """A folder with one pair, a box of it new."""
    folder = tmp_path / "pairs" / "a"
    folder.mkdir(parents=True)
    ground = rng.integers(90, 160, (80, 120, 3), dtype=np.uint8)
    labels = np.zeros((80, 120), np.uint8)
    labels[40:60, 50:70] = 128
    for name, image in (("reference", ground), ("query", np.where(labels[..., None] > 0, np.uint8(20), ground)), ("labels", labels)):
        assert cv2.imwrite(str(folder / f"{name}.png"), image)
    return folder.parent


def test_it_keeps_its_weights_and_is_no_change_net(weights, pictures):
    peer = load_peer(weights)
    logits = peer(*pictures, torch.ones(1, 1, 45, 70))
    assert logits.shape == (1, 3, 45, 70) and logits.sigmoid().mean() < 0.2
    assert torch.equal(load_peer(weights)(*pictures, torch.zeros(1, 1, 45, 70)), logits)
    with pytest.raises(WeightsError, match="peer fc_siam_diff"):
        load_weights(weights)
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(WeightsError, match="cannot be read"):
        load_peer(weights)


def test_as_a_detector_it_scores_what_is_valid_from_a_row_down(weights, pictures):
    detector, valid = PeerDetector(weights, CPU), torch.ones(1, 1, 45, 70, dtype=torch.bool)
    assert isinstance(detector, Detector)
    valid[..., :20] = False
    scores = detector.compare(*(detector.prepare(picture, 13) for picture in pictures), valid)
    below = [picture[:, :, 13:] for picture in pictures]
    expected = load_peer(weights)(*below, valid).sigmoid()
    assert torch.allclose(scores[:, :, 13:, 20:], expected[..., 20:], atol=1e-5)
    assert not scores[:, :, :13].any() and not scores[..., :20].any()
    with pytest.raises(DetectorError, match="70x44"):
        detector.score(pictures[0], pictures[1][:, :, :44], valid)


@pytest.mark.parametrize("top", [-3, 28, 44, 400])
def test_where_few_rows_are_left_it_looks_at_more(weights, pictures, top):
    detector, valid = PeerDetector(weights, CPU), torch.ones(1, 1, 45, 70, dtype=torch.bool)
    scores = detector.compare(*(detector.prepare(picture, top) for picture in pictures), valid)
    assert scores.shape == (1, 3, 45, 70) and bool(scores[:, :, max(0, min(top, 29)):].all())


def test_its_checksum_tells_weights_apart(weights, tmp_path):
    save_peer(SiamDiffPeer().eval(), tmp_path / "other.safetensors", {})
    assert PeerDetector(weights, CPU).checksum != PeerDetector(tmp_path / "other.safetensors", CPU).checksum


@pytest.mark.parametrize("more", [(), ("--sweep",)])
def test_the_verb_scores_it_in_place_of_the_detector(weights, pair, tmp_path, more):
    result = tmp_path / "result.json"
    assert main(["evaluate", "detection", str(pair), "--peer", str(weights), "--json", str(result), *more]) == 0
    said = json.loads(result.read_text())
    assert (said["detector"], said["checksum"]) == ("fc_siam_diff", PeerDetector(weights, CPU).checksum)


@pytest.mark.parametrize("name", ["absent.safetensors", "a/labels.png"])
def test_bad_weights_are_refused_by_name(pair, capsys, name):
    path = str(pair / name)
    assert main(["evaluate", "detection", str(pair), "--peer", path]) == 2
    error = capsys.readouterr().err.strip()
    assert path in error and "\n" not in error


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    peer, path = SiamDiffPeer(), tmp_path / "wild.safetensors"
    peer.network.classify.bias.data[0] = torch.nan
    save_peer(peer, path, {})
    with pytest.raises(WeightsError, match="wild.safetensors.* hold NaN or infinite numbers .*network.classify.bias"):
        load_peer(path)
