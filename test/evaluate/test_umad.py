"""`evaluate umad`: figures checked by counting pixels, with a detector whose scores are known; the published table; bad input."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from umad_copy import BOX, HEIGHT, PERSON, WIDTH, ground, labels, write, write_frame, write_umad

from umad_patrol.cli.main import main
from umad_patrol.config import Settings, with_values
from umad_patrol.detect.regions import find_regions
from umad_patrol.evaluate import umad
from umad_patrol.evaluate.classes import apart, class_masks
from umad_patrol.evaluate.umad_data import find_umad
from umad_patrol.evaluate.umad_table import published, table
from umad_patrol.evaluate.warp_border import shown
from umad_patrol.records import ScoreMap

PLAIN = with_values(Settings(), {"detect.threshold": 0.6, "detect.low_threshold": 0.5, "detect.close_px": 0, "detect.trim_px": 0, "detect.min_area_px": 1})


class Painter:
    """Scores by colour: red is anomaly, blue is dynamic, green is both, dynamic a little more."""

    name, checksum = "painter", "none"

    def __init__(self, classes):
        self.classes = classes

    def prepare(self, picture, top=0):
        return picture

    def compare(self, query, reference, valid):
        red, green, blue = ((query[:, i:i + 1] > 0.6) & (query.amin(1, keepdim=True) < 0.3) for i in range(3))
        planes = {"anomaly": red * 0.9 + green * 0.75, "dynamic": blue * 0.9 + green * 0.8, "changed": torch.zeros_like(red)}
        return torch.cat([planes[name].float() for name in self.classes], 1) * valid


@pytest.fixture
def painter(monkeypatch):
    def use(*classes):
        monkeypatch.setattr("umad_patrol.comparer.make_detector", lambda settings, device, threads: Painter(classes))
    return use


def figures(claim, truth):
    """IoU and F1 in percent, counted in the plainest way."""
    tp = sum(bool(c and t) for c, t in zip(claim.ravel(), truth.ravel()))
    fp, fn = int(claim.sum()) - tp, int(truth.sum()) - tp
    return {"iou": round(100 * tp / (tp + fp + fn), 2), "f1": round(100 * 2 * tp / (2 * tp + fp + fn), 2)}


def coloured(size, *parts):
    image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)[:size]
    for (rows, columns), bgr in parts:
        image[rows, columns] = bgr
    return image


RED, BLUE, GREEN = (20, 20, 220), (220, 20, 20), (20, 220, 20)


def write_painted(root, scene, parts, bits, number=0):
    name = f"{number:08d}.png"
    write(root / "data" / scene / "00" / "G1" / "rgb" / name, coloured(HEIGHT))
    write(root / "data" / scene / "00" / "Q1" / "rgb" / name, coloured(HEIGHT, *parts))
    write(root / "gt" / scene / "00" / "rgb" / name, bits)


def test_figures_are_those_of_counting(tmp_path, painter):
    painter("anomaly", "dynamic", "changed")
    left, both = (slice(40, 60), slice(20, 50)), (slice(10, 20), slice(60, 70))  # 600 px of red where 400 are anomalous; 100 px of green
    write_painted(tmp_path, "2.Bridge", [(left, RED), (PERSON, BLUE), (both, GREEN)], labels((BOX, 128), (PERSON, 2), (both, 128 | 16)))
    write_painted(tmp_path, "3.Central-Avenue", [], labels((BOX, 128)))
    result = umad.evaluate(list(find_umad(tmp_path)), PLAIN)
    anomaly, dynamic, truth, truth_dynamic = (np.zeros((HEIGHT, WIDTH), bool) for _ in range(4))
    anomaly[left], dynamic[PERSON], dynamic[both] = True, True, True
    truth[BOX], truth[both], truth_dynamic[PERSON], truth_dynamic[both] = True, True, True, True
    columns = result["scenes"]["2.Bridge"]["columns"]
    assert columns["anomaly"] == figures(anomaly, truth) == {"iou": 57.14, "f1": 72.73}  # 400 of 600 + 100
    anomaly[both] = True
    assert columns["binary"] == figures(anomaly, truth) and columns["dynamic"] == figures(dynamic, truth_dynamic) == {"iou": 100.0, "f1": 100.0}
    assert result["scenes"]["3.Central-Avenue"]["columns"] == {"binary": {"iou": 0.0, "f1": 0.0}, "dynamic": {"iou": None, "f1": None},
                                                               "anomaly": {"iou": 0.0, "f1": 0.0}}
    both_scenes = np.concatenate([anomaly, np.zeros_like(anomaly)]), np.concatenate([truth, labels((BOX, 128)) & 128 > 0])
    assert result["total"]["columns"]["binary"] == figures(*both_scenes)
    assert result["pairs"] == 2 and result["not_comparable"] == []


def test_a_class_that_the_detector_lacks_has_no_figures(tmp_path, painter):
    painter("anomaly")
    write_painted(tmp_path, "2.Bridge", [(BOX, RED)], labels((BOX, 128), (PERSON, 32)))
    result = umad.evaluate(list(find_umad(tmp_path)), PLAIN)
    assert result["total"]["columns"] == {"binary": {"iou": 100.0, "f1": 100.0}, "dynamic": None, "anomaly": {"iou": 100.0, "f1": 100.0}}
    ours = next(line for line in table(result).splitlines() if line.startswith("2.Bridge"))
    assert ours.split()[1:] == ["1", "100.0", "100.0", "-", "-", "100.0", "100.0"]
    painter("dynamic")
    columns = umad.evaluate(list(find_umad(tmp_path)), PLAIN)["total"]["columns"]
    assert columns == {"binary": None, "dynamic": {"iou": 0.0, "f1": 0.0}, "anomaly": None}


def test_classes_are_cut_apart(rng):
    scores = torch.from_numpy(rng.uniform(0, 1, (1, 3, 30, 40)).astype(np.float32))
    score_map = ScoreMap(("anomaly", "dynamic", "changed"), scores, torch.ones((1, 1, 30, 40), dtype=torch.bool))
    settings = with_values(PLAIN, {"detect.threshold": 0.5, "detect.low_threshold": 0.5}).detect
    masks = class_masks(score_map, settings)
    for place, name in enumerate(score_map.classes[1:], 1):  # alike for all but what is in doubt
        inside, plane = masks[name], scores[0, place].numpy()
        assert (inside | (plane < 0.5)).all()
    np.testing.assert_array_equal(masks["anomaly"], find_regions(score_map, settings)[0] > 0)
    assert masks["anomaly"].any()
    two = apart(masks, score_map, ("dynamic", "anomaly"))
    assert set(two) == {"anomaly", "dynamic"} and not (two["anomaly"] & two["dynamic"]).any()
    np.testing.assert_array_equal(two["anomaly"] | two["dynamic"], masks["anomaly"] | masks["dynamic"])
    either = masks["anomaly"] & masks["dynamic"]
    np.testing.assert_array_equal(two["dynamic"][either], (scores[0, 1] > scores[0, 0]).numpy()[either])


def test_what_a_warp_left_black_is_not_compared():
    picture = ground(3)
    assert shown(picture).all()
    picture[:, :10] = 3
    picture[40:60, 60:80] = 0  # a dark thing inside
    seen = shown(picture)
    assert not seen[:, :13].any() and seen[:, 13:].all()
    picture[0, 30:50] = 0  # too small to be a border
    assert shown(picture)[0, 40]


def test_the_published_table_is_that_of_the_paper():
    assert published(2)["CSCDNet (ResNet-18)"]["binary"] == {"iou": 65.1, "f1": 78.9}
    assert published(3)["CSCDNet (ResNet-18)"] == {"binary": {"iou": 59.6, "f1": 74.7}, "dynamic": {"iou": 73.1, "f1": 84.4},
                                                   "anomaly": {"iou": 63.5, "f1": 77.7}}
    assert published(2)["FC-Siam-EF (U-Net)"]["dynamic"] == {"iou": 11.3, "f1": 20.1} and published(3)["C-3PO (VGG-16)"]["anomaly"]["f1"] == 76.9
    assert published(1) == {} and len(published(2)) == len(published(3)) == 7
    for scene in (2, 3):  # F1 = 2 IoU / (1 + IoU), so that a slip of the pen shows; the figures are rounded to a tenth
        for columns in published(scene).values():
            for of in columns.values():
                assert 200 * of["iou"] / (100 + of["iou"]) == pytest.approx(of["f1"], abs=0.3), (scene, columns)


def test_the_verb_prints_beside_the_paper_and_writes(tmp_path, capsys):
    root = write_umad(tmp_path / "UMAD-1.0")
    (root / "gt/1.N6/00/rgb/00000007.png").unlink()
    assert main(["evaluate", "umad", str(tmp_path), "--json", str(tmp_path / "r.json"), "--out", str(tmp_path / "out"),
                 "--set", "detect.detector=gradient"]) == 0
    shown_, result = capsys.readouterr().out, json.loads((tmp_path / "r.json").read_text())
    assert result["pairs"] == 6 and result["missing"] == {"gt": 1} and "1 frames that lack gt" in shown_
    lines = [line.split()[0] for line in shown_.splitlines()]
    assert lines.index("1.N6") < lines.index("2.Bridge") < lines.index("FC-Siam-EF") < lines.index("10.New") < lines.index("all")
    assert lines.count("CSCDNet") == 1 and "arXiv 2408.12527" in shown_
    assert result["scenes"]["2.Bridge"]["columns"]["binary"]["f1"] > 50 and result["scenes"]["2.Bridge"]["columns"]["dynamic"] is None
    assert cv2.imread(str(tmp_path / "out/1.N6/00/00000000.jpg")).shape == (HEIGHT, WIDTH, 3)
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 6


def test_scenes_steps_and_limits(tmp_path):
    root = write_umad(tmp_path / "set")
    for words, pairs in ((["--scene", "1.N6"], 4), (["--scene", "2", "--scene", "10"], 3), (["--every", "2"], 5), (["--limit", "2"], 2),
                         (["--scene", "1/00", "--every", "2", "--limit", "1"], 1)):
        assert main(["evaluate", "umad", str(root), "--json", str(tmp_path / "r.json"), *words]) == 0
        assert json.loads((tmp_path / "r.json").read_text())["pairs"] == pairs, words


def test_pairs_that_cannot_be_aligned_count_as_empty_masks(tmp_path, capsys):
    write_frame(tmp_path, "1.N6", "00", 0, labels((BOX, 128)))
    cv2.imwrite(str(tmp_path / "data/1.N6/00/G1/rgb/00000000.jpg"), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    assert main(["evaluate", "umad", str(tmp_path), "--align", "--json", str(tmp_path / "r.json")]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["not_comparable"] == ["1.N6/00/00000000"] and result["total"]["columns"]["binary"]["f1"] == 0.0
    assert "not comparable" in capsys.readouterr().out


def test_change_sets_are_scored_too(tmp_path, painter, capsys):
    painter("anomaly", "dynamic", "changed")
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    truth[BOX] = truth[PERSON] = 255
    for split in ("train", "test"):
        write(tmp_path / split / "t0/a.png", coloured(HEIGHT))
        write(tmp_path / split / "t1/a.png", coloured(HEIGHT, (BOX, RED), *([(PERSON, BLUE)] if split == "test" else [])))
        write(tmp_path / split / "mask/a.png", truth)
    plain = ["--set", "detect.close_px=0", "--set", "detect.trim_px=0"]
    assert main(["evaluate", "umad", str(tmp_path), "--json", str(tmp_path / "r.json"), *plain]) == 0
    scenes = json.loads((tmp_path / "r.json").read_text())["scenes"]
    assert scenes["test"]["columns"] == {"change": {"iou": 100.0, "f1": 100.0}} and scenes["train"]["columns"]["change"]["iou"] == 57.14  # 400 of 700
    assert main(["evaluate", "umad", str(tmp_path), "--scene", "train", "--json", str(tmp_path / "r.json")]) == 0
    assert list(json.loads((tmp_path / "r.json").read_text())["scenes"]) == ["train"]
    capsys.readouterr()
    assert main(["evaluate", "umad", str(tmp_path), "--scene", "val"]) == 2 and "there are test, train" in capsys.readouterr().err


@pytest.mark.parametrize("damage, words, said", [
    (lambda r: shutil.rmtree(r), [], "no folder"),
    (lambda r: (shutil.rmtree(r), r.write_text("x")), [], "no folder"),
    (lambda r: (shutil.rmtree(r), r.mkdir()), [], "not UMAD-1.0"),
    (lambda r: shutil.rmtree(r / "gt"), [], "no gt"),
    (lambda r: shutil.rmtree(r / "data"), [], "no data"),
    (lambda r: shutil.rmtree(r / "gt/1.N6"), ["--scene", "1"], "no pair is of '1'"),
    (lambda r: write(r / "gt/1.N6/00/rgb/00000000.png", labels()[:, :60]), [], "60x80, its query 120x80"),
    (lambda r: write(r / "gt/1.N6/00/rgb/00000000.png", labels((BOX, 255))), [], "black and white"),
    (lambda r: (r / "gt/1.N6/00/rgb/00000000.png").write_bytes(b"no picture"), [], "00000000.png"),
    (lambda r: (r / "data/1.N6/00/Q1/rgb/00000000.jpg").write_bytes(b""), [], "00000000.jpg"),
    (lambda r: write(r / "data/1.N6/00/G1/rgb/00000000.jpg", ground(1)[:40]), [], "its reference 120x40"),
    (lambda r: None, ["--scene", "9.Nowhere"], "there are 1.N6"),
    (lambda r: None, ["--every", "0"], "1 or more"),
    (lambda r: None, ["--limit", "-1"], "1 or more"),
    (lambda r: (r / "f").write_text("x"), ["--out", "{root}/f"], "is a file"),
    (lambda r: None, ["--set", "detect.detector=nonsense"], "nonsense"),
    (lambda r: None, ["--config", "{root}/none.yaml"], "none.yaml"),
])
def test_bad_input_is_one_line_and_status_2(tmp_path, capsys, damage, words, said):
    root = write_umad(tmp_path / "set")
    damage(root)
    assert main(["evaluate", "umad", str(root), *[word.format(root=root) for word in words]]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("umad-patrol")]
    assert len(lines) == 1 and said in lines[0] and "Traceback" not in lines[0], lines
