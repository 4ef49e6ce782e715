import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from maps import CAMERA, ground_cloud, pose, teach

from umad_patrol.errors import MapError
from umad_patrol.reference import keyframes
from umad_patrol.reference.map import CACHED, ReferenceMap

FILES = ("map.yaml", "keyframes.csv", "trajectory.txt", "cloud.pcd", "images/000002.jpg", "features/000004.safetensors")


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A sound map; tests copy it before they harm it."""
    path = tmp_path_factory.mktemp("taught") / "map"
    teach(path, cloud=ground_cloud(np.random.default_rng(3)))
    return path


@pytest.fixture
def folder(taught, tmp_path):
    return shutil.copytree(taught, tmp_path / "map")


def with_new_sums(folder):
    """Make the checksums fit again, as somebody would who edits a map on purpose."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names))


def refused(folder, *words, **how):
    with pytest.raises(MapError) as error:
        ReferenceMap.load(folder, **how)
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_a_sound_map_loads_and_names_its_parts(folder):
    for verify in (True, False):
        loaded = ReferenceMap.load(folder, verify=verify)
        assert len(loaded) == 5 and loaded.runs == ("noon",) and loaded.run_of.tolist() == [0] * 5
        assert loaded.poses.shape == (5, 4, 4) and loaded.grounds.shape == (5, 4) and loaded.light.shape == (5, 7)
        assert loaded.poses.dtype == np.float64 and loaded.stamps_ns.dtype == np.int64
        assert (loaded.camera.width, loaded.camera.height) == (CAMERA.width, CAMERA.height) and np.array_equal(loaded.camera.K, CAMERA.K)
        assert loaded.size_bytes() == sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum here")
def test_the_checksums_are_those_of_sha256sum(folder):
    assert os.system(f"cd '{folder}' && sha256sum --quiet -c SHA256SUMS") == 0


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [lambda data: data[:len(data) // 2], lambda data: b"", lambda data: data[:-1] + bytes([data[-1] ^ 1]),
                                  lambda data: b"\x00" * len(data)], ids=["truncated", "emptied", "one bit", "zeros"])
def test_damage_is_named(folder, name, harm):
    file = folder / name
    file.write_bytes(harm(file.read_bytes()))
    refused(folder, name)


@pytest.mark.parametrize("name", FILES[:1] + FILES[1:] + ("SHA256SUMS",))
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    refused(folder, name)


@pytest.mark.parametrize("name", FILES[3:])
def test_without_verifying_damage_is_found_when_the_file_is_asked_for(folder, name):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-5])
    loaded = ReferenceMap.load(folder, verify=False)
    with pytest.raises(MapError, match=name):
        loaded.reference(0) if name == "cloud.pcd" else loaded.reference(int(file.stem))
    if name != "cloud.pcd":  # every keyframe has its part of the cloud
        loaded.reference(0)  # the others still serve


def test_the_cloud_is_what_was_checked(folder, monkeypatch):
    """Not what another map has there a moment later."""
    read, loaded = Path.read_bytes, ReferenceMap.load(folder)
    cloud = loaded.cloud()

    def once(path):
        data = read(path)
        if path.name == "cloud.pcd":
            path.write_bytes(data[:-12])
        return data

    monkeypatch.setattr(Path, "read_bytes", once)
    np.testing.assert_array_equal(loaded.cloud(), cloud)


@pytest.mark.parametrize("text", ["", "nonsense", "a" * 64 + "  ../../etc/passwd\n", "a" * 64 + "  /etc/passwd\n", "\xff\xfe"])
def test_bad_checksums(folder, text):
    with (folder / "SHA256SUMS").open("a", encoding="latin-1") as file:
        file.write(text + "\n")
    refused(folder, "SHA256SUMS")


def test_checksums_cut_off_at_a_line(folder):
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(lines[:-1]))
    refused(folder, "SHA256SUMS", "trajectory.txt")


