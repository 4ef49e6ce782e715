"""`umad-patrol export`: files, figures, refusals in one line."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from fake_data import write_pairs  # noqa: E402

from umad_patrol.cli.main import main  # noqa: E402
from umad_patrol.detect.change_net.network import ChangeNet  # noqa: E402
from umad_patrol.detect.change_net.weights import load_weights, save_weights  # noqa: E402


@pytest.fixture
def weights(tmp_path):
    save_weights(ChangeNet(), tmp_path / "site.safetensors")
    return tmp_path / "site.safetensors"


@pytest.mark.parametrize("named", ["option", "setting"])
def test_it_writes_checks_and_tells(weights, tmp_path, capsys, named):
    out, result = tmp_path / "out", tmp_path / "result.json"
    which = ["--weights", str(weights)] if named == "option" else ["--set", f"detect.weights={weights}"]
    assert main(["export", str(out), "--format", "torchscript", *which, "--json", str(result)]) == 0
    found = json.loads(result.read_text())
    assert found["paths"] == [str(out / "site.torchscript.pt")] and len(found["checksum"]) == 64
    assert found["logits_difference"] <= 1e-3 and found["scores_difference"] <= 1e-3
    assert torch.jit.load(found["paths"][0])(torch.rand(1, 3, 32, 48), torch.rand(1, 3, 32, 48), torch.ones(1, 1, 32, 48)).shape == (1, 3, 16, 24)
    printed = capsys.readouterr().out
    assert "differs from torch by at most" in printed and "site.torchscript.pt" in printed


def test_bad_input_is_refused_in_one_line(weights, tmp_path, capsys):
    for arguments, said in ((["--weights", "nowhere.safetensors"], "nowhere.safetensors"), (["--weights", str(tmp_path)], str(tmp_path))):
        assert main(["export", str(tmp_path / "out"), "--format", "torchscript", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert main(["export", str(weights), "--weights", str(weights)]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_8_bits_need_onnx_and_pairs(weights, tmp_path, capsys):
    for arguments, said in ((["--format", "torchscript", "--int8", str(tmp_path)], "--int8 is of --format onnx; torchscript has no 8 bits"),
                            (["--int8", str(tmp_path / "nowhere")], "nowhere"), (["--int8", str(tmp_path)], str(tmp_path))):
        assert main(["export", str(tmp_path / "out"), "--weights", str(weights), *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_graphs_in_8_bits_are_written_beside_the_exact_ones_and_run(tmp_path, capsys, monkeypatch):
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library, reason=f"{library} is not installed: no graph can be made in 8 bits")
    monkeypatch.setattr("umad_patrol.evaluate.asked.PAIRS", 2)
    write_pairs(tmp_path / "pairs", 4)
    path, result = tmp_path / "site.safetensors", tmp_path / "r.json"
    save_weights(load_weights()[0], path)
    assert main(["export", str(tmp_path), "--weights", str(path), "--no-forward", "--int8", str(tmp_path / "pairs"), "--json", str(result)]) == 0
    found = json.loads(result.read_text())
    names = [f"site{kind}.{part}.onnx" for kind in ("", ".int8") for part in ("encode", "compare")]
    assert found["paths"] == [str(tmp_path / name) for name in names] and 0 < found["int8_scores_difference"] < 0.03
    assert "; in 8 bits by" in capsys.readouterr().out
    words = ["evaluate", "detection", str(tmp_path / "pairs"), "--set", f"detect.weights={path}", "--set", "detect.engine=int8", "--json", str(result)]
    assert main(words) == 0 and json.loads(result.read_text())["checksum"].endswith("-int8")
