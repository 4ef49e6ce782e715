"""The README and the pages beside it tell of what there is: its table of settings, its verbs, its commands, its launch arguments and its files."""

import re
import shlex
from pathlib import Path

import pytest

from umad_patrol.cli.main import VERBS, _parser
from umad_patrol.cli.settings import markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MEASURED = (ROOT / "docs/measurements.md").read_text(encoding="utf-8")
BLOCKS = [line for block in re.findall(r"^```\n(.*?)^```", README, re.M | re.S) for line in block.replace("\\\n", " ").splitlines()]
VERB_LINES = [line for line in BLOCKS if line.startswith("umad-patrol ")] + [words for words in re.findall(r"`(umad-patrol [^`]+)`", README + MEASURED) if " " in words[12:]]
LAUNCH_LINES = [line for line in BLOCKS if line.startswith("ros2 launch ")]


def test_the_table_of_settings_is_that_of_the_code():
    assert markdown() in README, "replace the README's table with the output of: umad-patrol settings --markdown"


def test_every_verb_is_shown():
    for verb in VERBS:
        assert f"umad-patrol {verb}" in README or f"`{verb}" in README, verb


@pytest.mark.parametrize("line", dict.fromkeys(VERB_LINES))
def test_every_command_is_understood(line):
    words = shlex.split(re.sub(r"\bN\b", "1", line), comments=True)[1:]
    assert _parser(words).parse_args(words).verb == words[0]


@pytest.mark.parametrize("line", dict.fromkeys(LAUNCH_LINES))
def test_every_launch_argument_exists(line):
    words = shlex.split(line, comments=True)[3:]
    files = [ROOT / "launch" / words[0], ROOT / "umad_patrol/ros/launching.py"] + ([ROOT / "launch/patrol.launch.py"] if "replay" in words[0] else [])
    declared = set(re.findall(r'DeclareLaunchArgument\("(\w+)"', "".join(file.read_text(encoding="utf-8") for file in files)))
    assert {word.partition(":=")[0] for word in words[1:]} <= declared


@pytest.mark.parametrize("page", ["README.md", "docs/measurements.md", "docs/change_net_log.md", "umad_patrol/detect/change_net/MODEL_CARD.md"])
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert target.startswith("http") or ((ROOT / page).parent / target).is_file(), target
