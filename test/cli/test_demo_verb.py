"""`demo`: what it refuses leaves nothing behind; all of it is what `make demo` runs."""

from umad_patrol.cli import demo
from umad_patrol.cli.main import main
from umad_patrol.errors import SimulationError
from umad_patrol.io.folders import new_folder


def test_what_cannot_be_made_leaves_nothing(tmp_path, capsys):
    for words in (["--frames", "0"], ["--seed", "-1"], ["--rate", "99"]):
        assert main(["demo", "--out", str(tmp_path / "demo"), *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_the_world_is_made_once(tmp_path, monkeypatch):
    made = []

    def simulate(out, **how):
        with new_folder(out, SimulationError) as folder:
            (folder / "teach").mkdir()
        made.append(how)

    monkeypatch.setattr(demo, "write_simulation", simulate)
    for seed in (1, 1, 2):
        assert (demo._world(tmp_path / "new" / "demo", seed, 50) / "teach").is_dir()
    assert [how["seed"] for how in made] == [1, 2]
