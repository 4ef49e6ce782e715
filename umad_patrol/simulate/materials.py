"""What surfaces are made of: their pictures, how rough, how glossy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umad_patrol.simulate import facade, surfaces
from umad_patrol.simulate.texture import Texture

(PAVING, ROAD, GRASS, PAVERS, KERB, BARK, LEAF, MATTE, CARD, FABRIC, PLASTIC, METAL, GLASS, SKIN) = range(14)
WALLS = range(14, 22)
SHOPS = range(22, 30)  # the ground floor that goes with each wall
FIRST_FREE = 30


@dataclass(frozen=True, eq=False)
class Material:
    """`texture` None is plain colour. `rough` is the contrast of the fine detail laid over it, `blotchy` of the coarse;
    `gloss` the share of light mirrored straight on, `sharpness` the exponent of the highlight, `through` the share
    let through, `relief` whether the fine detail also tilts the surface.
    """

    texture: Texture | None = None
    rough: float = 0.1
    blotchy: float = 0.1
    gloss: float = 0.0
    sharpness: float = 12.0
    through: float = 0.0
    relief: bool = False


@dataclass(frozen=True, eq=False)
class Palette:
    """All materials by their number, and the pictures that every one shares."""

    materials: tuple[Material, ...]
    detail: Texture
    clouds: Texture


def make_palette(seed: int) -> Palette:
    """The materials of the world with this seed; takes some seconds."""
    def rng(number: int) -> np.random.Generator:
        return np.random.default_rng([seed, 77, number])

    ground = surfaces.GROUND_TEXEL
    table = {
        PAVING: Material(Texture.build(surfaces.paving(rng(0)), ground), 0.65, 0.12, relief=True),
        ROAD: Material(Texture.build(surfaces.road(rng(1)), ground), 0.7, 0.1, relief=True),
        GRASS: Material(Texture.build(surfaces.grass(rng(2)), 0.004), 0.4, 0.35, through=0.1, relief=True),
        PAVERS: Material(Texture.build(surfaces.pavers(rng(3)), 0.005), 0.4, 0.2, relief=True),
        KERB: Material(Texture.build(surfaces.concrete(rng(4)), 0.004), 0.3, 0.15),
        BARK: Material(Texture.build(surfaces.bark(rng(5)), 0.002), 0.3, 0.3),
        LEAF: Material(None, 0.3, 0.0, through=0.35),
        MATTE: Material(None, 0.12, 0.12, 0.02, 10.0),
        CARD: Material(None, 0.12, 0.1),
        FABRIC: Material(None, 0.35, 0.15),
        PLASTIC: Material(None, 0.06, 0.06, 0.05, 40.0),
        METAL: Material(None, 0.06, 0.06, 0.1, 60.0),
        GLASS: Material(None, 0.02, 0.05, 0.16, 200.0),
        SKIN: Material(None, 0.1, 0.1, 0.03, 8.0),
    }
    for i, (wall, shop) in enumerate(zip(WALLS, SHOPS)):
        style = facade.STYLES[i % len(facade.STYLES)]
        color = facade.wall_color(style, rng(20 + i))
        for number, draw in ((wall, facade.upper_floors), (shop, facade.ground_floor)):
            table[number] = Material(Texture.build(draw(style, color, rng(40 + number)), facade.FACADE_TEXEL, 6), 0.15, 0.1)
    return Palette(tuple(table[i] for i in range(FIRST_FREE)), Texture.build(surfaces.detail(rng(60)), 0.001, 10),
                   Texture.build(surfaces.clouds(rng(61)), 1.0, 8))
