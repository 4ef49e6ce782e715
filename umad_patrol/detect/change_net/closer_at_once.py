"""Closer looks as one piece for a GPU: what `closer.py` does, in so many operations on tensors of such shapes whatever is found.

So nobody waits for the scores, and all of it is recorded as one graph (`engines/replay.py`). There each operation costs some 2 us however
little it does: all peaks are dealt with at once, and what depends on those before it is found in a few rounds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.closer import (
    APART_PX, AROUND_PX, MARGIN_PX, PERHAPS, SHARE, SIDE_PX, SMALL_PX, SURELY, ask, said_by_both)
from umad_patrol.detect.change_net.engines import Engine
from umad_patrol.detect.change_net.network import OUTPUT_STRIDE

PEAKS = 16              # that are looked into for each window there may be: many are of one thing, or of what is not small
NO_PEAK = -2.0          # less than any score less another
ROUNDS = 2              # of finding what comes before what: so long can a chain be of things that depend on one another
_PATCH_PX = 2 * SMALL_PX + 1    # side of what is around a peak


def look_closer_at_once(engine: Engine, most: int, scores: torch.Tensor, valid: torch.Tensor, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Scores `(1, 1, h, w)` of *anomaly* once the network has looked closer at the parts, at most so many, that it might change its mind about.

    `scores` are the first look's, `valid` `(1, 1, h, w)` is where they count, the pictures `(1, 3, h, w)` are of the same pixels.
    """
    if min(scores.shape[2:]) < SIDE_PX or not most:
        return scores.clone()
    corners, perhaps = find_windows_at_once(scores * valid, most)
    both = torch.cat([_cut(picture, corners, SIDE_PX) for picture in (query, reference)])
    closer = ask(engine, both, _cut(valid, corners, SIDE_PX))
    return _heed(scores, corners, perhaps, said_by_both(_cut(scores, corners, SIDE_PX), closer))


