"""The verb train: from a few made-up photographs and boxes to weights that load; what it refuses; that it goes on where it was."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from fake_data import bits, ground, pair, write, write_assets, write_pairs, write_photos, write_teacher  # noqa: E402

from umad_patrol.cli.main import main  # noqa: E402
from umad_patrol.detect.change_net.network import ChangeNet  # noqa: E402
from umad_patrol.detect.change_net.weights import load_closer, load_weights, read_card, save_weights  # noqa: E402
from umad_patrol.errors import TrainingError, WeightsError  # noqa: E402
from umad_patrol.evaluate.peers.trained import load_peer  # noqa: E402
from umad_patrol.train.material import get_material, split  # noqa: E402
from umad_patrol.train.options import RunOptions, check_record, write_record  # noqa: E402
from umad_patrol.train.photos import read_photos  # noqa: E402
from umad_patrol.train.real_pairs import find_real  # noqa: E402
from umad_patrol.train.sprites import Sprite, cut_out_of, write_sprite  # noqa: E402
from umad_patrol.train.teacher import load_teacher  # noqa: E402

SHORT = ["--minutes", "0.01", "--batch", "2", "--workers", "0", "--device", "cpu"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Photographs, models, an untaught teacher, real pairs, and sprites of the models."""
    from umad_patrol.train.sprites import make_sprites

    root = tmp_path_factory.mktemp("data")
    write_photos(root / "photos", 5, (220, 260))
    write_assets(root / "assets")
    write_teacher(root / "teacher.pth")
    write_pairs(root / "pairs", 26)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("umad_patrol.train.sprites.RIDERS", 1)
        make_sprites(root / "assets", root / "sprites")
    return root


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few and small pairs; no data but what is named."""
    monkeypatch.delenv("UMAD_PATROL_DATA", raising=False)
    monkeypatch.setattr("umad_patrol.train.run.VALIDATED", 2)
    monkeypatch.setattr("umad_patrol.train.sprites.RIDERS", 1)
    monkeypatch.setattr("umad_patrol.train.distil.CROP_PX", 64)
    torch.set_num_threads(1)


def train(data, out, *words, named=("photos", "assets", "sprites")):
    named = [word for name in named for word in (f"--{name}", data / name)]
    return main(["train", *map(str, [out, *named, *SHORT, *words])])


def test_from_photographs_to_weights_and_again(data, tmp_path, capsys):
    out, words = tmp_path / "run", ("--teacher", data / "teacher.pth", "--json", tmp_path / "r.json")
    assert train(data, out, *words, named=("photos", "assets")) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert {"sprites", "distil.pt", "distil.jsonl", "checkpoint.pt", "log.jsonl", "curves.png", "run.json", "change_net.safetensors"} <= \
        {path.name for path in out.iterdir()}
    assert not [path for path in out.rglob(".*") if path.is_file()] and cv2.imread(str(out / "curves.png")) is not None
    network, checksum = load_weights(out / "change_net.safetensors")
    card = read_card(out / "change_net.safetensors")
    assert checksum == result["sha256"] and card["validation"] == result["validation"] and card["steps"] >= 1 and card["seed"] == 1
    assert card["data"] == {"photos": "photos", "assets": "assets", "teacher": "teacher.pth"} and card["versions"]["torch"]
    assert card["counts"]["photos"] + card["counts"]["photos_held_out"] == 5
    assert card["command"].startswith("umad-patrol train OUT --photos photos") and str(tmp_path) not in json.dumps(card)
    kept = torch.load(out / "checkpoint.pt", weights_only=True)["average"]
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items() if not name.endswith("tracked"))
    assert "distillation" in capsys.readouterr().out
    (out / "change_net.safetensors").unlink()
    assert train(data, out, *words, named=("photos", "assets")) == 0        # the same again: nothing more to learn, the same weights
    assert json.loads((tmp_path / "r.json").read_text())["steps"] == result["steps"] and load_weights(out / "change_net.safetensors")[1] == checksum


def test_a_longer_run_goes_on_and_another_is_refused(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(data, out, "--json", tmp_path / "a.json") == 0
    said = capsys.readouterr().out
    assert "no --teacher: no distillation" in said and "too few models" in said
    a = json.loads((tmp_path / "a.json").read_text())
    assert train(data, out, "--minutes", a["seconds"] / 60 + 0.02, "--json", tmp_path / "b.json") == 0
    b = json.loads((tmp_path / "b.json").read_text())
    assert b["steps"] > a["steps"] and b["seconds"] > a["seconds"] and not (out / "distil.pt").exists() and not (out / "sprites").exists()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for words, says in ((("--seed", 2), "with seed 1, not 2"), (("--batch", 3), "batch 2, not 3"), (("--no-shadows",), "shadows True, not False"),
                        (("--network", "fc_siam_diff"), "network change_net"), (("--teacher", data / "teacher.pth"), "distillation False"),
                        (("--no-correlation",), "correlation"), (("--pairs", data / "pairs"), "pairs 0")):
        assert train(data, out, *words) == 2 and says in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_what_may_be_left_out_is_left_out_and_weights_may_be_gone_on_with(data, tmp_path, capsys):
    assert train(data, tmp_path / "a", "--no-correlation", "--no-shadows", "--no-dynamic", "--no-distillation", "--teacher", data / "teacher.pth") == 0
    weights = tmp_path / "a" / "change_net.safetensors"
    network, _ = load_weights(weights)
    assert network.differences[0].project is None and not (tmp_path / "a" / "distil.pt").exists()
    assert "--no-distillation" in read_card(weights)["command"] and "--no-correlation" in read_card(weights)["command"]
    assert train(data, tmp_path / "b", "--init", weights) == 2 and "without correlation" in capsys.readouterr().err and not (tmp_path / "b").exists()
    assert train(data, tmp_path / "b", "--init", weights, "--no-correlation", "--half") == 0
    assert read_card(tmp_path / "b" / "change_net.safetensors")["data"]["init"] == "change_net.safetensors"


def test_a_network_that_looks_closer_is_written_with_the_one_that_looks_first(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("umad_patrol.train.closer.AT_ONCE", 4)
    monkeypatch.setattr("umad_patrol.train.closer.BARREN", 8)
    network, first = ChangeNet(), tmp_path / "first.safetensors"
    save_weights(network, first)
    assert train(data, tmp_path / "a", "--closer", "--init", first) == 2
    assert "in 8 pairs the network that looks first says nowhere" in capsys.readouterr().err
    torch.nn.init.normal_(network.out[-1].weight, 0, 30.0)  # says all kinds of things
    save_weights(network, first, {"made": "of noise"})
    out, words = tmp_path / "b", ("--closer", "--init", first, "--json", tmp_path / "r.json")
    assert train(data, out, *words) == 0 and load_closer(first) is None
    both, result = out / "change_net.safetensors", json.loads((tmp_path / "r.json").read_text())
    card = read_card(both)
    assert card["validation"] == result["validation"] and {"found_first", "found_both", "false_first", "false_both"} < set(card["validation"])
    assert "--closer" in card["command"] and card["first"] == read_card(first) and load_weights(both)[1] == result["sha256"]
    for (name, a), b in zip(load_weights(both)[0].state_dict().items(), load_weights(first)[0].state_dict().values()):
        assert torch.equal(a, b), name
    assert train(data, tmp_path / "c", "--closer", "--init", both) == 0 and load_closer(tmp_path / "c" / "change_net.safetensors") is not None
    capsys.readouterr()
    for words in (("--closer",), ("--closer", "--init", first, "--half"), ("--closer", "--init", first, "--keep", 1)):
        assert train(data, tmp_path / "d", *words) == 2 and "needs these, and takes no --keep" in capsys.readouterr().err
    assert train(data, out, "--init", first) == 2 and "closer True, not False" in capsys.readouterr().err and not (tmp_path / "d").exists()


def test_the_peer_has_a_file_of_its_own(data, tmp_path):
    assert train(data, tmp_path / "p", "--network", "fc_siam_diff", "--teacher", data / "teacher.pth") == 0
    assert not (tmp_path / "p" / "distil.pt").exists() and not (tmp_path / "p" / "change_net.safetensors").exists()
    path = tmp_path / "p" / "fc_siam_diff.safetensors"
    assert load_peer(path)
    with pytest.raises(WeightsError):
        load_weights(path)


def test_real_pairs_alone_and_mixed(data, tmp_path, capsys):
    assert train(data, tmp_path / "real", "--pairs-share", 1, "--json", tmp_path / "r.json", named=("pairs",)) == 0     # neither photographs nor models
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["counts"]["real"] + result["counts"]["real_held_out"] == 26 and result["counts"]["real_held_out"] > 0
    assert set(result["data"]) == {"pairs"} and "validation_real" not in result and "100% of all samples" in capsys.readouterr().out
    assert train(data, tmp_path / "mixed", "--json", tmp_path / "m.json", named=("photos", "assets", "sprites", "pairs")) == 0
    assert set(json.loads((tmp_path / "m.json").read_text())["validation_real"]) == set(result["validation"])


def test_change_sets_train_too(tmp_path, capsys):
    for name in ("001_0", "001_1", "002_0"):
        for part, image in (("t0", ground(1)), ("t1", ground(2)), ("mask", np.eye(260, 340, dtype=np.uint8) * 255)):
            write(tmp_path / "cd" / "train" / part / f"{name}.png", image)
    out = tmp_path / "run"
    words = ["train", str(out), "--umad", str(tmp_path / "cd"), "--pairs-share", "1", *SHORT]
    assert main([*words, "--hold", "001"]) == 2 and "cd is a change set, which has none: put what is never to be trained on into its split test" in \
        capsys.readouterr().err and not out.exists()
    assert main(words) == 0 and load_weights(out / "change_net.safetensors")


def test_scenes_to_hold_may_be_named_one_by_one(tmp_path):
    umad, scenes = tmp_path / "UMAD-1.0", ("1.N6", "2.Bridge", "3.Central-Avenue")
    for scene in scenes:
        for place, image in zip((umad / "data" / scene / "00/G1", umad / "data" / scene / "00/Q1", umad / "gt" / scene / "00"), (*pair(), bits())):
            write(place / "rgb" / "00000000.png", image)
    assert main(["train", str(tmp_path / "run"), "--umad", str(umad), "--pairs-share", "1", *SHORT, "--hold", "1", "--hold", "2.Bridge"]) == 0
    card = read_card(tmp_path / "run" / "change_net.safetensors")
    assert (card["counts"]["real"], card["counts"]["real_held_out"]) == (1, 2) and "--hold 1 2.Bridge" in card["command"]


def test_pairs_that_cannot_be_read_are_told_of_before_anything_is_written_if_there_are_no_others(data, tmp_path, capsys):
    pairs = write_pairs(tmp_path / "pairs", 26)
    training, held = find_real(pairs, None)
    training[0].source.query.write_bytes(b"x")
    words = ("--pairs", pairs, "--pairs-share", 1)
    assert train(data, tmp_path / "a", *words, named=()) == 0       # the first is passed over as any other
    for one in held:
        one.source.labels.write_bytes(b"x")
    capsys.readouterr()
    for share in (1, 0.5):
        assert train(data, tmp_path / "b", *words, "--pairs-share", share) == 2
        assert "labels.png" in capsys.readouterr().err and not (tmp_path / "b").exists()


def test_the_preview_is_a_sheet_and_nothing_is_trained(data, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert train(data, tmp_path / "run", "--preview", sheet, "--preview-pairs", 3, "--json", "-") == 0
    assert cv2.imread(str(sheet)).shape == (640, 1920, 3) and json.loads(capsys.readouterr().out) == {"preview": str(sheet), "pairs": 3}
    assert not (tmp_path / "run").exists()      # the sprites lie elsewhere
    assert train(data, tmp_path / "real", "--pairs-share", 1, "--preview", sheet, named=("pairs",)) == 0
    assert cv2.imread(str(sheet)).shape == (1920, 1920, 3)


def test_the_pairs_of_validation_can_be_scored(data, tmp_path, capsys):
    held = tmp_path / "held"
    assert train(data, tmp_path / "run", "--held", held, "--held-pairs", 3, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out) == {"held": str(held), "pairs": 3} and not (tmp_path / "run").exists()
    assert sorted(path.name for path in held.iterdir()) == ["0000", "0001", "0002"]
    assert main(["evaluate", "detection", str(held), "--set", "detect.detector=gradient", "--json", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["pairs"] == 3
    capsys.readouterr()
    assert train(data, tmp_path / "run", "--held", held) == 2 and "not an empty folder" in capsys.readouterr().err


def test_the_data_folder_of_the_environment_is_used(data, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / "backgrounds").symlink_to(data / "photos")
    (home / "objects").symlink_to(data / "assets")
    monkeypatch.setenv("UMAD_PATROL_DATA", str(home))
    assert train(data, tmp_path / "run", "--preview", tmp_path / "s.png", "--preview-pairs", 1, named=("sprites",)) == 0


def test_json_on_standard_output_is_json_alone(data, tmp_path, capsys):
    assert train(data, tmp_path / "run", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["steps"] >= 1


def test_help_is_quick_and_says_all(tmp_path):
    text = subprocess.run([sys.executable, "-m", "umad_patrol.cli.main", "train", "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--photos", "--teacher", "--preview", "--no-distillation", "--umad", "example:"):
        assert option in text


@pytest.mark.parametrize("words, says", [
    (["--photos", "none"], "--photos 'none' is no folder"),
    (["--photos", "file"], "--photos 'file' is no folder"),
    (["--photos", "empty"], "holds no photographs"),
    (["--photos", "text"], "none of the 1 pictures"),
    (["--photos", "one"], "one photograph"),
    (["--photos", ""], "--photos is empty"),
    (["--assets", "none"], "--assets 'none' is no folder"),
    (["--assets", "empty"], "MANIFEST.csv cannot be read"),
    (["--teacher", "none.pth"], "none.pth holds no ESPNetv2"),
    (["--teacher", "file"], "file holds no ESPNetv2"),
    (["--init", "none.safetensors"], "none.safetensors"),
    (["--init", "file"], "'file' cannot be read"),
    (["--pairs", "alone", "--pairs-share", "1"], "1 real pairs of one place"),
    (["--pairs", "none"], "--pairs 'none' is no folder"),
    (["--pairs", "empty"], "empty holds no pairs"),
    (["--umad", "empty"], "empty is not UMAD-1.0"),
    (["--hold", "1"], "--hold names scenes of --umad"),
    (["--minutes", "0"], "--minutes 0"),
    (["--minutes", "-3"], "--minutes -3"),
    (["--minutes", "nan"], "--minutes nan"),
    (["--minutes", "inf"], "--minutes inf"),
    (["--teacher", "teacher.pth", "--distil-minutes", "9"], "less than --minutes 0.01"),
    (["--teacher", "teacher.pth", "--distil-minutes", "-1"], "--distil-minutes -1"),
    (["--distil-minutes", "nan", "--teacher", "teacher.pth"], "--distil-minutes nan"),
    (["--batch", "0"], "--batch 0"),
    (["--seed", "-1"], "--seed -1"),
    (["--workers", "-1"], "--workers -1"),
    (["--validate-every", "0"], "--validate-every 0"),
    (["--echo", "0"], "--echo 0"),
    (["--pairs-share", "0"], "--pairs-share 0"),
    (["--pairs-share", "1.5"], "--pairs-share 1.5"),
    (["--folder-share", "nan"], "--folder-share nan"),
    (["--device", "cuda"], "no CUDA device"),
    (["--network", "fc_siam_diff", "--no-correlation"], "--network fc_siam_diff has none of them"),
    (["--preview", "sheet.gif"], "name a .png"),
    (["--preview", "none/sheet.png"], "--preview"),
    (["--preview", "sheet.png", "--preview-pairs", "0"], "--preview-pairs 0"),
    (["--held", "held", "--held-pairs", "0"], "--held-pairs 0"),
    (["--held", "file"], "file exists and is not an empty folder"),
    (["--held", "none/held"], "there is no folder"),
    (["--json", "none/r.json"], "--json"),
])
def test_bad_input_is_one_line_and_nothing_is_written(data, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.jpg").write_text("x")
    write_photos(tmp_path / "one", 1)
    write_pairs(tmp_path / "alone", 1)
    (tmp_path / "teacher.pth").write_bytes((data / "teacher.pth").read_bytes())
    assert train(data, "run", *words) == 2
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("umad-patrol")]
    assert len(lines) == 1 and says in lines[0], error
    assert not (tmp_path / "run").exists() and not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("out, says", [("file", "'file' is a file"), ("other", "holds other things"), ("", "OUT is empty")])
def test_a_folder_that_is_not_a_runs_is_left_alone(data, tmp_path, monkeypatch, capsys, out, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    write(tmp_path / "other" / "holiday.png", ground(1))
    assert train(data, out) == 2 and says in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["holiday.png"]


def test_what_a_kill_left_of_the_very_first_file_is_nothing(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.123-456").write_text("{")
    assert train(data, tmp_path / "run") == 0


def test_what_a_run_draws_is_not_taken_for_photographs(data, tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", 5, (220, 260))
    for out, words, says in ((photos / "runs" / "1", (), "OUT"), (tmp_path / "run", ("--sprites", photos / "sprites"), "--sprites")):
        assert train(data, out, "--photos", photos, *words) == 2
        assert f"{says} '{photos}" in capsys.readouterr().err and not out.exists()


def test_without_data_it_says_what_to_name(tmp_path, capsys):
    assert main(["train", str(tmp_path / "run")]) == 2
    assert "name --photos and --assets, or set UMAD_PATROL_DATA" in capsys.readouterr().err


def test_a_damaged_run_is_refused_by_name(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(data, out) == 0
    for name in ("checkpoint.pt", "run.json"):
        (out / name).write_bytes(b"{")
        capsys.readouterr()
        assert train(data, out) == 2
        assert name in capsys.readouterr().err


def test_a_run_of_another_version_is_refused_as_such(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(data, out) == 0
    record = json.loads((out / "run.json").read_text())
    del record["closer"]
    (out / "run.json").write_text(json.dumps(record))
    capsys.readouterr()
    assert train(data, out) == 2
    assert "another version: its run.json does not tell of closer" in capsys.readouterr().err


def test_a_run_on_other_real_pairs_or_of_another_precision_is_another_run(tmp_path):
    options = RunOptions(tmp_path, pairs=tmp_path, pairs_share=1.0)
    write_record(options, ["a", "b"])
    check_record(replace(options, minutes=9.0, workers=3), ["a", "b"])
    for other, pairs in ((options, ["a", "c"]), (options, ["a"]), (replace(options, half=True), ["a", "b"])):
        with pytest.raises(TrainingError, match="holds a run with (pairs|half)"):
            check_record(other, pairs)


def test_cut_outs_are_of_photographs_that_the_run_trains_on(data, tmp_path):
    options = RunOptions(tmp_path / "run", data / "photos", data / "assets", data / "sprites")
    shutil.copytree(data / "sprites", tmp_path / "shelf")
    photos = read_photos(data / "photos")
    ours = next(photo for photo in split(photos)[0])
    cut = np.full((40, 30, 4), 200, np.uint8)
    for name in (cut_out_of(ours.path), "photo-elsewhere-p9", *(cut_out_of(photo.path) for photo in split(photos)[1])):
        write_sprite(tmp_path / "shelf", Sprite("thing", f"{name}-1", cut, 0.0))
    teacher = load_teacher(data / "teacher.pth")
    found = get_material(replace(options, sprites=tmp_path / "shelf"), photos, teacher, lambda said: None)
    names = [sprite.name for sprite in found.training.sprites if sprite.of_photo]
    assert f"{cut_out_of(ours.path)}-1" in names
    assert {name.rpartition("-")[0] for name in names} <= {cut_out_of(photo.path) for photo in split(photos)[0]}
