import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maps import CAMERA, S, extract, frame, ground_cloud, picture, pose, settings, teach

from umad_patrol.errors import CameraError, ConfigError, LocalizationError, MapError, PatrolError
from umad_patrol.geometry import plane, se3
from umad_patrol.records import Dismissed, Features, Frame
from umad_patrol.reference import folder
from umad_patrol.reference.dismissed import add_dismissed, read_dismissed
from umad_patrol.reference.ground import find_grounds
from umad_patrol.reference.look import light, sharpness
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.reference.teach import Spacing, Teacher, existing_map

BLACK = np.zeros((64, 96, 3), np.uint8)


def chosen(frames, distance_m=0.25, turn_deg=5.0, window=0.3):
    spacing = Spacing(distance_m, turn_deg, window)
    found = [f for one in frames for _, f in spacing.add(one)]
    return found + [f for _, f in spacing.finish()]


def places(frames):
    return [round(float(f.map_T_camera[0, 3]), 6) for f in frames]


@given(st.lists(st.floats(0.001, 0.1), min_size=20, max_size=60), st.integers(0, 9))
def test_no_two_keyframes_are_farther_apart_than_asked(steps, seed):
    images = [picture(seed), picture(seed, sharp=False), BLACK]
    frames = [frame(x, image=images[i % 3]) for i, x in enumerate(np.cumsum(steps))]
    found = places(chosen(frames))
    gaps = np.diff(found)
    assert (gaps <= 0.25 + 1e-6).all() and (gaps > 0.25 * 0.25 - 1e-6).all()
    assert found[0] - steps[0] <= 0.3 * 0.25 + 1e-6
    assert sum(steps) - found[-1] <= 0.25


def test_the_sharpest_frame_of_a_slot_is_taken():
    frames = [frame(x, image=picture(1, sharp=False)) for x in np.arange(0, 1, 0.02)]
    for i in (11, 22):  # 0.22 m and 0.44 m: within the windows
        frames[i] = frame(i * 0.02, image=picture(2))
    assert places(chosen(frames))[1:3] == [0.22, 0.44]


def test_the_first_keyframe_may_wait_for_a_sharp_frame():
    frames = [frame(0, 0.0, picture(1, sharp=False))] + [frame(x, image=picture(1, sharp=x == 0.06)) for x in np.arange(0.02, 0.5, 0.02).round(2)]
    assert places(chosen(frames))[0] == 0.06


def test_turning_on_the_spot_makes_keyframes():
    found = chosen([frame(0, i / 10, yaw_deg=i) for i in range(91)])
    turns = [se3.angle_deg(a.map_T_camera[:3, :3].T @ b.map_T_camera[:3, :3]) for a, b in zip(found, found[1:])]
    assert max(turns) <= 5.0 + 1e-6 and 18 <= len(found) <= 27


def test_standing_makes_one_keyframe():
    assert len(chosen([frame(0.001 * (i % 2), i / 10) for i in range(100)])) == 1


@pytest.mark.parametrize("roll_deg, warned", [(0, False), (40, False), (90, True), (180, True)])
def test_a_camera_that_is_not_upright_is_told_at_the_first_frame(roll_deg, warned, caplog):
    """Not only on the patrol, which needs the map taught anew then."""
    rolled = dataclasses.replace(frame(0), map_T_camera=pose(0) @ se3.matrix((0, 0, 0), (0, 0, np.sin(np.radians(roll_deg / 2)), np.cos(np.radians(roll_deg / 2)))))
    teacher = Teacher(settings())
    for _ in range(2):
        teacher.add_frame(rolled)
    teacher.close()
    assert caplog.text.count("input.body_t_camera") == warned


def test_jumps_and_few_frames():
    assert places(chosen([frame(x) for x in (0, 10, 20)])) == [0, 10, 20]
    assert places(chosen([frame(x) for x in (0, 0.15, 0.3, 0.45)])) == [0, 0.15, 0.3, 0.45]


def test_sharpness_orders_blur():
    image = cv2.resize(picture(3), (960, 640), interpolation=cv2.INTER_NEAREST)
    values = [sharpness(image)] + [sharpness(cv2.GaussianBlur(image, (0, 0), s)) for s in (1, 2, 4)]
    assert values == sorted(values, reverse=True) and sharpness(BLACK) == 0


