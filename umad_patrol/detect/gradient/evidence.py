"""Cues that something is new, each measured against the best that the reference offers within the search range.

A value of the query is new by its distance to the interval of the reference's values nearby: parallax and small
misalignment shift values but seldom invent them, and an interval costs two dilations where a search by patches costs
one comparison a shift. Cast shadows change log intensity by a bounded step and chromaticity along the known
direction from warm sun to blue sky, so that much is explained by light.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from umad_patrol.config import GradientSettings
from umad_patrol.detect.gradient.features import STRIDE, GradientFeatures

CELL = 2
SHADE = (-0.5 ** 0.5, 0.5 ** 0.5)  # shade is bluer: less log(R/G), more log(B/G)
SHADE_STEP = 0.12
NOISE_SIGMAS = 3.0


def score(query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor, settings: GradientSettings) -> torch.Tensor:
    """Scores `(1, 1, H/2, W/2)` in [0, 1]: 0.5 where the cues together reach one unit of their scales."""
    halved = _halved_mask(valid)
    reach = settings.search_px // (STRIDE * CELL)
    total = (_new_edges(query, reference, reach) / settings.edge).square_()
    total += (_new_colour(query, reference, halved, reach) / settings.colour).square_()
    total += (_new_light(query, reference, halved, reach, settings.light) / settings.light).square_()
    return total / (1 + total) * halved


def _halved_mask(valid: torch.Tensor) -> torch.Tensor:
    """Where all pixels of a half-size pixel are valid."""
    height, width = valid.shape[2:]
    padded = F.pad(valid, (0, width % STRIDE, 0, height % STRIDE), value=True)
    rows = padded[:, :, ::STRIDE] & padded[:, :, 1::STRIDE]
    return rows[..., ::STRIDE] & rows[..., 1::STRIDE]


def _new_edges(query: GradientFeatures, reference: GradientFeatures, reach: int) -> torch.Tensor:
    known = _highest(reference.edges, reach)
    new = (query.edges - known - NOISE_SIGMAS * 0.4 * query.noise).clamp_min_(0)
    return new.square_().sum(1, keepdim=True).sqrt_()


def _new_colour(query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor, reach: int) -> torch.Tensor:
    new = _outside(query.chroma - _balance(query.chroma, reference.chroma, valid), reference.chroma, reach)
    along = new[:, :1] * SHADE[0] + new[:, 1:] * SHADE[1]
    across = new[:, :1] * SHADE[1] - new[:, 1:] * SHADE[0]
    size = (across.square() + (along.abs() - SHADE_STEP).clamp_min_(0).square_()).sqrt_()
    return (size - NOISE_SIGMAS * 0.6 * query.noise).clamp_min_(0)


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


def _highest(planes: torch.Tensor, reach: int) -> torch.Tensor:
    """Highest value within `reach` cells, a cell being CELL x CELL. Slices, as pooling is many times slower on a CPU."""
    height, width = planes.shape[2:]
    padded = F.pad(planes, (0, width % CELL, 0, height % CELL), mode="replicate") if width % CELL or height % CELL else planes
    rows = torch.maximum(padded[:, :, ::CELL], padded[:, :, 1::CELL])
    cells = torch.maximum(rows[..., ::CELL], rows[..., 1::CELL])
    if reach:
        cells = F.pad(cells, (reach,) * 4, value=-torch.inf)
        cells = _running_max(_running_max(cells, 2 * reach + 1, 2), 2 * reach + 1, 3)
    return F.interpolate(cells, scale_factor=CELL, mode="nearest")[..., :height, :width]


def _running_max(values: torch.Tensor, window: int, dim: int) -> torch.Tensor:
    """Maximum of each `window` neighbours along `dim`, by doubling."""
    size, reached = values.shape[dim] - window + 1, 1
    while reached < window:
        step = min(reached, window - reached)
        length = values.shape[dim] - step
        values = torch.maximum(values.narrow(dim, 0, length), values.narrow(dim, step, length))
        reached += step
    return values.narrow(dim, 0, size)
