"""The whole way for one frame: compared, no reference, not comparable; a new thing shows, several references agree."""

import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from umad_patrol.align.features import extract
from umad_patrol.comparer import HELD, Comparer, _fused, _horizon, _Look, _top, choose_device
from umad_patrol.config import Settings, with_values
from umad_patrol.errors import CameraError, ConfigError, ImageError, MapError, StoreError, WeightsError
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import COMPARED, NO_REFERENCE, NOT_COMPARABLE, Alert, Camera, Frame, Reference
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.reference.teach import Teacher

SIZE = 640, 360
CAMERA = Camera(*SIZE, np.array([[455.0, 0, 319.5], [0, 455.0, 179.5], [0, 0, 1]]))
MAP_T_CAMERA = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0.7], [0, 0, 0, 1.0]])
SETTINGS = Settings()


def scene(seed=3):
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.normal(size=(SIZE[1] // s + 2, SIZE[0] // s + 2, 3)), SIZE, interpolation=cv2.INTER_CUBIC) for s in (3, 9, 40)]
    return np.clip(120 + 22 * sum(layers), 0, 255).astype(np.uint8)


def frame(image, stamp_ns=0, x=0.0):
    pose = MAP_T_CAMERA.copy()
    pose[0, 3] = x
    return Frame(stamp_ns, image, CAMERA, pose)


def with_box(image):
    image = image.copy()
    cv2.rectangle(image, (300, 180), (350, 240), (20, 30, 200), cv2.FILLED)
    cv2.rectangle(image, (310, 190), (340, 215), (230, 230, 230), cv2.FILLED)
    return image


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    teacher = Teacher(SETTINGS, lambda image: extract(image, SETTINGS.align))
    for i in range(3):  # a still scene, seen alike from 0, 0.3 and 0.6 m
        teacher.add_frame(frame(scene(), i * 10**9, 0.3 * i))
    path = tmp_path_factory.mktemp("taught") / "map"
    teacher.save(path)
    teacher.close()
    return path


@pytest.fixture
def pipeline(taught):
    pipeline = Pipeline.open(taught, SETTINGS)
    yield pipeline
    pipeline.close()


def test_nothing_new_nothing_marked(pipeline):
    result = pipeline.process(frame(scene(), 5, 0.1))
    assert result.status == COMPARED and not result.mask.any() and not result.regions
    assert result.match.distance_m == pytest.approx(0.1) and {"retrieve", "compare", "alerts"} <= set(result.seconds)


def test_a_new_thing_is_marked_where_it_is(pipeline):
    result = pipeline.process(frame(with_box(scene()), 5, 0.1))
    rows, columns = np.nonzero(result.mask)
    assert result.mask.dtype == np.uint8 and set(np.unique(result.mask)) == {0, 255}
    assert abs(rows.mean() - 210) < 8 and abs(columns.mean() - 325) < 8
    assert result.regions[0].class_name == "anomaly" and abs(result.regions[0].foot[1] - 240) <= 6     # edges of scores are soft by a cell of 4 px


def test_the_same_frame_gives_the_same_bytes(taught):
    masks = []
    for _ in range(2):
        pipeline = Pipeline.open(taught, SETTINGS)
        masks.append(pipeline.process(frame(with_box(scene()), 5, 0.1)).mask)
        pipeline.close()
    assert masks[0].any() and masks[0].tobytes() == masks[1].tobytes()


@pytest.mark.parametrize("by", ["another map", "a pause"])
def test_alerts_outlive_another_map_and_a_pause_without_a_store(taught, by):
    pipeline = Pipeline(ReferenceMap.load(taught), SETTINGS)
    alert = Alert("A0007", "active", "anomaly", 0.9, (1.0, 2.0, 0.0), (0.3, 0.5), 10**9, 2 * 10**9, 7)
    pipeline._watch.tracker.restore([alert])
    if by == "another map":
        pipeline.reload(ReferenceMap.load(taught))
    else:
        pipeline.pause()
        pipeline.resume()
    assert pipeline.alerts == (alert,) and pipeline._watch.tracker._next_id() == "A0008"
    pipeline.close()


@pytest.mark.parametrize("slope_deg, row", [(0, 359 - 48), (1.5, 359 - 48), (10, 359 - 48 - 910 * np.tan(np.radians(10)))])
def test_uphill_more_of_the_picture_is_compared(slope_deg, row):
    a = np.radians(slope_deg)
    camera = Camera(1280, 720, np.array([[910.0, 0, 639.5], [0, 910.0, 359.5], [0, 0, 1]]))
    ground = np.array([-np.sin(a), 0.0, np.cos(a), 0.0])
    reference = Reference(0, "a", 0, np.zeros((720, 1280, 3), np.uint8), camera, MAP_T_CAMERA, None, ground)
    level = Reference(1, "a", 0, reference.image, camera, MAP_T_CAMERA, None, np.array([0, 0, 1.0, 0]))
    assert _horizon(camera, MAP_T_CAMERA, [level, reference]) - 48 == pytest.approx(row, abs=1)
    comparer = Comparer(Settings())
    assert comparer.keyframes.top(reference) == pytest.approx(row - 32, abs=1)
    comparer.keyframes.use(None, hilly=True)    # a level keyframe is compared beside one that is uphill
    assert comparer.keyframes.top(level) == 0
    comparer.close()


def test_too_far_away_says_how_far(pipeline):
    result = pipeline.process(frame(scene(), 5, 30.0))
    assert result.status == NO_REFERENCE and "29.40 m" in result.reason and not result.mask.any()


@pytest.mark.parametrize("image", [np.zeros((360, 640, 3), np.uint8), np.full((360, 640, 3), 255, np.uint8), scene(99)])
def test_what_shows_another_place_is_not_comparable(pipeline, image):
    result = pipeline.process(frame(image, 5, 0.1))
    assert result.status == NOT_COMPARABLE and result.reason and not result.mask.any() and not result.alerts


@pytest.mark.parametrize("image", [np.zeros((0, 0, 3), np.uint8), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)])
def test_what_is_no_picture_is_refused(pipeline, image):
    with pytest.raises(ImageError):
        pipeline.process(frame(image, 5, 0.1))


def test_a_difference_from_one_reference_only_is_not_new():
    """Parallax and occlusion differ from one reference to the next; what is new differs from all."""
    comparer = Comparer(SETTINGS)
    clean, odd = (Reference(i, "run", 0, image, CAMERA, MAP_T_CAMERA) for i, image in enumerate((scene(), with_box(scene()))))
    try:
        assert comparer.compare(frame(with_box(scene())), [clean]).mask.any()
        assert not comparer.compare(frame(with_box(scene())), [clean, odd]).mask.any()
    finally:
        comparer.close()


def test_what_is_made_of_references_is_made_once_and_the_latest_alone_are_held(monkeypatch):
    """However many of them others hold: an alert keeps the reference that shows it."""
    comparer, made = Comparer(SETTINGS), []
    packed = comparer.keyframes.packed
    monkeypatch.setattr(comparer.keyframes, "packed", lambda reference: made.append(reference.index) or packed(reference))
    references = [Reference(i, "run", 0, scene(), CAMERA, MAP_T_CAMERA) for i in range(HELD + 3)]
    try:
        for reference in references:
            assert comparer.keyframes.prepared(references[0]) is comparer.keyframes.prepared(references[0])
            comparer.keyframes.prepared(reference)
        assert made == [reference.index for reference in references]
        comparer.keyframes.prepared(references[1])
        assert made[-1] == 1 and len(comparer.keyframes._known) == HELD
    finally:
        comparer.close()


def test_the_reference_that_tells_where_the_picture_was_taken_is_the_one_named():
    comparer = Comparer(SETTINGS)
    without, told = (Reference(i, "run", 0, scene(), CAMERA, MAP_T_CAMERA, None, ground) for i, ground in enumerate((None, np.array([0, 0, 1.0, 0]))))
    try:
        for references, named in (([without, told], told), ([told, without], told), ([without], without)):
            found = comparer.compare(frame(scene()), references)
            assert found.reference is named and (found.alignment.query_T_reference is None) == (named is without)
    finally:
        comparer.close()


def test_comparing_leaves_the_threads_of_torch_to_others():
    """Its own would wait for OpenCV's, so while it compares there is one."""
    import torch

    seen, before = [], torch.get_num_threads()
    comparer = Comparer(SETTINGS)
    reference = Reference(0, "run", 0, scene(), CAMERA, MAP_T_CAMERA)

    def lay(laid):
        seen.append(torch.get_num_threads())
        return comparer.aligner.align(scene(), laid, CAMERA, MAP_T_CAMERA)

    try:
        assert not comparer.compare_laid(scene(), [reference] * 2, lay).mask.any()
        assert not comparer.compare_laid(scene(), [reference], lay).mask.any()
    finally:
        comparer.close()
    assert set(seen) == {1} and torch.get_num_threads() == before


def test_more_sightings_than_the_window_has_frames_are_refused(taught):
    with pytest.raises(ConfigError, match="alerts.sightings = 6 do not fit into alerts.window = 5 frames"):
        Pipeline.open(taught, with_values(SETTINGS, {"alerts.window": 5}))


def test_no_map_no_pipeline(tmp_path):
    with pytest.raises(MapError):
        Pipeline.open(tmp_path / "none", SETTINGS)


def test_cuda_is_refused_where_there_is_none():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConfigError, match="cuda"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_a_map_that_cannot_be_gone_on_with_leaves_all_as_it_was(pipeline, taught, tmp_path):
    shutil.copytree(taught, tmp_path / "map")
    other = ReferenceMap.load(tmp_path / "map")
    (tmp_path / "map" / "dismissed.json").write_text("{")
    before, watch = pipeline.map, pipeline._watch
    with pytest.raises(MapError, match="dismissed.json is damaged"):
        pipeline.reload(other)
    assert pipeline.map is before and pipeline._watch is watch
    assert pipeline.process(frame(with_box(scene()), 5, 0.1)).regions
    (tmp_path / "map" / "dismissed.json").unlink()
    pipeline.reload(other)
    assert pipeline.map is other


def test_a_picture_that_is_not_its_cameras_is_refused(pipeline):
    with pytest.raises(CameraError, match="image is 320x180, its camera 640x360"):
        pipeline.process(frame(scene()[::2, ::2]))
    with pytest.raises(ImageError, match="shape"):
        pipeline.process(frame(np.zeros((0, 0, 3), np.uint8)))


def test_what_cannot_begin_makes_no_store(taught, tmp_path):
    with pytest.raises(WeightsError, match="nowhere"):
        Pipeline.open(taught, with_values(SETTINGS, {"detect.weights": "/nowhere"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_where_one_reference_alone_sees_something_its_score_counts():
    def look(score, columns):
        valid = torch.zeros(1, 1, 4, 6, dtype=torch.bool)
        valid[..., columns] = True
        laid = SimpleNamespace(valid=valid)
        return _Look(None, SimpleNamespace(laid=laid), torch.full((1, 3, 4, 6), score) * valid)

    fused = _fused(("anomaly", "dynamic", "changed"), [look(0.9, slice(0, 4)), look(0.4, slice(2, 6))], lambda *_: 1.0)
    assert fused.scores[0, 0, 0].tolist() == pytest.approx([0.9, 0.9, 0.4, 0.4, 0.4, 0.4]) and bool(fused.valid.all())


def test_however_a_camera_looks_some_of_its_picture_is_compared():
    image = np.zeros((100, 40, 3), np.uint8)
    assert [_top(row, image) for row in (-np.inf, -3.0, 33.7, 69.0, 99.0, np.inf)] == [0, 0, 33, 69, 70, 70]


def test_of_another_map_nothing_is_known(pipeline, taught):
    keyframes, reference = pipeline.comparer.keyframes, pipeline.map.reference(0)
    known = keyframes.prepared(reference)
    assert keyframes.prepared(reference) is known
    keyframes.use(None)
    assert keyframes.prepared(reference) is not known


def test_a_map_is_no_place_for_alerts_nor_is_a_store_made_beside_damage(taught, tmp_path):
    taught = shutil.copytree(taught, tmp_path / "map")
    before = sorted(path.name for path in taught.iterdir())
    with pytest.raises(StoreError, match="is a reference map"):
        Pipeline(ReferenceMap.load(taught), SETTINGS, taught)
    pipeline = Pipeline(ReferenceMap.load(taught), SETTINGS)
    with pytest.raises(StoreError, match="is a reference map"):
        pipeline.resume(taught)
    assert sorted(path.name for path in taught.iterdir()) == before
    (taught / "dismissed.json").write_text("{")
    with pytest.raises(MapError, match="dismissed"):
        pipeline.resume(tmp_path / "store")
    assert not (tmp_path / "store").exists()
    pipeline.close()
