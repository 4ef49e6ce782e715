"""Learning from every pair several times, each time mirrored and lit anew: for a trainer that is quicker than those who make the pairs.

Choi et al., "Faster Neural Network Training with Data Echoing", 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch

POOL = 1024         # samples that are kept at hand, 1.6 GB of 320x320
GAIN = 0.12         # of each picture and channel, either way
Batch = tuple[torch.Tensor, ...]


def echoed(batches: Iterable[Batch], times: int, device: torch.device, draw: Callable[[int], torch.Generator], pool_size: int = POOL,
           first: int = 0, begin: int = 0) -> Iterator[Batch]:
    """`times` batches on `device` for each that comes, of samples (`data.tensors`) drawn from the latest `pool_size`.

    `draw(n)` draws for the n-th that is given. Where a run goes on with the n-th, `begin`, those that come are counted from `first` on, and none is
    given before that one: with the last `pool_size` samples before it among them all is as if it had not been cut off.
    """
    pool: Batch = ()
    come = 0
    for number, batch in enumerate(batches, first):
        count = len(batch[0])
        come = come or number * count
        pool = pool or tuple(torch.empty(pool_size, *part.shape[1:], dtype=part.dtype, device=device) for part in batch)
        places = _on(torch.arange(come, come + count) % pool_size, device)
        for kept, part in zip(pool, batch):
            kept[places] = part.to(device, non_blocking=True)
        come += count
        for turn in range(max(begin, number * times), (number + 1) * times):
            dice = draw(turn)
            drawn = _on(torch.randint(min(come, pool_size), (count,), generator=dice), device)
            yield _varied(tuple(kept[drawn] for kept in pool), dice)


def _varied(batch: Batch, draw: torch.Generator) -> Batch:
    """Every other sample mirrored, each of its two pictures a little brighter, darker or of another tint."""
    query, reference, *planes = batch
    mirrored = _on(torch.rand(len(query), 1, 1, 1, generator=draw) < 0.5, query.device)
    gains = _on(1 + GAIN * (2 * torch.rand(2, len(query), 3, 1, 1, generator=draw) - 1), query.device)
    lit = [(picture * gain).clamp(0, 255).to(picture.dtype) for picture, gain in zip((query, reference), gains)]
    return tuple(torch.where(mirrored, part.flip(-1), part) for part in (*lit, *planes))


def _on(numbers: torch.Tensor, device: torch.device) -> torch.Tensor:
    """There, without waiting for a GPU."""
    return numbers.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else numbers.to(device)
