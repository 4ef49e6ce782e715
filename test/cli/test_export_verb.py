"""`umad-patrol export`: files, figures, refusals in one line."""

import json

import pytest
import torch

from umad_patrol.cli.main import main
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.detect.change_net.weights import save_weights


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
