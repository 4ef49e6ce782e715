"""Every setting once: default, range, unit and meaning.

YAML files, `--set NAME=VALUE`, and the parameters of the nodes are all made from the dataclasses below, so a
setting is added in one place. Names are dotted, `section.name`, in all three.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from umad_patrol.errors import BAD_YAML, ConfigError, said

ALIKE = 0.8     # from here on a name is taken for a slip of the keys (difflib's ratio)
KINDS = {bool: "true or false", int: "a whole number", float: "a number", tuple: "a list of numbers, such as 1 2 3"}
PARAMETERS = "ros__parameters"  # of a node in a ROS 2 parameter file


def setting(default: Any, text: str, *, unit: str = "", low: float | None = None, high: float | None = None,
            choices: tuple[str, ...] | None = None) -> Any:
    """A dataclass field that knows its meaning, unit and range (both ends included)."""
    metadata = {"text": text, "unit": unit, "low": low, "high": high, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=lambda: tuple(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class InputSettings:
    image_topic: str = setting("/camera/color/image_raw/compressed", "image topic in a recording (Image or CompressedImage)")
    camera_info_topic: str = setting("/camera/color/camera_info", "CameraInfo topic in a recording")
    localization_topic: str = setting("/localization", "pose topic in a recording (Odometry, PoseStamped, PoseWithCovarianceStamped)")
    cloud_topic: str = setting("/livox/lidar", "PointCloud2 topic in a recording; empty for none")
    camera_file: str = setting("", "YAML camera calibration used where there is no CameraInfo (width, height, K, distortion)")
    body_frame: str = setting("base_link", "frame that the poses are of where their messages do not say (PoseStamped)")
    body_t_camera: tuple[float, ...] = setting([], "x y z qx qy qz qw of the camera's optical frame in the body; empty: from /tf_static", low=-100.0, high=100.0)
    body_t_lidar: tuple[float, ...] = setting([], "x y z qx qy qz qw of the LiDAR in the body; empty: from /tf_static", low=-100.0, high=100.0)
    max_pose_gap_s: float = setting(0.5, "widest gap between two poses that is interpolated over", unit="s", low=0.01, high=10.0)
    max_extrapolation_s: float = setting(0.05, "how far past the last pose an image may be", unit="s", low=0.0, high=1.0)
    max_wait_s: float = setting(0.3, "how long an image waits for the pose that brackets it", unit="s", low=0.0, high=10.0)
    max_position_sigma_m: float = setting(0.5, "a pose whose covariance says that it is less sure in x or y is no localization", unit="m", low=0.001, high=100.0)
    max_angle_sigma_deg: float = setting(10.0, "the same for its heading", unit="deg", low=0.1, high=180.0)
    max_speed_mps: float = setting(10.0, "faster is no motion but a jump of the localization (0.5 m are always let pass)", unit="m/s", low=0.1, high=1000.0)
    max_image_mpx: float = setting(40.0, "largest picture that is decoded", unit="megapixel", low=0.01, high=400.0)


@dataclass(frozen=True)
class TeachSettings:
    distance_m: float = setting(0.25, "a keyframe at least every so many metres", unit="m", low=0.01, high=10.0)
    turn_deg: float = setting(5.0, "and every so many degrees", unit="deg", low=0.5, high=90.0)
    run: str = setting("", "name of this teach run in the map; empty: made from its first stamp")
    jpeg_quality: int = setting(92, "JPEG quality of the keyframes", low=50, high=100)
    voxel_m: float = setting(0.1, "grain of the stored cloud", unit="m", low=0.01, high=2.0)
    camera_height_m: float = setting(0.7, "height of the camera above ground where no cloud tells", unit="m", low=0.05, high=5.0)
    sharp_window: float = setting(0.3, "last share of a keyframe's spacing from which the sharpest frame is taken", low=0.05, high=0.9)
    ground_radius_m: float = setting(3.0, "radius of the patch before the camera to which the ground plane is fitted", unit="m", low=0.5, high=30.0)
    ground_tolerance_m: float = setting(0.05, "how far from the ground plane a point of it may lie", unit="m", low=0.005, high=0.5)
    ground_tilt_deg: float = setting(20.0, "steepest ground", unit="deg", low=1.0, high=60.0)


@dataclass(frozen=True)
class RetrieveSettings:
    max_distance_m: float = setting(1.0, "farthest keyframe that is compared", unit="m", low=0.01, high=20.0)
    max_angle_deg: float = setting(15.0, "largest turn between query and keyframe", unit="deg", low=0.5, high=90.0)
    references: int = setting(2, "keyframes compared with each frame; what differs from only some of them is parallax", low=1, high=4)
    baseline_m: float = setting(0.1, "several keyframes for one frame lie at least so far apart where there are such", unit="m", low=0.0, high=5.0)
    distance_weight: float = setting(0.2, "share of overlap that a keyframe at max_distance_m loses to one in place", low=0.0, high=1.0)
    light_weight: float = setting(0.3, "share of overlap that unlike light (distance 1) costs, where several runs are in the map", low=0.0, high=5.0)


@dataclass(frozen=True)
class AlignSettings:
    method: str = setting("layered", "how a reference is laid on a query; adaptive is the published way",
                          choices=("layered", "adaptive", "rotation", "identity"))
    side_px: int = setting(640, "longer side of the pictures in which points are followed", unit="px", low=64, high=8192)
    pose_sigma_m: float = setting(0.03, "expected error of where one camera stands to another", unit="m", low=0.0001, high=1.0)
    pose_sigma_deg: float = setting(0.3, "expected error of how it is turned", unit="deg", low=0.001, high=10.0)
    theta_m: float = setting(0.03, "the rotation warp comes first when the cameras are nearer than this", unit="m", low=0.0, high=1.0)
    features: int = setting(1000, "key points a picture, spread over its cells", low=50, high=20000)
    feature_side_px: int = setting(640, "longer side of the picture in which key points are sought", unit="px", low=64, high=4096)
    ratio: float = setting(0.85, "nearest over second nearest descriptor, at most", low=0.1, high=1.0)
    levels: int = setting(4, "pyramid levels L of the uniformization score", low=1, high=6)
    hypotheses: int = setting(250, "homographies tried by the consensus", low=10, high=20000)
    inlier_px: float = setting(3.0, "largest transfer error of an inlier", unit="px", low=0.1, high=50.0)
    min_inliers: int = setting(20, "fewer inliers are not comparable", low=4, high=10000)
    min_spread: float = setting(0.15, "smaller spread S of the inliers, as a share of the largest, is not comparable", low=0.0, high=1.0)
    min_overlap: float = setting(0.4, "smaller overlap is not comparable", low=0.0, high=1.0)


@dataclass(frozen=True)
class GradientSettings:
    """Scales of the detector without weights; fitted on simulated patrols only."""

    search_px: int = setting(10, "how far the reference is searched for what the query shows", unit="px", low=0, high=64)
    noise: float = setting(0.006, "sensor noise of a pixel in [0, 1]", low=0.0, high=0.5)
    edge: float = setting(0.03, "new gradient, in log intensity a pixel, that alone scores 0.5", low=0.001, high=10.0)
    shape_px: int = setting(48, "span within which an outline must turn; a shadow's border runs straight", unit="px", low=4, high=400)
    colour: float = setting(0.07, "new chromaticity, in log ratio, that alone scores 0.5", low=0.001, high=10.0)
    light: float = setting(0.5, "change of log intensity beyond which no cast shadow explains it", low=0.0, high=10.0)


OWN_REGIONS = {
    "change_net": {"threshold": 0.65, "low_threshold": 0.4, "close_px": 0, "trim_px": 0, "min_area_px": 20, "outline_share": 0.3},
    "gradient": {"threshold": 0.6, "low_threshold": 0.15, "close_px": 14, "trim_px": 2, "min_area_px": 40, "outline_share": 0.0},
}
"""How regions are cut from the scores of each detector unless the settings say otherwise."""


@dataclass(frozen=True)
class DetectSettings:
    detector: str = setting("change_net", "which detector compares the pictures", choices=("change_net", "gradient"))
    weights: str = setting("", "safetensors file of change_net; empty: the one of the package")
    engine: str = setting("auto", "what runs change_net; auto: ONNX Runtime or OpenVINO where they are installed and agree, else torch; int8: ONNX Runtime in 8 bits, quicker on a CPU, with scores that differ a little", choices=("auto", "torch", "onnxruntime", "openvino", "int8"))
    lay: str = setting("features", "what of a reference change_net lays on the picture: its features, made once for all pictures, or its picture, which is slower", choices=("features", "picture"))
    closer_looks: int = setting(8, "parts of a picture at most that change_net looks at once more, enlarged, as something small is perhaps new there: finds more and smaller things; 0 is quicker", low=0, high=100)
    above_horizon_px: int = setting(48, "change_net compares from so far above the horizon down", unit="px", low=0, high=10000)
    threshold: float = setting(0.0, "score that a changed region reaches somewhere; 0: the detector's own", low=0.0, high=1.0)
    low_threshold: float = setting(0.0, "score down to which a changed region spreads; 0: the detector's own", low=0.0, high=1.0)
    close_px: int = setting(-1, "gaps in a region up to this wide are bridged; -1: the detector's own", unit="px", low=-1, high=100)
    trim_px: int = setting(-1, "taken off a region all round; -1: the detector's own", unit="px", low=-1, high=50)
    foot_share: float = setting(0.5, "share of a region's score that the pixels have on which it stands", low=0.0, high=1.0)
    min_area_px: int = setting(0, "smaller regions are dropped; 0: the detector's own", unit="px", low=0, high=1000000)
    outline_share: float = setting(-1.0, "an anomaly that scores below 0.8 is dropped where less of its outline is stronger in the picture than in the references: a shadow or a thing that is gone; 0: none is, -1: the detector's own", low=-1.0, high=1.0)
    gradient: GradientSettings = field(default_factory=GradientSettings)

    def resolved(self) -> DetectSettings:
        """With the detector's own values, OWN_REGIONS, where nothing else is said."""
        unsaid = {"close_px": -1, "trim_px": -1, "outline_share": -1}
        own = {name: value for name, value in OWN_REGIONS[self.detector].items() if getattr(self, name) == unsaid.get(name, 0)}
        return dataclasses.replace(self, **own)


