"""Graphs in 8 bits: nearly what torch says, never taken for the exact ones; used where asked for alone."""

from dataclasses import replace
from shutil import copy

import numpy as np
import pytest
import torch

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net import ChangeNetDetector
from umad_patrol.detect.change_net import export as exporting
from umad_patrol.detect.change_net.engines import choose, make_engine
from umad_patrol.detect.change_net.engines.choose import GRAPH_ENGINES, INT8, INT8_TOLERANCE, TOLERANCE
from umad_patrol.detect.change_net.export import export
from umad_patrol.detect.change_net.graphs import HALVES, INPUTS, Graphs, fed
from umad_patrol.detect.change_net.network import compared
from umad_patrol.detect.change_net.weights import SHIPPED, load_closer, load_weights, save_weights
from umad_patrol.errors import DetectorError

CPU = torch.device("cpu")


def engine_of(path, closer=False):
    network, checksum = load_weights(path)
    return make_engine(INT8, load_closer(path) if closer else network, CPU, Graphs(path, checksum, closer))


@pytest.mark.parametrize("closer", [False, True])
@pytest.mark.parametrize("size, count", [((48, 80), 1), ((176, 112), 3)])
def test_scores_are_nearly_those_of_torch_and_not_quite(in_8_bits, network, other_network, pictures, closer, size, count):
    query, reference, valid = pictures(*size, count)
    engine, one = engine_of(in_8_bits, closer), other_network if closer else network
    ours, theirs = (compared(each, query, reference, valid).sigmoid() for each in (engine, one))
    apart = (ours - theirs).abs()
    assert engine.name == INT8 and ours.shape == theirs.shape and ours.dtype == torch.float32
    assert TOLERANCE < float(apart.max()) and float(apart.mean()) < INT8_TOLERANCE and float(theirs.std()) > 0.1


def test_weights_have_7_bits_and_a_scale_a_channel(in_8_bits):
    """So that sums of products of two 8-bit numbers and one more fit into 16 bits, where a CPU adds them up so."""
    onnx = pytest.importorskip("onnx")
    graphs = Graphs(in_8_bits, load_weights(in_8_bits)[1], int8=True)
    for part in HALVES:
        graph = onnx.load(graphs.path(part)).graph
        tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        whole = {name: values for name, values in tensors.items() if values.dtype == np.int8 and values.ndim == 4}
        scales = {node.output[0]: (node.input[0], tensors[node.input[1]]) for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in whole}
        convolutions = [node for node in graph.node if node.op_type == "Conv"]
        exact = [node for node in convolutions if node.input[1] not in scales]
        assert exact == (convolutions[-1:] if part == "compare" else []) and all(np.abs(values).max() <= 64 for values in whole.values())
        assert all(scale.size == len(whole[name]) for name, scale in scales.values())


def test_nothing_of_where_it_was_made_is_in_a_graph(in_8_bits):
    graphs = Graphs(in_8_bits, load_weights(in_8_bits)[1], int8=True)
    assert all(word not in graphs.path(part).read_bytes() for part in HALVES for word in (b"/tmp", b".onnx", b"home"))


def test_they_are_smaller_than_half_of_the_exact_ones(in_8_bits):
    exact = Graphs(in_8_bits, load_weights(in_8_bits)[1])
    assert all(replace(exact, int8=True).path(part).stat().st_size < 0.5 * exact.path(part).stat().st_size for part in HALVES)


def test_the_detector_has_both_networks_in_8_bits_and_a_checksum_of_its_own(in_8_bits, pictures):
    query, reference, valid = pictures(117, 203)
    exact, detector = (ChangeNetDetector(DetectSettings(weights=str(in_8_bits), engine=engine)) for engine in ("torch", INT8))
    assert detector.engine.name == detector.closer_engine.name == INT8
    assert detector.checksum == f"{exact.checksum}-{INT8}"      # what one kept of a keyframe is nothing to the other
    scores = [each.score(query, reference, valid > 0) for each in (exact, detector)]
    assert float((scores[0] - scores[1]).abs().mean()) < INT8_TOLERANCE


def test_auto_takes_exact_ones(in_8_bits):
    network, checksum = load_weights(in_8_bits)
    assert make_engine("auto", network, CPU, Graphs(in_8_bits, checksum)).name in GRAPH_ENGINES and INT8 not in GRAPH_ENGINES


def test_where_there_are_none_it_says_how_they_are_made(weights):
    pytest.importorskip("onnxruntime")
    with pytest.raises(DetectorError, match="no readable graph .*site.int8.encode.onnx.*umad-patrol export .* --int8 PAIRS"):
        engine_of(weights)


def test_those_of_other_weights_are_refused(in_8_bits, other_network, tmp_path):
    save_weights(other_network, tmp_path / in_8_bits.name)
    for path in in_8_bits.parent.glob("*.onnx"):
        copy(path, tmp_path)
    with pytest.raises(DetectorError, match="site.int8.encode.onnx' was made from weights"):
        engine_of(tmp_path / in_8_bits.name)


def test_what_differs_too_much_is_not_used(in_8_bits, monkeypatch):
    monkeypatch.setattr(choose, "INT8_TOLERANCE", 1e-6)
    with pytest.raises(DetectorError, match="engine 'int8' differs from torch by .*, more than 1e-06"):
        engine_of(in_8_bits)


def test_what_differs_too_much_is_not_written(in_8_bits, monkeypatch, tmp_path):
    monkeypatch.setattr(exporting, "INT8_TOLERANCE", 1e-6)
    blind = [fed(INPUTS[part], tensors) for part, tensors in zip(HALVES, _blind(load_weights(in_8_bits)[0]))]
    with pytest.raises(DetectorError, match="in 8 bits scores differ from torch .*, more than 1e-06; nothing was written"):
        export(in_8_bits, tmp_path / "out", "onnx", whole=False, samples=lambda part, closer: iter([blind[HALVES.index(part)]]))
    assert not (tmp_path / "out").exists()


def _blind(network):
    """Pictures that show nothing, and their features."""
    grey, valid = torch.full((1, 3, 64, 64), 0.45), torch.ones(1, 1, 64, 64)
    return (grey,), (*network.encode(grey), *network.encode(grey + 0.01), valid)


def test_without_onnxruntime_it_is_refused(weights, monkeypatch):
    monkeypatch.setattr(choose, "_installed", lambda name: False)
    with pytest.raises(DetectorError, match="engine 'int8' is not installed; pip install onnxruntime"):
        engine_of(weights)


def test_those_that_ship_are_of_the_weights_that_ship():
    checksum = load_weights()[1]
    assert all(Graphs(SHIPPED, checksum, closer, int8=True).read() for closer in (False, True))
