"""What surfaces are made of: their pictures, how rough, how glossy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

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
class Picture:
    """A picture that repeats seamlessly, `(h, w, 3)` uint8 sRGB, sides powers of two, and the size of a texel in metres."""

    image: np.ndarray
    texel: float


class Palette:
    """All materials of the world with this seed by their number, each made when it is first looked at.

    `grounds` replaces the pictures of some materials, `models` are materials of their own from FIRST_FREE on.
    """

    def __init__(self, seed: int, grounds: dict[int, Picture] | None = None, models: tuple[Picture, ...] = ()) -> None:
        self._seed, self._grounds, self._models, self._made = seed, grounds or {}, models, {}

    def __getitem__(self, number: int) -> Material:
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]

    @cached_property
    def detail(self) -> Texture:
        """The fine variation that lies over everything."""
        return Texture.build(surfaces.detail(self._rng(60)), 0.001)

    @cached_property
    def clouds(self) -> Texture:
        """What the sky is made of."""
        return Texture.build(surfaces.clouds(self._rng(61)), 1.0)

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, 77, number])

    def _make(self, number: int) -> Material:
        if number >= FIRST_FREE:
            picture = self._models[number - FIRST_FREE]
            return Material(Texture.build(picture.image, picture.texel, 5), 0.1, 0.0)
        if number in WALLS or number in SHOPS:
            return self._wall(number)
        material = PLAIN[number]
        if number in self._grounds:
            return replace(material, texture=Texture.build(self._grounds[number].image, self._grounds[number].texel))
        if number in PICTURES:
            draw, texel = PICTURES[number]
            return replace(material, texture=Texture.build(draw(self._rng(number)), texel))
        return material

    def _wall(self, number: int) -> Material:
        place = number - (WALLS if number in WALLS else SHOPS)[0]
        style = facade.STYLES[place % len(facade.STYLES)]
        color, draw = (
            facade.wall_color(style, self._rng(200 + place)),
            facade.upper_floors if number in WALLS else facade.ground_floor,
        )
        return Material(Texture.build(draw(style, color, self._rng(100 + number)), facade.FACADE_TEXEL, 6), 0.15, 0.1)


PLAIN = {
    PAVING: Material(None, 0.65, 0.12, relief=True),
    ROAD: Material(None, 0.7, 0.1, relief=True),
    GRASS: Material(None, 0.4, 0.35, through=0.1, relief=True),
    PAVERS: Material(None, 0.4, 0.2, relief=True),
    KERB: Material(None, 0.3, 0.15),
    BARK: Material(None, 0.3, 0.3),
    LEAF: Material(None, 0.3, 0.0, through=0.35),
    MATTE: Material(None, 0.12, 0.12, 0.02, 10.0),
    CARD: Material(None, 0.12, 0.1),
    FABRIC: Material(None, 0.35, 0.15),
    PLASTIC: Material(None, 0.06, 0.06, 0.05, 40.0),
    METAL: Material(None, 0.06, 0.06, 0.1, 60.0),
    GLASS: Material(None, 0.02, 0.05, 0.16, 200.0),
    SKIN: Material(None, 0.1, 0.1, 0.03, 8.0),
}
PICTURES = {
    PAVING: (surfaces.paving, surfaces.GROUND_TEXEL),
    ROAD: (surfaces.road, surfaces.GROUND_TEXEL),
    GRASS: (surfaces.grass, 0.004),
    PAVERS: (surfaces.pavers, 0.005),
    KERB: (surfaces.concrete, 0.004),
    BARK: (surfaces.bark, 0.002),
}
