"""Write the change network for other programs, or for the faster engines: ONNX graphs or TorchScript.

Normalisations are folded in. Pictures are (N, 3, H, W) float RGB in [0, 1], H and W any multiples of 16; the valid mask is
(N, 1, H, W), 1 where the reference sees something. Logits are (N, 3, H/2, W/2): anomaly, dynamic, changed; their sigmoid is
the score. Features of a picture lie at the strides 4, 8 and 16 and may be kept.

  onnx         NAME.encode.onnx   picture -> features_4, features_8, features_16
               NAME.compare.onnx  query_4, query_8, query_16, reference_4, reference_8, reference_16, valid -> logits
               NAME.forward.onnx  query, reference, valid -> logits
  torchscript  NAME.torchscript.pt, a module with the methods
               encode(picture), compare((query features), (reference features), valid), forward(query, reference, valid)

NAME is that of the weights' file; of the network that looks closer, where the weights hold one of its own, it is NAME.closer.
The engines onnxruntime and openvino look for encode and compare beside the weights, and use them only if they were made from just
these. Every export is compared with torch on two sizes first; nothing is written if logits or scores differ by more than 0.001.
With --int8 the engine int8 has its graphs as well, NAME.int8.encode.onnx and so on: they calculate in 8 bits, quicker on a CPU, and their ranges
are taken from what is asked of the networks as PAIRS (folders with reference.png and query.png) are compared. Take pairs of the kind that will
be met, but none to be scored on. Their scores may differ by 0.03 in the mean.

example: umad-patrol export exported/ --format onnx
         umad-patrol export . --weights ./site.safetensors --no-forward --int8 pairs/
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from umad_patrol.cli.main import settings_of
from umad_patrol.detect.change_net.export import FORMATS, export
from umad_patrol.detect.change_net.weights import SHIPPED
from umad_patrol.errors import DetectorError
from umad_patrol.evaluate.asked import Asked
from umad_patrol.evaluate.pairs import find_pairs
from umad_patrol.io.files import check_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """OUT [--format F] [--weights FILE] [--no-forward] [--int8 PAIRS]."""
    parser.add_argument("out", metavar="OUT", help="folder for the files; made if it is not there")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="what to write (default onnx)")
    parser.add_argument("--weights", metavar="FILE", help="safetensors file (default: what detect.weights says, or the package's own)")
    parser.add_argument("--no-forward", action="store_true", help="leave out forward.onnx, which the engines have no use for")
    parser.add_argument("--int8", metavar="PAIRS", help="write graphs in 8 bits as well; folder of pairs that show what is met")


def run(args: argparse.Namespace) -> dict:
    """Export, check, print. Returns paths, checksum and differences."""
    check_folder("OUT", args.out, DetectorError)
    if args.int8 and args.format != "onnx":
        raise DetectorError(f"--int8 is of --format onnx; {args.format} has no 8 bits")
    weights = args.weights or settings_of(args).detect.weights or SHIPPED
    samples = Asked(str(weights), find_pairs(args.int8)).of if args.int8 else None
    result = asdict(export(weights, args.out, args.format, not args.no_forward, samples))
    print(f"differs from torch by at most {result['logits_difference']:.1e} in logits, {result['scores_difference']:.1e} in scores"
          + (f"; in 8 bits by {result['int8_scores_difference']:.1e} in scores, in the mean" if samples is not None else ""))
    for path in result["paths"]:
        print(f"  {path}  {Path(path).stat().st_size / 1e6:.2f} MB")
    return result
