"""One exception root and its kinds.

Every message is one line, holds the offending value and says the way out; the command line prints it
and exits with status 2, a node counts it under its `reason` and goes on.
"""

import yaml

BAD_YAML = (OSError, yaml.YAMLError, ValueError, ArithmeticError, AttributeError, RecursionError)    # what reading a YAML file raises, PyYAML's own slips included


def said(error: BaseException) -> str:
    """What an error says, in one line; of a file that cannot be read the reason alone, as whoever tells of it names the file."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())


class PatrolError(Exception):
    """Root of everything this package raises on purpose."""

    reason = "error"


class ConfigError(PatrolError):
    """A setting is unknown, of the wrong type or out of its range."""

    reason = "bad setting"


class ImageError(PatrolError):
    """A picture is missing, corrupt, of the wrong size or of an unknown encoding."""

    reason = "bad image"


class CameraError(PatrolError):
    """A camera model is unusable: zeros, NaN, a size that is not the image's, an unknown distortion."""

    reason = "bad camera"


class LocalizationError(PatrolError):
    """There is no usable pose at a stamp."""

    reason = "not localized"


class BagError(PatrolError):
    """A recording cannot be read, is empty or lacks what is asked of it."""

    reason = "bad bag"


class MapError(PatrolError):
    """A reference map is missing, damaged or of another version."""

    reason = "bad map"


class MapReplacedError(MapError):
    """Another map lies where this one was loaded from."""

    reason = "map replaced"


class AlignmentError(PatrolError):
    """An alignment cannot even be tried on this input."""

    reason = "not comparable"


class DetectorError(PatrolError):
    """A detector is unknown or was given pictures it cannot compare."""

    reason = "bad detector"


class StoreError(PatrolError):
    """The alert store cannot be opened or written."""

    reason = "bad store"


class DatasetError(PatrolError):
    """A folder of pairs or a dataset is not laid out as it should be."""

    reason = "bad dataset"


class RosError(PatrolError):
    """A part of ROS 2 that is asked for is not there."""

    reason = "no ros"


class SimulationError(PatrolError):
    """A simulated patrol cannot be made as asked, or its folder is taken."""

    reason = "bad simulation"


class TrainingError(PatrolError):
    """Training cannot begin or go on: no data, no teacher, a checkpoint of another run."""

    reason = "cannot train"


class WeightsError(DetectorError):
    """Weights are missing, damaged or of another network."""

    reason = "bad weights"
