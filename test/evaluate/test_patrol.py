"""Planted against found: matching by hand-made cases, and the truth files."""

import dataclasses
import json

import numpy as np
import pytest
import yaml

from umad_patrol.alerts.store import AlertStore
from umad_patrol.cli.main import main
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.patrol import DUPLICATE, DYNAMIC, FALSE, MOVED, Moved, Passer, Planted, Truth, load_truth, match_alerts
from umad_patrol.records import Alert


def alert(number, x, y=0.0, first=0.0, last=1.0):
    return Alert(f"A{number:04d}", "active", "anomaly", 0.8, (x, y, 0.0), (0.3, 0.3), int(first * 1e9), int(last * 1e9), 5)


def planted(name, x, y=0.0, near=3.0):
    return Planted(name, "cone", (x, y, 0.0), near, 20)


TRUTH = Truth(tuple(planted(f"cone-{i}", 10.0 * i) for i in range(10)),
              (Moved("bin-1", "bin", (5.0, 5.0, 0.0), (5.0, 8.0, 0.0)),),
              (Passer("p1", "person", np.array([[t, 2.0 * t, -3.0, 0.0] for t in range(30)])),
               Passer("c1", "car", np.array([[t, 2.0 * t, -30.0, 0.0] for t in range(30)]))))


def test_all_found():
    score = match_alerts([alert(i, 10.0 * i + 0.3) for i in range(10)], TRUTH)
    assert score.planted == score.found == 10 and score.passes() and not score.extras
    assert all(row.error_m == pytest.approx(0.3) for row in score.rows)


def test_nine_of_ten_and_one_false_pass_and_no_less():
    nine = [alert(i, 10.0 * i) for i in range(9)]
    stray = [alert(20, 33.0, 20.0), alert(21, 43.0, 20.0)]
    assert match_alerts(nine + stray[:1], TRUTH).passes()
    assert not match_alerts(nine + stray, TRUTH).passes()
    assert not match_alerts(nine[:8], TRUTH).passes()
    assert not match_alerts([], Truth(())).passes()


def test_misplaced_is_not_found_but_not_false_either():
    score = match_alerts([alert(0, 0.7)], TRUTH)
    assert score.found == 0 and score.rows[0].error_m == pytest.approx(0.7) and not score.extras
    assert "misplaced" in score.text()


def test_pairs_are_one_to_one_and_nearest_first():
    score = match_alerts([alert(1, 0.4), alert(2, 0.1)], TRUTH)
    assert score.rows[0].alert.id == "A0002"
    assert [(e.alert.id, e.kind, e.near) for e in score.extras] == [("A0001", DUPLICATE, "cone-0")]
    assert score.false_alerts == 1


@pytest.mark.parametrize("extra, kind", [
    (alert(1, 5.5, 5.0), MOVED), (alert(1, 5.0, 8.6), MOVED),
    (alert(1, 20.0, -2.0, 9.0, 11.0), DYNAMIC), (alert(1, 20.0, -2.0, 20.0, 22.0), FALSE), (alert(1, 20.0, -5.0, 9.0, 11.0), FALSE),
    (alert(1, 20.0, -27.5, 9.0, 11.0), DYNAMIC), (alert(1, 5.0, 20.0), FALSE),
])
def test_other_alerts_are_told_apart(extra, kind):
    score = match_alerts([extra], TRUTH)
    assert [e.kind for e in score.extras] == [kind]
    assert score.to_dict()[{MOVED: "moved", DYNAMIC: "dynamic", FALSE: "false"}[kind]] == 1
    assert kind in score.text()


def test_no_alert_on_a_passer_is_forgiven():
    assert not match_alerts([*(alert(i, 10.0 * i) for i in range(10)), alert(30, 22.0, -2.5, 10.0, 12.0)], TRUTH).passes()


def test_what_never_came_near_does_not_count():
    truth = Truth((planted("far", 0.0, near=9.0), planted("unseen", 20.0, near=None), planted("near", 40.0, near=8.0)))
    score = match_alerts([alert(1, 40.0), alert(2, 0.0)], truth)
    assert (score.planted, score.found) == (1, 1) and score.passes() and "(yes)" in score.text() and "(no)" in score.text()
    assert not score.extras


def test_a_cleared_alert_was_raised_all_the_same():
    raised = dataclasses.replace(alert(1, 5.0, 20.0), state="cleared")
    assert match_alerts([raised], TRUTH).false_alerts == 1


def write(folder, **files):
    for name, rows in files.items():
        (folder / f"{name}.yaml").write_text(rows if isinstance(rows, str) else yaml.safe_dump(rows))


