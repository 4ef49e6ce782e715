"""Real pairs as samples: what the bits say, where the crops lie, and which are held back."""

import numpy as np
import pytest
import torch
from fake_data import BOX, MOVED, PERSON, SIZE, bits, pair, write, write_pairs

from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.train import real_pairs as module
from umad_patrol.train.real_pairs import TOGETHER, Mixed, RealPairs, find_real, real_sample


def everything(pairs=None, umad=None, hold=()):
    training, held = find_real(pairs, umad, hold)
    return sorted(training + held, key=lambda p: p.place)


def test_the_bits_become_classes(tmp_path):
    labelled = everything(write_pairs(tmp_path, 1))[0].read()
    assert labelled.query.shape == (*SIZE, 3) and tuple(labelled.query[BOX][0, 0]) == (190, 20, 30) and labelled.valid.all()   # RGB
    planes = {0: BOX, 1: PERSON}
    for cls, part in planes.items():
        assert labelled.query_shows[cls][part].all() and labelled.query_shows[cls].sum() == labelled.query_shows[cls][part].sum()
    assert not labelled.query_shows[2].any() and labelled.reference_shows[2][MOVED].all() and not labelled.reference_shows[:2].any()
    assert labelled.known == (True, True, True)


def test_some_places_are_held_back_never_all(tmp_path):
    write_pairs(tmp_path, 26)
    training, held = find_real(tmp_path, None)
    assert len(training) + len(held) == 26 and 1 <= len(held) <= 6 and find_real(tmp_path, None) == (training, held)
    assert [len(part) for part in find_real(write_pairs(tmp_path / "two", 2), None)] == [1, 1]
    assert [len(part) for part in find_real(write_pairs(tmp_path / "one", 1), None)] == [1, 0]


def test_what_is_held_back_shows_nothing_that_is_trained_on(tmp_path):
    source = write_pairs(tmp_path / "one", 1)
    folder, = source.iterdir()
    for i in range(600):    # a patrol of a minute, named as `pairs --patrol` names its frames
        (tmp_path / "patrol").mkdir(exist_ok=True)
        (tmp_path / "patrol" / str(1_700_000_000_000_000_000 + i * 10**8)).symlink_to(folder)
    for name in ("hall_1", "hall_2", "yard_1", "yard_2"):
        (tmp_path / "places").mkdir(exist_ok=True)
        (tmp_path / "places" / name).symlink_to(folder)
    training, held = find_real(tmp_path / "patrol", None)
    times = [np.array([int(p.source.id) for p in part]) for part in (training, held)]
    assert len(training) > 300 and len(held) >= 50 and np.abs(times[0][:, None] - times[1]).min() > 10**9
    for count, first, step in ((600, 0, 1), (80, 3 * 10**9, 10**8), (30, 10**19 - 30, 1)):     # frame numbers, a short patrol, numbers that fill 64 bits
        for i in range(count):
            (tmp_path / f"few{count}").mkdir(exist_ok=True)
            (tmp_path / f"few{count}" / f"{first + i * step:06d}").symlink_to(folder)
        training, held = find_real(tmp_path / f"few{count}", None)
        assert len(training) > 0.5 * count and 1 <= len(held) < 0.4 * count
    training, held = find_real(tmp_path / "places", None)
    assert {p.source.id.partition("_")[0] for p in training} & {p.source.id.partition("_")[0] for p in held} == set() and len(held) == 2


def test_a_plain_sample_is_a_cut_with_its_truth(tmp_path):
    labelled = everything(write_pairs(tmp_path, 1))[0].read()
    sample = real_sample(labelled, 160, np.random.default_rng(2), plain=True)
    assert sample.query.shape == sample.reference.shape == (160, 160, 3) and sample.target.shape == sample.weight.shape == (3, 160, 160)
    assert sample.query.dtype == np.uint8 and sample.target.dtype == sample.weight.dtype == np.float32 and sample.valid.all()
    red, green = np.array([190, 20, 30]), np.array([20, 190, 20])
    for picture, colour, cls in ((sample.query, red, 0), (sample.reference, green, 2)):
        shown = np.abs(picture.astype(int) - colour).max(-1) < 20
        assert shown.any() and (sample.target[cls] > 0)[shown].mean() > 0.95
    assert (sample.weight[1:] == 1).all() and set(np.unique(sample.weight[0])) <= {1.0, np.float32(sample.weight[0].max())}


