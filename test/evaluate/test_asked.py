"""What the network is asked as pairs are compared: all of it, as the halves take it, anew each time."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from fake_data import write_pairs  # noqa: E402

from umad_patrol.detect.change_net.graphs import INPUTS  # noqa: E402
from umad_patrol.detect.change_net.weights import SHIPPED  # noqa: E402
from umad_patrol.errors import DatasetError  # noqa: E402
from umad_patrol.evaluate import asked  # noqa: E402
from umad_patrol.evaluate.asked import Asked  # noqa: E402
from umad_patrol.evaluate.detection import read_truth  # noqa: E402
from umad_patrol.evaluate.pairs import find_pairs  # noqa: E402


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    write_pairs(root, 6)
    return find_pairs(root)


def test_each_pair_is_asked_about_once_and_again_when_told_so(pairs):
    asked = Asked(str(SHIPPED), pairs)
    for _ in range(2):
        encoded, compared = list(asked.of("encode", False)), list(asked.of("compare", False))
        assert len(encoded) == 2 * len(pairs) and len(compared) == len(pairs)
    assert all(set(feeds) == set(INPUTS["compare"]) for feeds in compared) and all(feeds["picture"].dtype == np.float32 for feeds in encoded)
    height, width = encoded[0]["picture"].shape[2:]
    assert compared[0]["valid"].shape == (1, 1, height, width) and compared[0]["query_4"].shape[2:] == (height // 4, width // 4)


@pytest.mark.parametrize("most, taken", [(2, [0, 3]), (3, [0, 2, 4]), (4, [0, 1, 3, 4]), (6, [0, 1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5])])
def test_of_many_pairs_some_are_taken_evenly(pairs, monkeypatch, most, taken):
    monkeypatch.setattr(asked, "PAIRS", most)
    read = []
    monkeypatch.setattr(asked, "read_truth", lambda pair, size: read.append(pair) or read_truth(pair, size))
    assert len(list(Asked(str(SHIPPED), pairs).of("compare", False))) == len(taken) and read == [pairs[number] for number in taken]


def test_closer_looks_are_noted_apart(pairs, monkeypatch):
    monkeypatch.setattr("umad_patrol.detect.change_net.closer.PERHAPS", 1e-4)
    feeds = list(Asked(str(SHIPPED), pairs).of("encode", True))
    assert feeds and all(each["picture"].shape[1:] == (3, 128, 128) for each in feeds)


def test_where_nothing_is_looked_at_closer_it_says_so(pairs, monkeypatch):
    monkeypatch.setattr("umad_patrol.detect.change_net.closer.PERHAPS", 0.9)
    with pytest.raises(DatasetError, match="in these 6 pairs nothing is perhaps new"):
        list(Asked(str(SHIPPED), pairs).of("encode", True))
