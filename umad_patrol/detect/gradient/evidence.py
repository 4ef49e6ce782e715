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
from umad_patrol.detect.gradient.features import STRIDE, GradientFeatures

SHADE = (-0.5 ** 0.5, 0.5 ** 0.5)  # shade is bluer: less log(R/G), more log(B/G)
SHADE_STEP = 0.12
NOISE_SIGMAS = 3.0
EDGE_NOISE = 0.4  # standard deviation of a derivative, and of chromaticity, over that of a pixel
CHROMA_NOISE = 0.6
NEWNESS_WINDOWS = ((3, 1.0), (10, 4.0))  # reach in cells of cells, 8 px, and weight
NEWNESS_SHARE = 0.35
CRISP_REACH = 2  # in cells
CRISP_NONE, CRISP_ALL = 0.11, 0.25
SMALLEST = 1e-30  # vanishes beside a score


def score(query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor, settings: GradientSettings) -> torch.Tensor:
    """Scores `(1, 1, 4, h, w)` in [0, 1] at half size, by cells: 0.5 where one cue reaches one unit of its scale.

    Zero within the search range of the picture's border and of what is not valid: what lies beyond is not known.
    """
    reach = settings.search_px // (STRIDE * CELL)
    seen = cells.everywhere(valid, STRIDE * CELL)[:, :, None]
    highest = cells.operations(query.surface).highest
    known_edges = highest(reference.edge_cells, reach, -torch.inf)
    shapes = _shapes(query, known_edges, settings.shape_px).div_(settings.edge ** 2).add_(1)
    surfaces = _crisp(_surfaces(query, reference, seen, reach, settings))
    of_surfaces = surfaces.div_(1 + surfaces).mul_(_newness(query, reference, known_edges, reach))
    inside = highest((~seen).float(), max(1, reach), 1.0) < 0.5  # what is scored is spread by less than a cell
    return of_surfaces.neg_().add_(1).div_(shapes).neg_().add_(1).mul_(inside)


def _shapes(query: GradientFeatures, known_edges: torch.Tensor, shape_px: int) -> torch.Tensor:
    """New edges times how much new gradient there is around them in its weakest direction: a squared gradient.

    A shadow's border runs straight through its surroundings; the outline of a thing turns. The weight is the root of the
    smaller eigenvalue of the structure tensor of the new gradient, over a window for things large or one for small.
    """
    mean = cells.operations(query.edges).mean
    appeared = (query.edges - known_edges).sub_(query.noise, alpha=NOISE_SIGMAS * EDGE_NOISE).clamp_min_(0)
    energy = _crisp(appeared.square_().sum(1, keepdim=True))
    moments = cells.mean_pixel(query.tensor * (energy / (query.energy + 1e-12)))
    wide = max(1, shape_px // (2 * STRIDE * CELL))
    least = torch.maximum(_least(mean(moments, wide)), _least(mean(moments, (wide + 1) // 2)))
    return _root(energy.mul_(least.clamp_min_(0)))


def _least(moments: torch.Tensor) -> torch.Tensor:
    """The smaller eigenvalue of symmetric 2 x 2 matrices, given as planes xx, yy, xy."""
    half_difference = (moments[:, :1] - moments[:, 1:2]) / 2
    return (moments[:, :1] + moments[:, 1:2]) / 2 - _root(half_difference.square_().add_(moments[:, 2:].square()))


def _root(squared: torch.Tensor) -> torch.Tensor:
    """The square root, in place. MKL takes five times as long for zeros, of which there are many, as for anything else."""
    return squared.clamp_min_(SMALLEST).sqrt_()


def _newness(query: GradientFeatures, reference: GradientFeatures, known_edges: torch.Tensor, reach: int) -> torch.Tensor:
    """Near 0, a cell, where around it edges vanished and hardly any appeared: there something was taken away, not put.

    What was taken away uncovers colours that are new, but its outline is the reference's. Wide windows speak where
    narrow ones, inside of large things, see neither.
    """
    on = cells.operations(query.edges)
    noise = NOISE_SIGMAS * EDGE_NOISE * cells.highest_pixel(query.noise)
    known_here = on.highest(query.edge_cells, reach, -torch.inf)
    energies = torch.cat([(edges - known - noise).clamp_min_(0).square_().sum(1) for edges, known in
                          ((query.edge_cells, known_edges), (reference.edge_cells, known_here))], 1)
    coarse = cells.mean_pixel(on.by_cells(cells.padded_even(energies)))
    around = sum(weight * on.mean(coarse, reach) for reach, weight in NEWNESS_WINDOWS) + 1e-7
    share = around[:, :1] / (around[:, :1] + around[:, 1:])
    return cells.repeated((share / NEWNESS_SHARE).clamp_max_(1.0).square_(), energies.shape[2:])


def _surfaces(query: GradientFeatures, reference: GradientFeatures, seen: torch.Tensor, reach: int,
              settings: GradientSettings) -> torch.Tensor:
    """New chromaticity and light that no shadow explains, squared and in units of their scales."""
    highest = cells.operations(query.surface).highest
    low, high = (highest(cells.highest_pixel(surface), reach, -torch.inf) for surface in (-reference.surface, reference.surface))
    balance = _balance(query.surface, reference.surface, seen)
    known = torch.clamp(query.surface, min=balance - low, max=balance + high)
    light, red, blue = (query.surface - known).split(1, dim=1)
    along, across = red * SHADE[0] + blue * SHADE[1], red * SHADE[1] - blue * SHADE[0]
    colour = _root(across.square_().add_(along.abs_().sub_(SHADE_STEP).clamp_min_(0).square_()))
    colour = colour.sub_(query.noise, alpha=NOISE_SIGMAS * CHROMA_NOISE).clamp_min_(0).div_(settings.colour).square_()
    return colour.add_(light.abs_().sub_(settings.light).clamp_min_(0).div_(settings.light).square_())


def _crisp(squared: torch.Tensor) -> torch.Tensor:
    """Without the slopes that smoothing adds around things.

    Under half of the highest amplitude nearby it fades, under a third it ends.
    """
    top = cells.operations(squared).highest(cells.highest_pixel(squared), CRISP_REACH, -torch.inf).add_(1e-12)
    return squared * (squared / top).sub_(CRISP_NONE).div_(CRISP_ALL - CRISP_NONE).clamp_(0.0, 1.0)


def _balance(query: torch.Tensor, reference: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Median of query - reference a plane, `(1, C, 1, 1, 1)`: what exposure and white balance account for."""
    where = seen[0, 0, 0, ::2, ::2]
    if not bool(where.any()):
        return query.new_zeros((1, query.shape[1], 1, 1, 1))
    return (query[0, :, 0, ::2, ::2] - reference[0, :, 0, ::2, ::2])[:, where].median(dim=1).values[None, :, None, None, None]
