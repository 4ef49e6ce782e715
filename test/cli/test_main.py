"""The command line as a whole: help, exit status, JSON."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from umad_patrol.cli.main import VERBS, _parser, main, settings_of
from umad_patrol.config import describe

BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert f"example: umad-patrol {verb}" in shown and "--json" in shown


def test_no_verb_and_unknown_verb_are_usage_errors():
    for words in ([], ["fly"], ["--nope"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2


@pytest.mark.parametrize("words, said", [
    (["simulat", "x"], "did you mean simulate?"),
    (["evaluate", "detectoin", "x"], "did you mean detection?"),
    (["teach", "bag", "map", "--rnu", "x"], "umad-patrol teach: unrecognized arguments: --rnu x; did you mean --run? (umad-patrol teach --help"),
    (["evaluate", "detection", "x", "--jsn", "y"], "umad-patrol evaluate detection: unrecognized arguments: --jsn y; did you mean --json?"),
    (["replay", "bag", "--mapp=x", "--out", "o"], "umad-patrol replay: the following arguments are required: --map; there is no --mapp; did you mean --map? ("),
    (["replay", "bag", "--ou", "x"], "umad-patrol replay: the following arguments are required: --map (umad")])
def test_a_slip_of_the_keys_is_told_with_what_was_meant(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    line, = capsys.readouterr().err.splitlines()
    assert said in line


def test_settings_as_json(tmp_path, capsys):
    target = tmp_path / "s.json"
    assert main(["settings", "--set", "align.theta_m=0.2", "--json", str(target)]) == 0
    assert json.loads(target.read_text())["align.theta_m"] == 0.2
    assert "align.theta_m" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [target]


def test_the_table_of_settings_has_straight_columns(capsys):
    assert main(["settings", "--set", "input.body_t_lidar=0 0 0.5 0 0 0 1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    texts = {info.name: info.text for info in describe()}
    assert len({line.index(" " + texts[line.split()[0]]) for line in lines}) == 1
    said = {line.split()[0]: line for line in lines}
    assert "()" not in said["input.body_t_camera"] and " 0 0 0.5 0 0 0 1 " in said["input.body_t_lidar"]


def test_on_standard_output_json_stands_alone(capsys):
    assert main(["settings", "--json", "-"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["align.theta_m"] and "align.theta_m" in said.err


@pytest.mark.parametrize("words", [
    ["settings", "--set", "align.theta_m=9"],
    ["settings", "--set", "nonsense"],
    ["settings", "--config", "/nowhere/at.yaml"],
    ["settings", "--json", "/nowhere/at/all.json"],
])
def test_bad_input_is_one_line_and_status_2(words, capsys):
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("umad-patrol settings:")


def test_what_a_verb_was_given_before_and_after_its_target_counts_together():
    words = ["evaluate", "--set", "align.levels=3", "alignment", "DIR", "--set", "align.ratio=0.8", "--set", "align.levels=2"]
    align = settings_of(_parser(words).parse_args(words)).align
    assert (align.levels, align.ratio) == (2, 0.8)
    words = ["evaluate", "--set", "align.levels=3", "alignment", "DIR", "--set", "align.ratio=0.8"]
    assert settings_of(_parser(words).parse_args(words)).align.levels == 3


@pytest.mark.parametrize("words", [["inspect", "m"], ["simulate", "w"], ["train", "r"], ["evaluate", "patrol", "p", "--truth", "t"]])
@pytest.mark.parametrize("bad", [["--set", "bogus=1"], ["--config", "/nowhere.yaml"]])
def test_a_bad_setting_is_refused_by_every_verb(words, bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*words, *bad]) == 2
    line, = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"umad-patrol {words[0]}:") and ("bogus" in line or "/nowhere.yaml" in line) and not list(tmp_path.iterdir())


def test_where_json_cannot_go_no_work_begins(tmp_path, capsys):
    assert main(["settings", "--json", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "cannot be written" in said.err and not said.out and not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_one_line_and_status_2(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert main(["settings", "--json", str(tmp_path / "all.json")]) == 2
    line, = capsys.readouterr().err.strip().splitlines()
    assert line == f"umad-patrol settings: No space left on device: '{tmp_path / 'all.json'}'; free space there, or write elsewhere" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("closed, words", [("stdout", ["-u"]), ("stdout", []), ("stderr", ["-u"])])
def test_a_reader_that_has_seen_enough_ends_no_work(tmp_path, closed, words):
    """As `umad-patrol settings --json FILE | head -1` has it: the file is written all the same, and nobody is bothered."""
    reader, writer = os.pipe()
    os.close(reader)
    target = str(tmp_path / "s.json") if closed == "stdout" else "-"    # then the table goes to standard error
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {closed: writer}
    told = subprocess.run([sys.executable, *words, "-m", "umad_patrol.cli.main", "settings", "--json", target], text=True, check=False, env=BUFFERED, **streams)
    os.close(writer)
    found = (tmp_path / "s.json").read_text() if closed == "stdout" else told.stdout
    assert told.returncode == 0 and not told.stderr and json.loads(found)["device"] == "auto"


def test_short_output_to_a_closed_pipe_says_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run([sys.executable, "-m", "umad_patrol.cli.main", "--version"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=BUFFERED)
    os.close(writer)
    assert told.returncode == 0 and not told.stderr


def test_standard_output_on_a_full_disk_is_one_line_and_status_2():
    with open("/dev/full", "w") as full:
        told = subprocess.run([sys.executable, "-m", "umad_patrol.cli.main", "settings"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert told.stderr.startswith("umad-patrol settings: No space left on device") and told.stderr.count("\n") == 1, told


def test_letters_that_a_terminal_lacks_end_no_work(tmp_path):
    words = [sys.executable, "-m", "umad_patrol.cli.main", "inspect", str(tmp_path / "M\u00fcnchen \u2013 \u5317\u4eac")]
    told = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii:strict"})
    assert told.returncode == 2 and b"no map" in told.stderr and b"\\u5317" in told.stderr
    code = "from umad_patrol.cli.outlet import outlets\nwith outlets(): print('\\u5317 ok')"
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False, env={**os.environ, "PYTHONIOENCODING": "latin-1:strict"})
    assert told.returncode == 0 and told.stdout == b"\\u5317 ok\n"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_half_made(tmp_path, sign):
    words = [sys.executable, "-m", "umad_patrol.cli.main", "simulate", str(tmp_path / "world"), "--frames", "60", "--workers", "1"]
    heard = signal.signal(sign, signal.SIG_DFL)     # a test that runs in the background has it ignored, and a child inherits that
    done = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    signal.signal(sign, heard)
    try:
        end = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < end:
            time.sleep(0.05)
        done.send_signal(sign)
        told = done.communicate(timeout=60)[1]
    finally:
        done.kill()
    assert done.returncode == 130 and "umad-patrol: interrupted" in told and "Traceback" not in told and not list(tmp_path.iterdir())


def test_a_signal_while_a_verb_is_imported_is_an_interruption(monkeypatch, capsys):
    def interrupted(words):
        raise KeyboardInterrupt

    monkeypatch.setattr("umad_patrol.cli.main._parser", interrupted)
    assert main(["detect"]) == 130 and capsys.readouterr().err == "umad-patrol: interrupted\n"


def test_the_demo_replaces_nothing_that_no_demo_made(tmp_path, capsys):
    (tmp_path / "map").mkdir()
    (tmp_path / "map/mine.txt").write_text("x")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "holds 'map', which no demo made" in capsys.readouterr().err and (tmp_path / "map/mine.txt").exists()
    pytest.importorskip("rclpy", reason="no ROS 2 here")
    (tmp_path / "map/mine.txt").rename(tmp_path / "mine.txt")
    (tmp_path / "map").rmdir()
    (tmp_path / "world").mkdir()
    (tmp_path / "world.yaml").write_text("version: 0\n")
    assert main(["demo", "--out", str(tmp_path), "--frames", "0"]) == 2
    assert "0 frames" in capsys.readouterr().err and (tmp_path / "world").is_dir()


def test_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "umad_patrol.cli.main", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip()


@pytest.mark.parametrize("words", [["settings", "--config", ""], ["detect", "a.png", "b.png", "--out", ""], ["detect", "", "b.png", "--out", "o"],
                                   ["export", "o", "--int8", ""], ["replay", "b", "--map", "m", "--out", ""]])
def test_an_empty_word_is_refused(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["fly"], ["detect"], ["evaluate", "nothing"], ["simulate", "o", "--seed", "x"]])
def test_usage_errors_are_one_line(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1 and said.startswith("umad-patrol") and "--help" in said