def test_light_tells_dusk_from_noon_but_not_place_from_place():
    noon, other, dusk = light(picture(1)), light(picture(2)), light(picture(1, brightness=0.4))
    assert np.linalg.norm(noon - other) < 0.3 * np.linalg.norm(noon - dusk)
    warm = picture(1).astype(float) * [0.6, 0.9, 1.1]
    assert light(warm.clip(0, 255).astype(np.uint8))[5] > noon[5] + 0.1
    assert np.isfinite(light(BLACK)).all() and np.isfinite(light(np.zeros((1, 1, 3), np.uint8))).all()


def test_a_map_holds_what_was_taught(tmp_path, rng):
    reference_map = teach(tmp_path / "map", cloud=ground_cloud(rng))
    assert np.allclose(reference_map.poses[:, 0, 3], [0, 0.25, 0.5, 0.75, 1.0])
    assert reference_map.stamps_ns.tolist() == [round((1000 + x) * S) for x in (0, 0.25, 0.5, 0.75, 1.0)]
    third = reference_map.reference(2)
    assert (third.index, third.run, third.stamp_ns) == (2, "noon", round(1000.5 * S))
    assert np.abs(third.image.astype(int) - picture(10)).mean() < 25 < np.abs(third.image[..., ::-1].astype(int) - picture(10)).mean()
    assert np.allclose(third.map_T_camera, pose(0.5), atol=1e-12) and np.array_equal(third.camera.K, CAMERA.K)
    kept = extract(picture(10))
    assert np.array_equal(third.features.points, kept.points) and np.array_equal(third.features.descriptors, kept.descriptors)
    assert third.features.size == (96, 64) and third.features.descriptors.dtype == np.uint8
    assert reference_map.cloud().dtype == np.float32 and 0 < len(reference_map.cloud()) <= 4000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map"]


def test_the_same_drive_gives_the_same_bytes(tmp_path):
    assert teach(tmp_path / "a").checksum == teach(tmp_path / "b").checksum != teach(tmp_path / "c", length=0.5).checksum


def test_float_descriptors_and_no_features(tmp_path):
    def floats(image):
        return Features(np.zeros((3, 2), np.float32), np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4), (96, 64))

    kept = teach(tmp_path / "floats", extract_features=floats).reference(0).features
    assert kept.descriptors.dtype == np.float32 and np.allclose(kept.descriptors, floats(None).descriptors, atol=1e-3)
    assert teach(tmp_path / "without", extract_features=None).reference(0).features is None


def test_keyframes_with_zero_features_are_kept(tmp_path):
    reference_map = teach(tmp_path / "map", extract_features=lambda image: Features(np.zeros((0, 2)), np.zeros((0, 32), np.uint8), (96, 64)))
    found = ReferenceMap.load(tmp_path / "map").reference(1).features
    assert len(reference_map) == 5 and found.points.shape == (0, 2) and found.descriptors.shape == (0, 32)


def test_ground_is_fitted_where_the_cloud_tells(tmp_path, rng):
    sloping = ground_cloud(rng, height=lambda x, y: 0.1 * x - 0.05 * y + 0.1)
    wall = np.column_stack([rng.uniform(0, 8, 3000), np.full(3000, 1.5), rng.uniform(0, 3, 3000)])
    grounds = teach(tmp_path / "map", cloud=np.vstack([sloping, wall, np.full((5, 3), np.nan)])).grounds
    normal = np.array([-0.1, 0.05, 1]) / np.linalg.norm([-0.1, 0.05, 1])
    assert np.degrees(np.arccos(grounds[:, :3] @ normal)).max() < 0.5
    assert np.abs(plane.height(grounds[0], np.array([[2.0, 0, 0.3]]))).max() < 0.02


@pytest.mark.parametrize("cloud", [None, np.zeros((0, 3)), np.array([[3, 0, 0.0]] * 50), np.array([[300, 0, 0.0]] * 50)])
def test_ground_is_level_where_the_cloud_does_not_tell(tmp_path, cloud):
    grounds = teach(tmp_path / "map", cloud=cloud, teach__camera_height_m=0.5).grounds
    assert np.allclose(grounds, [0, 0, 1, -0.2])  # 0.5 m below a camera at 0.7 m


