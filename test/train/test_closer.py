"""Learning to look closer: windows where the first look says that something is perhaps new, as use cuts them; figures; going on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from umad_patrol.detect.change_net.closer import CLOSER, PERHAPS, SIDE_PX
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.detect.change_net.weights import load_weights
from umad_patrol.train import closer as learning
from umad_patrol.train.closer import SAID, CloserTrainer, doubt, lower, told_apart, windows_of
from umad_patrol.train.trainer import CHECKPOINT, TrainSettings

CPU = torch.device("cpu")
SIDE = 160
SPOT = slice(70, 80), slice(90, 98)     # rows and columns of what is new
SETTINGS = TrainSettings(minutes=1e9, batch=2, workers=0, validate_every=2)


class FirstLook(ChangeNet):
    """Says of what is darker in the query than in the reference that it is perhaps new, and nothing of all else."""

    def encode(self, pictures):
        return (pictures,)

    def compare(self, query, reference, valid):
        apart = torch.nn.functional.avg_pool2d((reference[0] - query[0]).clamp_min(0), 2).mean(1, keepdim=True)
        return torch.where(apart > 0.2, 0.0, -9.0).repeat(1, 3, 1, 1)


def sample(number, new=True):
    """Noise on grey, as `data.tensors` has it, and a dark spot in the query that is new or is not."""
    draw = torch.Generator().manual_seed(number)
    query, reference = (torch.randint(150, 170, (3, SIDE, SIDE), generator=draw, dtype=torch.uint8) for _ in range(2))
    query[:, *SPOT] = 20
    target = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    target[0][SPOT] = new
    return query, reference, torch.ones(1, SIDE, SIDE, dtype=torch.uint8), target, torch.ones(3, SIDE, SIDE, dtype=torch.float16)


class Samples(torch.utils.data.Dataset):
    """Items `start` to `end` of an endless row."""

    def __init__(self, start, end):
        self._start, self._end = start, end

    def __len__(self):
        return max(0, self._end - self._start)

    def __getitem__(self, index):
        return sample(self._start + index, new=(self._start + index) % 2 == 0)


@pytest.fixture(autouse=True)
def still(monkeypatch):
    """References are where the query's camera was, their features are their pictures, few windows are enough."""
    monkeypatch.setattr(learning, "lay", lambda features, seen: features)
    monkeypatch.setattr("umad_patrol.train.moved.STILL", 2.0)
    monkeypatch.setattr("umad_patrol.train.moved.homographies.__defaults__", (2.0,))
    monkeypatch.setattr(learning, "folded", lambda network: network)
    monkeypatch.setattr(learning, "AT_ONCE", 4)
    monkeypatch.setattr(learning, "POOL", 64)


def batch(*samples):
    return tuple(torch.stack(parts) for parts in zip(*samples))


def windows(*samples):
    return windows_of(FirstLook(), batch(*samples), torch.Generator().manual_seed(0))


def test_windows_are_of_what_is_perhaps_new_and_hold_all_that_is_known_of_it():
    query, reference, valid, target, weight, scores, perhaps = windows(sample(0), sample(1, new=False))
    assert [tuple(part.shape) for part in (query, valid, target, scores, perhaps)] == [(2, n, SIDE_PX, SIDE_PX) for n in (3, 1, 3, 1, 1)]
    spot = (query < 60).all(1, keepdim=True)
    assert spot.sum((1, 2, 3)).tolist() == [80, 80] and torch.equal(target[:1, :1] > 0, spot[:1]) and not bool(target[1].any())
    assert bool((perhaps[spot] > 0).all()) and float(scores[perhaps == 0].max()) < PERHAPS
    assert float((scores[spot] >= PERHAPS).float().mean()) > 0.9    # all but its corners
    assert reference.min() >= 150 and bool(weight.eq(1).all())


def test_where_nothing_is_perhaps_new_there_is_no_window():
    query, reference, *rest = sample(0)
    found = windows((reference, reference, *rest))
    assert [tuple(part.shape) for part in found] == [(0, n, SIDE_PX, SIDE_PX) for n in (3, 3, 1, 3, 3, 1, 1)]


