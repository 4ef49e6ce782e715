"""What is published on UMAD, and ours printed beside it."""

from __future__ import annotations

SOURCE = "Li, Chen, Xu, Kong: UMAD, University of Macau Anomaly Detection Benchmark Dataset, IROS 2024, arXiv 2408.12527"
BINARY, DYNAMIC, ANOMALY, CHANGE = "binary", "dynamic", "anomaly", "change"
_OF_SCENE = {2: (BINARY, None, DYNAMIC, ANOMALY), 3: (None, BINARY, None, None, DYNAMIC, ANOMALY)}
# method and backbone: pixel IoU and F1 in percent, of binary in scenes 2 and 3, dynamic and anomaly in scene 2, the same in scene 3
_ROWS = {
    "FC-Siam-EF (U-Net)": ((10.2, 18.6), (8.7, 16.1), (11.3, 20.1), (21.1, 34.8), (41.1, 58.3), (21.7, 35.7)),
    "FC-Siam-diff (U-Net)": ((20.6, 34.2), (13.1, 23.2), (24.4, 39.2), (34.2, 50.9), (51.1, 67.6), (31.3, 47.6)),
    "FC-Siam-cov (U-Net)": ((20.7, 34.3), (14.3, 25.1), (16.2, 27.9), (28.0, 43.7), (41.6, 58.7), (26.7, 42.2)),
    "ChangeNet (ResNet-50)": ((38.2, 55.3), (37.6, 54.7), (22.8, 37.1), (37.3, 54.3), (34.0, 50.7), (35.5, 52.4)),
    "DR-TANet (ResNet-18)": ((62.6, 77.0), (55.8, 71.6), (44.2, 61.3), (62.9, 77.2), (63.1, 77.4), (57.8, 73.3)),
    "CSCDNet (ResNet-18)": ((65.1, 78.9), (59.6, 74.7), (58.6, 73.9), (67.2, 80.4), (73.1, 84.4), (63.5, 77.7)),
    "C-3PO (VGG-16)": ((63.1, 77.4), (57.8, 73.3), (59.0, 74.2), (66.4, 79.8), (74.5, 85.4), (62.5, 76.9)),
}


def published(scene: int) -> dict[str, dict[str, dict[str, float]]]:
    """`{method: {column: {"iou", "f1"}}}` in percent, as published of a scene by its number; empty for scenes of which nothing is."""
    return {method: {column: {"iou": iou, "f1": f1} for column, (iou, f1) in zip(_OF_SCENE[scene], figures) if column}
            for method, figures in _ROWS.items()} if scene in _OF_SCENE else {}


def table(result: dict) -> str:
    """A line a scene with what is published of it below, and one in total; percent."""
    columns = list(result["total"]["columns"])
    lines = [f"{'scene':26}{'pairs':>7}" + "".join(f"{column + ' IoU':>14}{'F1':>7}" for column in columns)]
    for name, row in result["scenes"].items():
        lines.append(_line(name or "pairs", row["pairs"], row["columns"], columns))
        lines += [_line(f"  {method}", "", figures, columns) for method, figures in row["published"].items()]
    if len(result["scenes"]) > 1:
        lines.append(_line("all", result["pairs"], result["total"]["columns"], columns))
    if any(row["published"] for row in result["scenes"].values()):
        lines.append(f"indented: as published ({SOURCE})")
    return "\n".join(lines)


def _line(name: str, pairs: int | str, figures: dict, columns: list[str]) -> str:
    cells = (figures.get(column) or {} for column in columns)
    return f"{name[:25]:26}{pairs:>7}" + "".join(f"{_cell(of.get('iou')):>14}{_cell(of.get('f1')):>7}" for of in cells)


def _cell(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.1f}"