def test_every_other_crop_holds_an_anomaly_and_all_are_varied(tmp_path):
    labelled = everything(write_pairs(tmp_path, 1))[0].read()
    wide = module.Labelled(*(np.pad(part, ((0, 0), (0, 1800), (0, 0))) for part in (labelled.query, labelled.reference)),
                           np.pad(labelled.valid, ((0, 0), (0, 1800)), constant_values=True),
                           *(np.pad(part, ((0, 0), (0, 0), (0, 1800))) for part in (labelled.query_shows, labelled.reference_shows)), labelled.known)
    samples = [real_sample(wide, 96, np.random.default_rng(i)) for i in range(60)]
    assert 0.35 < np.mean([sample.target[0].any() for sample in samples]) < 0.7
    sides = [module._window(wide, 96, np.random.default_rng(i))[2] for i in range(60)]
    assert 96 / 2 - 1 <= min(sides) < 80 < 120 < max(sides) <= 96 / 0.7
    means = [sample.query.mean() for sample in samples if sample.target[0].any()]
    assert np.std(means) > 5 and all((s.reference[~s.valid] == 0).all() and (s.weight[:, ~s.valid] == 0).all() for s in samples)


def test_the_extra_residual_is_small_and_takes_the_truth_of_the_reference_along(tmp_path, monkeypatch):
    labelled = everything(write_pairs(tmp_path, 1))[0].read()
    monkeypatch.setattr(module, "photometric", lambda image, rng: (image * 255).round().astype(np.uint8))
    monkeypatch.setattr(module, "random_softness", lambda rng: 1.0)
    grid = np.dstack(np.meshgrid(*[np.arange(160, dtype=np.float32)] * 2))
    monkeypatch.setattr(module, "residual_lookup", lambda size, rng: grid + np.float32([16, 0]))     # the most there is: a quarter is 4 px
    sample = real_sample(labelled, 160, np.random.default_rng(2))
    green = np.abs(sample.reference.astype(int) - (20, 190, 20)).max(-1) < 20
    assert green.any() and (sample.target[2] > 0)[green].mean() > 0.95 and not sample.valid[:, -4:].any() and sample.valid[:, :-6].all()


def test_small_things_weigh_more_and_specks_nothing():
    plane = np.zeros((64, 64), bool)
    plane[0:2, 0:4], plane[5:15, 5:15], plane[20:60, 20:60] = True, True, True
    weights = module._heed(plane)
    assert weights[0, 0] == 0 and weights[12, 12] == pytest.approx(np.sqrt(900 / 100)) and weights[40, 40] == 1 and weights[5, 50] == 1


def test_items_are_the_same_for_the_same_number_and_may_be_mixed(tmp_path):
    real = everything(write_pairs(tmp_path, 3))
    pairs, later = RealPairs(real, 3, 100, side=64), RealPairs(real, 3, 100, start=5, side=64)
    assert all(torch.equal(a, b) for a, b in zip(pairs[7], later[2])) and not torch.equal(pairs[6][0], pairs[7][0])

    class Made(torch.utils.data.Dataset):
        def __init__(self, start):
            self.start = start

        def __len__(self):
            return 100

        def __getitem__(self, index):
            return self.start + index

    def mixed(start):
        return [item if isinstance(item, int) else "real" for item in (Mixed(Made(start), RealPairs(real, 3, 100, start, side=32), 0.3, 3, start)[i]
                                                                       for i in range(60))]

    assert mixed(0)[20:60] == mixed(20)[:40] and 8 < mixed(0).count("real") < 30


def test_what_lies_together_is_of_one_pair_which_is_read_once(tmp_path, monkeypatch):
    real = everything(write_pairs(tmp_path, 3))
    read, reads = module.RealPair.read, []
    monkeypatch.setattr(module.RealPair, "read", lambda pair: reads.append(pair) or read(pair))
    pairs = RealPairs(real, 3, 100, start=3, side=32)
    samples = [pairs[index][0] for index in range(4 * TOGETHER)]
    assert len(reads) == 5 and len(set(map(id, reads))) > 1 and not torch.equal(samples[0], samples[1])


