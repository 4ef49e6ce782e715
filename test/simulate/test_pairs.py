"""Pairs with exact correspondences: closed forms, what the pictures show, files, bad wishes."""

import dataclasses

import cv2
import numpy as np
import pytest

from umad_patrol.cli.main import main
from umad_patrol.errors import SimulationError
from umad_patrol.evaluate.pair_poses import Sweep, read_poses
from umad_patrol.evaluate.pairs import find_pairs, read_points
from umad_patrol.geometry import plane, se3
from umad_patrol.geometry.camera import load_camera
from umad_patrol.geometry.homography import plane_homography, rotation_homography, transform
from umad_patrol.io.images import read_image, write_image
from umad_patrol.reference.cloud import read_cloud
from umad_patrol.simulate.drive import make_rig
from umad_patrol.simulate.pair_light import LIGHTS, SUNSET, WET, make_lights, wetted
from umad_patrol.simulate.pair_photos import photo_pair, photo_pairs, shows_something
from umad_patrol.simulate.pair_scene import GROUND, PairStudio
from umad_patrol.simulate.pair_sweep import NOISES, OFFSETS_M, ROTATIONS_DEG, believed, make_sweep, turn
from umad_patrol.simulate.pairs import write_pair, write_pairs
from umad_patrol.simulate.photometric import PHOTO_LIGHTS, change_light
from umad_patrol.simulate.world import PATROL, TEACH

STILL = Sweep(0.0, 0.0, 0.0, 0.0, "same")


@pytest.fixture(scope="module")
def studio(small):
    return PairStudio(small["seed"], make_rig(small["size"]), small["length_m"], small["anomalies"])


@pytest.fixture(scope="module")
def apart(studio):
    """Cameras 0.3 m beside each other, turned by 4 degrees."""
    return studio.take(Sweep(0.3, 4.0, 0.01, 0.1, "other hour"), np.random.default_rng(1))


def query_T_reference(pair):
    return se3.inverse(pair.poses.map_T_query_true) @ pair.poses.map_T_reference


@pytest.mark.parametrize("rotation_deg", [0.0, 1.0, 8.0])
def test_a_camera_that_only_turns_sees_the_rotation_homography(studio, rotation_deg):
    pair = studio.take(dataclasses.replace(STILL, rotation_deg=rotation_deg), np.random.default_rng(2))
    K = pair.camera.K
    H = rotation_homography(K, query_T_reference(pair)[:3, :3], K)
    assert len(pair.points) == 200
    assert np.abs(transform(H, pair.points[:, :2]) - pair.points[:, 2:]).max() < 0.01


def test_points_on_the_ground_follow_its_homography_and_others_do_not(apart):
    of_reference = plane.transform_plane(se3.inverse(apart.poses.map_T_reference), GROUND)
    H = plane_homography(apart.camera.K, query_T_reference(apart), of_reference, apart.camera.K)
    ground, far = apart.layers["ground"], apart.layers["far"]
    assert len(ground) > 30 and len(far) > 20
    assert np.abs(transform(H, ground[:, :2]) - ground[:, 2:]).max() < 0.01
    assert np.median(np.linalg.norm(transform(H, far[:, :2]) - far[:, 2:], axis=1)) > 1.0


def test_layers_are_parts_of_all_points(apart):
    everything = {tuple(row) for row in apart.points}
    parts = [{tuple(row) for row in rows} for rows in apart.layers.values()]
    assert all(part <= everything for part in parts) and sum(map(len, parts)) == len(set().union(*parts))


def test_points_are_seen_in_the_query_and_on_nothing_new(studio, apart):
    """Against the distances of a rendered picture, which come about another way."""
    T, camera = apart.poses.map_T_query_true, apart.camera
    view = studio._renderers[PATROL].view(T, camera, studio.world.lights[PATROL], 0.0)
    last = 1 + len(studio.world.anomalies) + 2 * len(studio.world.moved)  # numbers of things that stand; passers-by are elsewhere at time 0
    ground = apart.layers["ground"][:, 2:]
    columns, rows = np.rint(np.vstack([ground, apart.layers["far"][:, 2:]])).astype(int).T
    assert np.isin(view.thing[rows, columns], range(1, last)).mean() < 0.03
    rays = np.column_stack([ground, np.ones(len(ground))]) @ np.linalg.inv(camera.K).T @ T[:3, :3].T
    expected = np.linalg.norm(rays * (-T[2, 3] / rays[:, 2:]), axis=1)
    columns, rows = np.rint(ground).astype(int).T
    assert np.mean(np.abs(view.distance[rows, columns] / expected - 1) < 0.1) > 0.9