def test_the_ground_is_that_of_the_storey_and_of_a_high_camera(rng):
    floor = ground_cloud(rng)
    below = np.vstack([floor[::2], ground_cloud(rng) - np.float32([0, 0, 2.8])])     # the storey below is seen twice as well
    poses = np.array([pose(x) for x in (0.0, 1.0, 2.0)])
    np.testing.assert_allclose(plane.height(find_grounds(poses, below, settings().teach)[1], poses[1:2, :3, 3]), 0.7, atol=0.02)
    high = np.array([pose(x, z=3.0) for x in (0.0, 1.0, 2.0)])
    roofs = np.vstack([floor, floor[:1000] * np.float32([1, 1, 0]) + np.float32([0, 0, 0.9])])
    found = find_grounds(high, roofs, settings(teach__camera_height_m=3.0).teach)[1]
    np.testing.assert_allclose(plane.height(found, high[1:2, :3, 3]), 3.0, atol=0.02)


def test_the_cloud_does_not_grow_with_time(rng):
    teacher = Teacher(settings(teach__voxel_m=0.5))
    sweep = rng.uniform(0, 5, (20_000, 3)) * [1, 1, 0]
    for _ in range(60):
        teacher.add_cloud(sweep)
    held = sum(map(len, teacher._cloud._pending)) + len(teacher._cloud._keys)
    assert held < 520_000 and len(teacher._cloud.points()) <= 144


def test_runs_of_one_route_live_in_one_map(tmp_path, rng):
    teach(tmp_path / "map", cloud=ground_cloud(rng))
    both = teach(tmp_path / "map", teach__run="dusk", y=0.2, length=0.5, start_s=9000, brightness=0.4)
    assert both.runs == ("noon", "dusk") and both.run_of.tolist() == [0] * 5 + [1] * 3
    assert both.cloud() is not None and np.abs(both.grounds[5:, 3]).max() < 0.02  # the first run's cloud serves the second
    sixth = both.reference(6)
    assert sixth.run == "dusk" and sixth.map_T_camera[1, 3] == 0.2 and sixth.features is not None
    assert np.linalg.norm(both.light[0] - both.light[5]) > 0.3
    three = teach(tmp_path / "map", teach__run="dawn", extract_features=None)
    assert three.runs == ("noon", "dusk", "dawn") and len(ReferenceMap.load(tmp_path / "map")) == 13
    assert three.reference(12).features is None and three.reference(7).features is not None


def test_the_same_run_twice_is_refused_and_nothing_changes(tmp_path):
    before = teach(tmp_path / "map").checksum
    with pytest.raises(MapError, match="holds a run 'noon' already.*--run"):
        teach(tmp_path / "map", length=0.5)
    assert ReferenceMap.load(tmp_path / "map").checksum == before
    assert [p.name for p in tmp_path.iterdir()] == ["map"]


def test_saving_on_the_way_and_again(tmp_path):
    teach(tmp_path / "map", teach__run="dawn")
    teacher = Teacher(settings(teach__distance_m=0.26), extract)
    for x in np.arange(0, 0.51, 0.05):
        teacher.add_frame(frame(x))
    assert len(teacher.save(tmp_path / "map")) == 5 + 3
    for x in np.arange(0.55, 1.01, 0.05):
        teacher.add_frame(frame(x))
    again = teacher.save(tmp_path / "map")
    assert again.runs == ("dawn", "noon") and len(again) == 5 + 5
    ReferenceMap.load(tmp_path / "map")
    teacher.close()


def test_the_run_is_named_by_its_first_stamp(tmp_path):
    assert teach(tmp_path / "map", teach__run="", start_s=1_700_000_000).runs == ("run-20231114-221320",)


def test_a_drive_that_began_in_the_same_second_as_one_of_the_map_is_refused_until_the_second_is_over():
    teacher = Teacher(settings(teach__run=""), taken=("run-20231114-221320",))
    with pytest.raises(MapError, match="'run-20231114-221320' already.*same drive.*--run"):
        teacher.add_frame(frame(0.0, stamp_s=1_700_000_000))
    assert "same drive" in teacher.trouble and teacher.frames == 0 and not teacher.run
    teacher.add_frame(frame(0.0, stamp_s=1_700_000_001))
    assert teacher.run == "run-20231114-221321"
    teacher.close()