def test_unreadable_pairs_are_passed_over_however_many_and_all_unreadable_are_not(tmp_path, caplog):
    real = everything(write_pairs(tmp_path, 2))
    (tmp_path / "a" / "query.png").write_bytes(b"x")
    assert len([RealPairs(real, 1, 99, side=32)[i] for i in range(0, 6 * TOGETHER, TOGETHER)]) == 6 and "passed over" in caplog.text
    mostly = RealPairs(30 * real[:1] + real[1:], 1, 99, side=32)
    assert all(mostly[i][0].shape == (3, 32, 32) for i in range(0, 10 * TOGETHER, TOGETHER))
    with pytest.raises(ImageError):
        RealPairs(real[:1], 1, 9, side=32)[0]


def test_sizes_that_differ_are_named(tmp_path):
    real = everything(write_pairs(tmp_path, 1))[0]
    for name, error in (("labels", DatasetError), ("reference", ImageError)):
        whole = (tmp_path / "a" / f"{name}.png").read_bytes()
        write(tmp_path / "a" / f"{name}.png", np.zeros((20, 20, 3), np.uint8))
        with pytest.raises(error, match="size"):
            real.read()
        (tmp_path / "a" / f"{name}.png").write_bytes(whole)
    write(tmp_path / "a" / "valid.png", np.zeros((20, 20), np.uint8))
    with pytest.raises(DatasetError, match="valid"):
        everything(tmp_path)[0].read()


def test_a_valid_mask_or_a_warps_black_border_counts(tmp_path):
    write_pairs(tmp_path, 1)
    valid = np.full(SIZE, 255, np.uint8)
    valid[:, :50] = 0
    write(tmp_path / "a" / "valid.png", valid)
    assert not everything(tmp_path)[0].read().valid[:, :50].any()
    (tmp_path / "a" / "valid.png").unlink()
    reference, _ = pair(0)
    reference[:, :30] = 0
    write(tmp_path / "a" / "reference.png", reference)
    read = everything(tmp_path)[0].read().valid
    assert not read[:, :30].any() and read[:, 40:].all()


def test_change_sets_know_anomalies_alone_and_their_test_split_stays_out(tmp_path):
    reference, query = pair()
    for split in ("train", "test"):
        for name in ("001_0_00", "002_0_00"):
            for part, image in (("t0", reference), ("t1", query), ("mask", (bits() & 128 > 0).astype(np.uint8) * 255)):
                write(tmp_path / split / part / f"{name}.png", image)
    real = everything(umad=tmp_path)
    assert [p.place for p in real] == ["train/001", "train/002"]
    sample = real_sample(real[0].read(), 160, np.random.default_rng(2), plain=True)
    assert sample.target[0].any() and not sample.target[1:].any() and not sample.weight[1:].any() and sample.weight[0].all()
    (tmp_path / "train").rename(tmp_path.parent / "away")
    with pytest.raises(DatasetError, match="never trained on"):
        find_real(None, tmp_path)


def test_umad_is_split_by_sequence_or_as_asked(tmp_path):
    reference, query = pair()
    for scene, sequence in (("1.N6", "00"), ("1.N6", "01"), ("2.Bridge", "00")):
        for number in range(2):
            folder, name = f"{scene}/{sequence}", f"rgb/{number:08d}"
            for part, image in ((f"data/{folder}/G1/{name}.jpg", reference), (f"data/{folder}/Q1/{name}.jpg", query), (f"gt/{folder}/{name}.png", bits())):
                write(tmp_path / part, image)
    training, held = find_real(None, tmp_path, ("1.N6/01",))
    assert {p.place for p in training} == {"1.N6/00", "2.Bridge/00"} and [p.place for p in held] == ["1.N6/01"] * 2
    places = [{p.place for p in part} for part in find_real(None, tmp_path)]
    assert len(everything(umad=tmp_path)) == 6 and not places[0] & places[1]
    with pytest.raises(DatasetError, match="holds all"):
        find_real(None, tmp_path, ("1", "2"))
    assert training[0].read().query_shows[0].any()


@pytest.mark.parametrize("name", ["frame{:04d}", "f{:05d}", "{:05d}", "run_f{:05d}"])
def test_numbered_frames_are_held_back_by_stretches(tmp_path, name):
    folder, = write_pairs(tmp_path / "one", 1).iterdir()
    (tmp_path / "many").mkdir()
    for i in range(200):
        (tmp_path / "many" / name.format(i)).symlink_to(folder)
    numbers = [np.array([int(p.source.id[-4:]) for p in part]) for part in find_real(tmp_path / "many", None)]
    assert len(numbers[1]) >= 20 and np.abs(numbers[0][:, None] - numbers[1]).min() > 2