def test_another_version_names_both(folder):
    text = (folder / "map.yaml").read_text()
    (folder / "map.yaml").write_text(text.replace("version: 1", "version: 7"))
    refused(folder, "version 7", "reads version 1")  # before anything else, checksums included


@pytest.mark.parametrize("change", [
    {"runs": []}, {"runs": None}, {"runs": [{"name": "noon"}]}, {"runs": 3}, {"cloud": True, "settings": 3}, {"runs": [1, 2]},
])
def test_map_yaml_that_says_nothing(folder, change):
    tree = yaml.safe_load((folder / "map.yaml").read_text())
    (folder / "map.yaml").write_text(yaml.safe_dump({**tree, **change}))
    with_new_sums(folder)
    refused(folder, "map.yaml")


def edit_run(folder, **changes):
    tree = yaml.safe_load((folder / "map.yaml").read_text())
    tree["runs"][0].update(changes)
    (folder / "map.yaml").write_text(yaml.safe_dump(tree))
    with_new_sums(folder)


@pytest.mark.parametrize("keyframes_said", [0, -1, 4, 6, 10**9])
def test_counts_must_agree(folder, keyframes_said):
    edit_run(folder, keyframes=keyframes_said)
    refused(folder, str(folder))


def test_a_camera_of_zeros_in_a_map(folder):
    edit_run(folder, camera={"width": 96, "height": 64, "K": [0] * 9})
    refused(folder, "map.yaml", "calibrated")


def test_a_camera_that_distorts_in_a_map(folder):
    edit_run(folder, camera={"width": 96, "height": 64, "K": [60, 0, 48, 0, 60, 31, 0, 0, 1], "distortion": [0.1, 0, 0, 0]})
    refused(folder, "map.yaml", "plumb_bob")


def test_pictures_of_another_size(folder):
    edit_run(folder, camera={"width": 100, "height": 64, "K": [60, 0, 48, 0, 60, 31, 0, 0, 1]})
    with pytest.raises(MapError, match="96x64, its camera 100x64"):
        ReferenceMap.load(folder).reference(0)


@pytest.mark.parametrize("name, old, new, said", [
    ("trajectory.txt", "0.25 0.0 0.7", "nan 0.0 0.7", "trajectory.txt, line 2"),
    ("trajectory.txt", "0.5 -0.5 0.5", "0.9 -0.9 0.9", "trajectory.txt, line 1"),
    ("trajectory.txt", "0.25 0.0 0.7", "x y z", "trajectory.txt, line 2"),
    ("trajectory.txt", "0.25 0.0 0.7", "1e8 0.0 0.7", "farther than 1e+07 m"),
    ("keyframes.csv", "1000250000000", "1" + 30 * "0", "keyframes.csv, keyframe 1"),
    ("trajectory.txt", "0.25 0.0 0.7", "0.25", "6 numbers"),
    ("keyframes.csv", "1,noon,1000250000000", "1,noon,soon", "keyframe 1"),
    ("keyframes.csv", "1,noon,", "2,noon,", "keyframe 1"),
    ("keyframes.csv", "1,noon,", "1,night,", "'night' is not in map.yaml"),
    ("keyframes.csv", "1,noon,", "1,", "keyframe 1"),
    ("keyframes.csv", "stamp_ns", "time", "columns"),
])
def test_tables_that_say_nonsense(folder, name, old, new, said):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    with_new_sums(folder)
    refused(folder, said, str(folder))


def test_tables_of_unequal_length(folder):
    lines = (folder / "trajectory.txt").read_text().splitlines(keepends=True)
    (folder / "trajectory.txt").write_text("".join(lines[:-1]))
    with_new_sums(folder)
    refused(folder, "4 poses", "5 keyframes")


def test_an_unexpected_file_is_no_part_of_the_map(folder):
    (folder / "images" / "000099.jpg").write_bytes(b"x")
    ReferenceMap.load(folder)
    with_new_sums(folder)
    refused(folder, "000099.jpg", "no file of this map")