@dataclass(frozen=True)
class AlertSettings:
    sightings: int = setting(6, "K: sightings that make an alert", low=1, high=30)
    window: int = setting(12, "N: comparable frames within which the K sightings lie; those in which something nearer hides its place do not count, N more at most",
                          low=1, high=1000)
    min_score: float = setting(0.75, "smallest mean score of the sightings behind an alert", low=0.0, high=1.0)
    clear_frames: int = setting(5, "clean views of its place, over half a second at least, that clear an alert", low=1, high=1000)
    max_range_m: float = setting(10.0, "farthest place on the ground at which a region counts", unit="m", low=0.5, high=100.0)
    gate_m: float = setting(0.6, "largest distance between sightings of one thing", unit="m", low=0.05, high=10.0)
    use_cloud: bool = setting(True, "leave out what the map's cloud hides from the camera: its foot is on no ground")
    foot_sigma_px: float = setting(3.0, "noise of where a region meets the ground, pitch of the robot included", unit="px", low=0.1, high=50.0)
    edge_sigma_px: float = setting(2.0, "noise of the upper and lower edge of a region against each other", unit="px", low=0.1, high=50.0)
    foot_bias_px: float = setting(0.0, "how far masks usually reach below the foot of a thing", unit="px", low=-50.0, high=50.0)
    pose_sigma_m: float = setting(0.05, "noise of the localization", unit="m", low=0.001, high=5.0)
    border_px: int = setting(3, "a foot nearer to the border of what is compared is not seen", unit="px", low=0, high=500)
    max_depth_m: float = setting(0.25, "a thing's middle lies at most this far behind its foot", unit="m", low=0.0, high=5.0)
    max_size_m: float = setting(2.5, "wider or taller is no object", unit="m", low=0.1, high=100.0)
    min_height_m: float = setting(0.05, "lower is a mark on the ground", unit="m", low=0.0, high=1.0)
    tall_m: float = setting(1.3, "from this height on it may be a person who stands for a moment", unit="m", low=0.1, high=10.0)
    tall_s: float = setting(6.0, "how long a tall thing must stand still", unit="s", low=0.0, high=600.0)
    max_speed_mps: float = setting(0.5, "what may move as fast as this is not known to stand", unit="m/s", low=0.05, high=10.0)
    max_spread: float = setting(2.5, "largest scatter of the sightings of one thing, in sigma", low=0.5, high=20.0)
    min_rate: float = setting(0.4, "smallest share of views of its place that must show the thing", low=0.0, high=1.0)
    standing_evidence: float = setting(2.0, "by how much standing must explain what is seen better than a flat mark, in log likelihood", low=-100.0, high=100.0)
    weak_evidence: float = setting(1.0, "the same after `weak_sightings`", low=-100.0, high=100.0)
    weak_sightings: int = setting(8, "sightings from which weak evidence of standing is enough", low=1, high=1000)
    forget_s: float = setting(2.0, "how long something that moves is expected to be seen again", unit="s", low=0.1, high=60.0)
    max_tracks: int = setting(200, "most things followed at a time that are no alerts", low=10, high=10000)
    evidence_updates: int = setting(3, "how often better pictures replace the first ones of an alert", low=0, high=100)
    evidence_mb: float = setting(2000.0, "most that the pictures of all alerts take on disk; those of the longest cleared go first", unit="MB", low=0.1, high=1e7)
    coverage_step_m: float = setting(0.5, "grain of the coverage kept", unit="m", low=0.05, high=100.0)