def test_the_cameras_stand_as_far_apart_as_the_sweep_says(studio):
    for offset_m, rotation_deg in ((0.5, 8.0), (0.1, 0.0), (0.0, 2.0)):
        pair = studio.take(Sweep(offset_m, rotation_deg, 0.0, 0.0, "same"), np.random.default_rng(3))
        T = query_T_reference(pair)
        assert se3.distance_m(pair.poses.map_T_query_true, pair.poses.map_T_reference) == pytest.approx(offset_m, abs=1e-9)
        assert se3.angle_deg(T) == pytest.approx(rotation_deg, abs=1e-6)
        ahead = pair.poses.map_T_reference[:3, 2] @ (pair.poses.map_T_query_true[:3, 3] - pair.poses.map_T_reference[:3, 3])
        assert abs(ahead) < 0.02 * max(offset_m, 1e-6)
        np.testing.assert_array_equal(pair.poses.map_T_query, pair.poses.map_T_query_true)


def test_the_cloud_lies_round_the_camera(apart):
    eye = apart.poses.map_T_reference[:3, 3]
    assert len(apart.cloud) > 2000 and np.linalg.norm(apart.cloud - eye, axis=1).max() < 50
    assert np.mean(np.abs(apart.cloud[:, 2]) < 0.05) > 0.05


def test_believed_poses_have_the_noise_asked_for(rng):
    sweep = Sweep(0, 0, 0.03, 0.3, "same")
    T = np.eye(4)
    found = [believed(T, sweep, rng) for _ in range(400)]
    assert np.std([B[:3, 3] for B in found]) == pytest.approx(0.03, rel=0.1)
    assert np.mean([se3.angle_deg(B) for B in found]) == pytest.approx(0.3 * np.sqrt(8 / np.pi), rel=0.1)  # Maxwell's mean
    assert all(se3.is_rigid(B) for B in found)


def test_turns_are_mostly_yaw(rng):
    for _ in range(50):
        R = turn(4.0, rng)
        assert se3.angle_deg(R) == pytest.approx(4.0)
        assert abs(cv2.Rodrigues(R)[0][2, 0]) > 0.9 * np.radians(4.0)


def test_every_value_of_the_sweep_comes_equally_often(rng):
    sweeps = make_sweep(60, LIGHTS, rng)
    for name, values in (("offset_m", OFFSETS_M), ("rotation_deg", ROTATIONS_DEG), ("noise_m", [n[0] for n in NOISES]), ("light", LIGHTS)):
        counts = [sum(getattr(s, name) == value for s in sweeps) for value in values]
        assert sum(counts) == 60 and len(set(counts)) == 1, name
    assert all((s.noise_m, s.noise_deg) in NOISES for s in sweeps)
    assert len(make_sweep(7, LIGHTS, rng)) == 7


def test_lights_differ_as_they_are_named(rng):
    same, other = make_lights("same", rng), make_lights("other hour", rng)
    assert same[0] == same[1] and other[0] != other[1]
    assert abs(np.subtract(*[light.elevation_rad for light in make_lights(SUNSET, rng)])) > np.radians(45)
    assert make_lights(WET, rng)[1].cover > 0.9


def test_rain_darkens_the_ground_only(studio, rng):
    rig, world = studio.rig, studio.world
    T = world.drives[TEACH].pose(3.0) @ rig.body_T_camera
    view = studio._renderers[TEACH].view(T, rig.camera, world.lights[TEACH], 3.0)
    wet = wetted(view, T, rig.camera, world.lights[TEACH], world.palette.clouds, rng)
    np.testing.assert_array_equal(wet[view.above], view.radiance[view.above])
    assert wet[-10:].mean() < 0.9 * view.radiance[-10:].mean()


