import sys

import numpy as np
import pytest

from umad_patrol.errors import SimulationError
from umad_patrol.simulate import materials as m
from umad_patrol.simulate.assets import Shelf
from umad_patrol.simulate.world import make_world

HEADER = "file,class,name,height_m,x_m,y_m\n"


def test_no_folder_no_manifest_no_columns_no_sizes(tmp_path):
    with pytest.raises(SimulationError, match="nowhere"):
        Shelf(tmp_path / "nowhere")
    with pytest.raises(SimulationError, match="MANIFEST.csv cannot be read"):
        Shelf(tmp_path)
    manifest = tmp_path / "MANIFEST.csv"
    for text in ("", "a,b\n1,2\n", HEADER):
        manifest.write_text(text)
        with pytest.raises(SimulationError, match="columns"):
            Shelf(tmp_path)
    for encoding in ("utf-8", "utf-8-sig"):     # as spreadsheets write it
        manifest.write_text(HEADER + "a.glb,anomaly,a,tall,1,1\n", encoding=encoding)
        with pytest.raises(SimulationError, match="a.glb has no size"):
            Shelf(tmp_path)
    manifest.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(SimulationError, match="no CSV"):
        Shelf(tmp_path)


def test_a_broken_model_and_a_missing_trimesh_are_named(tmp_path, monkeypatch):
    (tmp_path / "MANIFEST.csv").write_text(HEADER + "a.glb,anomaly,a,0.5,0.2,0.2\n")
    (tmp_path / "a.glb").write_bytes(b"glTF not really")
    shelf, rng = Shelf(tmp_path), np.random.default_rng(0)
    assert shelf.take("anomaly", rng, (1.0, 2.0), 1.0) is None and shelf.take("people", rng, (0.1, 2.0), 1.0) is None
    pytest.importorskip("trimesh")
    with pytest.raises(SimulationError, match="a.glb"):
        shelf.take("anomaly", rng, (0.1, 1.0), 1.0)
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(SimulationError, match="pip install trimesh"):
        shelf.take("anomaly", rng, (0.1, 1.0), 1.0)


def test_real_models_stand_on_the_ground_with_their_pictures(data_dir):
    pytest.importorskip("trimesh")
    shelf, rng = Shelf(data_dir / "objects"), np.random.default_rng(2)
    for kind, height in (("anomaly", (0.1, 1.2)), ("people", (1.4, 2.1)), ("furniture", (0.3, 3.0))):
        name, mesh = shelf.take(kind, rng, height, 3.0)
        low, high = mesh.bounds()
        assert name and low[2] == pytest.approx(0.0, abs=0.05) and height[0] - 0.1 <= high[2] <= height[1] + 0.1
        assert np.isfinite(mesh.uv).all()
    assert all(p.image.dtype == np.uint8 and p.image.shape[0] & (p.image.shape[0] - 1) == 0 for p in shelf.pictures)
    assert set(shelf.grounds(rng)) == {m.PAVING, m.PAVERS, m.GRASS}


def test_a_world_with_assets_uses_them(data_dir):
    pytest.importorskip("trimesh")
    world = make_world(5, 4, 30.0, data_dir / "objects")
    assert world.pictures and world.grounds and any(actor.model is not None for actor in world.actors)
    assert world.standing("patrol").material.max() >= m.FIRST_FREE
    assert make_world(5, 4, 30.0, data_dir / "objects").anomalies[1].kind == world.anomalies[1].kind


def test_without_pillow_models_would_lose_their_textures_so_it_is_asked_for(tmp_path, monkeypatch):
    pytest.importorskip("trimesh")
    (tmp_path / "MANIFEST.csv").write_text(HEADER + "a.glb,anomaly,a,0.5,0.2,0.2\n")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SimulationError, match="pip install trimesh Pillow"):
        Shelf(tmp_path).take("anomaly", np.random.default_rng(0), (0.1, 1.0), 1.0)
