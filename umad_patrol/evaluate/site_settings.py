"""A settings file for a site: what a file of settings says, with some of it changed. The command line and the nodes read it alike."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from umad_patrol.config import PARAMETERS, Settings, flatten, load, node_of, values
from umad_patrol.errors import ConfigError
from umad_patrol.io.files import replaced

NODES = "/**"


def site_tree(settings: Settings, changed: Iterable[str], config: str | Path | None = None) -> dict:
    """A ROS 2 parameter file as a tree: all that the file `config` sets, and the settings named in `changed`, at their values in `settings`.

    What only a node knows (map, output, ...) is kept as it stands in `config`. Raises ConfigError where that cannot be read.
    """
    tree = _read(config) if config else {}
    node = node_of(tree)
    flat: dict[str, Any] = {}
    flatten(tree if node is None else tree[node][PARAMETERS], "", flat)
    known = values(settings)
    flat = {name: known.get(name, value) for name, value in flat.items()} | {name: known[name] for name in changed}
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        _put(nested, name.split("."), list(value) if isinstance(value, tuple) else value)
    return {**tree, node: {**tree[node], PARAMETERS: nested}} if node is not None else {NODES: {PARAMETERS: nested}}


def write_settings(path: str | Path, tree: dict, about: Iterable[str] = ()) -> None:
    """Write a tree of settings with lines `about` it above, beside first and then renamed; read back before it takes its place.

    Raises ConfigError where it cannot be written.
    """
    try:
        with replaced(path) as file:
            file.write_text("".join(f"# {line}\n" for line in about) + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), encoding="utf-8")
            load(file)
    except OSError as error:
        raise ConfigError(f"cannot write settings {str(path)!r}: {error.strerror}; name a file in a folder that can be written") from error


def _read(config: str | Path) -> dict:
    load(config)  # says what is wrong with it
    return yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}


def _put(tree: dict, parts: list[str], value: Any) -> None:
    if value == []:
        return  # ROS cannot tell the type of an empty list; it is the default of all that may be one
    for part in parts[:-1]:
        tree = tree.setdefault(part, {})
    tree[parts[-1]] = value
