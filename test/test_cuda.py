"""A GPU says what the CPU says: the reference laid, the scores, the regions of the whole way, a training's loss. Skipped where there is none."""

import cv2
import numpy as np
import pytest
import torch

from umad_patrol.align.aligner import Aligner
from umad_patrol.align.warp import Laid
from umad_patrol.comparer import Comparer
from umad_patrol.config import AlignSettings, DetectSettings, Settings, with_values
from umad_patrol.detect import make_detector
from umad_patrol.detect.change_net.closer_at_once import find_windows_at_once
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.io.images import to_tensor
from umad_patrol.records import Camera, Frame, Reference
from umad_patrol.train.trainer import Trainer, TrainSettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: whether it agrees with the CPU is not tested")
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SIZE = 640, 384
CAMERA = Camera(*SIZE, np.array([[455.0, 0, 319.5], [0, 455.0, 191.5], [0, 0, 1]]))
MAP_T_CAMERA = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0.7], [0, 0, 0, 1.0]])
GREY_LEVELS = 0.5       # of the picture laid, in the mean
SCORES = 0.01           # in the mean: half precision on a GPU, single on a CPU
OVERLAP = 0.95          # of the masks
LOSS = 1e-3             # share


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(3)
    layers = [cv2.resize(rng.normal(size=(SIZE[1] // s + 2, SIZE[0] // s + 2, 3)), SIZE, interpolation=cv2.INTER_CUBIC) for s in (3, 9, 40)]
    return np.clip(120 + 22 * sum(layers), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def query(scene):
    """The scene from a little beside, with a new thing in it."""
    picture = cv2.warpAffine(scene, np.float64([[1, 0.01, 6], [-0.01, 1, 4]]), SIZE, borderMode=cv2.BORDER_REFLECT)
    cv2.rectangle(picture, (300, 220), (350, 290), (20, 30, 200), cv2.FILLED)
    cv2.rectangle(picture, (310, 230), (340, 255), (230, 230, 230), cv2.FILLED)
    return picture


@pytest.fixture(scope="module")
def reference(scene):
    return Reference(0, "run", 0, scene, CAMERA, MAP_T_CAMERA, None)


def test_a_reference_is_laid_alike(query, reference):
    here, there = (Aligner(AlignSettings(), device).align(query, reference).laid for device in (CPU, CUDA))
    assert there.picture.device.type == there.valid.device.type == "cuda"
    assert float((here.valid != there.valid.cpu()).float().mean()) < 1e-3
    shown = here.valid & there.valid.cpu()
    assert float(255 * (here.picture - there.picture.cpu()).abs()[shown.expand(-1, 3, -1, -1)].mean()) < GREY_LEVELS


@pytest.mark.parametrize("closer_looks", [0, 3])
@pytest.mark.parametrize("name", ["change_net", "gradient"])
def test_scores_agree(name, closer_looks, query, scene):
    settings = DetectSettings(detector=name, closer_looks=closer_looks)
    found = []
    for device in (CPU, CUDA):
        pictures = (to_tensor(image, device) for image in (query, scene))
        found.append(make_detector(settings, device).score(*pictures, torch.ones(1, 1, *SIZE[::-1], dtype=torch.bool, device=device)))
    assert found[1].device.type == "cuda" and found[1].shape == found[0].shape
    assert float((found[0] - found[1].cpu().float()).abs().mean()) < SCORES


def test_closer_looks_go_to_the_same_windows():
    new = torch.full((1, 1, 300, 500), 0.02)
    for number, (x, y) in enumerate([(200, 120), (0, 0), (480, 280), (216, 124), (330, 20)]):
        new[..., y:y + 8, x:x + 10] = 0.2 + 0.1 * number
    (corners, perhaps), (their_corners, theirs) = (find_windows_at_once(new.to(device), 3) for device in (CPU, CUDA))
    assert torch.equal(corners, their_corners.cpu()) and torch.equal(perhaps, theirs.cpu()) and bool(perhaps.flatten(1).any(1).all())


@pytest.mark.parametrize("closer_looks", [0, 3])
def test_a_frame_is_compared_without_waiting_for_the_gpu(closer_looks, query, scene):
    detector = make_detector(DetectSettings(closer_looks=closer_looks), CUDA)
    kept, picture = detector.unpacked(detector.packed(detector.prepare(to_tensor(scene, CUDA), 96))), to_tensor(query, CUDA)
    said = []
    for mode in ("default", "default", "error"):    # the first call records its graphs
        torch.cuda.set_sync_debug_mode(mode)
        try:
            laid = Laid(scene, np.eye(3), SIZE, CUDA)
            prepared = detector.prepare(picture, 128)
            said.append(detector.compare(prepared, detector.lay(kept, laid, prepared), laid.valid))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert torch.allclose(said[0], said[2], atol=1e-3) and bool(said[2].any())


@pytest.mark.parametrize("lay", ["features", "picture"])
def test_the_whole_way_finds_the_same(lay, query, reference):
    masks = []
    for device in (CPU, CUDA):
        comparer = Comparer(with_values(Settings(), {"detect.lay": lay}), device)
        for _ in range(3):      # the first call records its graphs, the others replay them
            comparison = comparer.compare(Frame(0, query, CAMERA, MAP_T_CAMERA), [reference])
        comparer.close()
        assert comparison.score_map.scores.device.type == device.type
        assert any(region.class_name == "anomaly" and abs(region.foot[0] - 325) < 8 for region in comparison.regions)
        masks.append(comparison.mask > 0)
    assert (masks[0] & masks[1]).sum() >= OVERLAP * (masks[0] | masks[1]).sum()


def test_training_has_the_same_loss(tmp_path):
    draw = torch.Generator().manual_seed(0)
    query, reference = (torch.rand(2, 3, 64, 64, generator=draw) for _ in range(2))
    planes = torch.ones(2, 1, 64, 64), (torch.rand(2, 3, 64, 64, generator=draw) < 0.1).float(), torch.ones(2, 3, 64, 64)
    losses = []
    for device in (CPU, CUDA):
        torch.manual_seed(1)
        trainer = Trainer(ChangeNet(), tmp_path / device.type, TrainSettings(), device)
        losses.append(float(trainer._loss(*(plane.to(device) for plane in (query, reference, *planes))).detach()))
    assert losses[1] == pytest.approx(losses[0], rel=LOSS)
