"""Cues that something is new, each measured against the best that the reference offers within the search range.

A value of the query is new by its distance to the interval of the reference's values nearby: parallax and small
misalignment shift values but seldom invent them, and an interval costs two dilations where a search by patches costs
one comparison a shift. Cast shadows change log intensity by a bounded step and chromaticity along the known
direction from warm sun to blue sky, so that much is explained by light.
"""

from __future__ import annotations

import torch

from umad_patrol.config import GradientSettings
from umad_patrol.detect.gradient import cells
from umad_patrol.detect.gradient.cells import CELL
from umad_patrol.detect.gradient.features import STRIDE, GradientFeatures, padded

SHADE = (-0.5 ** 0.5, 0.5 ** 0.5)  # shade is bluer: less log(R/G), more log(B/G)
SHADE_STEP = 0.12
NOISE_SIGMAS = 3.0
EDGE_NOISE = 0.4  # standard deviation of a derivative, and of chromaticity, over that of a pixel
CHROMA_NOISE = 0.6
NEWNESS_WINDOWS = ((3, 1.0), (10, 4.0))  # reach in cells of cells, 8 px, and weight
NEWNESS_SHARE = 0.35
CRISP_REACH = 2  # in cells
CRISP_NONE, CRISP_ALL = 0.11, 0.25


def score(query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor, settings: GradientSettings) -> torch.Tensor:
    """Scores `(1, 1, h, w)` in [0, 1] at half size: 0.5 where one cue reaches one unit of its scale.

    Zero within the search range of the picture's border and of what is not valid: what lies beyond is not known.
    """
    reach = settings.search_px // (STRIDE * CELL)
    unknown = cells.joined(cells.joined(padded((~valid).float())))
    known_edges = cells.highest(reference.edge_cells, reach)
    shapes = _shapes(query, known_edges, settings.shape_px) / settings.edge ** 2
    surfaces = _crisp(_surfaces(query, reference, unknown < 0.5, reach, settings))
    of_surfaces = surfaces / (1 + surfaces) * cells.spread(_newness(query, reference, known_edges, reach))
    inside = cells.spread((cells.highest(unknown, reach, outside=1.0) < 0.5).float())
    return (1 - (1 - of_surfaces) / (1 + shapes)) * inside


def _shapes(query: GradientFeatures, known_edges: torch.Tensor, shape_px: int) -> torch.Tensor:
    """New edges times how much new gradient there is around them in its weakest direction: a squared gradient.

    A shadow's border runs straight through its surroundings; the outline of a thing turns. The weight is the root of the
    smaller eigenvalue of the structure tensor of the new gradient, over a window for things large or one for small.
    """
    appeared = (query.edges - cells.spread(known_edges)).sub_(NOISE_SIGMAS * EDGE_NOISE * query.noise).clamp_min_(0)
    appeared = _crisp(appeared.square_().sum(1, keepdim=True)).sqrt_()
    slope = query.slope * (appeared / (query.length + 1e-6))
    across, down = slope[:, :1], slope[:, 1:]
    moments = cells.joined(torch.cat([across * across, down * down, across * down], 1), torch.add) / CELL ** 2
    wide = max(1, shape_px // (2 * STRIDE * CELL))
    least = torch.maximum(_least(cells.mean(moments, wide)), _least(cells.mean(moments, (wide + 1) // 2)))
    return appeared * cells.spread(least.clamp_min_(0).sqrt_())


def _least(moments: torch.Tensor) -> torch.Tensor:
    """The smaller eigenvalue of symmetric 2 x 2 matrices, given as planes xx, yy, xy."""
    half_difference = (moments[:, :1] - moments[:, 1:2]) / 2
    return (moments[:, :1] + moments[:, 1:2]) / 2 - half_difference.square_().add_(moments[:, 2:].square()).sqrt_()


def _newness(query: GradientFeatures, reference: GradientFeatures, known_edges: torch.Tensor, reach: int) -> torch.Tensor:
    """Near 0, a cell, where around it edges vanished and hardly any appeared: there something was taken away, not put.

    What was taken away uncovers colours that are new, but its outline is the reference's. Wide windows speak where
    narrow ones, inside of large things, see neither.
    """
    noise = NOISE_SIGMAS * EDGE_NOISE * cells.joined(query.noise)
    appeared = (query.edge_cells - known_edges - noise).clamp_min_(0).square_().sum(1, keepdim=True)
    vanished = (reference.edge_cells - cells.highest(query.edge_cells, reach) - noise).clamp_min_(0).square_().sum(1, keepdim=True)
    energies = torch.cat([appeared, vanished], 1)
    coarse = cells.joined(cells.padded_even(energies), torch.add) / CELL ** 2
    around = sum(weight * cells.mean(coarse, reach) for reach, weight in NEWNESS_WINDOWS) + 1e-7
    share = around[:, :1] / (around[:, :1] + around[:, 1:])
    return cells.spread((share / NEWNESS_SHARE).clamp_max_(1.0).square_())[..., :energies.shape[2], :energies.shape[3]]


def _surfaces(query: GradientFeatures, reference: GradientFeatures, seen: torch.Tensor, reach: int,
              settings: GradientSettings) -> torch.Tensor:
    """New chromaticity and light that no shadow explains, squared and in units of their scales."""
    low, high = (cells.spread(cells.highest(cells.joined(sign * reference.surface), reach)) for sign in (-1, 1))
    balanced = query.surface - _balance(query.surface, reference.surface, seen)
    new = (balanced - high).clamp_min_(0).add_((balanced + low).clamp_max_(0))
    light, red, blue = new[:, :1], new[:, 1:2], new[:, 2:]
    along, across = red * SHADE[0] + blue * SHADE[1], red * SHADE[1] - blue * SHADE[0]
    colour = across.square_().add_(along.abs_().sub_(SHADE_STEP).clamp_min_(0).square_()).sqrt_()
    colour = colour.sub_(NOISE_SIGMAS * CHROMA_NOISE * query.noise).clamp_min_(0).div_(settings.colour).square_()
    return colour.add_(light.abs().sub_(settings.light).clamp_min_(0).div_(settings.light).square_())


def _crisp(squared: torch.Tensor) -> torch.Tensor:
    """Without the slopes that smoothing adds around things: under half of the highest amplitude nearby it fades, under a third it ends."""
    top = cells.spread(cells.highest(cells.joined(squared), CRISP_REACH)).add_(1e-12)
    share = squared / top
    return squared * ((share - CRISP_NONE) / (CRISP_ALL - CRISP_NONE)).clamp_(0.0, 1.0)


def _balance(query: torch.Tensor, reference: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Median of query - reference a plane, `(1, C, 1, 1)`: what exposure and white balance account for."""
    where = seen[0, 0, ::2, ::2]
    if not bool(where.any()):
        return query.new_zeros((1, query.shape[1], 1, 1))
    step = 2 * CELL
    return (query[0, :, ::step, ::step] - reference[0, :, ::step, ::step])[:, where].median(dim=1).values[None, :, None, None]
