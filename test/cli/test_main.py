"""The command line as a whole: help, exit status, JSON."""

import json
import subprocess
import sys

import pytest

from umad_patrol.cli.main import VERBS, main


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


def test_settings_as_json(tmp_path, capsys):
    target = tmp_path / "s.json"
    assert main(["settings", "--set", "align.theta_m=0.2", "--json", str(target)]) == 0
    assert json.loads(target.read_text())["align.theta_m"] == 0.2
    assert "align.theta_m" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [target]


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


def test_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "umad_patrol.cli.main", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip()
