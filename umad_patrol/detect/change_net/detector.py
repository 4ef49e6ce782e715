"""The detector: the trained change network at the picture's own scale, from the horizon down."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net.closer import Part, find_windows, heed, look_closer
from umad_patrol.detect.change_net.closer_at_once import look_closer_at_once
from umad_patrol.detect.change_net.encoder import STRIDES, WIDTHS
from umad_patrol.detect.change_net.engines import INT8, Engine, make_engine
from umad_patrol.detect.change_net.engines.replay import Replayed
from umad_patrol.detect.change_net.enlarged import enlarged
from umad_patrol.detect.change_net.graphs import OUTPUTS, Graphs
from umad_patrol.detect.change_net.laid import lay
from umad_patrol.detect.change_net.network import CLASSES, SIDE
from umad_patrol.detect.change_net.weights import SHIPPED, load_closer, load_weights
from umad_patrol.detect.contract import check_picture, check_sizes
from umad_patrol.errors import DetectorError
from umad_patrol.records import Laid

FRAME = "height_width_top"     # the name under which these are kept beside the features
BEGINS_PX = 2.0          # a cell that looks so far above where a reference's features begin shows it still


@dataclass(frozen=True, eq=False)
class Encoded:
    """The features of a picture of `size` (H, W) from row `top` down, a multiple of SIDE, padded to whole cells.

    `covered` `(1, 1, h, w)` bool is what cells of the finest stride show something if not all do. `part` gives rows and columns of the picture
    `(1, 3, H, W)` itself, as it lies on the query; there is none of what was kept, or where nobody looks closer.
    """

    features: tuple[torch.Tensor, ...]
    size: tuple[int, int]
    top: int
    covered: torch.Tensor | None = None
    part: Part | None = None


class ChangeNetDetector:
    """What is new, who passes and what has changed otherwise, each a plane of scores.

    An engine other than torch has `threads` threads for each call; torch has what `torch.set_num_threads` says.
    """

    name = "change_net"
    classes = CLASSES

    def __init__(self, settings: DetectSettings, device: str | torch.device = "cpu", threads: int = 1):
        self.device, weights = torch.device(device), Path(settings.weights or SHIPPED).expanduser()
        network, checksum = load_weights(weights)
        closer = load_closer(weights) if settings.closer_looks else None
        self._closer_looks = settings.closer_looks
        self.parameters = sum(p.numel() for one in (network, closer) if one is not None for p in one.parameters())
        self.engine = make_engine(settings.engine, network, self.device, Graphs(weights, checksum), threads)
        self.checksum = f"{checksum}-{INT8}" if self.engine.name == INT8 else checksum    # features in 8 bits are no others'
        self.closer_engine = self.engine
        if closer is not None:
            self.closer_engine = make_engine(settings.engine, closer, self.device, Graphs(weights, checksum, closer=True), threads)
        self._lay, self._look_at_once = _lay, None
        if self.device.type == "cuda":
            self._lay = Replayed(_lay)
            self._look_at_once = Replayed(partial(_look_at_once, self.closer_engine.plain, settings.closer_looks))

    @torch.inference_mode()
    def prepare(self, picture: torch.Tensor, top: int = 0) -> Encoded:
        """Encode a picture, `(1, 3, H, W)` float RGB in [0, 1], from row `top` down or a few rows above. Raises DetectorError."""
        check_picture(picture)
        height, width = picture.shape[2:]
        top = min(max(0, top), height - 1) // SIDE * SIDE   # cells lie alike in all pictures
        features = self.engine.encode(_padded(picture[:, :, top:], "replicate"))
        return Encoded(features, (height, width), top, None, self._shown(lambda rows, columns: picture[:, :, rows, columns]))

    @torch.inference_mode()
    def lay(self, reference: Encoded, laid: Laid, query: Encoded) -> Encoded:
        """A reference's features as they lie on an encoded query."""
        columns, rows = (STRIDES[0] * np.arange(side) for side in query.features[0].shape[:1:-1])
        seen = laid.seen(columns, rows + query.top)
        if reference.top:
            seen[:, 1] -= reference.top
        covered = seen[:, 1:] >= -BEGINS_PX if reference.top else None
        features = self._lay(*(plane.to(of_query.dtype) for plane, of_query in zip(reference.features, query.features)), seen)
        if covered is not None and covered.device.type == "cpu" and bool(covered.all()):    # a GPU would have to be waited for
            covered = None
        return Encoded(features, query.size, query.top, covered, self._shown(laid.part))

    def _shown(self, part: Part) -> Part | None:
        """Parts of the picture as long as somebody may look closer; else it need not be kept."""
        return part if self._closer_looks else None

    def packed(self, prepared: Encoded) -> dict[str, torch.Tensor]:
        """Features in half precision, the picture's size and the row where they begin."""
        features = {name: plane.detach().half().cpu().contiguous() for name, plane in zip(OUTPUTS["encode"], prepared.features)}
        return {**features, FRAME: torch.tensor([*prepared.size, prepared.top], dtype=torch.int32)}

    def unpacked(self, tensors: dict[str, torch.Tensor]) -> Encoded:
        """The features on the detector's device, channels last as they are laid most quickly; a GPU's stay in half precision.

        Raises DetectorError for what was not packed.
        """
        kind = torch.float16 if self.device.type == "cuda" else torch.float32
        try:
            height, width, top = tensors[FRAME].tolist()
            features = tuple(tensors[name].to(self.device, kind, memory_format=torch.channels_last) for name in OUTPUTS["encode"])
        except (KeyError, ValueError) as error:
            raise DetectorError(f"these are no features of a picture ({type(error).__name__}: {error})") from error
        if not 0 <= top < height or any(tuple(plane.shape) != shape for plane, shape in zip(features, _shapes(height - top, width))):
            raise DetectorError(f"features of shapes {[tuple(plane.shape) for plane in features]} are none of a {width}x{height} picture from row {top} down")
        return Encoded(features, (height, width), top)

    @torch.inference_mode()
    def compare(self, query: Encoded, reference: Encoded, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, 3, H, W)` in [0, 1] of two encoded pictures. Raises DetectorError on unequal sizes."""
        check_sizes(query.size, reference.size, valid)
        seen = valid[:, :, query.top:].to(query.features[0].dtype)
        height, width = seen.shape[2:]
        if reference.covered is not None:
            seen = seen * F.interpolate(reference.covered.to(seen.dtype), scale_factor=float(STRIDES[0]))[..., :height, :width]
        logits = self.engine.compare(query.features, reference.features, _padded(seen, "constant")).float()
        scores = enlarged(logits.sigmoid())[..., :height, :width]
        if query.part is not None and reference.part is not None:
            self._look_closer(scores, query, reference, seen)
        whole = scores.new_empty(1, len(CLASSES), *query.size)
        whole[:, :, :query.top] = 0
        torch.mul(scores, seen, out=whole[:, :, query.top:])
        return whole

    def score(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, 3, H, W)` in [0, 1] of two aligned pictures. Raises DetectorError."""
        return self.compare(self.prepare(query), self.prepare(reference), valid)

    def _look_closer(self, scores: torch.Tensor, query: Encoded, reference: Encoded, seen: torch.Tensor) -> None:
        """Change scores of *anomaly* in `scores`, of rows from the query's top down, by what a closer look gives."""
        if self._look_at_once is not None:
            below = slice(query.top, None), slice(None)
            scores[:, :1] = self._look_at_once(scores[:, :1], seen, query.part(*below), reference.part(*below))[0]
            return
        windows = find_windows((scores[0, 0] * seen[0, 0]).cpu().numpy(), self._closer_looks)
        if windows:
            heed(scores[0, 0], windows, look_closer(self.closer_engine, windows, query.part, reference.part, seen, query.top))


def _lay(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return lay(tensors[:3], tensors[3])


def _look_at_once(engine: Engine, most: int, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (look_closer_at_once(engine, most, *tensors),)


def _shapes(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Those of the features of a picture."""
    rows, columns = (-(-side // SIDE) for side in (height, width))
    return [(1, channels, rows * SIDE // stride, columns * SIDE // stride) for channels, stride in zip(WIDTHS, STRIDES)]


def _padded(planes: torch.Tensor, mode: str) -> torch.Tensor:
    """Sides filled up to multiples of SIDE, at the bottom and on the right."""
    across, down = (-side % SIDE for side in planes.shape[:1:-1])
    return F.pad(planes, (0, across, 0, down), mode=mode) if across or down else planes
