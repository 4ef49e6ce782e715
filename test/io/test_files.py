"""Files come whole or not at all, links and pipes stay what they are, and what cannot be written is refused beforehand."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from umad_patrol.errors import ConfigError
from umad_patrol.io.files import PICTURES, check_file, check_folder, replaced


def write(path, text):
    with replaced(path) as file:
        file.write_text(text)


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.json"
    write(path, "1")
    with pytest.raises(RuntimeError), replaced(path) as file:
        file.write_text("half")
        raise RuntimeError
    assert path.read_text() == "1" and os.listdir(tmp_path) == ["a.json"]


def test_a_full_disk_is_told_by_the_name_that_was_asked_for(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, replaced(tmp_path / "a.json") as file:
        file.write_text("half")
        raise OSError(28, "No space left on device", str(file))
    assert caught.value.filename == str(tmp_path / "a.json") and not os.listdir(tmp_path)


def test_a_link_is_followed_and_a_folder_refused(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a").write_text("old")
    (tmp_path / "link").symlink_to("there/a")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there/a").read_text() == "new"
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "there", "x")
    assert os.listdir(tmp_path / "there") == ["a"]


def test_a_pipe_is_written_to(tmp_path):
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe, "told")
    reader.join(10)
    assert heard == ["told"] and pipe.is_fifo()


def test_a_pipe_of_the_shell_is_written_to():
    done = subprocess.run([sys.executable, "-c", "from umad_patrol.io.files import replaced\nwith replaced('/dev/stdout') as f: f.write_text('told')"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "told"), done.stderr


def test_what_cannot_be_written_is_refused_beforehand(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "none/a.png", tmp_path / "a.gif"):
        with pytest.raises(ConfigError, match=f"--plot '{path}' cannot be written; name a .png or .jpg or .jpeg file"):
            check_file("--plot", path, ConfigError, PICTURES)
    for path in (tmp_path / "file", tmp_path / "file/below/it"):
        with pytest.raises(ConfigError, match="--out .*file' is a file"):
            check_folder("--out", path, ConfigError)
    check_file("--plot", tmp_path / "a.PNG", ConfigError, PICTURES)
    check_file("--json", None, ConfigError)
    check_folder("--out", tmp_path / "new/below", ConfigError)
    check_folder("--out", None, ConfigError)


def test_several_threads_may_replace_one_file(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write(tmp_path / "a.json", f"{n:04d}"), range(400)))
    assert len((tmp_path / "a.json").read_text()) == 4 and os.listdir(tmp_path) == ["a.json"]
