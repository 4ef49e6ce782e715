"""The loop: cut off and gone on with, it ends where it would have; checkpoints of others are refused."""

import json
import signal
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.errors import TrainingError
from umad_patrol.evaluate.peers.trained import SiamDiffPeer
from umad_patrol.train.data import PairMaker, Pairs
from umad_patrol.train.trainer import CHECKPOINT, LOG, Trainer, TrainSettings

FOREVER = TrainSettings(minutes=1e9, batch=2, workers=0, validate_every=2)
CPU = torch.device("cpu")


class Noise(torch.utils.data.Dataset):
    """Items `start` to `end` of an endless row of samples."""

    def __init__(self, start, end):
        self._start, self._end = start, end

    def __len__(self):
        return self._end - self._start

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError
        draw = torch.Generator().manual_seed(self._start + index)
        query, reference = (torch.randint(0, 256, (3, 32, 32), generator=draw, dtype=torch.uint8) for _ in range(2))
        return query, reference, torch.ones(1, 32, 32), (torch.rand(3, 32, 32, generator=draw) < 0.1).float(), torch.ones(3, 32, 32)


def trained(folder, steps, settings=FOREVER, network=ChangeNet):
    torch.manual_seed(1)
    trainer = Trainer(network(), folder, settings, CPU)
    trainer.run(lambda start: Noise(start, steps * settings.batch), [])
    return trainer


@pytest.mark.parametrize("echo, network", [(1, ChangeNet), (3, ChangeNet), (1, SiamDiffPeer)])
def test_two_steps_and_two_more_are_four(tmp_path, echo, network):
    settings = replace(FOREVER, echo=echo)
    once = trained(tmp_path / "once", 4, settings, network)
    trained(tmp_path / "twice", 2, settings, network)
    twice = trained(tmp_path / "twice", 4, settings, network)
    assert once.step == twice.step == 4 * echo
    for part in ("network", "average"):
        for (name, a), b in zip(getattr(once, part).state_dict().items(), getattr(twice, part).state_dict().values()):
            assert torch.equal(a, b), (part, name)
    kept = torch.load(tmp_path / "twice" / CHECKPOINT, weights_only=True)
    assert {"network", "average", "optimizer", "step", "seconds", "settings"} <= set(kept) and kept["step"] == 4 * echo and kept["seconds"] > 0
    steps = [json.loads(line)["step"] for line in (tmp_path / "twice" / LOG).read_text().splitlines()]
    assert steps == ([2, 2, 4, 4] if echo == 1 else [2, 4, 6, 6, 8, 10, 12, 12])


def test_it_learns_and_its_time_ends_it(tmp_path):
    before = ChangeNet().state_dict()["out.1.weight"]
    noted = []
    settings = replace(FOREVER, minutes=1e-6)
    torch.manual_seed(1)
    trainer = Trainer(ChangeNet(), tmp_path, settings, CPU)
    trainer.run(lambda start: Noise(start, 100), [], lambda: noted.append(1))
    assert trainer.step == 1 and trainer.done and noted == [1] and not torch.equal(trainer.network.state_dict()["out.1.weight"], before)
    again = Trainer(ChangeNet(), tmp_path, settings, CPU)
    again.run(lambda start: pytest.fail("there is nothing more to learn"), [])
    assert again.step == 1


class Unasked(Noise):
    """Samples of which no pixel counts and nothing is new."""

    def __getitem__(self, index):
        return *super().__getitem__(index)[:-2], torch.zeros(3, 32, 32), torch.zeros(3, 32, 32)


