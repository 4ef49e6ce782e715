"""Set detect.threshold for a site from a second run over the taught route, on which there is nothing new to find.

Every region on such a run is a false one. The smallest threshold is sought at which there are at most so many an hour or a km,
over the time or way in which frames were compared. A thing that is wrongly seen in ten frames counts ten times, and a region is
no alert yet: the alerts that a patrol over this run raises are counted as well, before and after; where there are any before, it
says so, and where: the run may not be free of anomalies. Regions of people and vehicles, of things moved or taken away are no
alarms and are not counted, if the detector tells them apart; one that does not (gradient) needs a run without people.

OUT.yaml is read by --config and by the nodes (params_file:=OUT.yaml); it holds what --config and --set say and the threshold.
Exit status 1, and no file, where no threshold does it.

example: umad-patrol calibrate second_run --map map --rate 1 --per km --out site.yaml --plot curve.png
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict

from umad_patrol.cli.main import settings_of
from umad_patrol.cli.offline import check_frames, print_counts, results_of, warn_of_doubts
from umad_patrol.config import Settings, parse_changes, with_values
from umad_patrol.errors import BagError, ConfigError
from umad_patrol.evaluate.calibrate import HOUR, KM, Choice, Gatherer, Run, choose, curve, number, worst
from umad_patrol.evaluate.calibrate_plot import draw_curve
from umad_patrol.evaluate.site_settings import site_tree, write_settings
from umad_patrol.frames import Recording
from umad_patrol.io.files import PICTURES, check_file
from umad_patrol.io.images import write_image
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import ANOMALY, Alert
from umad_patrol.reference.map import ReferenceMap

THRESHOLD = "detect.threshold"
NAMED = 10      # places at most that are printed of where alerts were raised
PRINTED = 0.05  # of the curve, a line every so much and one for the floor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """BAG --map MAP --rate R --per hour|km --out OUT.yaml."""
    parser.add_argument("bag", metavar="BAG", help="recording of a second run without anomalies (rosbag2 folder or .mcap)")
    parser.add_argument("--map", required=True, metavar="MAP", help="reference map that `teach` made")
    parser.add_argument("--rate", required=True, type=float, metavar="R", help="false regions that are allowed, an hour or a km")
    parser.add_argument("--per", choices=(HOUR, KM), default=HOUR, help="what the rate is of (default hour)")
    parser.add_argument("--out", required=True, metavar="OUT.yaml", help="settings file to write")
    parser.add_argument("--floor", type=float, metavar="T", help="go no lower than this threshold (default detect.low_threshold, the lowest possible)")
    parser.add_argument("--plot", metavar="FILE", help="draw the rate over the threshold (.png, .jpg)")
    parser.add_argument("--no-alerts", action="store_true", help="leave out the second pass, which counts the alerts at the threshold chosen")


def run(args: argparse.Namespace) -> dict:
    """Gather, choose, write. Returns what is printed, with the whole curve and the worst regions."""
    settings = settings_of(args)
    floor = _check(args, settings)
    reference_map = ReferenceMap.load(args.map)
    check_frames(args.bag, settings, reference_map)
    recording = Recording(args.bag, settings)
    warn_of_doubts(recording, settings)
    found, raised = _gather(recording, reference_map, settings, floor)
    _check_run(found, args)
    choice = choose(found, args.rate, args.per, floor)
    result = _report(found, choice, args, settings, floor) | _raised(raised) | {"alerts": None}
    _print_curve(result)
    print_counts("left out", recording.skipped, recording.reasons)
    if args.plot:
        write_image(args.plot, draw_curve(result))
    if choice.threshold is None:
        print(choice.says)
        _print_doubt(result)
        return result | {"exit_status": 1}
    tuned = with_values(settings, {THRESHOLD: choice.threshold})
    _write(args, tuned, result)
    if not args.no_alerts:
        result["alerts"] = len(raised) if tuned == settings else _alerts(args.bag, reference_map, tuned)
    _print(result)
    _print_doubt(result)
    return result


def _gather(recording: Recording, reference_map: ReferenceMap, settings: Settings, floor: float) -> tuple[Run, tuple[Alert, ...]]:
    """What the run gave, and the alerts that there are by the settings as they are."""
    pipeline, gatherer = Pipeline(reference_map, settings), Gatherer(settings.detect, floor)
    try:
        if ANOMALY not in pipeline.comparer.detector.classes:
            raise ConfigError(f"detector {settings.detect.detector!r} has no class {ANOMALY!r}, so it raises no alarm that could be calibrated")
        for result in results_of(recording, pipeline, "calibrating"):
            gatherer.add(result)
        return gatherer.run(), pipeline.known_alerts
    finally:
        pipeline.close()


def _alerts(bag: str, reference_map: ReferenceMap, settings: Settings) -> int:
    """How many alerts a patrol over the recording raises."""
    recording, pipeline = Recording(bag, settings), Pipeline(reference_map, settings)
    try:
        for _ in results_of(recording, pipeline, "counting alerts"):
            pass
        return len(pipeline.known_alerts)
    finally:
        pipeline.close()


def _check(args: argparse.Namespace, settings: Settings) -> float:
    """The floor. Raises ConfigError before the work begins for what would fail after it."""
    if not (math.isfinite(args.rate) and args.rate > 0):
        raise ConfigError(f"--rate {args.rate:g} is no rate; it is above 0")
    lowest = settings.detect.resolved().low_threshold
    floor = lowest if args.floor is None else args.floor
    if not lowest <= floor <= 1:
        raise ConfigError(f"--floor {floor:g} is outside {lowest:g} (detect.low_threshold) to 1")
    check_file("--out", args.out, ConfigError, (".yaml", ".yml"))
    check_file("--plot", args.plot, ConfigError, PICTURES)
    return floor


def _check_run(found: Run, args: argparse.Namespace) -> None:
    """Raise BagError for a run that tells nothing."""
    if not found.compared:
        raise BagError(f"none of the {found.frames} frames of {args.bag} could be compared with {args.map} ({found.reason or 'there are none'}); "
                       "calibrate on a run over the taught route")
    if found.length(args.per) <= 0:
        raise BagError(f"{args.bag}: {found.compared} frames were compared, over {3600 * found.hours:.1f} s and {1000 * found.km:.1f} m: no rate per "
                       f"{args.per} can be told" + ("; use --per hour" if args.per == KM and found.hours > 0 else "; record a longer run"))


def _report(found: Run, choice: Choice, args: argparse.Namespace, settings: Settings, floor: float) -> dict:
    length, was = found.length(args.per), settings.detect.resolved().threshold
    at = found.at(choice.threshold) if choice.threshold is not None else None
    return {"threshold": choice.threshold, "was": was, "outcome": choice.outcome, "says": choice.says, "asked_rate": args.rate,
            "per": args.per, "finest_rate": round(1 / length, 4), "at_threshold": at, "at_present": found.at(was) if was >= floor else None, "floor": floor,
            "frames": found.frames, "compared": found.compared, "statuses": found.statuses, "hours": round(found.hours, 5), "km": round(found.km, 5),
            "curve": curve(found, floor), "worst": [asdict(alarm) for alarm in worst(found)], "settings": args.out}


def _raised(alerts: tuple[Alert, ...]) -> dict:
    """The alerts of the run by the settings as they are: on a run without anomalies there are none but false ones."""
    return {"alerts_before": len(alerts), "anomaly_free": not alerts, "doubt": _doubt(alerts),
            "raised": [{"class": alert.class_name, "score": round(alert.score, 3), "position": [round(v, 3) for v in alert.position],
                        "first_seen_ns": alert.first_seen_ns, "sightings": alert.sightings} for alert in alerts]}


def _doubt(alerts: tuple[Alert, ...]) -> str:
    """Why the run may not be what it should be; empty if nothing speaks against it."""
    if not alerts:
        return ""
    places = ", ".join(f"({alert.position[0]:.2f}, {alert.position[1]:.2f})" for alert in alerts[:NAMED])
    more = f" and {len(alerts) - NAMED} more places" if len(alerts) > NAMED else ""
    return (f"{len(alerts)} alert{'s were' if len(alerts) > 1 else ' was'} raised on this run, at {places}{more}: if anything new stands there, the run is not free "
            "of anomalies and the threshold blinds the patrol to the like; take it away, drive and calibrate again")


def _print_doubt(result: dict) -> None:
    if result["doubt"]:
        print(f"WARNING: {result['doubt']}")


def _write(args: argparse.Namespace, settings: Settings, result: dict) -> None:
    about = [f"{THRESHOLD} by umad-patrol calibrate, for at most {args.rate:g} false regions per {args.per}: {result['says']}.",
             f"{result['compared']} frames compared, {result['hours']:.3g} h, {result['km']:.3g} km; detector {settings.detect.detector}.",
             *([f"WARNING: {result['doubt']}."] if result["doubt"] else [])]
    write_settings(args.out, site_tree(settings, [*parse_changes(args.set), THRESHOLD], args.config), about)


def _print_curve(result: dict) -> None:
    print(f"{result['frames']} frames, {result['compared']} compared, {60 * result['hours']:.1f} min and {result['km']:.2f} km of them")
    print(f"{'threshold':>10}{'regions':>9}{'an hour':>10}{'a km':>10}")
    for place, point in enumerate(result["curve"]):
        if place and round(point["threshold"] / PRINTED, 6) % 1:
            continue
        print(f"{point['threshold']:10.2f}{point['regions']:9}{_cell(point['per_hour']):>10}{_cell(point['per_km']):>10}")


def _print(result: dict) -> None:
    print(f"{THRESHOLD}: {result['threshold']:g} (was {result['was']:g}); {result['says']}")
    if result["alerts"] is not None:
        print(f"alerts on this run: {result['alerts']} (were {result['alerts_before']})")
    print(f"settings: {result['settings']}  (--config {result['settings']}, or params_file:={result['settings']} for the nodes)")


def _cell(rate: float | None) -> str:
    return "-" if rate is None else number(rate)
