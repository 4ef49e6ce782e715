"""Weights on disk: read as written, or refused with the name of the file."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from umad_patrol.config import DetectSettings
from umad_patrol.detect import make_detector
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.detect.change_net.weights import CLOSER, FORMAT, _checksum, load_closer, load_weights, read_card, save_weights
from umad_patrol.errors import DetectorError, WeightsError


def refused(path, match):
    for read in (load_weights, lambda path: make_detector(DetectSettings(weights=str(path)))):
        with pytest.raises(WeightsError, match=match) as caught:
            read(path)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)
    assert issubclass(WeightsError, DetectorError)


def altered(path, tmp_path, change):
    """A copy of a file with its bytes changed."""
    other = tmp_path / "altered.safetensors"
    other.write_bytes(change(bytearray(path.read_bytes())))
    return other


def test_they_are_read_as_they_were_written(network, weights):
    loaded, checksum = load_weights(weights)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    for name, value in network.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(value, loaded.state_dict()[name])
    assert len(checksum) == 64 and read_card(weights) == {"made": "of noise"}


def test_the_checksum_is_of_the_numbers_and_nothing_else(network, weights, tmp_path):
    checksum = load_weights(weights)[1]
    assert save_weights(network, tmp_path / "again.safetensors", {"another": "card"}) == checksum
    assert save_weights(ChangeNet(), tmp_path / "other.safetensors") != checksum
    assert {path.name for path in tmp_path.iterdir()} == {"again.safetensors", "other.safetensors"}


def test_a_network_without_correlation_is_known_by_its_weights(tmp_path, pictures):
    save_weights(ChangeNet(correlated=False), tmp_path / "plain.safetensors")
    loaded, _ = load_weights(tmp_path / "plain.safetensors")
    assert loaded.differences[0].project is None and loaded(*pictures(32, 32)).shape == (1, 3, 16, 16)


def test_a_network_that_looks_closer_is_kept_beside_the_first(network, other_network, weights, tmp_path):
    both = tmp_path / "both.safetensors"
    checksum = save_weights(network, both, closer=other_network)
    first, closer = load_weights(both)[0], load_closer(both)
    assert load_closer(weights) is None and checksum != load_weights(weights)[1] and load_weights(both)[1] == checksum and not closer.training
    for loaded, saved in ((first, network), (closer, other_network)):
        assert all(torch.equal(value, saved.state_dict()[name]) for name, value in loaded.state_dict().items() if not name.endswith("num_batches_tracked"))


def test_a_network_that_looks_closer_and_is_not_whole_is_refused(network, other_network, tmp_path):
    path = tmp_path / "half.safetensors"
    save_weights(network, path, closer=other_network)
    tensors = load_file(path)
    del tensors[CLOSER + "out.1.weight"]
    save_file(tensors, path, {"format": FORMAT, "sha256": _checksum(tensors)})
    for read in (load_closer, lambda path: make_detector(DetectSettings(weights=str(path)))):
        with pytest.raises(WeightsError, match="half.safetensors.* 1 of its tensors are lacking"):
            read(path)


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "nowhere.safetensors", "cannot be read")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(weights, tmp_path, share):
    refused(altered(weights, tmp_path, lambda data: data[:int(share * len(data))]), "cannot be read")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9999])
def test_a_flipped_bit_is_refused(weights, tmp_path, share):
    def flip(data):
        data[int(share * (len(data) - 1))] ^= 1
        return data

    refused(altered(weights, tmp_path, flip), "damaged: their checksum is")


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    refused(path, "cannot be read")


@pytest.mark.parametrize("meta", [None, {"format": "pt"}, {"format": "umad_patrol change_net 0"}])
def test_another_format_is_refused(weights, tmp_path, meta):
    path = tmp_path / "foreign.safetensors"
    save_file(load_file(weights), path, meta)
    refused(path, "an unknown network" if meta is None else meta["format"])


@pytest.mark.parametrize("change, match", [
    (lambda tensors: tensors.pop("out.1.bias"), "1 of its tensors are lacking, 0 are others; name"),
    (lambda tensors: tensors.update(more=torch.zeros(3)), "0 of its tensors are lacking, 1 are others; name"),
    (lambda tensors: tensors.update({"out.1.bias": torch.zeros(7)}), "do not fit the network"),
])
def test_another_network_is_refused_though_it_is_sound(weights, tmp_path, change, match):
    tensors, path = load_file(weights), tmp_path / "another.safetensors"
    change(tensors)
    save_file(tensors, path, {"format": FORMAT, "sha256": _checksum(tensors), "card": json.dumps({})})
    refused(path, match)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_numbers_that_are_not_finite_are_refused_though_the_checksum_is_theirs(network, other_network, tmp_path, number):
    for which, name in ((0, "out.1.bias"), (1, CLOSER + "out.1.bias")):
        networks, path = [copy.deepcopy(one) for one in (network, other_network)], tmp_path / f"wild{which}.safetensors"
        networks[which].out[-1].bias.data[0] = number
        save_weights(networks[0], path, closer=networks[1])
        refused(path, f"first {name}")
