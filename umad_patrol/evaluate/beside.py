"""A reference that lies on its query, as it looks from a little beside: pairs that were aligned by others, scored as a patrol meets them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from umad_patrol.align.warp import Laid
from umad_patrol.train.moved import homographies


@dataclass(frozen=True, eq=False)
class Beside:
    """A picture `(H, W, 3)` uint8 BGR from beside, which lies on its query by `query_H_picture`; `shown` `(1, 1, H, W)` bool is where it did."""

    taken: np.ndarray
    query_H_picture: np.ndarray
    shown: torch.Tensor
    laid: Laid

    @classmethod
    def of(cls, reference: np.ndarray, valid: np.ndarray, draw: torch.Generator, device: torch.device) -> Beside:
        """A place beside that of `reference`, which is valid where `valid` `(H, W)` bool says."""
        size = reference.shape[1::-1]
        picture_H_query = homographies(1, size, draw, still_share=0)[0].double().numpy()
        taken = cv2.warpPerspective(reference, picture_H_query, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        query_H_picture = np.linalg.inv(picture_H_query)
        shown = torch.from_numpy(valid).to(device)[None, None]
        return cls(taken, query_H_picture, shown, Laid(taken, query_H_picture, size, device))

    @property
    def picture(self) -> torch.Tensor:
        """The picture in the query's pixels, `(1, 3, H, W)` float32 RGB in [0, 1]."""
        return self.laid.picture

    @property
    def valid(self) -> torch.Tensor:
        """Where it is seen now and was before, `(1, 1, H, W)` bool."""
        return self.laid.valid & self.shown

    def part(self, rows: slice, columns: slice) -> torch.Tensor:
        """`picture[:, :, rows, columns]`."""
        return self.laid.part(rows, columns)

    def seen(self, columns: np.ndarray, rows: np.ndarray) -> torch.Tensor:
        """Its pixel (x, y) at these columns and rows of the query, `(1, 2, len(rows), len(columns))` float32."""
        return self.laid.seen(columns, rows)