def test_links_that_lead_outside_are_not_followed(folder, tmp_path):
    outside = tmp_path / "outside.jpg"
    shutil.move(folder / "images" / "000000.jpg", outside)
    (folder / "images" / "000000.jpg").symlink_to(outside)
    refused(folder, "images/000000.jpg is a link")
    (folder / "images" / "000000.jpg").unlink()
    shutil.move(folder / "features", tmp_path / "features")
    (folder / "features").symlink_to(tmp_path / "features")
    refused(folder, "is a link")


def test_a_picture_that_is_none(folder):
    (folder / "images" / "000000.jpg").write_bytes(b"\xff\xd8 no picture")
    with_new_sums(folder)
    with pytest.raises(MapError, match="images/000000.jpg"):
        ReferenceMap.load(folder).reference(0)


def test_features_that_are_none(folder):
    (folder / "features" / "000000.safetensors").write_bytes(b"\xff" * 64)
    with_new_sums(folder)
    with pytest.raises(MapError, match="features/000000.safetensors"):
        ReferenceMap.load(folder).reference(0)


def test_what_is_no_map(tmp_path):
    refused(tmp_path / "nowhere", "there is no map", "nowhere", "teach")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "is a file")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "has no map.yaml")
    (tmp_path / "empty" / "map.yaml").write_text("image: map.pgm\nresolution: 0.05\n")  # that of nav2
    refused(tmp_path / "empty", "is not that of a map")


@pytest.mark.parametrize("index", [-1, 5, 10**9])
def test_there_are_only_so_many_keyframes(taught, index):
    with pytest.raises(MapError, match=f"keyframe {index} is not among the 5"):
        ReferenceMap.load(taught).reference(index)


def test_decoded_keyframes_are_kept_but_not_too_many(tmp_path):
    loaded = teach(tmp_path / "map", length=5.0)
    assert len(loaded) > CACHED + 2
    first = loaded.reference(0)
    assert loaded.reference(0) is first
    for index in range(len(loaded)):
        loaded.reference(index)
    assert len(loaded._cache) == CACHED and loaded.reference(0) is not first


def test_tables_come_back_bit_for_bit(rng):
    n = 7
    table = keyframes.Keyframes(
        poses=np.array([pose(*rng.normal(0, 1e4, 2), rng.uniform(-180, 180), pitch_deg=rng.uniform(-9, 9)) for _ in range(n)]),
        stamps_ns=1_700_000_000_123_456_789 + np.arange(n), run_of=np.array([0, 0, 0, 1, 1, 1, 1]), sharpness=rng.uniform(0, 1e4, n),
        light=rng.random((n, 7)).astype(np.float32), grounds=np.where(np.arange(n)[:, None] == 2, np.nan, rng.normal(size=(n, 4))))
    runs = ("noon, early", 'the "second"')
    again = keyframes.from_files(keyframes.to_csv(table, runs), keyframes.to_tum(table), runs)
    assert np.array_equal(again.stamps_ns, table.stamps_ns) and np.array_equal(again.run_of, table.run_of)
    assert np.array_equal(again.grounds, table.grounds, equal_nan=True)
    assert np.array_equal(again.poses[:, :3, 3], table.poses[:, :3, 3]) and np.allclose(again.poses, table.poses, atol=1e-12)
    assert np.allclose(again.light, table.light, rtol=1e-5) and np.allclose(again.sharpness, table.sharpness, rtol=1e-5)
    assert keyframes.to_tum(table).decode().startswith("1700000000.123456789 ")


def test_a_map_may_be_reached_by_a_link(folder, tmp_path):
    (tmp_path / "current").symlink_to(folder)
    assert ReferenceMap.load(tmp_path / "current").checksum == ReferenceMap.load(folder).checksum


def test_the_keyframes_that_were_asked_for_last_are_kept(tmp_path):
    loaded = teach(tmp_path / "long", length=3.0)
    assert len(loaded) > CACHED
    first = loaded.reference(0)
    for index in range(1, len(loaded)):
        loaded.reference(index)
        assert loaded.reference(0) is first