@pytest.mark.parametrize("name", ["a/b", "../x", "x" * 65, "a\nb", "a,b"])
def test_bad_run_names(name):
    with pytest.raises(ConfigError, match="teach.run"):
        Teacher(settings(teach__run=name))


def test_without_keyframes_nothing_is_saved(tmp_path):
    with pytest.raises(MapError, match="no keyframe to save.*0 usable frames"):
        Teacher(settings()).save(tmp_path / "map")
    assert not list(tmp_path.iterdir())


def test_the_root_of_all_folders_is_no_map():
    with pytest.raises(MapError, match="'/' exists and is no map"):
        existing_map("/")


def test_what_is_there_and_is_no_map_stays(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for name in ("thesis", "file"):
        with pytest.raises(MapError, match="is no map"):
            teach(tmp_path / name)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert len(teach(tmp_path / "empty")) == 5


def test_a_further_run_takes_nothing_away_that_others_put_there(tmp_path):
    teach(tmp_path / "map")
    (tmp_path / "map/notes.txt").write_text("the gate is closed at night")
    (tmp_path / "map/pictures/of").mkdir(parents=True)
    (tmp_path / "map/pictures/of/gate.txt").write_text("gate")
    (tmp_path / "map/link").symlink_to("notes.txt")
    os.mkfifo(tmp_path / "map/pipe")
    found = teach(tmp_path / "map", teach__run="dusk")
    assert found.runs == ("noon", "dusk") and (tmp_path / "map/notes.txt").read_text() == "the gate is closed at night"
    assert (tmp_path / "map/pictures/of/gate.txt").read_text() == "gate" and (tmp_path / "map/link").is_symlink()
    assert (tmp_path / "map/pipe").is_fifo() and [path.name for path in tmp_path.iterdir()] == ["map"]
    (tmp_path / "map/notes.txt").write_text("and on Sundays")
    assert ReferenceMap.load(tmp_path / "map").runs == ("noon", "dusk")     # they are none of its files


def test_what_cannot_go_on_in_the_new_map_stays_with_the_old_one(tmp_path, monkeypatch, caplog):
    teach(tmp_path / "map")
    (tmp_path / "map/notes.txt").write_text("kept")
    rename = type(tmp_path).rename

    def refused(self, target):
        if self.name == "notes.txt":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", refused)
    assert teach(tmp_path / "map", teach__run="dusk").runs == ("noon", "dusk")
    old, = (path for path in tmp_path.iterdir() if path.name != "map")
    assert old.name.startswith("map.before-") and (old / "notes.txt").read_text() == "kept" and str(old) in caplog.text


def test_a_damaged_map_gets_no_further_run(tmp_path):
    teach(tmp_path / "map")
    (tmp_path / "map" / "images" / "000001.jpg").write_bytes(b"x")
    with pytest.raises(MapError, match="images/000001.jpg"):
        teach(tmp_path / "map", teach__run="dusk")


def test_a_disk_that_refuses_leaves_the_old_map(tmp_path, monkeypatch):
    before = teach(tmp_path / "map").checksum

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("umad_patrol.reference.folder._flush", full)
    with pytest.raises(MapError, match="No space left on device"):
        teach(tmp_path / "map", teach__run="dusk")
    assert ReferenceMap.load(tmp_path / "map").checksum == before and [p.name for p in tmp_path.iterdir()] == ["map"]


def test_a_full_temporary_disk_is_said_and_what_was_kept_is_saved(tmp_path, monkeypatch):
    from umad_patrol.reference import teach as teaching

    write, teacher = teaching.write_image, Teacher(settings(), extract)

    def full(*_):
        raise OSError(28, "No space left on device")

    def drive(start, end):
        told = []
        for x in np.arange(start, end, 0.05):
            try:
                teacher.add_frame(frame(x, 1000 + x))
            except MapError as error:
                told.append(str(error))
        return told

    assert not drive(0, 1) and (kept := teacher.keyframes) and not teacher.trouble
    monkeypatch.setattr(teaching, "write_image", full)
    assert all("No space left on device" in line and "TMPDIR" in line for line in drive(1, 2)) and teacher.keyframes == kept
    assert "No space left on device" in teacher.trouble
    assert len(teacher.save(tmp_path / "map")) == kept
    monkeypatch.setattr(teaching, "write_image", write)
    drive(2, 3)
    assert teacher.keyframes > kept and not teacher.trouble and len(teacher.save(tmp_path / "map")) > kept
    teacher.close()


def test_when_putting_in_place_fails_the_old_map_comes_back(tmp_path, monkeypatch):
    before = teach(tmp_path / "map").checksum
    from umad_patrol.reference import folder
    rename = folder.Path.rename

    def flaky(self, target):
        if str(target).endswith("map") and not self.name.endswith(".old"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(folder, "_exchange", lambda a, b: False)  # as on a system that cannot swap two folders
    monkeypatch.setattr(folder.Path, "rename", flaky)
    with pytest.raises(MapError, match="Input/output error"):
        teach(tmp_path / "map", teach__run="dusk")
    monkeypatch.undo()
    assert ReferenceMap.load(tmp_path / "map").checksum == before and [p.name for p in tmp_path.iterdir()] == ["map"]


def bad(**changes):
    return dataclasses.replace(frame(0), **changes)


@pytest.mark.parametrize("wrong, kind", [
    (bad(map_T_camera=np.full((4, 4), np.nan)), LocalizationError),
    (bad(map_T_camera=np.zeros((4, 4))), LocalizationError),
    (bad(camera=dataclasses.replace(CAMERA, K=np.zeros((3, 3)))), CameraError),
    (bad(image=np.zeros((1, 1, 3), np.uint8)), CameraError),
    (bad(camera=dataclasses.replace(CAMERA, distortion_model="plumb_bob", distortion=(0.1, 0, 0, 0, 0))), CameraError),
])
def test_bad_frames_are_refused_and_teaching_goes_on(tmp_path, wrong, kind):
    teacher = Teacher(settings(), extract)
    teacher.add_frame(frame(0))
    with pytest.raises(kind):
        teacher.add_frame(wrong)
    teacher.add_frame(frame(0.2))
    assert len(teacher.save(tmp_path / "map")) == 2


def test_the_camera_may_not_change_within_a_run(tmp_path):
    teacher = Teacher(settings())
    teacher.add_frame(frame(0))
    with pytest.raises(CameraError, match="changed within the run"):
        teacher.add_frame(Frame(S, picture(), dataclasses.replace(CAMERA, K=CAMERA.K + np.diag([1, 1, 0])), pose(0.1)))


def test_each_run_keeps_its_camera(tmp_path):
    teach(tmp_path / "map")
    teacher = Teacher(settings(teach__run="zoom"))
    camera = dataclasses.replace(CAMERA, K=CAMERA.K + np.diag([10, 10, 0]))
    teacher.add_frame(frame(0, camera=camera))
    both = teacher.save(tmp_path / "map")
    assert both.reference(0).camera.K[0, 0] == 60 and both.reference(5).camera.K[0, 0] == 70


def test_nor_where_the_robot_turns_back():
    yaws = np.concatenate([np.arange(0, 4.6, 0.5), np.arange(4, -8.1, -0.5)])
    found = chosen([frame(0, i / 10, picture(1, sharp=yaw == 4.5), yaw_deg=float(yaw)) for i, yaw in enumerate(yaws)])
    gaps = [se3.angle_deg(a.map_T_camera[:3, :3].T @ b.map_T_camera[:3, :3]) for a, b in zip(found, found[1:])]
    assert max(gaps) <= 5.0 + 1e-6 and len(found) >= 4


def test_two_teachers_of_one_map_both_keep_their_run(tmp_path):
    teachers = []
    for name in ("front", "rear"):
        teachers.append(Teacher(settings(teach__run=name), extract))
        for x in np.arange(0, 1, 0.05):
            teachers[-1].add_frame(frame(x))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda teacher: teacher.save(tmp_path / "map"), teachers))
    assert sorted(ReferenceMap.load(tmp_path / "map").runs) == ["front", "rear"]
    assert [path.name for path in tmp_path.iterdir()] == ["map"]


