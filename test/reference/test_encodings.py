"""What a detector made of keyframes comes back as it was kept, or not at all."""

import logging

import pytest
import torch

from umad_patrol.reference.encodings import Encodings

TENSORS = {"a": torch.arange(12, dtype=torch.float16).reshape(3, 4), "b": torch.tensor([7, 8], dtype=torch.int32)}


@pytest.fixture
def kept(tmp_path):
    found = Encodings(tmp_path, "map 1", "model 1")
    found.write(3, 16, TENSORS)
    return found


def test_it_comes_back_and_nothing_is_left_beside(kept):
    back = kept.read(3, 16)
    assert back.keys() == TENSORS.keys() and all(torch.equal(back[name], TENSORS[name]) for name in TENSORS)
    assert [path.name for path in kept.folder.iterdir()] == ["000003.safetensors"] and kept.size_bytes() > 24


def test_where_nothing_is_kept_nothing_comes(tmp_path, kept):
    assert kept.read(4, 16) is None
    (tmp_path / "bare").mkdir()
    bare = Encodings(tmp_path / "bare", "map 1", "model 1")
    assert bare.read(3, 16) is None and not bare.folder.exists() and bare.size_bytes() == 0


@pytest.mark.parametrize(("map_checksum", "model", "top"), [("map 2", "model 1", 16), ("map 1", "model 2", 16), ("map 1", "model 1", 32)])
def test_that_of_another_map_model_or_row_counts_as_none(tmp_path, kept, map_checksum, model, top):
    assert Encodings(tmp_path, map_checksum, model).read(3, top) is None


@pytest.mark.parametrize("spoil", [
    lambda data: data[:-1], lambda data: data[:20], lambda data: b"", lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], lambda data: b"\xff" * 64,
])
def test_a_damaged_file_is_named_and_counts_as_none(kept, spoil, caplog):
    path = kept.path(3)
    path.write_bytes(spoil(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert kept.read(3, 16) is None
    assert str(path) in caplog.text and "umad-patrol encode" in caplog.text


def test_a_link_is_not_followed(tmp_path, kept):
    kept.path(3).rename(tmp_path / "elsewhere")
    kept.path(3).symlink_to(tmp_path / "elsewhere")
    assert kept.read(3, 16) is None


def test_removed_it_is_gone(tmp_path, kept):
    kept.remove()
    assert not kept.folder.exists() and kept.read(3, 16) is None
    kept.remove()
    assert [path.name for path in tmp_path.iterdir()] == []


def test_of_a_folder_that_is_a_link_what_was_kept_is_removed_and_the_link(tmp_path, kept):
    kept.folder.rename(tmp_path / "disk")
    (tmp_path / "disk" / "notes").touch()
    kept.folder.symlink_to(tmp_path / "disk")
    assert kept.read(3, 16) is not None
    kept.remove()
    assert kept.read(3, 16) is None and not kept.folder.is_symlink() and [path.name for path in (tmp_path / "disk").iterdir()] == ["notes"]


def test_a_folder_that_may_not_be_looked_into_counts_as_none(kept, monkeypatch, caplog):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.is_symlink", refused)     # what lstat says without the right to search the folder
    with caplog.at_level(logging.WARNING):
        assert kept.read(3, 16) is None
    assert "Permission denied" in caplog.text
