"""Closer looks as one piece: the windows of the other way, the same scores, and nothing that a GPU would have to be waited for."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net import ChangeNetDetector, detector as detector_module
from umad_patrol.detect.change_net.closer import MARGIN_PX, SIDE_PX, SMALL_PX, SURELY, find_windows, heed, look_closer
from umad_patrol.detect.change_net.closer_at_once import find_windows_at_once, look_closer_at_once
from umad_patrol.detect.change_net.engines.on_torch import TorchEngine
from umad_patrol.io.images import read_image, to_tensor

MOST = 3
SAME = 0.99         # of the windows: where many things crowd, few peaks more are looked into than count
SCORES = 1e-4
OPERATIONS = 200    # with none of the network's, which has some 150: each costs a GPU 2 us
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::unique", "aten::lift_fresh", "aten::is_nonzero"}
VIEWS = ("view", "unfold", "slice", "select", "permute", "squeeze", "expand", "unbind", "alias", "detach", "empty", "transpose", "split", "aten::t")


def at_once(new, most=MOST):
    """{corner (y, x): where something is perhaps new} as found at once, those without anything left out."""
    corners, perhaps = find_windows_at_once(torch.from_numpy(new)[None, None], most)
    return {tuple(corner): there[0].numpy() for corner, there in zip(corners.tolist(), perhaps) if there.any()}


def one_by_one(new, most=MOST):
    return {(int(window.y), int(window.x)): window.perhaps for window in find_windows(new, most)}


def assert_same(new, most=MOST):
    ours, theirs = at_once(new, most), one_by_one(new, most)
    assert list(ours) == list(theirs) and all(np.array_equal(ours[corner], theirs[corner]) for corner in theirs)
    return theirs


def hills(rng, size=(150, 210)):
    """Scores as the network's: at every second pixel, and between them what is between; few are above nothing."""
    cells = tuple(-(-side // 2) for side in size)
    grain = rng.uniform(3, 16)
    small = rng.normal(size=tuple(int(side / grain) + 2 for side in cells)).astype(np.float32)
    logits = 2.5 * cv2.resize(small, cells[::-1], interpolation=cv2.INTER_CUBIC) - rng.uniform(2, 6)
    plane = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return np.ascontiguousarray(cv2.resize(plane, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[:size[0], :size[1]])


def boxes(rng, size=(150, 210)):
    """Nothing but boxes, highest in their middle, some of them at borders or in one another."""
    plane = np.full(size, 0.02, np.float32)
    for _ in range(rng.integers(0, 9)):
        y, x = (rng.integers(0, side) for side in size)
        part = plane[y:y + rng.integers(2, 44), x:x + rng.integers(2, 44)]
        part[:] = rng.uniform(0.05, 0.98) * np.outer(*(1 - 0.2 * np.linspace(-1, 1, side) ** 2 for side in part.shape))
    return plane


@pytest.mark.parametrize("scene", [hills, boxes])
@pytest.mark.parametrize("most", [1, MOST])
def test_it_finds_the_windows_that_are_found_one_by_one(scene, most, rng):
    ours, theirs = zip(*((at_once(plane, most), one_by_one(plane, most)) for plane in (scene(rng) for _ in range(100))))
    both = [(a[corner], b[corner]) for a, b in zip(ours, theirs) for corner in a.keys() & b.keys()]
    windows = sum(map(len, theirs))
    assert windows > 60 and len(both) >= SAME * windows and sum(map(len, ours)) - len(both) <= (1 - SAME) * windows
    assert sum(np.array_equal(a, b) for a, b in both) >= SAME * len(both)


@pytest.mark.parametrize("spots", [
    [(100, 60, 8, 10)], [(0, 0, 8, 10)], [(202, 140, 8, 10)], [(0, 140, 8, 10)], [(202, 0, 8, 10)],      # in corners
    [(60, 60, SMALL_PX, 6), (150, 60, 6, SMALL_PX)], [(60, 60, SMALL_PX + 2, 6), (150, 60, 6, SMALL_PX + 2)],    # as large as may be, and larger
    [(60, 60, 4, 10), (74, 64, 4, 6)], [(60, 60, 4, 10), (60 + SIDE_PX - 2 * MARGIN_PX, 64, 4, 6)],     # neighbours, and such as lie too far off
    [(20, 20, 6, 6), (20, 110, 6, 6), (180, 20, 6, 6), (180, 110, 6, 6)],
])
def test_they_are_the_same_at_borders_of_all_sizes_and_beside_one_another(spots):
    plane = np.full((150, 210), 0.02, np.float32)
    for number, (x, y, width, height) in enumerate(spots):
        plane[y:y + height, x:x + width] = 0.4 + 0.1 * number
    assert len(assert_same(plane)) == min(MOST, len(spots)) or spots[0][2] != 8


@pytest.mark.parametrize("nothing", [0.02, SURELY])
def test_where_nothing_is_perhaps_new_nothing_changes(nothing, network):
    scores = torch.full((1, 1, 100, 120), nothing)
    query, reference = torch.rand(2, 1, 3, 100, 120)
    assert torch.equal(look_closer_at_once(network, MOST, scores, torch.ones_like(scores), query, reference), scores)
    assert at_once(scores[0, 0].numpy()) == {}


@pytest.mark.parametrize("size, windows", [((SIDE_PX - 2, 300), 0), ((300, SIDE_PX - 1), 0), ((SIDE_PX, SIDE_PX), 1), ((SIDE_PX + 1, SIDE_PX + 3), 1)])
def test_a_picture_that_has_no_room_for_a_window_stays_as_it_is(size, windows, network):
    scores = torch.full((1, 1, *size), 0.02)
    scores[..., 20:28, 30:38] = 0.4
    query, reference = torch.rand(2, 1, 3, *size)
    changed = look_closer_at_once(network, 100, scores, torch.ones_like(scores), query, reference) != scores
    assert bool(changed.any()) == bool(windows) and not bool(changed[..., :16, :].any() or changed[..., 32:, :].any())
    assert torch.equal(look_closer_at_once(network, 0, scores, torch.ones_like(scores), query, reference), scores)


def looking_at_once(settings):
    """A detector on a CPU that looks closer as on a GPU."""
    detector = ChangeNetDetector(settings)
    detector._look_at_once = partial(detector_module._look_at_once, detector.closer_engine, settings.closer_looks)
    return detector


def test_of_windows_that_overlap_the_later_counts(network, pictures):
    query, reference, _ = pictures(100, 150)
    scores, valid = torch.full((1, 1, 100, 150), 0.02), torch.ones(1, 1, 100, 150)
    scores[..., 30:50, 20:50], scores[..., 30:50, 54:80] = 0.5, 0.4
    expected, windows = scores.clone(), find_windows((scores * valid)[0, 0].numpy(), MOST)
    parts = [lambda rows, columns, picture=picture: picture[:, :, rows, columns] for picture in (query, reference)]
    heed(expected[0, 0], windows, look_closer(network, windows, *parts, valid))
    assert len(windows) == 2 and windows[0].perhaps[20, 53 - windows[0].x] and windows[1].perhaps[20, 53 - windows[1].x]
    found = look_closer_at_once(network, MOST, scores, valid, query, reference)
    assert torch.allclose(found, expected, rtol=0, atol=SCORES) and not torch.allclose(found, scores, atol=0.01)


def test_real_pairs_are_scored_alike(data_dir):
    settings, changed = DetectSettings(engine="torch", closer_looks=MOST), 0
    detectors = ChangeNetDetector(settings), looking_at_once(settings), ChangeNetDetector(DetectSettings(engine="torch", closer_looks=0))
    for pair in sorted((data_dir / "umad_pairs").iterdir()):
        query, reference = (to_tensor(read_image(pair / f"{name}.png")) for name in ("query", "reference"))
        valid = torch.from_numpy(read_image(pair / "valid.png")[None, None, :, :, 0] > 0)
        top = query.shape[2] // 3
        one_by_one, at_once, once = (d.compare(d.prepare(query, top), d.prepare(reference, top), valid) for d in detectors)
        assert float((one_by_one - at_once).abs().max()) < SCORES
        changed += not torch.equal(one_by_one, once)
    assert changed


class Watched(TorchDispatchMode):
    """Refuses what has to wait for a GPU, or brings something to it, and counts all else; everything is on one device."""

    def __init__(self, device):
        super().__init__()
        self.device, self.count = device, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = function(*args, **(kwargs or {}))
        name = function.name()
        tensors = [leaf for leaf in tree_leaves((args, kwargs, given)) if isinstance(leaf, torch.Tensor)]
        assert name.split(".")[0] not in WAITS and all(tensor.device.type == self.device for tensor in tensors), name
        assert not name.startswith("aten::index") or all(tensor.dtype != torch.bool for tensor in tensors[1:]), f"{name} by a mask"
        self.count += not any(view in name for view in VIEWS)
        return given


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_gpu_is_not_waited_for(device, network):
    """On `meta` tensors hold nothing, so no shape can depend on what they hold, and nothing can be brought from a CPU."""
    scores, valid = torch.full((2, 1, 1, 96, 160), 0.02)
    scores[..., 40:48, 60:68] = 0.4
    given = [plane.to(device) for plane in (scores, valid.half(), *torch.rand(2, 1, 3, 96, 160))]
    engine = TorchEngine(network, torch.device(device))
    with torch.inference_mode(), Watched(device) as watched:
        found = look_closer_at_once(engine, MOST, *given)
    assert found.shape == scores.shape and found.dtype == scores.dtype
    with torch.inference_mode(), Watched(device) as asked:
        both = torch.zeros(2 * MOST, 3, 2 * SIDE_PX, 2 * SIDE_PX, device=device)
        features = engine.encode(both)
        engine.compare(*(tuple(plane[part] for plane in features) for part in (slice(MOST), slice(MOST, None))), both[:MOST, :1])
    assert watched.count - asked.count < OPERATIONS


def test_what_is_refused_is_seen():
    for wrong in (lambda x: x[x > 0], lambda x: float(x.sum()), lambda x: x + torch.tensor([1.0]), lambda x: torch.where(x > 0, x, 0.0).nonzero()):
        with pytest.raises(AssertionError), Watched("cpu"):
            wrong(torch.rand(3))


def test_two_things_at_a_border_share_a_window_in_both_ways():
    plane = np.full((300, 500), 0.02, np.float32)
    plane[290:298, 2:10], plane[270:278, 4:12] = 0.8, 0.5
    (only,) = assert_same(plane).values()
    assert only.sum() > 2 * 8 * 8
