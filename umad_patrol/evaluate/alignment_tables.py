"""What `evaluate alignment` found, as tables: by method, by what was varied, by scene."""

from __future__ import annotations

import numpy as np

from umad_patrol.evaluate.baselines import ORACLE, SIFT_MAGSAC
from umad_patrol.evaluate.homo_eva import PAPER, scene_number
from umad_patrol.evaluate.pairs import LAYERS
from umad_patrol.evaluate.pme import FAILURE_PX

OURS, PUBLISHED = "ours", "adaptive warping, as published"
FACTORS = {"offset_m": "sideways offset, m", "rotation_deg": "rotation, deg", "noise_m": "noise of the pose, m", "light": "light",
           "light_in_place": "light, offset <= 0.03 m"}
_IN_PLACE_M = 0.03  # up to here a change of light alone can be judged: parallax spoils no single homography much
_NAME = 32


def table(result: dict) -> str:
    """The methods of `result`, a line each."""
    layers = [layer for layer in LAYERS if any(f"{layer}_px" in row for row in result["methods"].values())]
    head = f"{'mean':>8}{'median':>8}{'95 %':>8}{'worst':>8}{'> 10 px':>9}{'ms':>8}{'laid ms':>9}" + "".join(f"{layer:>8}" for layer in layers)
    lines = [f"{'PME in px over ' + str(result['pairs']) + ' pairs':{_NAME}}{head}"]
    for name, row in result["methods"].items():
        lines.append(f"{name:{_NAME}}{row['mean_px']:8.2f}{row['median_px']:8.2f}{row['p95_px']:8.2f}{row['worst_px']:8.2f}{row['failures']:9d}"
                     f"{row['ms']:8.1f}{row['laid_ms']:9.1f}" + "".join(f"{row[f'{layer}_px']:8.2f}" if f"{layer}_px" in row else f"{'':8}" for layer in layers))
    if result["not_comparable"]:
        lines.append(f"not comparable: {', '.join(result['not_comparable'])}")
    return "\n".join(lines)


def by_sweep(rows: list[dict]) -> dict:
    """`{quantity: {value: {"pairs", "pme_px": {method: mean}, "failures": {method: count}, "ground_px": ...}}}`; {} where no pair says."""
    told = [row for row in rows if row["sweep"]]
    return {factor: {str(value): _means(some) for value, some in _grouped(told, factor)} for factor in FACTORS} if told else {}


def by_scene(rows: list[dict]) -> dict:
    """As a value of `by_sweep`, of each scene of a data set; {} where the pairs have none."""
    return {scene: _means([row for row in rows if row["scene"] == scene]) for scene in sorted({row["scene"] for row in rows if row["scene"]})}


def sweep_table(result: dict) -> str:
    """PME of ours, the oracle and SIFT + MAGSAC by what was varied; "" where nothing was."""
    lines = [_varied(title, result["sweep"][factor]) for factor, title in FACTORS.items() if result["sweep"].get(factor)]
    return "\n\n".join(lines)


def scene_table(result: dict) -> str:
    """Mean PME by scene, the paper's beside ours; "" where the pairs have no scenes."""
    scenes = result["scenes"]
    if not scenes:
        return ""
    numbers = [scene_number(scene) for scene in scenes]
    lines = [f"{'mean PME in px by scene':{_NAME}}" + "".join(f"{scene[:17]:>18}" for scene in scenes) + f"{'all':>8}"]
    for name, row in result["methods"].items():
        lines.append(f"{name:{_NAME}}" + "".join(f"{of['pme_px'][name]:18.2f}" for of in scenes.values()) + f"{row['mean_px']:8.2f}")
    for name, figures in PAPER.items():
        cells = "".join(f"{figures[n - 1]:18.2f}" if 1 <= n <= 6 else f"{'-':>18}" for n in numbers)
        lines.append(f"{'paper: ' + name:{_NAME}}{cells}{figures[6]:8.2f}")
    return "\n".join(lines)


def _varied(title: str, values: dict) -> str:
    """One quantity: a line a value, mean PME and share of failures on all points, then on ground and far points."""
    first = next(iter(values.values()))
    shown = [name for name in (OURS, ORACLE, SIFT_MAGSAC) if name in first["pme_px"]]
    parts = [("pme_px", "all")] + [(f"{layer}_px", layer) for layer in LAYERS if any(f"{layer}_px" in of for of in values.values())]
    short = {OURS: "ours", ORACLE: "oracle", SIFT_MAGSAC: "SIFT+M"}
    head = "".join(" |" + "".join(f"{part + ' ' + short[name]:>15}" for name in shown) for _, part in parts)
    lines = [f"{title:22}{'pairs':>6}" + "".join(f"{'> 10 px ' + short[name]:>16}" for name in shown if name != ORACLE) + head]
    for value, of in values.items():
        failed = "".join(f"{of['failures'][name] / of['pairs']:16.0%}" for name in shown if name != ORACLE)
        cells = "".join(" |" + "".join(f"{of[key][name]:15.2f}" if key in of else f"{'':15}" for name in shown) for key, _ in parts)
        lines.append(f"{value:22}{of['pairs']:6d}{failed}{cells}")
    return "\n".join(lines)


def _grouped(rows: list[dict], factor: str) -> list[tuple[float | str, list[dict]]]:
    """The rows by their value of one quantity; none where another quantity tells the same."""
    if factor == "light_in_place":
        near = [row for row in rows if row["sweep"]["offset_m"] <= _IN_PLACE_M]
        rows, factor = near if len(near) < len(rows) else [], "light"  # where all are, "light" says the same
    return [(value, [row for row in rows if row["sweep"][factor] == value]) for value in sorted({row["sweep"][factor] for row in rows})]


def _means(rows: list[dict]) -> dict:
    names = rows[0]["pme_px"]
    found = {"pairs": len(rows), "failures": {name: sum(row["pme_px"][name] > FAILURE_PX for row in rows) for name in names}}
    for key in ("pme_px", *(f"{layer}_px" for layer in LAYERS)):
        some = [row[key] for row in rows if key in row]
        if some:
            found[key] = {name: round(float(np.mean([one[name] for one in some])), 4) for name in names}
    return found
