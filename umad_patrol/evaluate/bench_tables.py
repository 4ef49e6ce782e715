"""What `bench` found, as text and as a picture."""

from __future__ import annotations

import cv2
import numpy as np

_LEFT, _TOP, _BAR, _WIDTH, _RIGHT, _BELOW = 330, 50, 26, 1100, 130, 50  # pixels: names, title, a bar's height, all, figures, axis
_COLOURS = {"cpu": (200, 120, 30), "cuda": (60, 160, 60)}               # BGR
_FONT, _INK, _PALE = cv2.FONT_HERSHEY_SIMPLEX, (60, 60, 60), (225, 225, 225)


def tables(result: dict) -> str:
    """The stages, the networks, and what they were measured on."""
    memory, where = result["memory_mb"], result["machine"]
    size, crop = ("x".join(map(str, result[key])) for key in ("size", "crop"))
    half = ", half precision on CUDA" if result["half_on_cuda"] else ""
    lines = [f"{where['cpu']}, {where['cores']} cores, {result['threads']} threads{', ' + where['gpu'] if where['gpu'] else ''}; "
             f"torch {where['torch']}; {result['repeat']} repetitions", "",
             f"stages and whole way at {size}, detector {result['detector']}; each stage by itself with one thread of torch",
             *_stage_lines(result["stages"]), "",
             f"networks alone at {crop}, random weights, the quicker memory layout{half}",
             *_network_lines(result["networks"]), "",
             f"memory: {memory['start']} MB at the start, {memory['stages_peak']} MB at most in the stages, "
             f"{memory['peak']} MB with the networks"
             + (f"; on the GPU {result['cuda_peak_mb']} MB at most" if result["cuda_peak_mb"] else "")]
    return "\n".join(lines)


def draw(result: dict) -> np.ndarray:
    """A bar a row, as long as the logarithm of its median; `(H, W, 3)` uint8 BGR."""
    rows = result["stages"] + result["networks"]
    image = np.full((_TOP + _BAR * (len(rows) + 1) + _BELOW, _WIDTH, 3), 255, np.uint8)
    bottom, low, high = image.shape[0] - _BELOW, *_decades([row["ms"] for row in rows])
    size, crop = ("x".join(map(str, result[key])) for key in ("size", "crop"))
    _text(image, f"median in ms; stages at {size}, networks at {crop}", 14, 28, 0.55)
    for power in range(low, high + 1):
        x = _column(10.0**power, low, high)
        cv2.line(image, (x, _TOP - 8), (x, bottom), _PALE, 1)
        _text(image, f"{10.0**power:g} ms", x - 18, bottom + 22, 0.42)
    for i, row in enumerate(rows):
        y = _TOP + _BAR * (i + (i >= len(result["stages"])))  # a gap between stages and networks
        end = _column(row["ms"], low, high)
        cv2.rectangle(image, (_LEFT, y), (max(end, _LEFT + 1), y + _BAR - 8), _COLOURS[row["device"]], -1)
        _text(image, _name(row), 14, y + 14, 0.45)
        _text(image, _figure(row["ms"]), end + 8, y + 14, 0.45)
    return image


def _stage_lines(rows: list[dict]) -> list[str]:
    wide = _wide(rows, 34)
    lines = [f"{'':{wide}}{'device':>8}{'ms':>10}{'p90':>10}{'Hz':>10}"]
    return lines + [f"{row['name']:{wide}}{row['device']:>8}{row['ms']:10.2f}{row['p90_ms']:10.2f}{row['hz']:10.1f}" for row in rows]


def _network_lines(rows: list[dict]) -> list[str]:
    wide = _wide(rows, 26)
    lines = [f"{'':{wide}}{'device':>8}{'batch':>7}{'ms':>10}{'p90':>10}{'pairs/s':>10}{'M param.':>10}{'x ours':>9}  layout"]
    return lines + [f"{row['name']:{wide}}{row['device']:>8}{row['batch']:7}{row['ms']:10.2f}{row['p90_ms']:10.2f}{row['hz']:10.2f}"
                    f"{row['parameters_m']:10.2f}{row['relative']:9.2f}  {row['layout']}".rstrip() for row in rows]


def _wide(rows: list[dict], least: int) -> int:
    """Characters of the column of names."""
    return max([least, *(len(row["name"]) + 1 for row in rows)])


def _figure(milliseconds: float) -> str:
    """Three digits, or all before the point."""
    return f"{milliseconds:.3g}" if milliseconds < 999.5 else f"{milliseconds:.0f}"


def _name(row: dict) -> str:
    return row["name"] + (f", {row['batch']} at once" if row["batch"] > 1 else "") + (" (GPU)" if row["device"] == "cuda" else "")


def _decades(milliseconds: list[float]) -> tuple[int, int]:
    """The powers of ten below the least and above the greatest."""
    least, greatest = np.log10(max(min(milliseconds), 1e-3)), np.log10(max(milliseconds))
    return int(np.floor(least)), max(int(np.ceil(greatest)), int(np.floor(least)) + 1)


def _column(milliseconds: float, low: int, high: int) -> int:
    """Where a median lies, from the left."""
    share = (np.log10(max(milliseconds, 1e-3)) - low) / (high - low)
    return round(_LEFT + float(share) * (_WIDTH - _LEFT - _RIGHT))


def _text(image: np.ndarray, text: str, x: int, y: int, size: float) -> None:
    cv2.putText(image, text, (x, y), _FONT, size, _INK, 1, cv2.LINE_AA)
