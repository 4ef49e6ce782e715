import numpy as np
import pytest

from umad_patrol.simulate import furniture
from umad_patrol.simulate.actors import car, cyclist, person
from umad_patrol.simulate.mesh import box, capsule, lathe, merge, rotation, soft_box
from umad_patrol.simulate.things import KINDS

RED = np.array([1.0, 0.0, 0.0])


def outward(mesh) -> float:
    """Share of the faces whose smooth normals look away from the axis or middle of the body."""
    middle = 0.5 * sum(mesh.bounds())
    away = mesh.corners.mean(1) - middle
    return float(np.mean(np.einsum("ij,ij->i", mesh.normals.mean(1), away) > -1e-6))


def test_rotation_turns_as_it_says():
    assert rotation(np.pi / 2) @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-12)
    assert (rotation(0.0, np.radians(10)) @ [1, 0, 0])[2] < 0  # positive pitch looks down
    assert (rotation(0.0, 0.0, np.radians(10)) @ [0, 1, 0])[2] > 0


def test_box_stands_on_the_ground_and_moves():
    low, high = box((2, 1, 3), RED, 0).placed((5, 6, 7), np.pi / 2).bounds()
    assert low == pytest.approx([4.5, 5, 7], abs=1e-6) and high == pytest.approx([5.5, 7, 10], abs=1e-6)


@pytest.mark.parametrize(
    "mesh",
    [
        soft_box((0.4, 0.3, 0.5), RED, 0),
        lathe([(0.0, 0.0), (0.2, 0.0), (0.2, 0.5), (0.0, 0.5)], RED, 0),
        capsule((0, 0, 0), (0.3, 0.1, 0.5), (0.1, 0.08), RED, 0),
    ],
)
def test_smooth_normals_are_unit_and_look_outward(mesh):
    assert np.linalg.norm(mesh.normals, axis=-1) == pytest.approx(1.0, abs=1e-4)
    assert outward(mesh) > 0.97


def test_merge_keeps_every_corner():
    a, b = box((1, 1, 1), RED, 0), box((2, 2, 2), RED, 1).placed((9, 0, 0)).labelled(7)
    both = merge([a, b])
    assert np.allclose(both.corners, np.concatenate([a.corners, b.corners]))
    assert set(both.thing[len(a.faces) :]) == {7} and set(both.material[: len(a.faces)]) == {0}


HEIGHTS = {
    "cone": (0.4, 0.8),
    "bottle": (0.2, 0.35),
    "can": (0.1, 0.18),
    "backpack": (0.4, 0.65),
    "bag": (0.3, 0.6),
    "carton": (0.2, 0.75),
    "box": (0.2, 0.36),
    "bollard": (0.7, 1.05),
    "trolley": (1.0, 1.2),
    "suitcase": (0.7, 1.15),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_things_have_real_sizes_and_stand_on_the_ground(kind, seed):
    low, high = KINDS[kind](np.random.default_rng(seed)).bounds()
    assert -0.02 < low[2] < 0.03
    assert HEIGHTS[kind][0] <= high[2] <= HEIGHTS[kind][1]
    assert (high - low)[:2].max() < 1.2


def test_people_and_vehicles_have_real_sizes():
    rng = np.random.default_rng(3)
    for mesh, height, length in (
        (person(rng, 0.3), (1.5, 2.0), 1.2),
        (cyclist(rng, 0.1), (1.5, 1.9), 2.0),
        (car(rng), (1.4, 1.6), 4.5),
    ):
        low, high = mesh.bounds()
        assert height[0] < high[2] < height[1] and low[2] == pytest.approx(0.0, abs=0.06) and (high - low)[0] < length


@pytest.mark.parametrize(
    "make",
    [
        furniture.lamp,
        furniture.post,
        furniture.tree,
        furniture.bush,
        furniture.bench,
        furniture.bin_,
        furniture.cabinet,
        furniture.sign,
        furniture.planter,
    ],
)
def test_furniture_is_finite_and_stands_on_the_ground(make):
    mesh = make(np.random.default_rng(1))
    assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.uv).all() and np.isfinite(mesh.normals).all()
    assert -0.25 < mesh.bounds()[0][2] < 0.05
