"""Cues that something is new, each measured against the best that the reference offers within the search range.

A value of the query is new by its distance to the interval of the reference's values nearby: parallax and small
misalignment shift values but seldom invent them, and an interval costs two dilations where a search by patches costs
one comparison a shift. Cast shadows change log intensity by a bounded step and chromaticity along the known
direction from warm sun to blue sky, so that much is explained by light.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from umad_patrol.config import GradientSettings
from umad_patrol.detect.gradient.features import STRIDE, GradientFeatures

CELL = 2
SHADE = (-0.5 ** 0.5, 0.5 ** 0.5)  # shade is bluer: less log(R/G), more log(B/G)
SHADE_STEP = 0.12
NOISE_SIGMAS = 3.0
EDGE_NOISE = 0.4  # standard deviation of a derivative, and of chromaticity, over that of a pixel
CHROMA_NOISE = 0.6
NEWNESS_REACHES = (3, 10)  # in cells of 8 px
NEWNESS_SHARE = 0.35


def score(query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor, settings: GradientSettings) -> torch.Tensor:
    """Scores `(1, 1, H/2, W/2)` in [0, 1]: 0.5 where one cue reaches one unit of its scale.

    Zero within the search range of the picture's border and of what is not valid: what lies beyond is not known.
    """
    seen = _halved_mask(valid)
    reach = settings.search_px // (STRIDE * CELL)
    appeared, vanished = _new_edges(query, reference, reach), _new_edges(reference, query, reach)
    surfaces = (_new_colour(query, reference, seen, reach) / settings.colour).square_()
    surfaces += (_new_light(query, reference, seen, reach, settings.light) / settings.light).square_()
    shapes = (_shapes(query, appeared, settings.shape_px) / settings.edge).square_()
    of_shapes, of_surfaces = shapes / (1 + shapes), surfaces / (1 + surfaces) * _newness(appeared, vanished)
    inside = _highest((~seen).float(), reach, outside=1.0) < 0.5
    return (of_shapes + of_surfaces - of_shapes * of_surfaces) * inside


def _halved_mask(valid: torch.Tensor) -> torch.Tensor:
    """Where all pixels of a half-size pixel are valid."""
    height, width = valid.shape[2:]
    padded = F.pad(valid, (0, width % STRIDE, 0, height % STRIDE), value=True)
    rows = padded[:, :, ::STRIDE] & padded[:, :, 1::STRIDE]
    return rows[..., ::STRIDE] & rows[..., 1::STRIDE]


def _shapes(query: GradientFeatures, appeared: torch.Tensor, shape_px: int) -> torch.Tensor:
    """New edges, each weighed by how much new gradient there is around it in its weakest direction.

    A shadow's border runs straight through its surroundings; the outline of a thing turns. The weight is the root of the
    smaller eigenvalue of the structure tensor of the new gradient; the cue is the geometric mean of edge and weight.
    """
    slope = query.slope * (appeared / (query.edges.square().sum(1, keepdim=True).sqrt_() + 1e-6))
    across, down = slope[:, :1], slope[:, 1:]
    moments = torch.cat([across * across, down * down, across * down], 1)
    moments = _mean_around(moments, max(1, shape_px // (2 * STRIDE * CELL)))
    half_trace = (moments[:, :1] + moments[:, 1:2]) / 2
    least = half_trace - (((moments[:, :1] - moments[:, 1:2]) / 2).square_() + moments[:, 2:].square()).sqrt_()
    return (appeared * least.clamp_min_(0).sqrt_()).sqrt_()


def _newness(appeared: torch.Tensor, vanished: torch.Tensor) -> torch.Tensor:
    """Near 0 where around a pixel edges vanished and hardly any appeared: there something was taken away, not put.

    What was taken away uncovers colours that are new, but its outline is the reference's. Wide windows speak where
    narrow ones, inside of large things, see neither.
    """
    energies = _cells(torch.cat([appeared, vanished], 1).square_(), torch.add)
    around = energies + 1e-6
    for reach in NEWNESS_REACHES:
        around = around + _mean_around(energies, reach)
    share = around[:, :1] / (around[:, :1] + around[:, 1:])
    height, width = appeared.shape[2:]
    return _spread((share / NEWNESS_SHARE).clamp_max_(1.0).square_(), height, width)


def _new_edges(query: GradientFeatures, reference: GradientFeatures, reach: int) -> torch.Tensor:
    """Gradient in any orientation beyond the strongest of that orientation nearby in the reference."""
    known = _highest(reference.edges, reach)
    new = (query.edges - known - NOISE_SIGMAS * EDGE_NOISE * query.noise).clamp_min_(0)
    return new.square_().sum(1, keepdim=True).sqrt_()


def _new_colour(query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor, reach: int) -> torch.Tensor:
    new = _outside(query.chroma - _balance(query.chroma, reference.chroma, valid), reference.chroma, reach)
    along = new[:, :1] * SHADE[0] + new[:, 1:] * SHADE[1]
    across = new[:, :1] * SHADE[1] - new[:, 1:] * SHADE[0]
    size = (across.square() + (along.abs() - SHADE_STEP).clamp_min_(0).square_()).sqrt_()
    return (size - NOISE_SIGMAS * CHROMA_NOISE * query.noise).clamp_min_(0)


def _new_light(query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor, reach: int, explained: float) -> torch.Tensor:
    balanced = query.grey - _balance(query.grey, reference.grey, valid)
    return (_outside(balanced, reference.grey, reach).abs() - explained).clamp_min_(0)


def _balance(query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Median of query - reference a plane, `(1, C, 1, 1)`: what exposure and white balance account for."""
    seen = valid[0, 0, ::4, ::4]
    if not bool(seen.any()):
        return query.new_zeros((1, query.shape[1], 1, 1))
    return (query - reference)[0, :, ::4, ::4][:, seen].median(dim=1).values[None, :, None, None]