def test_what_is_dismissed_while_a_run_is_added_is_in_the_new_map(tmp_path, monkeypatch):
    teach(tmp_path / "map")
    thing = Dismissed("A0001", "anomaly", (1.0, 2.0, 0.0), (0.3, 0.4), (), 5, b"")
    flush = folder._flush
    monkeypatch.setattr(folder, "_flush", lambda beside: (flush(beside), add_dismissed(tmp_path / "map", thing)))
    both = teach(tmp_path / "map", teach__run="dusk")
    assert both.runs == ("noon", "dusk") and read_dismissed(tmp_path / "map") == (thing,)


def test_damaged_dismissals_are_told_before_the_drive(tmp_path):
    teach(tmp_path / "map")
    (tmp_path / "map" / "dismissed.json").write_text("{")
    with pytest.raises(MapError, match="dismissed.json is damaged"):
        existing_map(tmp_path / "map")


def test_teaching_into_a_link_teaches_what_it_leads_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    teach(tmp_path / "link")
    both = teach(tmp_path / "link", teach__run="dusk")
    assert (tmp_path / "link").is_symlink() and both.runs == ReferenceMap.load(tmp_path / "real").runs == ("noon", "dusk")


def test_a_ceiling_is_no_ground(rng):
    above = ground_cloud(rng, height=lambda x, y: 1.5 + 0.0 * x)
    assert np.allclose(find_grounds(np.array([pose(1.0)]), above, settings().teach), [[0, 0, 1, 0]], atol=1e-9)