def test_where_nothing_else_counts_it_learns_to_say_what_is_to_be_kept(tmp_path):
    query, reference, valid = (torch.stack(part) for part in list(zip(*(Noise(0, 4)[i] for i in range(4))))[:3])

    def said(network):
        with torch.no_grad():
            return network.eval()(query.float() / 255, reference.float() / 255, valid)

    torch.manual_seed(1)
    network, kept = ChangeNet(), ChangeNet()
    torch.nn.init.constant_(kept.out[-1].bias, -1.5)
    before, wanted = said(network), said(kept)
    trainer = Trainer(network, tmp_path, replace(FOREVER, keep=10.0, held_share=1.0, rate=0.02), CPU, kept)
    trainer.run(lambda start: Unasked(start, 120), [])
    assert trainer.step == 60 and torch.allclose(said(kept), wanted, atol=1e-4)
    assert float((said(trainer.network) - wanted).abs().mean()) < 0.8 * float((before - wanted).abs().mean())


def test_of_what_is_new_nothing_is_kept(tmp_path):
    query, reference, valid = (torch.stack(part) for part in list(zip(*(Noise(0, 2)[i] for i in range(2))))[:3])
    network, kept = ChangeNet(), ChangeNet()
    trainer = Trainer(network, tmp_path, replace(FOREVER, keep=10.0), CPU, kept)

    def loss(target):
        with torch.no_grad():
            return float(trainer._loss(query.float() / 255, reference.float() / 255, valid, target, torch.zeros_like(target)))

    everything_new, nothing_new = torch.ones(2, 3, 32, 32), torch.zeros(2, 3, 32, 32)
    with_kept = [loss(target) for target in (everything_new, nothing_new)]
    trainer._kept = None
    alone = [loss(target) for target in (everything_new, nothing_new)]
    assert with_kept[0] == pytest.approx(alone[0], abs=1e-5) and with_kept[1] > alone[1] + 1e-3


def test_what_is_gone_is_learnt_from_the_pictures_exchanged_which_learn_nothing_from_it(tmp_path):
    query, reference, valid = (torch.stack(part) for part in list(zip(*(Noise(0, 2)[i] for i in range(2))))[:3])
    trainer = Trainer(ChangeNet(), tmp_path, FOREVER, CPU)
    bias = trainer.network.out[-1].bias
    bias.data[-4:] = -6.0       # nothing is gone: too little
    unasked = torch.zeros(2, 3, 32, 32)
    trainer._loss(query.float() / 255, reference.float() / 255, valid, unasked, unasked).backward()
    assert bool((bias.grad[-4:] < 0).all()) and not bool(bias.grad[:-4].any())


def test_what_the_kept_network_mistakes_for_new_weighs_more_and_is_not_kept(tmp_path):
    query, reference, valid = (torch.stack(part) for part in list(zip(*(Noise(0, 2)[i] for i in range(2))))[:3])
    network, kept = ChangeNet(), ChangeNet()
    trainer = Trainer(network, tmp_path, replace(FOREVER, keep=10.0), CPU, kept)

    def loss(bias, weight):
        torch.nn.init.constant_(kept.out[-1].bias, -9.0)     # nothing is gone
        kept.out[-1].bias.data[:4] = bias       # of *anomaly*
        with torch.no_grad():
            nothing = torch.zeros(2, 3, 32, 32)
            return float(trainer._loss(query.float() / 255, reference.float() / 255, valid, nothing, torch.full_like(nothing, weight)))

    assert loss(-2.0, 0.0) > loss(2.0, 0.0)     # kept, and not kept
    assert loss(2.0, 1.0) - loss(2.0, 0.0) > loss(-2.0, 1.0) - loss(-2.0, 0.0) + 0.1      # and weighs more


@pytest.mark.parametrize(("share", "held"), ((1.0, True), (0.2, False)))
def test_near_the_end_normalisations_hold_what_they_have_seen(tmp_path, share, held):
    """Of 4 steps of an endless run all or none lie in the last share of the time."""
    before = ChangeNet().state_dict()
    after = trained(tmp_path, 4, replace(FOREVER, held_share=share)).network.state_dict()
    seen = [torch.equal(before[name], after[name]) for name in before if name.endswith("running_mean")]
    assert all(seen) if held else not any(seen)
    assert not torch.equal(before["out.1.weight"], after["out.1.weight"])


