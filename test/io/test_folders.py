"""A folder is there whole or not at all."""

import os
import sys

import pytest

from umad_patrol.errors import DatasetError
from umad_patrol.io.folders import filled, new_folder, remove_leftovers, unfinished


def test_what_was_written_beside_takes_the_place(tmp_path):
    out = tmp_path / "out"
    out.mkdir()     # empty is as good as none
    with new_folder(out, DatasetError) as folder:
        (folder / "file").write_text("x")
        assert not list(out.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and (out / "file").read_text() == "x"


def test_nothing_is_left_where_it_went_wrong(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "out", DatasetError) as folder:
        (folder / "file").write_text("x")
        1 / 0
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_taken_away(tmp_path):
    for name in (".out.9.unfinished", ".outer.9.unfinished", ".out.20261101", ".out.old"):
        (tmp_path / name).mkdir()
    with new_folder(tmp_path / "out", DatasetError):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".outer.9.unfinished", ".out.20261101", ".out.old"}


def test_what_a_living_writer_is_at_stays(tmp_path):
    with new_folder(tmp_path / "out", DatasetError) as first:
        (first / "file").write_text("1")
        first.rename(tmp_path / ".out.9.unfinished")    # as if it were another process's
        with new_folder(tmp_path / "out", DatasetError) as second:
            assert (tmp_path / ".out.9.unfinished/file").exists()
            (second / "file").write_text("2")
        (tmp_path / ".out.9.unfinished").rename(first)
        (tmp_path / "out/file").unlink()
    assert (tmp_path / "out/file").read_text() == "1"


@pytest.mark.parametrize("name", ["full", "file", "nowhere/out"])
def test_what_cannot_be_made_is_refused_by_name(tmp_path, name):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("x")
    (tmp_path / "file").write_text("y")
    with pytest.raises(DatasetError, match=name.split("/")[0]), new_folder(tmp_path / name, DatasetError):
        raise AssertionError("not reached")
    assert (tmp_path / "full" / "kept").read_text() == "x" and (tmp_path / "file").read_text() == "y"


@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path, there):
    out = tmp_path / "out"
    if there:
        out.mkdir()
        (out / "mask.png").write_text("before")
    with pytest.raises(DatasetError, match="cannot write into .*out': No space left on device; free space"), filled(out, "result", DatasetError) as folder:
        (folder / "mask.png").write_text("now")
        raise OSError(28, "No space left on device")
    assert sorted(path.name for path in tmp_path.rglob("*")) == (["mask.png", "out"] if there else [])
    assert not there or (out / "mask.png").read_text() == "before"


def test_a_folder_that_is_there_keeps_what_is_not_written_anew(tmp_path):
    for text in ("before", "now"):
        with filled(tmp_path / "above" / "out", "result", DatasetError) as folder:
            (folder / "result").write_text(text)
            (folder / text).write_text(text)
    assert {path.name: path.read_text() for path in (tmp_path / "above" / "out").iterdir()} == {"before": "before", "result": "now", "now": "now"}


@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_leads_to_is_filled(tmp_path, there):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "real")
    if there:
        (tmp_path / "disk" / "real").mkdir()
    with new_folder(tmp_path / "out", DatasetError) as folder:
        (folder / "file").write_text("x")
    assert (tmp_path / "out").is_symlink() and (tmp_path / "out" / "file").read_text() == "x"
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["real"]


def test_one_that_another_writer_is_done_with_meanwhile_is_no_leftover(tmp_path):
    remove_leftovers([tmp_path / ".out.9.unfinished"])


@pytest.mark.parametrize("call", ["os.open", "fcntl.flock"])
def test_a_folder_taken_for_a_leftover_before_it_is_locked_is_made_again(tmp_path, monkeypatch, call):
    module, name = call.split(".")
    real, gone = getattr(sys.modules[module], name), []

    def late(*arguments, **named):
        if not gone:
            gone.append((tmp_path / ".out.unfinished").rmdir())
        return real(*arguments, **named)

    monkeypatch.setattr(call, late)
    with unfinished(tmp_path / ".out.unfinished"):
        (tmp_path / ".out.unfinished" / "file").touch()
    assert gone and not list(tmp_path.iterdir())


def test_a_disk_mounted_there_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: os.fspath(path) == str(tmp_path / "volume"))
    with pytest.raises(DatasetError, match="volume: a disk is mounted there; name a folder in it"), new_folder(tmp_path / "volume", DatasetError):
        pytest.fail("the work began")
    with new_folder(tmp_path / "volume" / "out", DatasetError):
        pass