def find_windows_at_once(new: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The corners (row, column) `(N, 2)` of N windows in scores `(1, 1, h, w)`, and where in each, `(N, 1, SIDE_PX, SIDE_PX)` bool, something is perhaps new.

    N is `most`, but in a picture too small for that; where fewer are worth a look the rest have nothing in them. Otherwise they are
    those of `closer.find_windows`, in order.
    """
    peaks, found = _peaks(new, PEAKS * most)
    around = F.pad(new, [SMALL_PX] * 4)     # a patch of it begins where its peak is in `new`
    things = _things(_cut(around, peaks, _PATCH_PX))
    starts, sizes = _boxes(things, peaks)
    alone = _come_first(found, _holds(things, peaks))
    small = alone * (sizes <= SMALL_PX).all(1)
    asked = small * (small.cumsum(0) <= 2 * most)
    corners = _corners(starts, sizes, new.shape[2:])
    fits = _fits(starts, sizes, corners)
    ranks = torch.arange(len(peaks), 0, -1, device=new.device)
    opened, windows = (_come_first(asked, fits) * ranks).topk(min(most, len(peaks)))
    corners, ranks = corners[windows], ranks[-len(windows):]    # of windows, the first the highest
    of_window = (fits[windows] * asked * (opened > 0)[:, None] * ranks[:, None]).amax(0)    # the first that a thing fits in; 0: none
    return corners, _perhaps(around, things * of_window[:, None, None, None], peaks, corners, ranks)


def _peaks(new: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns `(N, 2)` of peaks of the scores, what stands out most first, and whether they are any, `(N)` of 0 and 1."""
    coarse = new[:, :, ::OUTPUT_STRIDE, ::OUTPUT_STRIDE].contiguous()   # the network says no more
    apart, around = APART_PX // OUTPUT_STRIDE // 2, SMALL_PX // OUTPUT_STRIDE // 2
    highest = F.max_pool2d(coarse, 2 * apart + 1, 1, apart)
    above = coarse - F.avg_pool2d(F.pad(coarse, [around] * 4, mode="reflect"), 2 * around + 1, 1)
    above = above.masked_fill_((coarse < highest) | (coarse <= PERHAPS) | (coarse >= SURELY), NO_PEAK)
    above, cells = F.max_pool2d(above, apart, ceil_mode=True, return_indices=True)      # there are no two, but of one height
    above, order = above.flatten().topk(min(count, above.numel()))
    cells = cells.flatten()[order]
    return OUTPUT_STRIDE * torch.stack([cells // coarse.shape[3], cells % coarse.shape[3]], 1), (above > NO_PEAK).float()


def _things(patches: torch.Tensor) -> torch.Tensor:
    """What is connected to the middle of each of N patches of scores and high enough, `(N, 1, _PATCH_PX, _PATCH_PX)` of 0 and 1."""
    level = (SHARE * patches[:, :, SMALL_PX:SMALL_PX + 1, SMALL_PX:SMALL_PX + 1]).clamp(min=PERHAPS)
    high = (patches >= level).float()
    first = slice(SMALL_PX - 1, SMALL_PX + 2)
    things = F.pad(high[:, :, first, first], [SMALL_PX - 1] * 4)
    for _ in range(SMALL_PX - 1):   # along what is not small a thing is followed no farther
        things = F.max_pool2d(things, 3, 1, 1) * high
    return things


def _boxes(things: torch.Tensor, peaks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where things begin and how large they are, rows and columns `(N, 2)`."""
    spans = torch.cat([things.amax(3), things.amax(2)], 1)      # rows and columns in which they are
    return peaks - spans[..., :SMALL_PX].sum(-1), spans.sum(-1)


def _holds(things: torch.Tensor, peaks: torch.Tensor) -> torch.Tensor:
    """Which things hold which peaks, `(N, N)` of 0 and 1."""
    beyond = SMALL_PX + 1       # a patch's border, where there is nothing
    rows, columns = ((peaks - peaks[:, None]).clamp(-beyond, beyond) + beyond).unbind(-1)
    return F.pad(things, [1] * 4)[torch.arange(len(peaks), device=peaks.device)[:, None], 0, rows, columns]


def _corners(starts: torch.Tensor, sizes: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """The corners of windows in the middle of which things lie, or as near to it as a picture of `size` (h, w) lets them."""
    corners = (starts + ((sizes - SIDE_PX) / 2).floor()).long()
    return torch.stack([corners[:, axis].clamp(0, side - SIDE_PX) for axis, side in enumerate(size)], 1)


def _fits(starts: torch.Tensor, sizes: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """In which things' window, its margin left out, which things lie, `(N, N)` of 0 and 1: each in its own, and in others' that are the same."""
    begin = starts - corners[:, None]
    within = ((begin >= MARGIN_PX) & (begin + sizes <= SIDE_PX - MARGIN_PX)).all(-1)
    return (within | (corners == corners[:, None]).all(-1)).float()


def _come_first(asked: torch.Tensor, replaces: torch.Tensor) -> torch.Tensor:
    """Those of N that ask, 1 of 0 and 1, and that none before replaces which itself comes first; `replaces` `(N, N)`."""
    replaces, first = replaces.triu(1), asked
    for _ in range(ROUNDS):
        first = (asked - first @ replaces).clamp(min=0)
    return first


def _perhaps(around: torch.Tensor, things: torch.Tensor, peaks: torch.Tensor, corners: torch.Tensor, ranks: torch.Tensor) -> torch.Tensor:
    """Where in windows that which has their rank in patches `things` lies, and a little around it."""
    pixels = _numbered(around)
    ranked = torch.zeros_like(around).view(-1).scatter_reduce_(0, _cut(pixels, peaks, _PATCH_PX).flatten(), things.flatten(), "amax").view_as(around)
    there = _cut(ranked[..., SMALL_PX:, SMALL_PX:], corners, SIDE_PX) == ranks[:, None, None, None]
    return F.max_pool2d(there.float(), 2 * AROUND_PX + 1, 1, AROUND_PX) > 0


def _heed(scores: torch.Tensor, corners: torch.Tensor, perhaps: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """Scores with what is `said` in windows in place where `perhaps`, that of the last where several say something.

    An even number that is larger the later a window is, added and taken off again, makes it the highest.
    """
    numbers = torch.arange(2, 2 * len(corners) + 2, 2, device=scores.device)[:, None, None, None]
    pixels = _cut(_numbered(scores), corners, SIDE_PX)
    return scores.flatten().scatter_reduce(0, pixels.flatten(), ((said + numbers) * perhaps).flatten(), "amax").remainder_(2).view_as(scores)


def _numbered(planes: torch.Tensor) -> torch.Tensor:
    """The pixels of one plane, numbered."""
    return torch.arange(planes.numel(), device=planes.device).view_as(planes)


def _cut(planes: torch.Tensor, corners: torch.Tensor, side: int) -> torch.Tensor:
    """Squares `(N, C, side, side)` of planes `(1, C, h, w)`, from N corners (row, column) on."""
    squares = planes[0].unfold(1, side, 1).unfold(2, side, 1)   # (C, rows, columns, side, side), a view
    return squares.permute(1, 2, 0, 3, 4)[corners[:, 0], corners[:, 1]]
