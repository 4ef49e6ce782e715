"""The closer look: where it is taken, what it asks, and that it changes *anomaly* there and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net import ChangeNetDetector, closer, detector as detector_module
from umad_patrol.detect.change_net.closer import AROUND_PX, CLOSER, SIDE_PX, SMALL_PX, Window, find_windows, heed, look_closer
from umad_patrol.detect.change_net.weights import save_weights


def scores(*spots, size=(300, 500)):
    """Nothing but boxes (x, y, width, height, score)."""
    plane = np.full(size, 0.02, np.float32)
    for x, y, width, height, score in spots:
        plane[y:y + height, x:x + width] = score
    return plane


@pytest.mark.parametrize("spot, corner", [((200, 120, 8, 10), (172, 93)), ((0, 0, 8, 10), (0, 0)), ((492, 290, 8, 10), (436, 236))])
def test_something_small_is_in_the_middle_of_its_window_or_near_the_border(spot, corner):
    (window,) = find_windows(scores((*spot, 0.4)), 8)
    assert (window.x, window.y) == corner
    x, y, width, height = spot
    expected = np.zeros((300, 500), bool)
    expected[max(0, y - AROUND_PX):y + height + AROUND_PX, max(0, x - AROUND_PX):x + width + AROUND_PX] = True
    assert np.array_equal(window.perhaps, expected[window.y:window.y + SIDE_PX, window.x:window.x + SIDE_PX])


@pytest.mark.parametrize("spot", [(100, 100, SMALL_PX + 1, 5, 0.4), (100, 100, 5, SMALL_PX + 1, 0.4), (100, 100, 8, 10, closer.PERHAPS)])
def test_what_is_large_or_surely_not_new_is_not_looked_at(spot):
    assert find_windows(scores(spot), 8) == []


def test_what_is_found_as_it_is_need_not_be_looked_at():
    assert find_windows(scores((100, 100, 8, 10, closer.SURELY)), 8) == []


def test_what_is_small_beside_something_large_is_looked_at():
    """Scores between them are as high as what a look is worth: a cone beside a person who is perhaps new."""
    plane = scores((180, 60, 40, 120, 0.5), (226, 150, 8, 10, 0.8))
    plane[140:165, 215:240] = np.maximum(plane[140:165, 215:240], 0.35)
    (window,) = find_windows(plane, 8)
    assert window.perhaps[155 - window.y, 230 - window.x] and not window.perhaps[155 - window.y, 200 - window.x] and window.perhaps.sum() == 16 * 18


def test_of_peaks_near_one_another_the_higher_is_a_thing():
    plane = scores((200, 120, 12, 12, 0.35))
    plane[124, 202], plane[124, 208] = 0.4, 0.5
    (window,) = find_windows(plane, 8)
    assert window.perhaps.sum() == (12 + 2 * AROUND_PX) ** 2


def test_what_stands_out_most_is_looked_at_first_and_no_more_than_was_said():
    spots = [(100 * n, 100, 8, 10, 0.35 + 0.1 * n) for n in range(5)]
    assert [window.x + 28 for window in find_windows(scores(*spots), 3)] == [400, 300, 200]
    assert find_windows(scores(*spots), 0) == []
    hazy = scores((100, 100, 60, 60, 0.35), (126, 126, 8, 10, 0.55), (300, 100, 8, 10, 0.4))
    assert [window.x + 28 for window in find_windows(hazy, 1)] == [300]


def test_neighbours_share_a_window():
    near = (200, 120, 4, 10, 0.5), (214, 124, 4, 6, 0.4)
    (window,) = find_windows(scores(*near), 8)
    assert (window.x, window.y) == (170, 93) and window.perhaps[125 - 93, 202 - 170] and window.perhaps[126 - 93, 216 - 170]
    assert not window.perhaps[125 - 93, 209 - 170]
    assert len(find_windows(scores(near[0], (250, 130, 8, 10, 0.4)), 8)) == 2


def test_a_picture_smaller_than_a_window_has_none():
    assert find_windows(scores((10, 10, 8, 10, 0.4), size=(SIDE_PX - 1, 500)), 8) == []
    assert len(find_windows(scores((10, 10, 8, 10, 0.4), size=(SIDE_PX, SIDE_PX)), 8)) == 1


class Asked:
    """An engine of which *anomaly* is how bright the first picture is less the second, in logits; notes what it encodes."""

    def encode(self, pictures):
        self.pictures = pictures
        return (pictures,)

    def compare(self, query, reference, valid):
        apart = 20 * torch.nn.functional.avg_pool2d((query[0] - reference[0]) * valid, 2).mean(1, keepdim=True)
        return torch.cat([apart, torch.full_like(apart, 9.0), torch.full_like(apart, 9.0)], 1)


def test_it_asks_about_the_enlarged_parts_and_tells_nothing_of_elsewhere():
    query, reference, valid = torch.full((1, 3, 200, 300), 0.2), torch.full((1, 3, 200, 300), 0.2), torch.ones(1, 1, 200, 300)
    query[..., 60:70, 50:60], reference[..., 60:70, 250:260] = 0.9, 0.9     # new, and gone
    perhaps = np.zeros((SIDE_PX, SIDE_PX), bool)
    perhaps[20:40, 20:40] = True
    engine, windows = Asked(), [Window(20, 40, perhaps), Window(204, 40, perhaps)]
    parts = [lambda rows, columns, picture=picture: picture[:, :, rows, columns] for picture in (query, reference)]
    found = look_closer(engine, windows, *parts, valid)
    assert engine.pictures.shape == (4, 3, 2 * SIDE_PX, 2 * SIDE_PX) and found.shape == (2, 1, SIDE_PX, SIDE_PX)
    new, gone = found[:, 0].numpy()
    assert new[22:28, 32:38].min() > 10 and gone.max() < 1 and gone.min() < -10
    lower = [Window(window.x, window.y - 16, window.perhaps) for window in windows]
    assert torch.equal(look_closer(engine, lower, *parts, valid[:, :, 16:], 16), found)
    blind = look_closer(engine, windows, *parts, torch.zeros_like(valid))
    assert not bool(blind.any())


def test_both_looks_count_where_something_was_perhaps_new():
    new, perhaps = torch.full((80, 100), 0.3), np.zeros((SIDE_PX, SIDE_PX), bool)
    perhaps[20:40, 10:30] = True
    again = torch.full((2, 1, SIDE_PX, SIDE_PX), 3.0)
    heed(new, [Window(30, 5, perhaps), Window(36, 5, perhaps)], again)     # they overlap: each is the mean with what was said first
    expected = torch.full((80, 100), 0.3)
    expected[25:45, 40:66] = torch.logit(torch.tensor(0.3)).lerp(torch.tensor(3.0), CLOSER).sigmoid()
    assert torch.allclose(new, expected, atol=1e-6)


def test_scores_of_0_and_1_are_heeded_too():
    new = torch.zeros(SIDE_PX, SIDE_PX)
    new[:, 32:] = 1
    heed(new, [Window(0, 0, np.ones((SIDE_PX, SIDE_PX), bool))], torch.zeros(1, 1, SIDE_PX, SIDE_PX))
    assert 0 < float(new.min()) < 0.05 and 0.95 < float(new.max()) < 1


@pytest.mark.parametrize("top", [0, 32])
def test_it_changes_what_is_new_within_its_windows_alone(weights, pictures, monkeypatch, top):
    query, reference, valid = pictures(160, 256)
    perhaps = np.zeros((SIDE_PX, SIDE_PX), bool)
    perhaps[10:50, 10:50] = True
    monkeypatch.setattr(detector_module, "find_windows", lambda new, most: [Window(100, 20, perhaps)][:most])
    settings = DetectSettings(weights=str(weights), engine="torch", closer_looks=0)
    said = {}
    for looks in (0, 1):
        detector = ChangeNetDetector(replace(settings, closer_looks=looks))
        said[looks] = detector.compare(detector.prepare(query, top), detector.prepare(reference, top), valid > 0)
    changed = said[1] != said[0]
    where = torch.zeros(1, 1, 160, 256, dtype=torch.bool)
    where[..., top + 30:top + 70, 110:150] = True
    assert torch.equal(said[0][:, 1:], said[1][:, 1:]) and not bool(changed[:, :1][~where].any()) and bool(changed[:, :1][where].any())


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_network_of_its_own_takes_the_closer_look_and_no_other(network, other_network, pictures, monkeypatch, request, engine):
    query, reference, valid = pictures(160, 256)
    window = Window(100, 20, np.ones((SIDE_PX, SIDE_PX), bool))
    monkeypatch.setattr(detector_module, "find_windows", lambda new, most: [window][:most])
    if engine == "torch":
        save_weights(network, path := request.getfixturevalue("tmp_path") / "both.safetensors", closer=other_network)
    else:
        path = request.getfixturevalue("both_exported")
    settings = DetectSettings(weights=str(path), engine=engine, closer_looks=0)
    once, twice = (ChangeNetDetector(replace(settings, closer_looks=looks)).score(query, reference, valid > 0) for looks in (0, 1))
    parts = [lambda rows, columns, picture=picture: picture[:, :, rows, columns] for picture in (query, reference)]
    once = once.clone()
    heed(once[0, 0], [window], look_closer(other_network, [window], *parts, valid))
    assert torch.allclose(once * valid, twice, rtol=0, atol=2e-3) and bool(twice.any())


def test_without_the_pictures_there_is_none(weights, pictures, monkeypatch):
    query, reference, valid = pictures(160, 256)
    monkeypatch.setattr(detector_module, "find_windows", lambda new, most: pytest.fail("nothing can be looked at"))
    detector = ChangeNetDetector(DetectSettings(weights=str(weights), engine="torch", closer_looks=4))
    kept = detector.unpacked(detector.packed(detector.prepare(reference)))
    assert detector.compare(detector.prepare(query), kept, valid > 0).shape == (1, 3, 160, 256)


def test_two_things_at_a_border_that_have_one_window_are_both_looked_at():
    (window,) = find_windows(scores((2, 290, 8, 8, 0.8), (4, 270, 8, 8, 0.5)), 8)
    assert window.perhaps[294 - window.y, 6] and window.perhaps[274 - window.y, 8]


def test_both_looks_count_as_was_settled():
    first, again = torch.tensor([0.5, 0.5, 0.9]), torch.tensor([0.0, 4.0, 0.0])
    assert torch.allclose(torch.logit(closer.said_by_both(first, again)), torch.tensor([0.0, 3.0, 0.25 * float(torch.logit(torch.tensor(0.9)))]), atol=1e-5)


def test_no_more_things_are_looked_into_than_twice_the_windows(monkeypatch):
    asked = []
    things = closer._small_things
    monkeypatch.setattr(closer, "_small_things", lambda new: (asked.append(1) or thing for thing in things(new)))
    find_windows(scores(*((40 * n, 100, 4, 4, 0.5) for n in range(12))), 2)
    assert len(asked) == 4


def test_enlarged_parts_hold_nothing_darker_than_black_or_lighter_than_white():
    """A cubic overshoots beside hard edges."""
    class Engine:
        def encode(self, pictures):
            assert float(pictures.min()) >= 0 and float(pictures.max()) <= 1
            return (pictures,)

        def compare(self, query, reference, valid):
            return query[0][:, :1, ::2, ::2]

    part = (torch.rand(2, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert closer.ask(Engine(), part, torch.ones(1, 1, SIDE_PX, SIDE_PX)).shape == (1, 1, SIDE_PX, SIDE_PX)
