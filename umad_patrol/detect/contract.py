"""The contract of a detector: two aligned pictures in, a score map a class out. Adding one is copying a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from umad_patrol.errors import DetectorError

if TYPE_CHECKING:
    import torch

    from umad_patrol.records import Laid


@runtime_checkable
class Detector(Protocol):
    """Scores what the query shows and the reference does not.

    `classes` names the planes of the score map, `checksum` identifies code, settings and weights in the evidence.
    `score(q, r, valid)` is `compare(prepare(q), prepare(r), valid)`; who compares one query with several
    references, or one reference with several queries, prepares each picture once.
    """

    name: str
    classes: tuple[str, ...]
    checksum: str

    def prepare(self, picture: torch.Tensor, top: int = 0) -> Any:
        """What this detector needs of one picture, `(1, 3, H, W)` float32 RGB in [0, 1]. Raises DetectorError.

        Nobody asks for scores of rows above `top`: those may be left out, and are 0 then. Both pictures have the same `top`.
        """
        ...

    def compare(self, query: Any, reference: Any, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, C, H, W)` float32 in [0, 1] from two prepared pictures; zero where `valid` `(1, 1, H, W)` bool is false."""
        ...

    def score(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, C, H, W)` float32 in [0, 1] on the pictures' device. Raises DetectorError on unequal sizes."""
        ...


@runtime_checkable
class Laying(Detector, Protocol):
    """A detector that need not have a reference's picture laid: it prepares a reference as it was taken, once, and lays that on each query."""

    def lay(self, reference: Any, laid: Laid, query: Any) -> Any:
        """A prepared reference as it lies on a prepared query, to be compared with it."""
        ...

    def packed(self, prepared: Any) -> dict[str, torch.Tensor]:
        """What was prepared as named tensors, to be kept on disk."""
        ...

    def unpacked(self, tensors: dict[str, torch.Tensor]) -> Any:
        """What was packed. Raises DetectorError for tensors that are not."""
        ...


def check_picture(picture: torch.Tensor) -> None:
    """Raise DetectorError unless this is one RGB picture as a float tensor."""
    if picture.ndim != 4 or picture.shape[:2] != (1, 3) or not picture.is_floating_point() or min(picture.shape[2:]) < 1:
        raise DetectorError(f"a picture of shape {tuple(picture.shape)} and type {picture.dtype} is no (1, 3, H, W) float tensor")


def check_sizes(query: tuple[int, int], reference: tuple[int, int], valid: torch.Tensor) -> None:
    """Raise DetectorError unless two pictures `(H, W)` and their valid mask have one size."""
    if query != reference:
        raise DetectorError(f"query is {query[1]}x{query[0]}, reference {reference[1]}x{reference[0]}: align them first")
    if tuple(valid.shape) != (1, 1, *query):
        raise DetectorError(f"valid mask has shape {tuple(valid.shape)}, not (1, 1, {query[0]}, {query[1]})")
