"""Patrol over a recording, offline: the same frames give the same masks and alerts as the live node.

OUT receives masks/STAMP.png, the alert store with its evidence, results/ (a rosbag2 with masks, alerts and
markers), frames.csv and report.html.

example: umad-patrol replay patrol_bag --map map --out patrol_out
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from umad_patrol.alerts.report import write_report
from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.whence import localization_off
from umad_patrol.cli.main import settings_of
from umad_patrol.cli.offline import check_frames, print_counts, results_of, warn_of_doubts
from umad_patrol.cli.results import ResultsBag
from umad_patrol.errors import StoreError
from umad_patrol.frames import PoseError, Recording
from umad_patrol.io.files import check_folder, replaced
from umad_patrol.io.images import write_image
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import COMPARED, Result
from umad_patrol.reference.map import ReferenceMap


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """BAG --map MAP --out OUT."""
    parser.add_argument("bag", metavar="BAG", help="recording of the patrol (rosbag2 folder or .mcap)")
    parser.add_argument("--map", required=True, metavar="MAP", help="reference map that `teach` made")
    parser.add_argument("--out", required=True, metavar="OUT", help="folder for the results; may hold an earlier patrol's alerts")
    parser.add_argument("--pose-error", nargs=2, type=float, default=(0.0, 0.0), metavar=("M", "DEG"),
                        help="make the localization worse by a wandering error of this sigma, to learn how good it must be")
    parser.add_argument("--no-masks", action="store_true", help="write no mask pictures")


def run(args: argparse.Namespace) -> dict:
    """Process every frame of the recording. Returns the summary that is printed."""
    settings, worse = settings_of(args), PoseError(*args.pose_error)
    reference_map = ReferenceMap.load(args.map)
    recording = Recording(args.bag, settings)
    out = Path(args.out)
    check_folder("--out", out / "masks", StoreError)
    check_frames(args.bag, settings, reference_map)
    pipeline = Pipeline(reference_map, settings, out)
    warn_of_doubts(recording, settings)
    if not args.no_masks:
        (out / "masks").mkdir(exist_ok=True)
    rows, statuses, reasons, seconds, off = [], Counter(), {}, [], []
    started = time.perf_counter()
    with ResultsBag(out / "results") as results:
        for result in results_of(recording, pipeline, seen=worse):
            results.add(result)
            statuses[result.status] += 1
            if result.status != COMPARED:
                reasons[result.status] = result.reason
            seconds.append(sum(result.seconds.values()))
            off.append(localization_off(result))
            rows.append(_row(result, off[-1]))
            mask = out / "masks" / f"{result.frame.stamp_ns}.png"
            if not args.no_masks and result.status == COMPARED:
                write_image(mask, result.mask)
            else:
                mask.unlink(missing_ok=True)    # an earlier replay's
    if pipeline.trouble:
        print(pipeline.trouble, file=sys.stderr)
    pipeline.close()
    with AlertStore(out, read_only=True) as kept:
        alerts = kept.alerts()
        write_report(kept, reference_map, out / "report.html")
    _write_rows(out / "frames.csv", rows)
    told = [of_frame for of_frame in off if of_frame is not None]
    summary = {
        "frames": len(rows), "statuses": dict(statuses), "refused": dict(recording.skipped), "reasons": recording.reasons | reasons,
        "hz": round(len(rows) / (time.perf_counter() - started), 2),
        "median_ms": round(1e3 * float(np.median(seconds)), 1),
        "localization_off": {name: [round(float(v), 3) for v in np.percentile(told, share, axis=0)] if told else None
                             for name, share in (("median", 50), ("most", 100))},
        "alerts": [vars(alert) for alert in alerts], "report": str(out / "report.html"),
    }
    _print(summary)
    return summary


def _row(result: Result, off: tuple[float, float] | None) -> dict:
    alignment = result.alignment
    return {
        "stamp_ns": result.frame.stamp_ns, "status": result.status, "reason": result.reason,
        "reference": result.match.index if result.match else "", "inliers": alignment.inliers if alignment else "",
        "residual_px": f"{alignment.residual_px:.2f}" if alignment else "", "off_m": f"{off[0]:.3f}" if off else "", "off_deg": f"{off[1]:.2f}" if off else "",
        "regions": len(result.regions),
        "mask_px": int(np.count_nonzero(result.mask)), "ms": round(1e3 * sum(result.seconds.values()), 1),
    }


def _write_rows(path: Path, rows: list[dict]) -> None:
    with replaced(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _print(summary: dict) -> None:
    counts = ", ".join(f"{count} {status}" for status, count in summary["statuses"].items())
    print(f"{summary['frames']} frames ({counts}), {summary['hz']} Hz, median {summary['median_ms']} ms a frame")
    print_counts("not compared", {status: count for status, count in summary["statuses"].items() if status != COMPARED}, summary["reasons"])
    print_counts("left out", summary["refused"], summary["reasons"])
    if (median := summary["localization_off"]["median"]) is not None:
        most = summary["localization_off"]["most"]
        print(f"the localization is {median[0]:.2f} m and {median[1]:.1f} degrees from what the pictures tell in the median, {most[0]:.2f} and {most[1]:.1f} at most")
    for alert in summary["alerts"]:
        x, y, z = (round(v, 2) + 0.0 for v in alert["position"])    # no -0.00
        print(f"  {alert['id']}  {alert['state']:8} {alert['class_name']:8} score {alert['score']:.2f} at ({x:.2f}, {y:.2f}, {z:.2f}), "
              f"{alert['sightings']} sightings")
    print(f"report: {summary['report']}")
