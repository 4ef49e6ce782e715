"""`encode` keeps features with a map: once, for these weights, and a patrol says the same with them as without."""

import json

import cv2
import numpy as np
import pytest
import torch

from umad_patrol.cli.main import main
from umad_patrol.comparer import Keyframes
from umad_patrol.config import Settings, with_values
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import Camera, Frame
from umad_patrol.reference.teach import Teacher

CAMERA = Camera(320, 192, np.array([[230.0, 0, 159.5], [0, 230.0, 95.5], [0, 0, 1]]))
MAP_T_CAMERA = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0.7], [0, 0, 0, 1.0]])
SETTINGS = with_values(Settings(), {"teach.run": "noon", "detect.engine": "torch"})
TORCH = ["--set", "detect.engine=torch"]


def frame(i):
    rng = np.random.default_rng(3)
    layers = [cv2.resize(rng.normal(size=(192 // s + 2, 320 // s + 2, 3)), (320, 192), interpolation=cv2.INTER_CUBIC) for s in (3, 9, 40)]
    pose = MAP_T_CAMERA.copy()
    pose[0, 3] = 0.3 * i
    return Frame((i + 1) * 10**9, np.clip(120 + 22 * sum(layers), 0, 255).astype(np.uint8), CAMERA, pose)


def with_box():
    plain = frame(0)
    image = plain.image.copy()
    cv2.rectangle(image, (150, 110), (180, 150), (20, 30, 200), cv2.FILLED)
    return Frame(10**10, image, plain.camera, plain.map_T_camera)


@pytest.fixture
def taught(tmp_path):
    teacher = Teacher(SETTINGS)
    for i in range(3):
        teacher.add_frame(frame(i))
    teacher.save(tmp_path / "map")
    teacher.close()
    return tmp_path / "map"


def encoded(path, *words, capsys):
    assert main(["encode", str(path), "--json", "-", *TORCH, *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_keyframe_is_kept_once(taught, capsys):
    first = encoded(taught, capsys=capsys)
    assert (first["keyframes"], first["made"], first["kept"]) == (3, 3, 3) and first["bytes"] > 1000
    (taught / "encoded" / "000001.safetensors").unlink()
    assert encoded(taught, capsys=capsys)["made"] == 1
    assert main(["inspect", str(taught)]) == 0 and "sound" in capsys.readouterr().out
    assert encoded(taught, "--remove", capsys=capsys)["kept"] == 0 and not (taught / "encoded").exists()


def test_a_patrol_takes_what_is_kept_and_says_the_same(taught, capsys, monkeypatch):
    pipeline = Pipeline.open(taught, SETTINGS)
    without = pipeline.process(with_box())
    pipeline.close()
    encoded(taught, capsys=capsys)
    monkeypatch.setattr(Keyframes, "packed", lambda *_: pytest.fail("the keyframe is kept with the map"))
    pipeline = Pipeline.open(taught, SETTINGS)
    found = pipeline.process(with_box())
    pipeline.close()
    assert found.mask.any() and without.mask.any()
    assert torch.equal(found.score_map.scores, without.score_map.scores) and np.array_equal(found.mask, without.mask)


def test_what_cannot_be_kept_is_refused(taught, tmp_path, capsys):
    assert main(["encode", str(taught), "--set", "detect.detector=gradient"]) == 2
    assert "set detect.detector to change_net" in (said := capsys.readouterr().err) and "detect.lay" not in said
    assert main(["encode", str(taught), *TORCH, "--set", "detect.lay=picture"]) == 2
    assert "set detect.lay to features" in capsys.readouterr().err
    assert main(["encode", str(tmp_path / "none")]) == 2
    assert not (taught / "encoded").exists()