def test_ground_is_looked_for_where_the_camera_looks(rng):
    step = ground_cloud(rng, height=lambda x, y: np.where(x < 0.3, -0.3, 0.0))
    found = find_grounds(np.array([pose(1.0)]), step, settings(teach__ground_radius_m=1.0).teach)[0]
    assert abs(found[3]) < 0.02


def test_a_map_that_cannot_be_written_is_refused_before_the_drive(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(MapError, match="'.*/file' is a file; name a folder"):
        existing_map(tmp_path / "file" / "map")
    assert existing_map(tmp_path / "new" / "map") is None
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) != str(tmp_path))
    with pytest.raises(MapError, match=f"folder '{tmp_path}' may not be written to; name another folder"):
        existing_map(tmp_path / "new" / "map")


def test_a_disk_mounted_where_the_map_is_to_lie_is_refused_before_the_drive(tmp_path, monkeypatch):
    """As a volume of a container: a map takes the place of a folder, which nothing can of this one."""
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: os.fspath(path) == str(tmp_path / "volume"))
    with pytest.raises(MapError, match="volume' cannot be written: a disk is mounted there; name a folder in it"):
        existing_map(tmp_path / "volume")
    assert existing_map(tmp_path / "volume" / "map") is None


def test_without_open3d_the_first_sweep_says_so_and_the_drive_is_not_lost(tmp_path, rng, monkeypatch):
    asked = []

    def missing():
        asked.append(1)
        raise PatrolError("open3d cannot be imported; try: sudo apt-get install it")

    monkeypatch.setattr("umad_patrol.reference.cloud.open3d", missing)
    teacher = Teacher(settings())
    for i in range(3):
        with pytest.raises(MapError, match="no cloud can be kept: open3d cannot be imported; try"):
            teacher.add_cloud(ground_cloud(rng))
        teacher.add_frame(frame(0.3 * i))
    assert teacher.trouble.startswith("no cloud can be kept") and teacher.keyframes    # as a node has it on /diagnostics
    assert not teacher.save(tmp_path / "map").info.has_cloud and len(asked) == 1   # to fail takes as long as to import it
    teacher.close()


def test_a_map_is_taught_from_within(tmp_path, monkeypatch):
    before = teach(tmp_path / "map")
    monkeypatch.chdir(tmp_path / "map")
    assert teach(".", teach__run="dusk").runs == ("noon", "dusk")   # the folder that was entered is another one's now
    assert len(ReferenceMap.load(tmp_path / "map")) == 2 * len(before)