@dataclass(frozen=True)
class Settings:
    """All sections. `Settings()` is the default of everything."""

    device: str = setting("auto", "where tensors live", choices=("auto", "cpu", "cuda"))
    input: InputSettings = field(default_factory=InputSettings)
    teach: TeachSettings = field(default_factory=TeachSettings)
    retrieve: RetrieveSettings = field(default_factory=RetrieveSettings)
    align: AlignSettings = field(default_factory=AlignSettings)
    detect: DetectSettings = field(default_factory=DetectSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)


@dataclass(frozen=True)
class SettingInfo:
    """One setting as the command line, the README and the nodes show it. `kind` is bool, int, float, str or tuple."""

    name: str
    kind: type
    default: Any
    text: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...] | None


def describe(section: type = Settings, prefix: str = "") -> list[SettingInfo]:
    """Every setting below `section`, in the order of the source."""
    hints = typing.get_type_hints(section)
    default, found = section(), []
    for item in dataclasses.fields(section):
        value = getattr(default, item.name)
        if dataclasses.is_dataclass(value):
            found += describe(hints[item.name], f"{prefix}{item.name}.")
        else:
            found.append(SettingInfo(prefix + item.name, type(value), value, **item.metadata))
    return found


_SECTIONS = {info.name.rpartition(".")[0] for info in describe() if "." in info.name}


