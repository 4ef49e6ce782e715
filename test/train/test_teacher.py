"""The teacher: what a checkpoint must be, what the real one sees, and what becomes of it; the lessons drawn from it."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fake_data import ground, write_teacher

from umad_patrol.detect.change_net.encoder import Encoder
from umad_patrol.errors import TrainingError
from umad_patrol.io.images import read_image
from umad_patrol.train import distil, semantics
from umad_patrol.train.distil import Crops, Distiller, DistilSettings, Student
from umad_patrol.train.photos import Photo
from umad_patrol.train.semantics import label_photos, with_labels
from umad_patrol.train.sprites import PERSON, THING, VEHICLE
from umad_patrol.train.teacher import load_teacher

SETTINGS = DistilSettings(minutes=1e9, batch=2, workers=0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_teacher(write_teacher(tmp_path_factory.mktemp("t") / "teacher.pth"))


def test_features_at_three_strides_and_classes_that_add_up(teacher):
    pictures = torch.rand(2, 3, 64, 96)
    assert [tuple(f.shape) for f in teacher.features(pictures)] == [(2, 32, 16, 24), (2, 64, 8, 12), (2, 128, 4, 6)] and teacher.widths == (32, 64, 128)
    classes = teacher.classes(pictures)
    assert classes.shape == (2, 21, 64, 96) and torch.allclose(classes.sum(1), torch.ones(2, 64, 96), atol=1e-4)
    assert not any(p.requires_grad for p in teacher.parameters()) and not teacher.training


@pytest.mark.parametrize("content", (b"", b"text", b"PK\x03\x04 broken"))
def test_a_file_that_is_no_teacher_is_refused(tmp_path, content):
    path = tmp_path / "t.pth"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="t.pth holds no ESPNetv2"):
        load_teacher(path)


def test_other_weights_and_no_file_are_refused(tmp_path):
    torch.save(Encoder().state_dict(), tmp_path / "e.pth")
    for name in ("e.pth", "none.pth"):
        with pytest.raises(TrainingError, match=f"{name} holds no ESPNetv2"):
            load_teacher(tmp_path / name)


def test_the_real_one_finds_people_where_there_are_some(data_dir):
    torch.set_num_threads(1)
    teacher = load_teacher(data_dir / "teachers" / "espnetv2_s_2.0_pascal_384x384.pth")
    shares = {}
    for name in ("ibm_max/009.jpg", "br_roads/003.jpg"):
        image = read_image(data_dir / "backgrounds" / name)[:, :, ::-1]
        small = np.ascontiguousarray(cv2.resize(image, (480, 320), interpolation=cv2.INTER_AREA))
        shares[name] = (semantics._chances(small, teacher)[PERSON] > 0.85 * 255).mean()
    assert shares["ibm_max/009.jpg"] > 0.05 and shares["br_roads/003.jpg"] < 0.001, shares


class Sees:
    """A teacher that sees a person in a box and a vehicle nowhere."""

    mean = torch.zeros(1)

    def classes(self, picture):
        chances = torch.zeros(1, 21, *picture.shape[2:])
        chances[:, 15, 64:160, 32:80] = 1
        self.asked = getattr(self, "asked", 0) + 1
        return chances


def test_labels_and_cut_outs_are_made_once_and_only_of_what_is_trained_on(tmp_path, monkeypatch):
    photos = [Photo(Path("a/p.jpg"), ground(1, (320, 480)), None, "a"), Photo(Path("a/q.jpg"), ground(2, (320, 480)), None, "b")]
    monkeypatch.setattr(Photo, "held_out", property(lambda photo: photo.place == "b"))
    sees = Sees()
    for _ in range(2):
        label_photos(photos, sees, tmp_path)
    assert sees.asked == 2
    found = list(tmp_path.glob("*_*_*.png"))
    assert [p.name for p in found] == ["person_photo-a-p-1_1700.png"]
    image = cv2.imread(str(found[0]), cv2.IMREAD_UNCHANGED)
    assert image.shape == (96, 48, 4) and (image[..., 3] == 255).mean() > 0.9
    labelled = with_labels([*photos, replace(photos[0], image=ground(9, (320, 480)))], tmp_path)
    assert labelled[0].dynamic[100, 50] == 255 and labelled[0].dynamic[10, 10] == 0 and labelled[1].dynamic is not None and labelled[2].dynamic is None
    assert {THING, VEHICLE} & {p.name.split("_")[0] for p in found} == set()


def test_crops_are_the_same_for_the_same_number(photos):
    crops, later = Crops(photos, 1, 100), Crops(photos, 1, 100, start=4)
    clean, other = crops[6]
    assert torch.equal(clean, later[2][0]) and torch.equal(other, later[2][1]) and not torch.equal(clean, other)
    assert clean.shape == other.shape == (3, distil.CROP_PX, distil.CROP_PX) and 0 <= clean.min() and clean.max() <= 1 and clean.dtype == torch.float32


def test_the_lessons_are_learnt(teacher):
    torch.manual_seed(0)
    student, pictures = Student(Encoder(), teacher.widths), torch.rand(2, 3, 64, 64)
    optimizer, losses = torch.optim.AdamW(student.parameters(), 3e-3), []
    for _ in range(15):
        loss = student.loss(pictures, teacher, pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def lessons(folder, steps, photos, teacher, monkeypatch, settings=SETTINGS):
    distiller = Distiller(folder, settings, CPU, teacher.widths)
    whole = Distiller._batches
    monkeypatch.setattr(Distiller, "_batches", lambda self, photos: [batch for batch, _ in zip(whole(self, photos), range(steps - self.step))])
    distiller.run(photos, teacher)
    monkeypatch.setattr(Distiller, "_batches", whole)
    return distiller


def test_one_lesson_and_one_more_are_two(tmp_path, photos, teacher, monkeypatch):
    monkeypatch.setattr(distil, "CROP_PX", 64)
    once = lessons(tmp_path / "once", 2, photos, teacher, monkeypatch)
    lessons(tmp_path / "twice", 1, photos, teacher, monkeypatch)
    twice = lessons(tmp_path / "twice", 2, photos, teacher, monkeypatch)
    assert once.step == twice.step == 2 and once.loss == twice.loss
    assert all(torch.equal(a, b) for a, b in zip(once.student.state_dict().values(), twice.student.state_dict().values()))
    with pytest.raises(TrainingError, match="with seed 1, not 2"):
        Distiller(tmp_path / "once", replace(SETTINGS, seed=2), CPU, teacher.widths)
    with pytest.raises(TrainingError, match="no checkpoint of this distillation"):
        Distiller(tmp_path / "once", SETTINGS, CPU, (8, 8, 8))


def test_their_time_ends_them_and_is_logged(tmp_path, photos, teacher, monkeypatch):
    monkeypatch.setattr(distil, "CROP_PX", 64)
    short = replace(SETTINGS, minutes=1e-6)
    distiller = Distiller(tmp_path, short, CPU, teacher.widths)
    encoder = distiller.run(photos, teacher)
    again = Distiller(tmp_path, short, CPU, teacher.widths)
    assert distiller.step == 1 and again.done and all(torch.equal(a, b) for a, b in
                                                      zip(encoder.state_dict().values(), again.run([], teacher).state_dict().values()))
    row, = map(json.loads, (tmp_path / distil.LOG).read_text().splitlines())
    assert row["step"] == 1 and row["loss"] > 0 and row["seconds"] >= 0
