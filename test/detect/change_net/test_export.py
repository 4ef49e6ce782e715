"""What others get: TorchScript and ONNX that agree with torch at any size, or nothing."""

import json
from pathlib import Path

import pytest
import torch

from umad_patrol.detect.change_net import export as exporting
from umad_patrol.detect.change_net.export import TOLERANCE, export
from umad_patrol.detect.change_net.graphs import GRAPH_KEY, INPUTS, OUTPUTS, WEIGHTS_KEY
from umad_patrol.detect.change_net.network import compared
from umad_patrol.detect.change_net.weights import load_weights, save_weights
from umad_patrol.errors import DetectorError, WeightsError

SIZES = [(1, 16, 16), (2, 64, 96), (3, 32, 144)]


@pytest.fixture(scope="module")
def scripted(weights, tmp_path_factory):
    return export(weights, tmp_path_factory.mktemp("scripted") / "new" / "folder", "torchscript")


@pytest.mark.parametrize("count, height, width", SIZES)
def test_torchscript_agrees_at_any_size(scripted, network, pictures, count, height, width):
    loaded, given = torch.jit.load(scripted.paths[0]), pictures(height, width, count)
    expected = network(*given)
    assert torch.allclose(loaded(*given), expected, rtol=0, atol=TOLERANCE)
    halves = [compared(part, *given) for part in (loaded, network)]
    assert torch.allclose(*halves, rtol=0, atol=TOLERANCE)


def test_torchscript_says_what_weights_it_has(scripted, weights):
    files = {"umad_patrol.json": ""}
    torch.jit.load(scripted.paths[0], _extra_files=files)
    assert json.loads(files["umad_patrol.json"]) == {WEIGHTS_KEY: load_weights(weights)[1]} == {WEIGHTS_KEY: scripted.checksum}


@pytest.mark.parametrize("count, height, width", SIZES)
def test_onnx_agrees_at_any_size(exported, network, pictures, count, height, width):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exported.parent / "site.forward.onnx", providers=["CPUExecutionProvider"])
    given = pictures(height, width, count)
    logits = torch.from_numpy(session.run(None, {name: tensor.numpy() for name, tensor in zip(INPUTS["forward"], given)})[0])
    assert torch.allclose(logits, network(*given), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("part", INPUTS)
def test_onnx_is_sound_named_and_says_nothing_of_where_it_was_made(exported, part):
    onnx = pytest.importorskip("onnx")
    path = exported.parent / f"site.{part}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert tuple(entry.name for entry in model.graph.input) == INPUTS[part]
    assert tuple(entry.name for entry in model.graph.output) == OUTPUTS[part]
    assert {entry.key for entry in model.metadata_props} == {WEIGHTS_KEY, GRAPH_KEY}
    assert b".py" not in path.read_bytes() and {entry.domain for entry in model.opset_import} <= {"", "ai.onnx"}


def test_a_network_that_looks_closer_is_written_under_a_name_of_its_own(network, other_network, pictures, tmp_path):
    save_weights(network, tmp_path / "both.safetensors", closer=other_network)
    result = export(tmp_path / "both.safetensors", tmp_path / "out", "torchscript")
    assert [Path(path).name for path in result.paths] == ["both.torchscript.pt", "both.closer.torchscript.pt"]
    given = pictures(32, 48)
    for path, expected in zip(result.paths, (network, other_network)):
        assert torch.allclose(torch.jit.load(path)(*given), expected(*given), rtol=0, atol=TOLERANCE)


def test_the_graphs_of_both_networks_are_told_apart(both_exported, network, other_network, pictures):
    onnxruntime = pytest.importorskip("onnxruntime")
    picture = pictures(32, 48)[0]
    for name, expected in (("site", network), ("site.closer", other_network)):
        session = onnxruntime.InferenceSession(both_exported.parent / f"{name}.encode.onnx", providers=["CPUExecutionProvider"])
        features = torch.from_numpy(session.run(None, {"picture": picture.numpy()})[2])
        assert torch.allclose(features, expected.encode(picture)[2], rtol=0, atol=TOLERANCE)


def test_figures_are_of_the_check(scripted):
    assert 0 <= scripted.scores_difference <= scripted.logits_difference <= TOLERANCE


@pytest.mark.parametrize("wrong", [lambda logits: logits + 0.002, lambda logits: logits * torch.nan])
def test_an_export_that_differs_is_not_written(weights, tmp_path, monkeypatch, wrong):
    made = exporting._torchscript

    def other(network, checksum):
        data, ways = made(network, checksum)
        return data, [lambda *given: wrong(ways[0](*given))]

    monkeypatch.setattr(exporting, "_torchscript", other)
    with pytest.raises(DetectorError, match="differs from torch by .* in logits and .* in scores.*nothing was written"):
        export(weights, tmp_path, "torchscript")
    assert not any(tmp_path.iterdir())


def test_files_that_were_there_stay_if_one_cannot_be_written(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OSError):
        exporting._write({tmp_path / "a": b"new", tmp_path / "a" / "b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_library_that_is_lacking_is_named(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_importable", lambda name: name != "onnxscript")
    with pytest.raises(DetectorError, match="need onnxscript: pip install"):
        export(weights, tmp_path, "onnx")


def test_damaged_weights_are_not_exported(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="bad.safetensors"):
        export(tmp_path / "bad.safetensors", tmp_path, "onnx")
