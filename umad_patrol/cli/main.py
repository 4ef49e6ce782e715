"""`umad-patrol VERB`: one module a verb in this folder, the same way of failing and of writing JSON for all."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from umad_patrol import __version__
from umad_patrol.config import Settings, load, parse_changes, with_values
from umad_patrol.errors import ConfigError, PatrolError
from umad_patrol.io.memory import keep_freed_memory

VERBS = {
    "demo": "simulate, teach, patrol through real ROS 2 nodes, report",
    "simulate": "write a simulated teach run and patrol as bags, with their truth",
    "pairs": "write pairs of pictures: to score alignment, or those of a patrol",
    "teach": "build a reference map from a recording",
    "encode": "keep what the network makes of a map's keyframes with the map",
    "inspect": "say what a map holds and whether it is sound",
    "replay": "patrol over a recording, offline",
    "calibrate": "set the threshold for a site from a second run without anomalies",
    "detect": "compare one pair of pictures",
    "align": "lay one picture on another",
    "evaluate": "score detection, alignment or its verdict over folders of pairs",
    "export": "write the change network as ONNX graphs or TorchScript",
    "train": "train the change network on photographs and models, or on real pairs",
    "bench": "measure speed, stage by stage and beside published networks",
    "settings": "list every setting with default, range and meaning",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Returns the exit status: 0 done, 1 a failure of ours, 2 bad usage or input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    args = _parser(words).parse_args(words)
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        _check_target(args.json)
        with contextlib.redirect_stdout(sys.stderr if args.json == "-" else sys.stdout):    # JSON stands alone there
            result = args.run(args)
        if args.json:
            write_json(args.json, result if result is not None else {})
        return int(result.get("exit_status", 0)) if isinstance(result, dict) else 0
    except PatrolError as error:
        return _refuse(args.verb, str(error))
    except KeyboardInterrupt:
        print("umad-patrol: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PermissionError, IsADirectoryError, NotADirectoryError, FileNotFoundError) as error:
        return _refuse(args.verb, f"{error.strerror}: {error.filename!r}")
    except Exception as error:  # ours: say which, keep the traceback for --verbose
        logging.getLogger(__name__).info("traceback", exc_info=True)
        print(f"umad-patrol {args.verb}: internal error: {type(error).__name__}: {error} (--verbose shows where)", file=sys.stderr)
        return 1


def write_json(path: str, result: Any) -> None:
    """Write `result` to `path`, or to standard output for "-"; beside first, then renamed."""
    text = json.dumps(result, indent=2, allow_nan=False, default=str) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(target)


def _check_target(path: str | None) -> None:
    """Refuse a JSON target that cannot be written before the work begins, not after it."""
    if path and path != "-" and not Path(path).parent.is_dir():
        raise ConfigError(f"--json {path!r}: there is no folder {str(Path(path).parent)!r}; make it first")


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that `--config` and `--set` ask for."""
    settings = load(args.config) if args.config else Settings()
    return with_values(settings, parse_changes(args.set))


def add_common_options(parser: argparse.ArgumentParser, below: bool = False) -> None:
    """What every verb understands. On a parser `below` a verb's, what is not given leaves alone what the verb was given."""
    unset = {"default": argparse.SUPPRESS} if below else {}
    parser.add_argument("--config", metavar="FILE", help="settings as YAML (config/patrol.yaml is one)", **unset)
    parser.add_argument("--set", action="append", metavar="NAME=VALUE", help="change one setting; may be repeated", **(unset or {"default": []}))
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON; - for standard output", **unset)
    parser.add_argument("--verbose", action="store_true", help="say more, with tracebacks", **unset)


def _refuse(verb: str, message: str) -> int:
    print(f"umad-patrol {verb}: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """The parser; only the verb that is asked for is imported, so that help stays quick."""
    parser = argparse.ArgumentParser(prog="umad-patrol", description=__doc__.split(":")[0] + ": find what was not there before.",
                                     epilog="umad-patrol VERB --help shows each with an example.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    asked = next((w for w in words if not w.startswith("-")), None)
    for name, text in VERBS.items():
        module = importlib.import_module(f"umad_patrol.cli.{name}") if name == asked else None
        verb = verbs.add_parser(name, help=text, description=module.__doc__ if module else text,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
        if module:
            module.add_arguments(verb)
            verb.set_defaults(run=module.run)
        add_common_options(verb)
    return parser


if __name__ == "__main__":
    sys.exit(main())
