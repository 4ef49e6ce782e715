import dataclasses

import numpy as np
import pytest

from umad_patrol.geometry import se3
from umad_patrol.simulate import truth
from umad_patrol.simulate.drive import make_rig
from umad_patrol.simulate.light import photograph
from umad_patrol.simulate.mesh import box
from umad_patrol.simulate.render import rays_through
from umad_patrol.simulate.stage import Stage
from umad_patrol.simulate.world import PATROL, TEACH


def project(points, map_T_camera, camera) -> np.ndarray:
    camera_T_map = se3.inverse(map_T_camera)
    seen = np.atleast_2d(points) @ camera_T_map[:3, :3].T + camera_T_map[:3, 3]
    return (seen @ camera.K.T / seen[:, 2:])[:, :2]


def before(world, rig, thing, back_m: float) -> np.ndarray:
    """The camera's pose so many metres before a thing, along the route."""
    line = world.route.point(np.linspace(0, world.route.length_m, 500), 0.0)
    s = world.route.length_m * np.argmin(np.linalg.norm(line - thing.position[:2], axis=1)) / 499
    return world.drives[PATROL].pose((s - back_m) / world.drives[PATROL].speed_mps) @ rig.body_T_camera


def test_the_camera_looks_ahead_a_little_down_from_its_height():
    rig = make_rig()
    assert rig.body_T_camera[:3, :3] @ [0, 0, 1] == pytest.approx([np.cos(np.radians(2)), 0, -np.sin(np.radians(2))])
    assert rig.body_T_camera[:3, :3] @ [1, 0, 0] == pytest.approx(
        [0, -1, 0], abs=1e-12
    )  # right in the picture is the robot's right
    assert rig.body_T_camera[2, 3] == pytest.approx(0.7)


def test_rays_go_through_their_pixels(rig, rng):
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rig.body_T_camera[:3, :3], (1, 2, 3)
    pixels = rng.uniform(0, 90, (2, 40)).astype(np.float32)
    direction, _ = rays_through(pixels, rig.camera, T)
    assert np.linalg.norm(direction, axis=0) == pytest.approx(1.0, abs=1e-5)
    assert project(T[:3, 3] + 5.0 * direction.T.astype(float), T, rig.camera) == pytest.approx(pixels.T, abs=1e-2)


def test_left_is_left_and_high_is_high(rig):
    for place, check in (
        ((6, 1.5, 0), lambda x, y: x < 80),
        ((6, -1.5, 0), lambda x, y: x > 80),
        ((6, 0, 1.4), lambda x, y: y < 45),
        ((6, 0, 0), lambda x, y: y > 45),
    ):
        _, distance = truth.silhouette(box((0.2, 0.2, 0.2), np.ones(3), 0).placed(place), rig.body_T_camera, rig.camera)
        (x0, y0, x1, y1), _ = truth.silhouette(box((0.2, 0.2, 0.2), np.ones(3), 0).placed(place), rig.body_T_camera, rig.camera)
        assert check(0.5 * (x0 + x1), 0.5 * (y0 + y1)), place
        assert np.nanmin(distance) == pytest.approx(5.6, abs=0.5)


def test_things_appear_where_the_camera_model_says(world, rig, renderers):
    for thing in world.anomalies:
        T = before(world, rig, thing, 4.5)
        view = renderers[PATROL].view(T, rig.camera, world.lights[PATROL], 0.0)
        rows, columns = np.nonzero(view.thing == thing.id)
        assert len(rows) > 10
        corners = project(thing.mesh.vertices.astype(float), T, rig.camera)
        assert columns.min() >= corners[:, 0].min() - 1 and columns.max() <= corners[:, 0].max() + 1
        assert rows.min() >= corners[:, 1].min() - 1 and rows.max() <= corners[:, 1].max() + 1
        foot = project(np.array(thing.position), T, rig.camera)[0]
        assert abs(columns.mean() - foot[0]) < 0.6 * np.ptp(columns) + 2 and rows.max() == pytest.approx(foot[1], abs=4)


def test_planted_things_are_in_the_patrol_only(world, rig, renderers):
    thing = world.anomalies[0]
    T = before(world, rig, thing, 4.0)
    views = {run: renderers[run].view(T, rig.camera, world.lights[TEACH], 0.0) for run in (TEACH, PATROL)}
    assert (views[PATROL].thing == thing.id).any() and not (views[TEACH].thing == thing.id).any()
    assert not truth.labels(world, views[TEACH], T, rig.camera)[views[TEACH].thing == thing.id].any()
    assert np.all(truth.labels(world, views[PATROL], T, rig.camera)[views[PATROL].thing == thing.id] & 128)