class Says(ChangeNet):
    """Of everything the same, so many logits of *anomaly*."""

    def __init__(self, logits):
        super().__init__()
        self._logits = logits

    def encode(self, pictures):
        return (pictures,)

    def says(self, query, reference, valid):
        return torch.full((len(valid), 4, valid.shape[2] // 2, valid.shape[3] // 2), float(self._logits)) * torch.tensor([1.0, 0, 0, 0])[:, None, None] \
            - torch.tensor([0.0, 0, 0, 99])[:, None, None]


@pytest.mark.parametrize("logits, both", [(9.0, 1), (-9.0, 0)])
def test_figures_tell_what_both_looks_say_of_new_things_and_of_others(logits, both):
    told = told_apart(Says(logits), [windows(*(sample(n, new=n != 0) for n in range(4)))])
    assert (told.new, told.nothing) == (3, 1) and told.first == (0, 0) and told.both == (3 * both, both)
    assert (1 / (1 + np.exp(-9.0 * CLOSER)) > SAID) and told.row() == {"windows_new": 3, "windows_nothing": 1, "found_first": 0.0, "false_first": 0.0,
                                                                      "found_both": float(both), "false_both": float(both)}


def test_what_is_said_is_lowered_until_few_things_that_are_not_new_are_called_new():
    network, held = load_weights()[0], [windows(*(sample(n, new=n % 2 == 0) for n in range(20)))]
    lower(network, -9.0)
    assert told_apart(network, held).both == (10, 10)
    by = doubt(network, held)
    lower(network, by)
    assert by > 0 and told_apart(network, held).both[1] <= 1 and doubt(network, held) == pytest.approx(0, abs=1e-4)
    assert doubt(Says(-9.0), held) == 0 and doubt(network, []) == 0


def trained(folder, steps, settings=SETTINGS):
    torch.manual_seed(1)
    trainer = CloserTrainer(ChangeNet(), folder, settings, CPU)
    trainer._first = FirstLook()
    told = trainer.run(lambda start: Samples(start, start + 4 * steps), [sample(n, new=n % 2 == 0) for n in range(6)])
    return trainer, told


def test_all_windows_of_many_pairs_are_learnt_from(tmp_path):
    trainer = CloserTrainer(ChangeNet(), tmp_path, SETTINGS, CPU)
    trainer._first = FirstLook()
    pairs = [batch(*(sample(n) for n in range(start, start + 10))) for start in (0, 10)]
    found = list(trainer._at_once(pairs, torch.Generator().manual_seed(0)))
    assert [len(part[0]) for part in found] == [4] * 5      # a window a pair, AT_ONCE is 4


def test_it_learns_what_the_first_look_cannot_tell(tmp_path, monkeypatch):
    """What stands where there was something white before is new here, what stands on grey is not."""
    monkeypatch.setattr(learning, "AT_ONCE", 8)
    plain = Samples.__getitem__

    def marked(self, index):
        query, reference, valid, target, weight = plain(self, index)
        if target.any():
            reference[:, 70:80, 90:98] = 255
        return query, reference, valid, target, weight

    monkeypatch.setattr(Samples, "__getitem__", marked)
    trainer = CloserTrainer(load_weights()[0], tmp_path, replace(SETTINGS, batch=8, validate_every=100), CPU)
    trainer._first = FirstLook()
    told = trainer.run(lambda start: Samples(start, start + 8 * 60), [Samples(0, 9)[n] for n in range(9)])
    assert told.first == (0, 0) and told.both == (told.new, 0) and (told.new, told.nothing) == (5, 4)


def test_it_goes_on_where_it_was_and_the_first_look_stays(tmp_path):
    once, _ = trained(tmp_path, 3)
    before = {name: value.clone() for name, value in once.network.state_dict().items()}
    again, told = trained(tmp_path, 2)
    assert once.step == 3 and again.step == 5 and told.new == told.nothing == 3
    assert any(not torch.equal(value, before[name]) for name, value in again.network.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in again.network.state_dict().items() if "running" in name)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 5
    done, figures = trained(tmp_path, 1, replace(SETTINGS, minutes=1e-9))
    assert done.step == 5 and figures == told
