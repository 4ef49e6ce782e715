"""An alert in words and key-value pairs, the same for the node's topic and for a replay's recording."""

from __future__ import annotations

from umad_patrol.records import Alert


def alert_text(alert: Alert) -> str:
    """One line for people."""
    x, y, z = alert.position
    return f"{alert.class_name} {alert.score:.2f} at ({x:.2f}, {y:.2f}, {z:.2f}), {alert.sightings} sightings, {alert.state}"


def alert_values(alert: Alert) -> dict[str, str]:
    """What other programs read: id, state, class, score, place in `map` and size in metres, first and last seen in seconds, evidence."""
    x, y, z = alert.position
    return {"id": alert.id, "state": alert.state, "class": alert.class_name, "score": f"{alert.score:.4f}",
            "x": f"{x:.3f}", "y": f"{y:.3f}", "z": f"{z:.3f}", "width_m": f"{alert.size_m[0]:.3f}", "height_m": f"{alert.size_m[1]:.3f}",
            "first_seen": _seconds(alert.first_seen_ns), "last_seen": _seconds(alert.last_seen_ns),
            "sightings": str(alert.sightings), "evidence": alert.evidence}


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d}"