def values(settings: Settings) -> dict[str, Any]:
    """The settings as `{dotted name: value}`."""
    found: dict[str, Any] = {}
    for info in describe(type(settings)):
        value: Any = settings
        for part in info.name.split("."):
            value = getattr(value, part)
        found[info.name] = value
    return found


def with_values(settings: Settings, changes: dict[str, Any]) -> Settings:
    """A copy with `{dotted name: value}` changed; strings are read as the setting's type. Raises ConfigError."""
    known = {info.name: info for info in describe(type(settings))}
    for name, value in changes.items():
        if name not in known:
            near = [k for k in known if k.split(".")[-1] == name.split(".")[-1]] or difflib.get_close_matches(name, known, 1, ALIKE)
            raise ConfigError(f"unknown setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else
                              "; `umad-patrol settings` lists them all"))
        settings = _replace(settings, name.split("."), _checked(known[name], value))
    return settings


def check_together(settings: Settings) -> None:
    """Raise ConfigError for settings that are allowed one by one, but with which no patrol would ever raise an alert."""
    sightings, window = settings.alerts.sightings, settings.alerts.window
    if sightings > window:
        raise ConfigError(f"alerts.sightings = {sightings} do not fit into alerts.window = {window} frames, so nothing would become an alert; "
                          "widen the window or ask for fewer sightings")


