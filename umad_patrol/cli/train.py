"""Train the change network: on pairs made of photographs and rendered models, on real pairs, or on both.

OUT is the run's folder: sprites/ (rendered models, cut-outs, labels), distil.pt, checkpoint.pt, log.jsonl, curves.png and at the end
change_net.safetensors, which --set detect.weights=FILE takes. The same command again goes on where it was cut off, at every stage.

First the encoder learns from a frozen teacher (ESPNetv2), if one is given, then all of it from pairs; the teacher also says where
people and vehicles are in the photographs. With --closer a network of its own learns to look closer at what the weights of --init
say first; OUT/change_net.safetensors then holds both. About a tenth of the photographs, by folder, and of the models, by name, are kept for validation.

example: umad-patrol train run --photos photos --assets models --teacher espnetv2_s_2.0_pascal_384x384.pth --minutes 150
         umad-patrol train run --photos photos --assets models --preview sheet.png
         umad-patrol train closer --closer --init run/change_net.safetensors --minutes 40
         umad-patrol train tuned --umad UMAD-1.0 --pairs-share 1 --init change_net.safetensors --minutes 60
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from umad_patrol.cli.main import settings_of
from umad_patrol.errors import TrainingError
from umad_patrol.io.files import PICTURES, check_file

NETWORKS = ("change_net", "fc_siam_diff")
MOST_PREVIEWED, MOST_HELD = 200, 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """OUT [data] [time] [network] [--preview FILE] [--held DIR]."""
    parser.add_argument("out", metavar="OUT", help="folder of the run; made if it is not there")
    data = parser.add_argument_group("data")
    data.add_argument("--photos", metavar="DIR", help="photographs without annotation (default $UMAD_PATROL_DATA/backgrounds)")
    data.add_argument("--assets", metavar="DIR", help="GLB models with a MANIFEST.csv (default $UMAD_PATROL_DATA/objects)")
    data.add_argument("--sprites", metavar="DIR", help="where rendered models and labels are kept (default OUT/sprites); runs can share it")
    data.add_argument("--teacher", metavar="FILE", help="ESPNetv2 segmentation checkpoint; without it no distillation and no labels of people")
    data.add_argument("--folder-share", type=float, default=0.15, metavar="S", help="at most this share of photos from one folder (default 0.15)")
    data.add_argument("--pairs", metavar="DIR", help="folder of real pairs with labels.png in UMAD's bits")
    data.add_argument("--umad", metavar="ROOT", help="UMAD-1.0, or a change set (t0/, t1/, mask/: VL-CMU-CD, PSCD): masks are anomalies")
    data.add_argument("--hold", nargs="+", action="extend", default=[], metavar="SCENE", help="scenes or sequences (SCENE/SEQUENCE) of UMAD-1.0 never "
                                                                                              "trained on; may be repeated")
    data.add_argument("--pairs-share", type=float, default=0.5, metavar="S", help="share of samples from the real pairs (default 0.5; 1: these alone)")
    data.add_argument("--preview", metavar="FILE", help="write a sheet of pairs with their truth and stop: anomaly red, people and vehicles blue, "
                                                        "changed yellow, invalid black")
    data.add_argument("--preview-pairs", type=int, default=12, metavar="N", help="pairs on that sheet (default 12)")
    data.add_argument("--held", metavar="DIR", help="write the made pairs that a run is validated with to DIR and stop, for `evaluate detection`")
    data.add_argument("--held-pairs", type=int, default=100, metavar="N", help="pairs there (default 100)")
    _add_time(parser.add_argument_group("time and machine"))
    _add_network(parser.add_argument_group("network and what may be left out, to measure what it brings"))


def _add_time(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--minutes", type=float, default=150.0, metavar="M", help="of distillation and training together (default 150)")
    group.add_argument("--distil-minutes", type=float, metavar="M", help="of these for distillation (default 25, or a sixth if that is less)")
    group.add_argument("--batch", type=int, default=6, metavar="N", help="pairs a step (default 6)")
    group.add_argument("--echo", type=int, default=1, metavar="N", help="steps that learn from a pair, mirrored and lit anew each time, where a GPU is "
                                                                        "quicker than the workers (default 1)")
    group.add_argument("--seed", type=int, default=1, metavar="N", help="of data and network (default 1)")
    group.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: the setting device, which is auto")
    group.add_argument("--half", action="store_true", help="mixed precision: float16 on CUDA, bfloat16 on a CPU")
    group.add_argument("--validate-every", type=int, default=500, metavar="N", help="steps from one line of the log to the next (default 500)")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes that make pairs (default 1; a GPU feeds on many)")


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--network", default="change_net", choices=NETWORKS, help="fc_siam_diff: published, on equal terms, to compare")
    group.add_argument("--init", metavar="FILE", help="weights to begin with (fine-tuning); no distillation then")
    group.add_argument("--closer", action="store_true", help="teach a network of its own to take closer looks (detect.closer_looks) where that of --init, "
                                                            "which stays as it is, says that something small is perhaps new")
    group.add_argument("--keep", type=float, default=0.0, metavar="W", help="how much it weighs to go on saying what the weights of --init say (default 0)")
    for name, text in (("distillation", "the teacher's lessons"), ("correlation", "the network's correlation"), ("shadows", "cast shadows in the pairs"),
                       ("dynamic", "people and vehicles that come and go in the pairs")):
        group.add_argument(f"--no-{name}", dest=name, action="store_false", help=f"without {text}")


def run(args: argparse.Namespace) -> dict:
    """Train, or preview, or write what is validated with. Returns the model card and where the weights are."""
    from umad_patrol.train.run import preview, train, write_held

    options = _options(args)

    def say(text: str) -> None:
        print(text, flush=True)

    if args.preview:
        _check_preview(args)
        result = preview(options, Path(args.preview), args.preview_pairs, say)
        say(f"{args.preview_pairs} pairs: {args.preview}")
        return result
    if args.held:
        if not 1 <= args.held_pairs <= MOST_HELD:
            raise TrainingError(f"--held-pairs {args.held_pairs}: must be 1 to {MOST_HELD}")
        result = write_held(options, Path(args.held), args.held_pairs, say)
        say(f"{args.held_pairs} pairs: {args.held}")
        return result
    result = train(options, say)
    say("  ".join(f"{name} {value}" for name, value in result["validation"].items()))
    say(f"weights: {result['weights']}  ({result['steps']} steps, {result['seconds'] / 60:.1f} min)")
    return result


def _options(args: argparse.Namespace):
    """What the words say, and the data folder of the environment where they say nothing."""
    from umad_patrol.train.options import RunOptions

    data = os.environ.get("UMAD_PATROL_DATA")
    defaults = {"photos": f"{data}/backgrounds", "assets": f"{data}/objects"} if data else {}
    paths = {name: getattr(args, name) if getattr(args, name) is not None else defaults.get(name)
             for name in ("out", "photos", "assets", "sprites", "teacher", "init", "pairs", "umad")}
    plain = ("pairs_share", "folder_share", "network", "distillation", "correlation", "shadows", "dynamic", "minutes", "distil_minutes", "keep", "closer",
             "batch", "echo", "seed", "workers", "validate_every", "half")
    return RunOptions(**{name: Path(value) if value is not None else None for name, value in paths.items()}, hold=tuple(args.hold),
                      **{name: getattr(args, name) for name in plain}, device=settings_of(args).device if args.device == "auto" else args.device)


def _check_preview(args: argparse.Namespace) -> None:
    check_file("--preview", args.preview, TrainingError, PICTURES)
    if not 1 <= args.preview_pairs <= MOST_PREVIEWED:
        raise TrainingError(f"--preview-pairs {args.preview_pairs}: must be 1 to {MOST_PREVIEWED}")