def _outside(values: torch.Tensor, known: torch.Tensor, reach: int) -> torch.Tensor:
    """Signed distance of `values` to the interval that `known` spans nearby, zero inside."""
    return (values - _highest(known, reach)).clamp_min_(0) + (values + _highest(-known, reach)).clamp_max_(0)


def _mean_around(planes: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean within `reach` cells, zero outside the picture."""
    height, width = planes.shape[2:]
    cells = F.pad(_cells(planes, torch.add), (reach,) * 4)
    sums = _running_sum(_running_sum(cells, 2 * reach + 1, 2), 2 * reach + 1, 3)
    return _spread(sums / (CELL * (2 * reach + 1)) ** 2, height, width)


def _highest(planes: torch.Tensor, reach: int, outside: float = -torch.inf) -> torch.Tensor:
    """Highest value within `reach` cells, beyond the picture `outside`. Slices, as pooling is many times slower on a CPU."""
    height, width = planes.shape[2:]
    cells = _cells(planes, torch.maximum)
    if reach:
        cells = F.pad(cells, (reach,) * 4, value=outside)
        cells = _running_max(_running_max(cells, 2 * reach + 1, 2), 2 * reach + 1, 3)
    return _spread(cells, height, width)


def _cells(planes: torch.Tensor, join: Callable) -> torch.Tensor:
    """Each CELL x CELL pixels joined to one."""
    height, width = planes.shape[2:]
    if height % CELL or width % CELL:
        planes = F.pad(planes, (0, width % CELL, 0, height % CELL), mode="replicate")
    rows = join(planes[:, :, ::CELL], planes[:, :, 1::CELL])
    return join(rows[..., ::CELL], rows[..., 1::CELL])


def _spread(cells: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return F.interpolate(cells, scale_factor=CELL, mode="nearest")[..., :height, :width]


def _running_sum(values: torch.Tensor, window: int, dim: int) -> torch.Tensor:
    size = values.shape[dim] - window + 1
    total = values.narrow(dim, 0, size).clone()
    for start in range(1, window):
        total += values.narrow(dim, start, size)
    return total


def _running_max(values: torch.Tensor, window: int, dim: int) -> torch.Tensor:
    """Maximum of each `window` neighbours along `dim`, by doubling."""
    reached = 1
    while reached < window:
        step = min(reached, window - reached)
        length = values.shape[dim] - step
        values = torch.maximum(values.narrow(dim, 0, length), values.narrow(dim, step, length))
        reached += step
    return values
