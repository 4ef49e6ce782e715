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
    One that `lays` takes a reference as it was taken, prepared once for all queries, and lays what it made of it; the others want its
    picture laid. `score(q, r, valid)` is `compare(prepare(q), prepare(r), valid)`; who compares one query with several
    references, or one reference with several queries, prepares each picture once.
    """

    name: str
    classes: tuple[str, ...]
    checksum: str
    lays: bool

    def prepare(self, picture: torch.Tensor, top: int = 0) -> Any:
        """What this detector needs of one picture, `(1, 3, H, W)` float32 RGB in [0, 1]. Raises DetectorError.

        Nobody asks for scores of rows above `top`: those may be left out, and are 0 then. Both pictures have the same `top`.
        """
        ...

    def lay(self, reference: Any, laid: Laid, query: Any) -> Any:
        """A reference that was prepared as it was taken, as it lies on a prepared query; asked for only of one that `lays`."""
        ...

    def compare(self, query: Any, reference: Any, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, C, H, W)` float32 in [0, 1] from two prepared pictures; zero where `valid` `(1, 1, H, W)` bool is false."""
        ...

    def score(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, C, H, W)` float32 in [0, 1] on the pictures' device. Raises DetectorError on unequal sizes."""
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
