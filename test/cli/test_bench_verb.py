"""The verb bench: a tiny run with everything in it, and what it refuses. Figures are not looked at, only that there are some."""

import json

import pytest

from umad_patrol.cli.main import main
from umad_patrol.evaluate.peers import PEERS
from umad_patrol.io.images import read_image

TINY = ["bench", "--device", "cpu", "--size", "256x160", "--crop", "64x32", "--repeat", "2", "--threads", "1"]


def test_a_tiny_run_measures_everything(tmp_path, capsys):
    assert main([*TINY, "--batch", "1", "2", "--json", str(tmp_path / "b.json"), "--plot", str(tmp_path / "b.png"),
                 "--set", "detect.closer_looks=2"]) == 0
    result, text = json.loads((tmp_path / "b.json").read_text()), capsys.readouterr().out
    assert result["size"] == [256, 160] and result["crop"] == [64, 32] and result["threads"] == 1 and result["repeat"] == 2
    assert result["machine"]["cpu"] and result["machine"]["torch"] and 0 < result["memory_mb"]["start"] <= result["memory_mb"]["peak"]
    assert len(result["stages"]) == 12
    for row in result["stages"] + result["networks"]:
        assert 0 < row["ms"] <= row["p90_ms"] and row["hz"] == pytest.approx(1e3 * row["batch"] / row["ms"], rel=0.05, abs=0.01)
        assert row["name"] in text
    assert "detect: 2 closer looks" in text
    rows = {(row["name"], row["batch"]): row for row in result["networks"]}
    assert {(name, batch) for name in PEERS for batch in (1, 2)} < set(rows) and ("detector gradient", 2) not in rows
    assert rows["CSCDNet", 1]["parameters_m"] == pytest.approx(94.195, abs=1e-3)
    assert result["networks"][0]["relative"] == 1.0 and rows["detector gradient", 1]["parameters_m"] == 0
    assert read_image(tmp_path / "b.png").shape[1] == 1100


@pytest.mark.parametrize("words, says", [
    (["--size", "1280"], "--size '1280' is not WIDTHxHEIGHT"),
    (["--size", "16x16"], "64 to 4096 px"),
    (["--crop", "64"], "--crop '64' is not WIDTHxHEIGHT"),
    (["--crop", "320x32"], "lie within --size 256x160"),
    (["--crop", "60x32"], "multiples of 16 px"),
    (["--repeat", "0"], "--repeat 0"),
    (["--threads", "-1"], "--threads -1"),
    (["--batch", "4", "0"], "--batch 4 0"),
    (["--plot", "/nowhere/at/all.png"], "--plot '/nowhere/at/all.png' cannot be written"),
    (["--plot", "speed.txt"], "name a .png"),
    (["--set", "detect.threshold=7"], "detect.threshold"),
    (["--json", "/nowhere/at/all.json"], "--json"),
])
def test_bad_input_is_one_line_and_status_2(words, says, capsys):
    assert main([*TINY, *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_cuda_where_there_is_none_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([*TINY, "--device", "cuda"]) == 2
    assert "no CUDA device" in capsys.readouterr().err
