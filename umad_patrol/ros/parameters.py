"""Settings as parameters of a node: declared with meaning and range, read back as Settings."""

from __future__ import annotations

import os
import sys
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from umad_patrol.config import SettingInfo, Settings, check_together, describe, with_values
from umad_patrol.errors import ConfigError
from umad_patrol.ros.parameter_files import about

_LARGEST_INT = 2**63 - 1


def declare(node: Node, own: tuple[SettingInfo, ...], read_only: bool) -> None:
    """Declare the node's own parameters and every setting of config.py. Raises rclpy's ParameterException for bad overrides."""
    for info in (*own, *describe()):
        default = (list(info.default) or None) if info.kind is tuple else info.default  # rclpy cannot tell the type of an empty list
        node.declare_parameter(info.name, default, _descriptor(info, read_only or info.name == "autostart"))


def settings_of(node: Node) -> Settings:
    """The settings that the node's parameters hold. Raises ConfigError."""
    found = {info.name: node.get_parameter(info.name).value for info in describe()}
    return with_values(Settings(), {name: value for name, value in found.items() if value is not None})


def changed_settings(node: Node, changed: list[Parameter]) -> Settings:
    """The settings as they will be when `changed` is set. Raises ConfigError, also where they do not go together."""
    known = {info.name for info in describe()}
    settings = with_values(settings_of(node), {p.name: p.value for p in changed if p.name in known and p.value is not None})
    check_together(settings)
    return settings


def names(own: tuple[SettingInfo, ...]) -> set[str]:
    """The names of the node's own parameters and of every setting."""
    return {info.name for info in (*own, *describe())}


def path_of(node: Node, name: str) -> str:
    """The path that a parameter holds; no shell puts the home folder in place of the ~ in `map:=~/maps`, nor in a file."""
    return os.path.expanduser(node.get_parameter(name).value)


def choice(node: Node, info: SettingInfo) -> str:
    """The value of one of the node's own parameters that has choices. Raises ConfigError."""
    value = node.get_parameter(info.name).value
    if value not in info.choices:
        raise ConfigError(f"parameter {info.name} = {value!r} is none of {', '.join(info.choices)}")
    return value


def check(own: tuple[SettingInfo, ...], parameters: list[Parameter]) -> SetParametersResult:
    """Whether the settings and the node's own parameters may take these values: for a node's set-parameters callback."""
    known, choices = {info.name for info in describe()}, {info.name: info.choices for info in own if info.choices}
    try:
        with_values(Settings(), {p.name: p.value for p in parameters if p.name in known and p.value is not None})
        for parameter in parameters:
            if parameter.type_ == Parameter.Type.NOT_SET and parameter.name in names(own):
                raise ConfigError(f"{parameter.name} cannot be deleted; give it another value")
            if parameter.name in choices and parameter.value not in choices[parameter.name]:
                raise ConfigError(f"{parameter.name} = {parameter.value!r} is none of {', '.join(choices[parameter.name])}")
    except ConfigError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def _descriptor(info: SettingInfo, read_only: bool) -> ParameterDescriptor:
    # dynamic: a whole number given for a float would be refused otherwise
    descriptor = ParameterDescriptor(description=about(info), read_only=read_only, dynamic_typing=info.kind in (float, tuple))
    if info.choices:
        descriptor.additional_constraints = "one of: " + ", ".join(info.choices)
    bounded = info.low is not None or info.high is not None
    if info.kind is int and bounded:
        low, high = _bounds(info, -_LARGEST_INT, _LARGEST_INT)
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    if info.kind is float and bounded:
        low, high = _bounds(info, -sys.float_info.max, sys.float_info.max)
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)]
    return descriptor


def _bounds(info: SettingInfo, lowest: float, highest: float) -> tuple[Any, Any]:
    return (lowest if info.low is None else info.low), (highest if info.high is None else info.high)
