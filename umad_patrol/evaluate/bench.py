"""How fast: every stage and the whole way on a simulated pair, then networks alone beside the peers, all in one run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import torch

from umad_patrol.comparer import Comparer
from umad_patrol.config import Settings
from umad_patrol.evaluate.bench_networks import Contestant, contestants, laid_out
from umad_patrol.evaluate.bench_pair import BenchPair, make_pair
from umad_patrol.evaluate.bench_stages import Call, network_pictures, single_stages, whole_ways
from umad_patrol.evaluate.timing import Timing, machine, measure, peak_mb, threads


@dataclass(frozen=True)
class BenchOptions:
    """What to measure. Sizes are (width, height) in pixels, `crop` that of the networks' pictures; `half` is for CUDA alone."""

    devices: tuple[torch.device, ...]
    size: tuple[int, int]
    crop: tuple[int, int]
    repeat: int
    threads: int
    batches: tuple[int, ...] = (1,)
    peers: bool = True
    half: bool = False


@dataclass(frozen=True)
class Row:
    """One line: milliseconds of a call on a `batch` of pairs, pairs a second, and how many times ours a network's median is."""

    name: str
    device: str
    batch: int
    ms: float
    p90_ms: float
    hz: float
    parameters_m: float | None = None
    layout: str = ""
    relative: float | None = None


def bench(settings: Settings, options: BenchOptions) -> dict:
    """Measure stages, then networks. Raises ConfigError if the pair cannot be compared at this size."""
    with threads(options.threads):
        print(f"rendering a pair of pictures of {options.size[0]}x{options.size[1]}", file=sys.stderr)
        pair, start_mb = make_pair(options.size), peak_mb()
        stages = [row for device in options.devices for row in _stages(pair, settings, device, options)]
        stages_mb = peak_mb()
        networks = [row for device in options.devices for row in _related(list(_networks(pair, settings, device, options)))]
    return {"machine": machine(list(options.devices)), "threads": options.threads, "repeat": options.repeat,
            "size": list(options.size), "crop": list(options.crop), "half_on_cuda": options.half,
            "memory_mb": {"start": round(start_mb), "stages_peak": round(stages_mb), "peak": round(peak_mb())},
            "cuda_peak_mb": round(torch.cuda.max_memory_allocated() / 1e6) if torch.cuda.is_available() else None,
            "detector": settings.detect.detector, "stages": [asdict(row) for row in stages], "networks": [asdict(row) for row in networks]}


def _stages(pair: BenchPair, settings: Settings, device: torch.device, options: BenchOptions) -> Iterator[Row]:
    """A row a stage with one thread of torch, as the pipeline runs them, and one each for the whole ways."""
    comparer = Comparer(settings, device)
    try:
        for name, call in single_stages(pair, settings, comparer).items():
            with threads(1):
                yield _timed(name, call, device, options)
        for name, call in whole_ways(pair, settings, comparer).items():
            yield _timed(name, call, device, options)
    finally:
        comparer.close()


def _timed(name: str, call: Call, device: torch.device, options: BenchOptions) -> Row:
    return _row(name, device, 1, measure(call, options.repeat, device, f"{device.type}: {name}"))


def _networks(pair: BenchPair, settings: Settings, device: torch.device, options: BenchOptions) -> Iterator[Row]:
    """A row a contestant and batch; one contestant is held at a time."""
    pictures = [picture.to(device) for picture in network_pictures(pair, settings, options.crop)]
    for name, make in contestants(settings, device, options.peers).items():
        contestant = make()
        for batch in options.batches:
            if batch == 1 or contestant.network is not None:
                yield _network(name, contestant, [picture.repeat(batch, 1, 1, 1) for picture in pictures], options)


def _network(name: str, contestant: Contestant, pictures: list[torch.Tensor], options: BenchOptions) -> Row:
    device, batch = pictures[0].device, len(pictures[0])
    call, layout = laid_out(contestant, *pictures, options.half and device.type == "cuda")
    row = _row(name, device, batch, measure(call, options.repeat, device, f"{device.type}: {name}, {batch} at once"))
    return replace(row, parameters_m=round(contestant.parameters / 1e6, 3), layout=layout)


def _related(rows: list[Row]) -> list[Row]:
    """With each median in those of ours, the first, on the same device at the same batch."""
    ours = {row.batch: row.ms for row in rows if row.name == rows[0].name}
    return [replace(row, relative=round(row.ms / ours[row.batch], 2)) for row in rows]


def _row(name: str, device: torch.device, batch: int, timing: Timing) -> Row:
    return Row(name, device.type, batch, round(timing.median, 3), round(timing.p90, 3), round(1e3 * batch / timing.median, 2))