def test_truth_files_are_read(tmp_path):
    write(tmp_path, anomalies=[{"id": "cone-3", "kind": "cone", "position": [1, 2, 0], "size": [1, 1, 1], "min_range_m": None, "visible_frames": 0}],
          moved=[{"id": "bin-1", "kind": "bin", "old_position": [0, 0, 0], "new_position": [1, 0, 0], "size": [1, 1, 1]}],
          dynamics=[{"id": "p", "kind": "person", "speed_mps": 1.2, "path": [[2_000_000_000, 1.0, 2.0, 0.0]]}])
    truth = load_truth(tmp_path)
    assert truth.planted == (Planted("cone-3", "cone", (1.0, 2.0, 0.0), None, 0),)
    assert truth.moved[0].new == (1.0, 0.0, 0.0) and truth.passers[0].path.tolist() == [[2.0, 1.0, 2.0, 0.0]]


@pytest.mark.parametrize("text", ["{", "7", "[7]", "[{id: a, kind: b}]", "[{id: a, kind: b, position: [1, 2]}]", "[{id: a, kind: b, position: x}]", "[{id: a, kind: b, position: [.nan, 1, 2]}]"])
def test_bad_truth_is_named(tmp_path, text):
    write(tmp_path, anomalies=text)
    with pytest.raises(DatasetError, match="truth"):
        load_truth(tmp_path)


def test_missing_truth_is_named(tmp_path):
    with pytest.raises(DatasetError, match="anomalies.yaml"):
        load_truth(tmp_path)
    write(tmp_path, anomalies=[])
    assert load_truth(tmp_path) == Truth(())


@pytest.fixture
def patrolled(tmp_path):
    """A patrol's folder with two alerts and the truth that one of them is about."""
    with AlertStore(tmp_path / "out") as store:
        store.save([alert(1, 10.2), alert(2, 30.0, 20.0)])
    (tmp_path / "truth").mkdir()
    row = {"id": "cone-1", "kind": "cone", "position": [10.0, 0.0, 0.0], "min_range_m": 3.0, "visible_frames": 20}
    (tmp_path / "truth" / "anomalies.yaml").write_text(yaml.safe_dump([row]))
    return tmp_path


def test_the_verb_scores_what_a_patrol_wrote(patrolled, capsys):
    result = patrolled / "r.json"
    assert main(["evaluate", "patrol", str(patrolled / "out"), "--truth", str(patrolled / "truth"), "--json", str(result)]) == 0
    assert "found 1 of 1 planted anomalies" in capsys.readouterr().out
    score = json.loads(result.read_text())
    assert (score["planted"], score["found"], score["false"]) == (1, 1, 1) and score["anomalies"][0]["error_m"] == pytest.approx(0.2)


@pytest.mark.parametrize("out, truth, says", [("nowhere", "truth", "no alerts in"), ("out", "nowhere", "anomalies.yaml")])
def test_the_verb_names_what_is_missing(patrolled, capsys, out, truth, says):
    assert main(["evaluate", "patrol", str(patrolled / out), "--truth", str(patrolled / truth)]) == 2
    assert says in capsys.readouterr().err and not (patrolled / "nowhere").exists()


@pytest.mark.parametrize("stamp, status", [(10**9, 0), (10**9 + 1, 2)])
def test_the_truth_of_another_world_is_refused(patrolled, capsys, stamp, status):
    """Worlds begin alike; their stamps differ by nanoseconds."""
    (patrolled / "truth" / "masks").mkdir()
    (patrolled / "truth" / "masks" / f"{stamp}.png").touch()
    assert main(["evaluate", "patrol", str(patrolled / "out"), "--truth", str(patrolled / "truth")]) == status
    said = capsys.readouterr()
    assert ("another world's" in said.err) == (not said.out) == (status == 2)


@pytest.mark.parametrize("rows, says", [("[{id: a, kind: b, position: [1, 2, 0], min_range_m: near}]", "min_range_m 'near'"),
                                        ("[{id: a, kind: b, position: [1, 2, 0], visible_frames: [1]}]", "visible_frames"),
                                        ("[{id: a, kind: b, position: [1, 2, 0], min_range_m: 2020-13-45}]", "month")])
def test_figures_that_are_none_are_named(tmp_path, rows, says):
    write(tmp_path, anomalies=rows)
    with pytest.raises(DatasetError, match=says):
        load_truth(tmp_path)
    write(tmp_path, anomalies=[], dynamics="[{id: p, kind: person, path: [[1, 2, 3]]}]")
    with pytest.raises(DatasetError, match="path .* is no list"):
        load_truth(tmp_path)
