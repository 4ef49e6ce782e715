"""The verb align: what it prints, writes and refuses."""

import json

import cv2
import numpy as np
import pytest

from umad_patrol.cli.main import main
from umad_patrol.io.images import read_image, write_image


@pytest.fixture
def pictures(tmp_path, rng):
    coarse = [rng.integers(0, 256, (240 // grain, 320 // grain, 3)).astype(np.uint8) for grain in (5, 12, 40)]
    texture = np.mean([cv2.resize(c, (320, 240), interpolation=cv2.INTER_CUBIC) for c in coarse], axis=0).astype(np.uint8)
    texture = cv2.convertScaleAbs(texture, alpha=2.0, beta=-128)
    texture[:, :, 0] //= 3  # reddish, so that swapped colours would show
    write_image(tmp_path / "reference.png", texture)
    write_image(tmp_path / "query.png", cv2.warpPerspective(texture, np.array([[1.0, 0, 9], [0, 1, 4], [0, 0, 1]]), (320, 240)))
    return tmp_path


def test_writes_what_it_says(pictures, capsys):
    out = pictures / "out"
    assert main(["align", str(pictures / "reference.png"), str(pictures / "query.png"), "--out", str(out), "--json", str(pictures / "r.json")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("comparable") and "query_H_reference" in text and "inliers" in text
    result = json.loads((out / "result.json").read_text())
    assert result == json.loads((pictures / "r.json").read_text()) and result["comparable"]
    np.testing.assert_allclose(result["query_H_reference"], [[1, 0, 9], [0, 1, 4], [0, 0, 1]], atol=0.2)
    warped, query = read_image(out / "warped.png"), read_image(pictures / "query.png")
    assert np.abs(warped.astype(int) - query)[10:, 15:].mean() < 4
    assert read_image(out / "before_after.png").shape == (480, 320, 3)
    assert sorted(path.name for path in out.iterdir()) == ["before_after.png", "result.json", "warped.png"]


def test_not_comparable_is_a_result(pictures, capsys):
    write_image(pictures / "black.png", np.zeros((240, 320, 3), np.uint8))
    out = pictures / "out"
    main(["align", str(pictures / "reference.png"), str(pictures / "query.png"), "--out", str(out)])
    assert main(["align", str(pictures / "reference.png"), str(pictures / "black.png"), "--out", str(out)]) == 0
    assert "not comparable: 0 inliers" in capsys.readouterr().out
    assert not json.loads((out / "result.json").read_text())["comparable"] and not (out / "warped.png").exists()


@pytest.mark.parametrize("name, content", [("missing.png", None), ("corrupt.jpg", b"\xff\xd8\xff"), ("empty.png", b"")])
def test_bad_files_are_one_line_and_status_2(pictures, capsys, name, content):
    if content is not None:
        (pictures / name).write_bytes(content)
    assert main(["align", str(pictures / "reference.png"), str(pictures / name)]) == 2
    error = capsys.readouterr().err
    assert name in error and error.count("\n") == 1


def test_a_1x1_picture_and_unequal_sizes(pictures, capsys):
    write_image(pictures / "dot.png", np.zeros((1, 1, 3), np.uint8))
    assert main(["align", str(pictures / "dot.png"), str(pictures / "query.png"), "--out", str(pictures / "a")]) == 0
    assert main(["align", str(pictures / "query.png"), str(pictures / "dot.png"), "--out", str(pictures / "b")]) == 0
    assert capsys.readouterr().out.count("not comparable") == 2


def test_rotation_without_poses_says_the_way_out(pictures, capsys):
    assert main(["align", str(pictures / "reference.png"), str(pictures / "query.png"), "--set", "align.method=rotation"]) == 2
    assert "adaptive" in capsys.readouterr().err