def texture(rng, size=(640, 400)):
    coarse = [rng.integers(0, 256, (size[1] // grain, size[0] // grain, 3)).astype(np.uint8) for grain in (5, 10, 40)]
    return np.mean([cv2.resize(c, size, interpolation=cv2.INTER_CUBIC) for c in coarse], axis=0).astype(np.uint8)


@pytest.fixture
def photographs(tmp_path, rng):
    for name in ("campus/a.png", "campus/b.jpg", "campus/b_road.png", "hall/a.jpg", "alone.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "photos" / name, texture(rng))
    return tmp_path / "photos"


@pytest.mark.parametrize("kind", PHOTO_LIGHTS)
def test_a_change_of_light_moves_nothing(kind, rng):
    photograph = texture(rng)
    pair = photo_pair(photograph, "hall", Sweep(0.0, 2.0, 0.0, 0.0, kind), (320, 180), rng)
    K = pair.camera.K
    H = rotation_homography(K, query_T_reference(pair)[:3, :3], K)
    assert np.abs(transform(H, pair.points[:, :2]) - pair.points[:, 2:]).max() < 0.01 and len(pair.points) == 200
    changed = change_light(photograph, kind, rng)
    assert changed.shape == photograph.shape and np.abs(changed.astype(int) - photograph).mean() > 10
    edges = [cv2.Laplacian(cv2.GaussianBlur(image, (0, 0), 2), cv2.CV_32F).ravel() for image in (photograph, changed)]
    assert np.corrcoef(*edges)[0, 1] > 0.3


def test_photographed_pairs_show_what_the_points_say(rng):
    pair = photo_pair(texture(rng), "hall", Sweep(0.0, 4.0, 0.0, 0.0, "noon-sunset"), (320, 180), rng)
    H = rotation_homography(pair.camera.K, query_T_reference(pair)[:3, :3], pair.camera.K)
    warped = cv2.warpPerspective(pair.reference, H, (320, 180))
    inner = np.s_[30:-30, 60:-60]
    likeness = [np.corrcoef(*(cv2.Laplacian(image, cv2.CV_32F)[inner].ravel() for image in (other, pair.query)))[0, 1]
                for other in (warped, pair.reference)]
    assert likeness[0] > 0.5 > 0.2 > likeness[1]


def test_places_are_folders_and_masks_are_no_photographs(photographs):
    places = [pair.poses.place for pair in photo_pairs(photographs, 0, 8, (160, 90))]
    assert sorted(places[:4]) == ["alone", "campus", "campus", "hall"] and len(places) == 8


def test_what_shows_nothing_is_left_out(photographs, rng):
    assert shows_something(texture(rng)) and not shows_something(np.full((400, 640, 3), 180, np.uint8))
    for path in photographs.rglob("*.*"):
        write_image(path, np.full((400, 640, 3), 180, np.uint8))
    with pytest.raises(SimulationError, match="shows enough"):
        list(photo_pairs(photographs, 0, 2, (160, 90)))


def test_a_written_pair_is_read_back(apart, tmp_path):
    write_pair(tmp_path / "0000", apart)
    pair = find_pairs(tmp_path)[0]
    assert pair.pictures()[0].shape == apart.reference.shape
    np.testing.assert_allclose(read_points(pair.points), apart.points, atol=1e-4)
    np.testing.assert_allclose(load_camera(pair.camera).K, apart.camera.K)
    poses = read_poses(pair.poses)
    np.testing.assert_allclose(poses.map_T_query, apart.poses.map_T_query, atol=1e-8)
    assert poses.sweep == apart.poses.sweep and poses.place == f"world-{3}"
    np.testing.assert_allclose(read_cloud(pair.folder / "cloud.pcd"), apart.cloud)


def test_the_same_seed_gives_the_same_bytes(tmp_path, photographs):
    for words in ([], ["--pictures", str(photographs)]):
        written = []
        for run in ("a", "b"):
            out = tmp_path / f"{run}{len(words)}"
            assert main(["pairs", str(out), "--seed", "5", "--pairs", "2", "--size", "160x90", *words]) == 0
            written.append({path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()})
        assert written[0] == written[1] and len(written[0]) >= 10


def test_another_seed_gives_other_pairs(tmp_path, photographs):
    for seed in (1, 2):
        write_pairs(tmp_path / str(seed), seed, 1, (160, 90), photographs)
    assert (read_image(tmp_path / "1" / "0000" / "query.jpg") != read_image(tmp_path / "2" / "0000" / "query.jpg")).any()


def test_the_summary_is_the_json(tmp_path, photographs, capsys):
    assert main(["pairs", str(tmp_path / "out"), "--pairs", "3", "--size", "160x90", "--pictures", str(photographs), "--json", "-"]) == 0
    assert '"pairs": 3' in capsys.readouterr().out
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["0000", "0001", "0002"]


@pytest.mark.parametrize("words, said", [
    (["--pairs", "0"], "0 pairs"), (["--pairs", "-3"], "-3 pairs"), (["--pairs", "99999999"], "99999999"), (["--seed", "-1"], "-1"),
    (["--size", "0x0"], "0x0"), (["--size", "big"], "big"), (["--size", "99999x720"], "99999x720"), (["--size", "1280x"], "1280x"),
    (["--pictures", "nowhere"], "nowhere"), (["--pictures", "EMPTY"], "no photographs"), (["--pictures", "BROKEN"], "a.jpg"),
    (["--pictures", "SMALL", "--size", "1280x720"], "large enough"),
])
def test_wishes_that_cannot_be_met_are_one_line_and_leave_nothing(words, said, tmp_path, capsys):
    for name in ("EMPTY", "BROKEN", "SMALL"):
        (tmp_path / name).mkdir()
    (tmp_path / "BROKEN" / "a.jpg").write_bytes(b"no picture")
    write_image(tmp_path / "SMALL" / "a.png", texture(np.random.default_rng(0), (100, 80)))
    words = [str(tmp_path / word) if word in ("EMPTY", "BROKEN", "SMALL") else word for word in words]
    assert main(["pairs", str(tmp_path / "out"), *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("umad-patrol pairs: ") and said in line]) == 1 and "Traceback" not in str(lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BROKEN", "EMPTY", "SMALL"]


def test_a_folder_in_use_is_never_written_to(tmp_path, photographs, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    for out in (tmp_path / "out", tmp_path / "out" / "mine", tmp_path / "no" / "where"):
        assert main(["pairs", str(out), "--pictures", str(photographs)]) == 2
    assert (tmp_path / "out" / "mine").read_text() == "x"
    assert capsys.readouterr().err.count("umad-patrol pairs: ") == 3
