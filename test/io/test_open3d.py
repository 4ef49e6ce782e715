"""Open3D is imported late: what goes wrong then is said as what it is."""

import builtins

import pytest

from umad_patrol.errors import PatrolError
from umad_patrol.io.open3d import open3d


@pytest.mark.parametrize("cause, expected", [(KeyboardInterrupt(), KeyboardInterrupt), (None, PatrolError)])
def test_ctrl_c_in_the_middle_of_it_is_no_lacking_library(monkeypatch, cause, expected):
    def importing(name, *rest, usual=builtins.__import__):
        if name == "open3d":
            raise ImportError("initialization failed") from cause   # as pybind11 says it of either
        return usual(name, *rest)

    open3d.cache_clear()
    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(expected):
        open3d()
