"""Rendered sprites stand upright with soft edges; a shelf is made once, goes on after a kill, and is of one set of assets."""

import json

import cv2
import numpy as np
import pytest
from fake_data import write_assets

from umad_patrol.errors import SimulationError, TrainingError
from umad_patrol.io.images import write_image
from umad_patrol.train import sprites as module
from umad_patrol.train.sprite_render import render
from umad_patrol.train.sprites import make_sprites, read_sprites


@pytest.fixture(autouse=True)
def no_riders(monkeypatch):
    """Models alone: riders take a second each."""
    monkeypatch.setattr(module, "RIDERS", 0)


def pole():
    """A thin high box whose upper half is red and lower half blue."""
    x, y, z = np.meshgrid([-0.1, 0.1], [-0.1, 0.1], [0.0, 0.5, 1.0], indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
    index = np.arange(12).reshape(2, 2, 3)
    faces, uv = [], np.zeros((0, 2))
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1]):
        for low in (0, 1):
            quad = index[a, b, low], index[c, d, low], index[c, d, low + 1], index[a, b, low + 1]
            faces += [(quad[0], quad[1], quad[2]), (quad[0], quad[2], quad[3])]
    uv = np.stack([np.full(12, 0.5), 0.05 + 0.9 * vertices[:, 2]], 1)
    texture = np.zeros((64, 8, 3), np.uint8)
    texture[:32], texture[32:] = (255, 0, 0), (0, 0, 255)       # v = 1 is the first row
    return vertices, np.array(faces), uv, texture


@pytest.mark.parametrize("seed", range(3))
def test_a_model_stands_upright_with_soft_edges(seed):
    image = render(*pole(), np.random.default_rng(seed), 96)
    height, width = image.shape[:2]
    assert image.dtype == np.uint8 and image.shape[2] == 4 and height > 1.5 * width and max(height, width) <= 96
    solid = image[..., 3] > 250
    top, bottom = image[:height // 3][solid[:height // 3]], image[-height // 3:][solid[-height // 3:]]
    assert top[:, 0].mean() > 4 * top[:, 2].mean() and bottom[:, 2].mean() > 4 * bottom[:, 0].mean()
    assert ((image[..., 3] > 20) & (image[..., 3] < 235)).any() and (image[..., 3].max(0) > 32).all()  # half-covered edges, cut to what it covers
    edge = (image[..., 3] > 60) & ~solid
    assert image[edge][:, :3].max(1).mean() > 0.6 * image[solid][:, :3].max(1).mean()   # no dark rim


def test_a_shelf_is_made_once_and_goes_on(tmp_path, monkeypatch):
    assets, shelf = write_assets(tmp_path / "assets"), tmp_path / "shelf"
    rendered = module._render
    monkeypatch.setattr(module, "_render", lambda *a: rendered(*a) if a[0].file != "man.glb" else (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make_sprites(assets, shelf)
    assert json.loads((shelf / module.RENDERED).read_text())["models"] == ["box.glb", "bin.glb"]
    monkeypatch.setattr(module, "_render", rendered)
    assert make_sprites(assets, shelf) == 1 and make_sprites(assets, shelf) == 0
    for name in ("thing_of_mine_1.png", "thing_box_high.png", "2024_06_01.png"):    # of others
        write_image(shelf / name, np.zeros((40, 40, 4), np.uint8))
    found, whole = read_sprites(shelf), tmp_path / "whole"
    assert make_sprites(assets, whole) == 3
    for mine, other in zip(found, read_sprites(whole), strict=True):
        assert (mine.kind, mine.name, mine.height_m) == (other.kind, other.name, other.height_m) and np.array_equal(mine.image, other.image)
    assert {s.kind for s in found} == {"thing", "person"} and {s.height_m for s in found} == {0.5, 0.9, 1.7}


def test_other_assets_or_unreadable_ones_are_refused(tmp_path, caplog):
    assets, shelf = write_assets(tmp_path / "assets"), tmp_path / "shelf"
    (assets / "man.glb").write_bytes(b"no model")
    make_sprites(assets, shelf)
    assert "man.glb" in caplog.text and "passed over" in caplog.text
    with pytest.raises(TrainingError, match="people or vehicles are both needed"):
        read_sprites(shelf)
    with pytest.raises(TrainingError, match="sprites of other models"):
        make_sprites(assets, shelf, seed=1)
    (shelf / module.RENDERED).write_text("{")
    with pytest.raises(TrainingError, match="damaged"):
        make_sprites(assets, shelf)
    (assets / "box.glb").write_bytes(b"no model")
    with pytest.raises(SimulationError, match="box.glb"):
        make_sprites(assets, tmp_path / "new")
    assert not list((tmp_path / "new").glob("*"))
    (assets / "MANIFEST.csv").write_text("file,class,name,height_m,x_m,y_m\na.glb,texture,a,1,1,1\n")
    with pytest.raises(TrainingError, match="names no model"):
        make_sprites(assets, tmp_path / "new")


def test_riders_are_rendered_with_any_models_in_their_colours_and_in_one_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RIDERS", 1)
    assert make_sprites(write_assets(tmp_path / "assets"), tmp_path / "shelf") == 4
    riders = [sprite for sprite in read_sprites(tmp_path / "shelf") if sprite.name.startswith("cyclist-00-")]
    assert len(riders) == module.RIDER_VIEWS and all(sprite.dynamic and 1.5 < sprite.height_m < 2 for sprite in riders)
    for sprite in riders:
        solid = sprite.image[..., 3] > 128
        pieces = cv2.connectedComponentsWithStats(solid.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
        assert pieces.max() > 0.9 * pieces.sum() and max(sprite.image.shape[:2]) > 200
        assert np.ptp(sprite.image[solid][:, :3].astype(int), axis=1).max() > 40      # shirt, helmet, frame are coloured
        assert sprite.image[-20:][solid[-20:]][:, :3].max() < 120                     # and tyres are black


def test_models_of_one_stem_have_sprites_of_their_own(tmp_path):
    assets = write_assets(tmp_path / "assets")
    table = (assets / "MANIFEST.csv").read_text()
    for folder in ("red", "blue"):
        (assets / folder).mkdir()
        (assets / folder / "box.glb").write_bytes((assets / "box.glb").read_bytes())
        table += table.splitlines()[1].replace("box.glb", f"{folder}/box.glb") + "\n"
    (assets / "MANIFEST.csv").write_text(table)
    assert make_sprites(assets, tmp_path / "shelf") == 5
    names = {sprite.name.rpartition("-")[0] for sprite in read_sprites(tmp_path / "shelf")}
    assert {"red-box", "blue-box"} < names and len(names) == 5
