"""Engines agree with torch; what is missing, damaged or broken is refused by name, and passed over by `auto`."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from shutil import copy

import pytest
import torch

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net import ChangeNetDetector
from umad_patrol.detect.change_net.engines import choose, make_engine, replay
from umad_patrol.detect.change_net.engines.choose import GRAPH_ENGINES, TOLERANCE
from umad_patrol.detect.change_net.engines.on_torch import ReplayedEngine, TorchEngine
from umad_patrol.detect.change_net.graphs import GRAPH_KEY, HALVES, WEIGHTS_KEY, Graphs, stamped
from umad_patrol.detect.change_net.network import compared
from umad_patrol.detect.change_net.weights import load_weights, save_weights
from umad_patrol.errors import DetectorError

CPU = torch.device("cpu")


@pytest.fixture(params=["torch", *GRAPH_ENGINES])
def name(request):
    if request.param != "torch":
        pytest.importorskip(request.param, reason=f"{request.param} is not installed: its agreement with torch is not tested")
    return request.param


def engine_of(name, path, threads=1):
    network, checksum = load_weights(path)
    return make_engine(name, network, CPU, Graphs(path, checksum), threads)


@pytest.fixture
def engine(name, exported):
    return engine_of(name, exported)


@pytest.fixture
def two_installed(monkeypatch):
    """`two_installed(path, first)`: as if two libraries were there, `first` as given, `second` torch with the weights at `path`."""
    def install(path, first):
        def second(parts, threads):
            engine = TorchEngine(load_weights(path)[0], CPU)
            engine.name = "second"
            return engine

        monkeypatch.setattr(choose, "GRAPH_ENGINES", {"first": first, "second": second})
        monkeypatch.setattr(choose, "_installed", lambda name: True)

    return install


@pytest.fixture
def stamped_only(network, tmp_path):
    """A weights file with files beside it that bear its stamp, to be made without any library."""
    path = tmp_path / "site.safetensors"
    checksum = save_weights(network, path)
    graphs = Graphs(path, checksum)
    for part in HALVES:
        graphs.path(part).write_bytes(stamped(b"a graph", checksum))
    return graphs


@pytest.mark.parametrize("size", [(16, 16), (48, 80), (176, 112)])
@pytest.mark.parametrize("count", [1, 3])
def test_every_engine_agrees_with_torch(engine, network, pictures, size, count):
    query, reference, valid = pictures(*size, count)
    logits = compared(network, query, reference, valid)
    features = engine.encode(query)
    for ours, theirs in zip(features, network.encode(query)):
        assert ours.dtype == torch.float32 and torch.allclose(ours, theirs, rtol=0, atol=TOLERANCE)
    found = engine.compare(features, engine.encode(reference), valid)
    assert torch.allclose(found, logits, rtol=0, atol=TOLERANCE)
    assert torch.allclose(found.sigmoid(), logits.sigmoid(), rtol=0, atol=TOLERANCE)
    assert size == (16, 16) or float(logits.sigmoid().std()) > 0.1    # or there would be nothing to agree on


def test_the_detector_scores_alike_with_every_engine(name, exported, pictures):
    query, reference, valid = pictures(117, 203)
    detectors = [ChangeNetDetector(DetectSettings(weights=str(exported), engine=engine)) for engine in ("torch", name)]
    assert detectors[1].engine.name == name
    plain, other = (detector.compare(detector.prepare(query, 30), detector.prepare(reference, 30), valid > 0) for detector in detectors)
    assert torch.allclose(plain, other, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("threads", [1, 2])
def test_several_threads_may_call_at_once(name, exported, pictures, threads):
    engine = engine_of(name, exported, threads)
    given = [pictures(48 + 16 * (i % 3), 64) for i in range(12)]

    def run(pair):
        query, reference, valid = pair
        return engine.compare(engine.encode(query), engine.encode(reference), valid)

    alone = [run(pair) for pair in given]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(run, given)):
            assert torch.allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_share_several_pictures(name, exported, pictures, count):
    alone, shared = (engine_of(name, exported, threads) for threads in (1, 2))
    query, reference, valid = pictures(48, 64, count)
    for ours, theirs in zip(alone.encode(query), shared.encode(query)):
        assert ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=0, atol=1e-5)
    said = [engine.compare(alone.encode(query), alone.encode(reference), valid) for engine in (alone, shared)]
    assert len(said[0]) == count and torch.allclose(*said, rtol=0, atol=1e-5)


def test_features_are_kept_while_others_are_made(engine, pictures):
    query, reference, _ = pictures(48, 64)
    kept = engine.encode(query)
    before = [features.clone() for features in kept]
    engine.encode(reference)
    assert all(map(torch.equal, kept, before))


def test_the_stamp_is_what_onnx_calls_metadata(exported):
    onnx = pytest.importorskip("onnx")
    network, checksum = load_weights(exported)
    for part in HALVES:
        model = onnx.load(Graphs(exported, checksum).path(part))
        assert {entry.key: entry.value for entry in model.metadata_props}.keys() == {WEIGHTS_KEY, GRAPH_KEY}
        assert model.metadata_props[0].value == checksum


def test_graphs_are_read_with_their_stamp(stamped_only):
    assert list(stamped_only.read()) == list(HALVES)


@pytest.mark.parametrize("part", HALVES)
def test_graphs_of_other_weights_are_refused(stamped_only, part):
    path = stamped_only.path(part)
    path.write_bytes(stamped(b"a graph", "0" * 64))
    with pytest.raises(DetectorError, match="site.*onnx' was made from weights 0000.*umad-patrol export"):
        stamped_only.read()


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[1:], lambda data: b"A" + data[1:], lambda data: data + b"\n",
                                    lambda data: data[:-1] + b"g", lambda data: b"", lambda data: b"a graph"])
def test_damaged_graphs_are_refused(stamped_only, damage):
    path = stamped_only.path("compare")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DetectorError, match="site.compare.onnx' is damaged.*umad-patrol export"):
        stamped_only.read()


def test_an_engine_that_is_asked_for_says_what_it_lacks(weights, name):
    if name == "torch":
        assert engine_of(name, weights).name == "torch"
        return
    with pytest.raises(DetectorError, match="there is no readable graph .*site.encode.onnx.*umad-patrol export .* --weights"):
        engine_of(name, weights)


def test_the_graphs_of_one_network_are_not_used_for_another(exported, other_network, tmp_path, name):
    """Copied beside other weights, as happens after training."""
    other = tmp_path / exported.name
    save_weights(other_network, other)
    for path in exported.parent.glob("*.onnx"):
        copy(path, tmp_path)
    if name == "torch":
        assert engine_of("auto", other).name == "torch"
        return
    with pytest.raises(DetectorError, match="was made from weights"):
        engine_of(name, other)


@pytest.mark.parametrize("name", sorted(GRAPH_ENGINES))
def test_an_engine_that_is_not_installed_is_named(weights, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DetectorError, match=f"'{name}' is not installed; pip install {name}"):
        engine_of(name, weights)


@pytest.mark.parametrize("name", sorted(GRAPH_ENGINES))
def test_a_graph_is_for_the_cpu(network, weights, name):
    with pytest.raises(DetectorError, match=f"'{name}' runs on the CPU, the device is cuda"):
        make_engine(name, network, torch.device("cuda"), Graphs(weights, ""))


def test_auto_is_torch_without_a_word_where_nothing_else_is_installed(weights, monkeypatch, caplog):
    monkeypatch.setattr(choose, "_installed", lambda name: False)
    assert engine_of("auto", weights).name == "torch" and not caplog.records


def test_auto_is_torch_with_a_warning_where_graphs_are_missing(weights, monkeypatch, caplog):
    monkeypatch.setattr(choose, "_installed", lambda name: True)
    with caplog.at_level(logging.WARNING):
        assert engine_of("auto", weights).name == "torch"
    assert len(caplog.records) == 1 and f"{' or '.join(GRAPH_ENGINES)} is left unused: there is no readable graph" in caplog.text


def broken_library(parts, threads):
    raise AttributeError("module has no attribute 'Core'")


@pytest.mark.parametrize("first, said", [("broken", "AttributeError: module has no attribute 'Core'"), ("wrong", "differs from torch by")])
def test_auto_passes_over_what_does_not_work(stamped_only, two_installed, other_network, caplog, first, said):
    two_installed(stamped_only.weights, broken_library if first == "broken" else lambda parts, threads: TorchEngine(other_network, CPU))
    with caplog.at_level(logging.WARNING):
        assert engine_of("auto", stamped_only.weights).name == "second"
    assert len(caplog.records) == 1 and said in caplog.text
    with pytest.raises(DetectorError, match=said):
        engine_of("first", stamped_only.weights)


def test_auto_takes_an_engine_on_graphs_where_it_can(exported):
    assert engine_of("auto", exported).name in GRAPH_ENGINES


def test_what_cannot_be_recorded_runs_all_the_same(monkeypatch, caplog):
    tried = []

    def refuse(function, tensors):
        tried.append(tensors)
        raise RuntimeError("capture failed")

    monkeypatch.setattr(replay, "record", refuse)
    doubled = replay.Replayed(lambda tensor: (tensor * 2,))
    for _ in range(3):
        assert torch.equal(doubled(torch.ones(3))[0], torch.full((3,), 2.0))
    assert len(tried) == 1 and "capture failed" in caplog.text


def test_only_so_many_shapes_are_recorded(monkeypatch):
    recorded = []

    def record(function, tensors):
        recorded.append(tensors[0].shape)
        return lambda tensors: ("replayed",)

    monkeypatch.setattr(replay, "record", record)
    run = replay.Replayed(lambda tensor: ("eager",))
    given = [torch.zeros(side) for side in range(replay.MOST_GRAPHS + 2)]
    for _ in range(2):
        assert [run(tensor)[0] for tensor in given] == ["replayed"] * replay.MOST_GRAPHS + ["eager"] * 2
    assert len(recorded) == replay.MOST_GRAPHS


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here: half precision and CUDA graphs are not tested")
def test_on_a_gpu_scores_agree_in_half_precision_call_after_call(network, pictures):
    engine = make_engine("auto", network, torch.device("cuda"), None)
    assert isinstance(engine, ReplayedEngine)
    for size in ((64, 96), (48, 64), (64, 96)):
        query, reference, valid = pictures(*size)
        found = engine.compare(*(engine.encode(p.cuda()) for p in (query, reference)), valid.cuda()).float().cpu()
        expected = compared(network, query, reference, valid)
        assert float((found.sigmoid() - expected.sigmoid()).abs().mean()) < 0.01
