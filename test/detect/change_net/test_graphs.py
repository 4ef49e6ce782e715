"""What graphs are fed: planes in one piece, whatever lies together in memory."""

import numpy as np
import pytest
import torch

from umad_patrol.detect.change_net.graphs import fed


@pytest.mark.parametrize("size", [(1, 1, 8, 6), (1, 3, 7, 5), (2, 32, 6, 10), (1, 16, 1, 1), (3, 2, 1, 9)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bool])
@pytest.mark.parametrize("lie", ["planes", "channels last", "a part", "turned"])
def test_values_and_shape_are_kept_in_single_precision(size, kind, lie):
    given = torch.rand(size, generator=torch.Generator().manual_seed(1)).mul(3).to(kind)
    given = {"planes": given, "channels last": given.contiguous(memory_format=torch.channels_last),
             "a part": torch.nn.functional.pad(given.float(), (1, 2, 1, 0)).to(kind)[..., 1:, 1:-2], "turned": given.transpose(2, 3)}[lie]
    found = fed(("x",), (given,))["x"]
    assert found.dtype == np.float32 and found.flags.c_contiguous and found.flags.writeable
    assert np.array_equal(found, given.float().contiguous().numpy())


def test_planes_in_one_piece_are_not_copied():
    given = torch.rand(1, 4, 6, 8)
    assert np.shares_memory(fed(("x",), (given,))["x"], given.numpy())
