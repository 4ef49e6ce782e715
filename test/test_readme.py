"""The README tells of what there is: its table of settings, its verbs."""

from pathlib import Path

from umad_patrol.cli.main import VERBS
from umad_patrol.cli.settings import markdown

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_that_of_the_code():
    assert markdown() in README, "replace the README's table with the output of: umad-patrol settings --markdown"


def test_every_verb_is_shown():
    for verb in VERBS:
        assert f"umad-patrol {verb}" in README or f"`{verb}" in README, verb
