"""Learning from a pair several times: as often as asked, of the latest pairs, each time mirrored and lit anew with its truth."""

from itertools import islice

import pytest
import torch

from umad_patrol.train.echo import GAIN, echoed

CPU = torch.device("cpu")
COUNT, SIDE = 4, 16


def batches(number):
    """Batch n: queries of grey 10 n + i, references twice as bright, the left third new."""
    for n in range(number):
        query = (10 * n + torch.arange(COUNT, dtype=torch.uint8))[:, None, None, None].repeat(1, 3, SIDE, SIDE)
        target = torch.zeros(COUNT, 3, SIDE, SIDE, dtype=torch.uint8)
        target[..., :5] = 1
        query[..., :5] += 100
        yield query, query // 2, torch.ones(COUNT, 1, SIDE, SIDE, dtype=torch.uint8), target, target.half()


def draw(seed=0):
    return lambda number: torch.Generator().manual_seed(1000 * seed + number)


@pytest.mark.parametrize("times", [1, 3])
def test_so_many_batches_for_each_that_comes_of_the_same_shapes_and_types(times):
    plain = next(batches(1))
    found = list(echoed(batches(5), times, CPU, draw()))
    assert len(found) == 5 * times
    for batch in found:
        assert [part.shape for part in batch] == [part.shape for part in plain] and [part.dtype for part in batch] == [part.dtype for part in plain]


def test_the_truth_is_mirrored_with_the_pictures():
    sides = set()
    for query, reference, _, target, weight in echoed(batches(6), 4, CPU, draw()):
        for i in range(COUNT):
            new = target[i, 0] > 0
            assert new.sum() == 5 * SIDE and torch.equal(weight[i, 0] > 0, new)
            assert query[i, 0][new].float().min() > query[i, 0][~new].float().max() and reference[i, 0][new].float().min() > reference[i, 0][~new].float().max()
            sides.add(bool(new[0, 0]))
    assert sides == {True, False}


def test_each_time_in_another_light_but_not_far_from_it():
    queries = torch.stack([query[i, :, 0, 0].float() for query, *_ in echoed(batches(1), 50, CPU, draw()) for i in range(COUNT)])
    bright = queries[queries[:, 0] > 60]
    assert len(torch.unique(bright, dim=0)) > 20 and bright.min() >= 100 * (1 - GAIN) - 1 and bright.max() <= 103 * (1 + GAIN)


def test_of_the_latest_alone():
    seen = [query.amin((1, 2, 3)) for query, *_ in echoed(batches(12), 2, CPU, draw(), pool_size=2 * COUNT)]
    assert float(torch.stack(seen[-2:]).min()) >= 10 * 10 * (1 - GAIN) - 1 and float(torch.stack(seen).min()) < 5


def test_the_same_draw_gives_the_same():
    one, same, other = (list(echoed(batches(3), 2, CPU, draw(seed))) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for x, y in zip(one, same) for a, b in zip(x, y))
    assert not all(torch.equal(a, b) for x, y in zip(one, other) for a, b in zip(x, y))


@pytest.mark.parametrize("begin", [0, 5, 6, 17, 18, 23])
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(begin):
    times, pool_size = 3, 10     # two and a half batches
    whole = list(echoed(batches(8), times, CPU, draw(), pool_size))
    first = max(0, begin // times - 2)
    rest = list(echoed(islice(batches(8), first, None), times, CPU, draw(), pool_size, first, begin))
    assert len(rest) == len(whole) - begin
    assert all(torch.equal(a, b) for x, y in zip(whole[begin:], rest) for a, b in zip(x, y))
