"""A report that needs nothing but a browser: route, alerts with their pictures, and where nothing could be compared."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment

from umad_patrol import __version__
from umad_patrol.alerts.evidence import MASK, OVERLAY, QUERY, REFERENCE, read_facts
from umad_patrol.alerts.plot import draw_plot
from umad_patrol.alerts.report_page import PAGE
from umad_patrol.alerts.store import AlertStore, Stretch
from umad_patrol.errors import ImageError, StoreError
from umad_patrol.io.files import replaced
from umad_patrol.io.images import read_image
from umad_patrol.records import ACTIVE, COMPARED, DISMISSED, NO_REFERENCE, NOT_COMPARABLE, Alert

WIDE_PX, DETAIL_PX = 860, 420
DETAIL_OF = ((QUERY, "now"), (REFERENCE, "as it was, laid on the picture"), (MASK, "mask"))
AROUND = 1.0     # how much around a region, over its size, a detail shows
LEAST_PX = 160   # and how wide it is at least
SHAPE = 1.6      # width over height of a detail
JPEG_QUALITY = 82
NO_DATE_NS = 10 ** 17   # stamps before 1973 are of the clock of a simulation
CSS = {COMPARED: "compared", NOT_COMPARABLE: "not-comparable", NO_REFERENCE: "no-reference"}


def write_report(store: AlertStore, map_poses: Any, out_path: str | Path, truth: Sequence[Mapping] | None = None,
                 title: str = "Patrol report", tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[Any]]]] = ()) -> Path:
    """Write the report of everything in `store` as one HTML file, beside first and then renamed.

    `map_poses` is a map with `poses`, or poses `(N, 4, 4)` or positions `(N, 3)` of the taught route. `truth` is what was
    planted, each with `position`, `kind` and `id`. `tables` are more tables to show: title, columns, rows. Raises StoreError.
    """
    alerts, way = sorted(store.alerts(), key=lambda alert: (alert.state != ACTIVE, alert.state == DISMISSED)), store.coverage()
    positions = np.asarray(getattr(map_poses, "poses", map_poses), dtype=np.float64)
    positions = positions[:, :3, 3] if positions.ndim == 3 else positions.reshape(-1, 3)
    environment = Environment(autoescape=True, trim_blocks=False)
    page = environment.from_string(PAGE).render(
        title=title, period=_period(way, alerts), figures=_figures(alerts, way),
        plot=draw_plot(positions, way, alerts, truth or (), CSS),
        tables=[{"title": t, "columns": c, "rows": r} for t, c, r in tables],
        alerts=[_card(number, alert, store.folder) for number, alert in enumerate(alerts, 1)], coverage=_coverage(way),
        footer=f"umad_patrol {__version__}; positions in metres in the frame of the map; times are UTC")
    target = Path(out_path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replaced(target) as file:
            file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write report {str(target)!r}: {error.strerror}; name a folder that can be written") from error
    return target


def _figures(alerts: list[Alert], way: list[Stretch]) -> list[dict]:
    active = sum(a.state == ACTIVE for a in alerts)
    metres = sum(s.metres for s in way)
    compared = sum(s.metres for s in way if s.status == COMPARED)
    share = f"{100 * compared / metres:.0f} %" if metres > 0 else "–"
    return [{"name": "active alert" if active == 1 else "active alerts", "value": active, "hot": active > 0}, {"name": "cleared or dismissed", "value": len(alerts) - active},
            {"name": "driven", "value": f"{metres:.0f} m"}, {"name": "of it compared", "value": share},
            {"name": "frames", "value": sum(s.frames for s in way)}]


def _period(way: list[Stretch], alerts: list[Alert]) -> str:
    stamps = [s.first_ns for s in way] + [s.last_ns for s in way] + [a.last_seen_ns for a in alerts]
    if not stamps:
        return "no frame has been seen"
    return f"{_time(min(stamps))} to {_time(max(stamps))}{' UTC' if min(stamps) >= NO_DATE_NS else ''}"


def _time(stamp_ns: int) -> str:
    if stamp_ns < NO_DATE_NS:
        return f"{stamp_ns * 1e-9:.1f} s"
    return datetime.fromtimestamp(stamp_ns * 1e-9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _card(number: int, alert: Alert, folder: Path) -> dict:
    evidence = folder / alert.evidence if alert.evidence else None
    facts = read_facts(evidence) if evidence else {}
    x, y, z = (round(v, 2) + 0.0 for v in alert.position)   # no -0.00
    shown = [("place", f"x {x:.2f}, y {y:.2f}, z {z:.2f} m"), ("size", f"{alert.size_m[0]:.2f} m wide, {alert.size_m[1]:.2f} m high"),
             ("first seen", _time(alert.first_seen_ns)), ("last seen", _time(alert.last_seen_ns)), ("sightings", alert.sightings)]
    if isinstance(facts.get("range_m"), float):
        shown.append(("pictures from", f"{facts['range_m']:.1f} m away"))
    if isinstance(facts.get("alignment"), dict):
        alignment = facts["alignment"]
        shown.append(("alignment", f"{alignment.get('method')}, {alignment.get('inliers')} inliers, {alignment.get('residual_px')} px"))
    shown += [(name, str(facts[key])[:12]) for name, key in (("map", "map_checksum"), ("model", "model_checksum")) if facts.get(key)]
    return {"number": number, "anchor": f"alert-{number}", "id": alert.id, "class_name": alert.class_name, "state": alert.state,
            "score": f"{alert.score:.2f}", "facts": shown} | (_pictures(evidence, facts) if evidence else {})


def _pictures(evidence: Path, facts: dict) -> dict:
    """The whole overlay, and details of the others about the region; a picture that cannot be read is left out."""
    whole = _read(evidence / OVERLAY)
    details = [(caption, image) for name, caption in DETAIL_OF if (image := _read(evidence / name)) is not None]
    return {"whole": None if whole is None else {"caption": "the whole picture", "data": _data(whole, WIDE_PX)},
            "details": [{"caption": caption, "data": _data(_detail(image, facts), DETAIL_PX)} for caption, image in details]}


def _read(path: Path) -> np.ndarray | None:
    try:
        return read_image(path)
    except ImageError:
        return None


def _detail(image: np.ndarray, facts: dict) -> np.ndarray:
    try:
        x, y, width, height = (int(v) for v in facts["region"]["box"])
    except (KeyError, TypeError, ValueError):
        return image
    half_w = max(LEAST_PX, width * (1 + 2 * AROUND), height * (1 + 2 * AROUND) * SHAPE) / 2
    half_h = half_w / SHAPE
    left, top = int(max(0, x + width / 2 - half_w)), int(max(0, y + height / 2 - half_h))
    part = image[top:int(y + height / 2 + half_h), left:int(x + width / 2 + half_w)]
    return part if part.size else image


def _data(image: np.ndarray, width: int) -> str:
    scale = width / image.shape[1]
    size = (width, max(1, round(image.shape[0] * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _coverage(way: list[Stretch]) -> dict:
    """Pieces of the way summed up by status and reason; numbers in reasons differ from frame to frame and do not count."""
    groups: dict[tuple[str, str], list[Stretch]] = {}
    for stretch in way:
        kind = "" if stretch.status == COMPARED else re.sub(r"[-+]?\d[\d.,]*", "#", stretch.reason)
        groups.setdefault((stretch.status, kind), []).append(stretch)
    rows = [{"status": status, "reason": "" if status == COMPARED else group[0].reason, "metres": f"{sum(s.metres for s in group):.1f}",
             "frames": sum(s.frames for s in group), "where": _where(group)} for (status, _), group in groups.items()]
    total = sum(s.frames for s in way)
    shares = [{"css": css, "percent": round(100 * sum(s.frames for s in way if s.status == status) / total, 2)}
              for status, css in CSS.items()] if total else []
    return {"rows": sorted(rows, key=lambda row: -row["frames"]), "shares": shares, "partial": any(s.status != COMPARED for s in way),
            "blind": bool(way) and all(s.status != COMPARED for s in way)}


def _where(group: list[Stretch]) -> str:
    if group[0].status == COMPARED:
        return ""
    first = [f"({round(s.position[0], 1) + 0.0:.1f}, {round(s.position[1], 1) + 0.0:.1f})" for s in group[:3]]
    return ", ".join(first) + (f" and {len(group) - 3} more" if len(group) > 3 else "")