@pytest.mark.parametrize("change", ({"seed": 2}, {"batch": 3}))
def test_a_checkpoint_of_other_settings_is_refused(tmp_path, change):
    trained(tmp_path, 1)
    name, value = change.popitem()
    with pytest.raises(TrainingError, match=f"with {name} {getattr(FOREVER, name)}, not {value}"):
        Trainer(ChangeNet(), tmp_path, replace(FOREVER, **{name: value}), CPU)


def test_a_checkpoint_of_another_network_or_a_damaged_one_is_refused(tmp_path):
    trained(tmp_path, 1)
    for network in (SiamDiffPeer(), ChangeNet(correlated=False)):
        with pytest.raises(TrainingError, match="no checkpoint of this network"):
            Trainer(network, tmp_path, FOREVER, CPU)
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for data in (whole[:1000], b"", b"text"):
        (tmp_path / CHECKPOINT).write_bytes(data)
        with pytest.raises(TrainingError, match="no checkpoint"):
            Trainer(ChangeNet(), tmp_path, FOREVER, CPU)


def test_the_encoder_learns_slower_unless_told_otherwise(tmp_path):
    for rate, ratio in ((0.3, 0.3), (1.0, 1.0)):
        groups = Trainer(ChangeNet(), tmp_path / str(rate), replace(FOREVER, encoder_rate=rate), CPU)._optimizer.param_groups
        assert groups[0]["base"] / groups[1]["base"] == pytest.approx(ratio)
    assert len(Trainer(SiamDiffPeer(), tmp_path / "peer", FOREVER, CPU)._optimizer.param_groups) == 1


def test_half_precision_and_the_peer_train_too(tmp_path):
    assert trained(tmp_path / "half", 1, replace(FOREVER, half=True)).step == 1
    peer = Trainer(SiamDiffPeer(), tmp_path / "peer", FOREVER, CPU)
    peer.run(lambda start: Noise(start, 2), [Noise(0, 1)[0]])
    assert peer.step == 1


def test_with_an_echo_it_learns_as_often_from_every_batch_and_goes_on_from_where_it_was(tmp_path):
    begun = []

    def noise(start):
        begun.append(start)
        return Noise(start, 8)

    trainer = Trainer(ChangeNet(), tmp_path, replace(FOREVER, echo=3), CPU)
    trainer.run(noise, [])
    assert trainer.step == 12       # four batches of two
    Trainer(ChangeNet(), tmp_path, replace(FOREVER, echo=3), CPU).run(noise, [])
    assert begun == [0, 0]          # what the pool held comes again, and is not learnt from again


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_with_mixed_precision(tmp_path):
    trainer = Trainer(ChangeNet(), tmp_path, replace(FOREVER, half=True), torch.device("cuda"))
    trainer.run(lambda start: Noise(start, 8), [Noise(0, 1)[0]])
    assert trainer.step == 4 and all(torch.isfinite(p).all() for p in trainer.average.parameters())


def test_workers_start_though_opencv_has_threads(tmp_path, photos, sprites):
    """A worker that inherits a pool of OpenCV's threads waits for them for ever."""
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((4000, 4000, 3), np.float32), (0, 0), 5)
    trainer = Trainer(ChangeNet(), tmp_path, replace(FOREVER, workers=1), CPU)
    trainer.run(lambda start: Pairs(PairMaker(photos, sprites, side=64), 1, 2, start), [])
    assert trainer.step == 1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_a_whole_step_which_is_kept(tmp_path, sign):
    before = signal.signal(sign, signal.default_int_handler)    # as the command line has it; tests started with & begin with SIGINT ignored
    settings = replace(FOREVER, batch=2)
    torch.manual_seed(1)
    trainer = Trainer(ChangeNet(), tmp_path, settings, CPU)
    learn = trainer._learn

    def disturbed(batch):
        if trainer.step == 2:
            signal.raise_signal(sign)
        return learn(batch)

    trainer._learn = disturbed
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer.run(lambda start: Noise(start, 20), [])
    finally:
        signal.signal(sign, before)
    assert trainer.step == 3 and Trainer(ChangeNet(), tmp_path, settings, CPU).step == 3
