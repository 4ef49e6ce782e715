"""Samples as a folder of pairs: what scores them reads them as they were made."""

import numpy as np
import torch

from umad_patrol.evaluate.detection import read_truth
from umad_patrol.evaluate.pairs import find_pairs
from umad_patrol.evaluate.umad_data import decode_labels
from umad_patrol.train.held import labels, write_pairs

SIDE = 32


def test_pictures_and_truth_come_back(tmp_path):
    generator = torch.Generator().manual_seed(1)
    query, reference = (torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8, generator=generator) for _ in range(2))
    valid, target, weight = torch.ones(1, SIDE, SIDE), torch.zeros(3, SIDE, SIDE), torch.ones(3, SIDE, SIDE)
    valid[:, :4] = 0
    target[0, 8:12, 8:12], target[1, 16:20, 4:8], target[2, 24:28, 4:8] = 1, 1, 1
    weight[0, 30, 30] = 0
    write_pairs([(query, reference, valid, target, weight)], tmp_path)
    pair, = find_pairs(tmp_path, needs=("labels",))
    before, now = pair.pictures()
    assert np.array_equal(now[..., ::-1].transpose(2, 0, 1), query.numpy()) and np.array_equal(before[..., ::-1].transpose(2, 0, 1), reference.numpy())
    truth = read_truth(pair, (SIDE, SIDE))
    masks = decode_labels(truth.labels)
    assert np.array_equal(masks.anomaly, target[0].numpy() > 0) and np.array_equal(masks.dynamic_query, target[1].numpy() > 0)
    moved = target[2].numpy() > 0
    moved[30, 30] = True
    assert np.array_equal(masks.moved_query, moved) and np.array_equal(truth.valid, valid[0].numpy() > 0)
    assert truth.horizon == 0 and not truth.counted[:7].any() and truth.counted[7:].all()


def test_a_new_thing_where_another_was_is_new():
    target = np.zeros((3, 2, 2), bool)
    target[0, 0], target[2, 0, 0] = True, True
    unasked = np.zeros((2, 2), bool)
    unasked[0, 1] = True
    assert labels(target, unasked).tolist() == [[128, 8], [0, 0]]