def load(path: str | Path, base: Settings | None = None) -> Settings:
    """Settings from a YAML file: sections as maps, or a ROS 2 parameter file (`ros__parameters`), in which other nodes may stand. Raises ConfigError."""
    flat: dict[str, Any] = {}
    try:
        tree = yaml.load(Path(path).read_text(encoding="utf-8"), _Once) or {}   # a safe loader
        if not isinstance(tree, dict):
            raise ConfigError(f"they hold a {type(tree).__name__}, not sections; see config/patrol.yaml")
        node = node_of(tree)
        flatten(tree if node is None else tree[node][PARAMETERS], "", flat)
        if node is not None:  # a parameter file also holds what only the node knows
            known = {info.name for info in describe()}
            flat = {name: value for name, value in flat.items() if name in known or name.partition(".")[0] in _SECTIONS}
        return with_values(base or Settings(), flat)
    except (*BAD_YAML, ConfigError) as error:
        raise ConfigError(f"settings {str(path)!r} cannot be used: {said(error)}") from error


class _Once(yaml.SafeLoader):
    """Refuses what is said twice: one of both would be forgotten without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [str(key.value) for key, _ in node.value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"{twice} stands there twice; leave out one")
        return super().construct_mapping(node, deep)


def parse_changes(pairs: list[str]) -> dict[str, str]:
    """`["align.theta_m=0.05"]` as a dict. Raises ConfigError."""
    changes = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError(f"--set {pair!r} lacks a value; write --set NAME=VALUE")
        changes[name.strip()] = value.strip()
    return changes


def node_of(tree: dict) -> Any:
    """The node of a ROS 2 parameter file whose parameters are settings, the first where none are; None where no node stands at the top.

    Raises ConfigError where several nodes have settings.
    """
    nodes = {name: value[PARAMETERS] for name, value in tree.items() if isinstance(value, dict) and isinstance(value.get(PARAMETERS), dict)}
    set_up = [name for name, said in nodes.items() if any(str(key).partition(".")[0] in _SECTIONS for key in said)]
    if len(set_up) > 1:
        raise ConfigError(f"they hold settings of several nodes, {', '.join(map(str, set_up))}; name a file that holds those of one")
    return next(iter(set_up or nodes), None)


def flatten(tree: dict, prefix: str, flat: dict[str, Any]) -> None:
    """Add what stands in nested sections to `flat`, by dotted names below `prefix`. Raises ConfigError for what stands there twice."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if value is None and name in _SECTIONS:
            continue    # whatever stood there is commented out
        if isinstance(value, dict):
            flatten(value, f"{name}.", flat)
        elif name in flat:
            raise ConfigError(f"{name} stands there twice; leave out one")
        else:
            flat[name] = value


def _replace(node: Any, parts: list[str], value: Any) -> Any:
    if len(parts) > 1:
        value = _replace(getattr(node, parts[0]), parts[1:], value)
    return dataclasses.replace(node, **{parts[0]: value})


def _checked(info: SettingInfo, value: Any) -> Any:
    value = _converted(info, value)
    numbers = value if isinstance(value, tuple) else (value,) if info.kind in (int, float) else ()
    for number in numbers:
        if not math.isfinite(number):
            raise ConfigError(f"{info.name} = {value} is not finite")
        if (info.low is not None and number < info.low) or (info.high is not None and number > info.high):
            unit = f" {info.unit}" if info.unit else ""
            raise ConfigError(f"{info.name} = {value} is outside {info.low} to {info.high}{unit}")
    if info.choices and value not in info.choices:
        raise ConfigError(f"{info.name} = {value!r} is none of {', '.join(info.choices)}")
    return value


def _converted(info: SettingInfo, value: Any) -> Any:
    try:
        if info.kind is tuple:
            if value is None or (isinstance(value, str) and value == "null"):    # as `ros2 param dump` writes what is not set, and as rcl reads that
                return ()
            return tuple(float(v) for v in (value.strip(" []").replace(",", " ").split() if isinstance(value, str) else value))
        if info.kind is str:
            if not isinstance(value, (str, type(None))):    # what YAML made of 12:30 or no
                raise ConfigError(f"{info.name} = {value!r} is not text; write it in quotes")
            return value or ""
        if info.kind is bool and not isinstance(value, bool):
            return {"true": True, "false": False}[str(value).lower()]
        if isinstance(value, bool) and info.kind is not bool:
            raise ValueError
        if info.kind is int and float(value) != int(float(value)):
            raise ValueError
        return info.kind(float(value)) if info.kind in (int, float) else value
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ConfigError(f"{info.name} = {value!r} is not {KINDS.get(info.kind, info.kind.__name__)}") from error