def test_the_sun_moves_shadows_but_not_the_world(world, rig, renderers):
    T = world.drives[TEACH].pose(3.0) @ rig.body_T_camera
    light = dataclasses.replace(world.lights[TEACH], cover=0.1, elevation_rad=0.9)
    other = dataclasses.replace(light, azimuth_rad=light.azimuth_rad + 1.5)
    a, b = (renderers[TEACH].view(T, rig.camera, x, 3.0) for x in (light, other))
    assert np.array_equal(a.distance, b.distance) and np.array_equal(a.thing, b.thing)
    assert np.mean(np.abs(np.log((a.radiance[..., 1] + 0.01) / (b.radiance[..., 1] + 0.01))) > 0.3) > 0.05


def test_horizon_bit_is_what_lies_below_the_camera(world, rig, renderers):
    T = rig.body_T_camera
    labels = truth.labels(world, renderers[PATROL].view(T, rig.camera, world.lights[PATROL], 0.0), T, rig.camera)
    row = project(T[:3, 3] + [1e6, 0, 0], T, rig.camera)[0, 1]
    below = (labels & 64) > 0
    assert not below[: int(row) - 1].any() and below[int(row) + 2 :].all()


def test_the_same_frame_twice_is_the_same(world, rig, renderers):
    T = world.drives[PATROL].pose(5.0) @ rig.body_T_camera
    a, b = (renderers[PATROL].view(T, rig.camera, world.lights[PATROL], 5.0) for _ in range(2))
    assert np.array_equal(a.radiance, b.radiance) and np.isfinite(a.radiance).all() and a.radiance.min() >= 0


def test_moving_people_are_hit_like_standing_ones():
    wall, person = box((0.1, 4, 2), np.ones(3), 0).placed((5, 0, 0)), box((0.3, 0.3, 1.7), np.ones(3), 0).placed((3, 0.5, 0))
    direction = np.array([[3.0, 0.5, 0], [5.0, -1.0, 0], [-1.0, 0, 0]]).T
    direction = (direction / np.linalg.norm(direction, axis=0)).astype(np.float32)
    origin = np.array([0, 0, 1.0])
    alone, both = Stage(wall).cast(origin, direction), Stage(wall).with_moving([person]).cast(origin, direction)
    assert alone["distance"][0] > both["distance"][0] == pytest.approx(2.85 * np.hypot(1, 0.5 / 3), abs=1e-4)
    assert both["triangle"][0] >= len(wall.faces) > both["triangle"][1]
    assert both["distance"][1] == alone["distance"][1] and np.isinf(both["distance"][2])


def test_moving_people_cast_shadows():
    floor, person = box((20, 20, 0.1), np.ones(3), 0).placed((0, 0, -0.1)), box((0.5, 0.5, 2.0), np.ones(3), 0).placed((0, 0, 0))
    sun = np.array([1.0, 0.0, 1.0], np.float32) / np.sqrt(2).astype(np.float32)
    start = np.array([[-1.0, 0, 0.01], [1.0, 0, 0.01], [-1.0, 3.0, 0.01]], np.float32).T
    stage = Stage(floor)
    assert stage.hidden(start, sun).tolist() == [False, False, False]
    assert stage.with_moving([person]).hidden(start, sun).tolist() == [True, False, False]


def test_the_camera_exposes_and_adds_noise(world):
    light = dataclasses.replace(world.lights[TEACH], gains=(1.0, 1.0, 1.0), exposure=0.0)
    grey = np.full((60, 80, 3), 0.4, np.float32)
    picture = photograph(grey, light, np.random.default_rng(1))
    assert picture.dtype == np.uint8 and 90 < picture.mean() < 140 and 0.3 < picture[20:40, 30:50].std() < 8
    assert np.array_equal(picture, photograph(grey, light, np.random.default_rng(1)))
    assert photograph(grey, dataclasses.replace(light, exposure=0.5), np.random.default_rng(1)).mean() > picture.mean() + 8
    warm = photograph(grey, dataclasses.replace(light, gains=(1.3, 1.0, 0.8)), np.random.default_rng(1)).reshape(-1, 3).mean(0)
    assert warm[2] > warm[1] > warm[0]  # BGR
    corner, centre = picture[:6, :6].mean(), picture[27:33, 37:43].mean()
    assert corner < centre - 5
