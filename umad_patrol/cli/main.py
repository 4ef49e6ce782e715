"""`umad-patrol VERB`: one module a verb in this folder, the same way of failing and of writing JSON for all."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterable
from typing import Any, NoReturn

from umad_patrol import __version__
from umad_patrol.cli.outlet import outlets
from umad_patrol.config import Settings, load, parse_changes, with_values
from umad_patrol.errors import ConfigError, PatrolError
from umad_patrol.io.files import FULL_DISK, check_file, replaced
from umad_patrol.io.memory import keep_freed_memory

SET_BELOW = "set_below"     # where what is given to a parser below a verb's is kept: argparse would forget the verb's own for it
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
    """Run one verb. Returns the exit status: 0 done, 1 a failure of ours, 2 bad input, 130 interrupted; bad usage exits with 2."""
    with outlets():     # a reader that has seen enough ends no work: its files are what counts
        return _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(words: list[str]) -> int:
    verb = _asked(words)
    _end_as_by_ctrl_c()
    try:
        logging.basicConfig(level=logging.INFO if "--verbose" in words else logging.WARNING, format="%(levelname)s: %(message)s")
        args = _parser(words).parse_args(words)     # imports the verb, which may take a second
        _refuse_empty(args, words)
        keep_freed_memory()
        check_file("--json", args.json if args.json != "-" else None, ConfigError)
        settings_of(args)   # a bad one is refused by every verb, also by one that heeds few of them
        with contextlib.redirect_stdout(sys.stderr if args.json == "-" else sys.stdout):    # JSON stands alone there
            result = args.run(args)
        if args.json:
            write_json(args.json, result if result is not None else {})
        sys.stdout.flush()  # now, where a full disk can still be told
        return int(result.get("exit_status", 0)) if isinstance(result, dict) else 0
    except PatrolError as error:
        return _refuse(verb, str(error))
    except KeyboardInterrupt:
        print("umad-patrol: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        way_out = "; free space there, or write elsewhere" if error.errno in FULL_DISK else ""
        return _refuse(verb, f"{error.strerror or error}" + (f": {error.filename!r}" if error.filename else "") + way_out)
    except Exception as error:  # ours: say which, keep the traceback for --verbose
        logging.getLogger(__name__).info("traceback", exc_info=True)
        print(f"umad-patrol {verb}: internal error: {type(error).__name__}: {error} (--verbose shows where)", file=sys.stderr)
        return 1


def write_json(path: str, result: Any) -> None:
    """Write `result` to `path`, or to standard output for "-"; beside first, then renamed."""
    text = json.dumps(result, indent=2, allow_nan=False, default=str) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    with replaced(path) as file:
        file.write_text(text, encoding="utf-8")


def _end_as_by_ctrl_c() -> None:
    """Have SIGTERM end the work as Ctrl-C does: what is half done is taken away."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that `--config` and `--set` ask for."""
    settings = load(args.config) if args.config is not None else Settings()
    return with_values(settings, parse_changes([*args.set, *getattr(args, SET_BELOW, [])]))


def add_common_options(parser: argparse.ArgumentParser, below: bool = False) -> None:
    """What every verb understands. On a parser `below` a verb's, what is not given leaves alone what the verb was given."""
    unset = {"default": argparse.SUPPRESS} if below else {}
    parser.add_argument("--config", metavar="FILE", help="settings as YAML (config/patrol.yaml is one)", **unset)
    parser.add_argument("--set", action="append", metavar="NAME=VALUE", help="change one setting; may be repeated",
                        **(unset | {"dest": SET_BELOW} if below else {"default": []}))
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON; - for standard output", **unset)
    parser.add_argument("--verbose", action="store_true", help="say more, with tracebacks", **unset)


def _refuse_empty(args: argparse.Namespace, words: list[str]) -> None:
    """An empty word is what a shell makes of a variable that is not set."""
    for name, value in vars(args).items():
        if value == "" or (isinstance(value, list) and "" in value):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option if any(word.startswith(option) for word in words) else name.upper()} is empty; name something, or leave it out")


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and what is like it that there is."""

    _words: tuple[str, ...] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:
        self._words = tuple(args or ())
        known, rest = super().parse_known_args(args, namespace)
        if rest:    # here, where the options of the verb are known
            self.error(f"unrecognized arguments: {' '.join(rest)}{_alike(rest[0], self._option_string_actions)}")
        return known, rest

    def error(self, message: str) -> NoReturn:
        options = (word.partition("=")[0] for word in self._words if word.startswith("--"))
        slips = [option for option in options if not self._is_known(option)] if "are required" in message else []
        if slips:   # what is missing is perhaps there, misspelt
            message += f"; there is no {slips[0]}{_alike(slips[0], self._option_string_actions)}"
        self.exit(2, f"{self.prog}: {' '.join(message.split())} ({self.prog} --help tells more)\n")

    def _is_known(self, option: str) -> bool:
        return any(known.startswith(option) for known in self._option_string_actions)   # argparse takes what one begins with

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += _alike(str(value), map(str, action.choices or ()))
            raise


def _alike(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _refuse(verb: str, message: str) -> int:
    print(f"umad-patrol {verb}: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _asked(words: list[str]) -> str:
    """The verb that is asked for."""
    return next((word for word in words if not word.startswith("-")), "")


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """The parser; only the verb that is asked for is imported, so that help stays quick."""
    parser = _Parser(prog="umad-patrol", description=__doc__.split(":")[0] + ": find what was not there before.",
                     epilog="umad-patrol VERB --help shows each with an example.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    asked = _asked(words)
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
