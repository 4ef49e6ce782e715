"""What pairs are made of, got ready once: photographs, sprites and what a teacher sees; the training's part and validation's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from umad_patrol.errors import TrainingError
from umad_patrol.simulate.assets import Shelf
from umad_patrol.train.data import Mixture, PairMaker, tensors
from umad_patrol.train.options import RunOptions
from umad_patrol.train.photos import Photo, read_photos, thinned
from umad_patrol.train.semantics import label_photos, with_labels
from umad_patrol.train.sprites import Sprite, cut_out_of, make_sprites, read_sprites
from umad_patrol.train.teacher import Teacher

EVERY = 10      # of so many one is held back where places do not tell


@dataclass(frozen=True, eq=False)
class Material:
    """Makers of pairs to train on and to validate with, and how many photographs and sprites each has."""

    training: PairMaker
    held_out: PairMaker
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """For the model card."""
        return {"photos": len(self.training.photos), "photos_held_out": len(self.held_out.photos), "sprites": len(self.training.sprites),
                "sprites_held_out": len(self.held_out.sprites), "photos_labelled": sum(photo.dynamic is not None for photo in self.training.photos)}


def check_assets(options: RunOptions) -> None:
    """Raises SimulationError where the assets cannot be used."""
    if options.made:
        Shelf(options.assets)


def get_photos(options: RunOptions) -> list[Photo]:
    """All photographs, or none where no pairs are made of them. Raises TrainingError."""
    photos = read_photos(options.photos) if options.made or options.distils else []
    if len(photos) == 1:
        raise TrainingError(f"{options.photos} holds one photograph; one to train on and one to validate with is the least")
    return photos


def get_material(options: RunOptions, photos: list[Photo], teacher: Teacher | None, say: Callable[[str], None]) -> Material:
    """Render and look, as far as that is not done yet. Without a teacher neither labels nor cut-outs are used.

    Cut-outs are of photographs that this run trains on: another one that filled the shelf may have held back others.
    """
    start = time.monotonic()
    make_sprites(options.assets, options.shelf)
    if teacher is not None:
        label_photos(photos, teacher, options.shelf)
        photos = with_labels(photos, options.shelf)
    photos, held_photos = split(photos)
    few = thinned(photos, options.folder_share)
    if len(few) < len(photos):
        say(f"{len(few)} of {len(photos)} photographs are trained on: at most {options.folder_share:.0%} are of one folder (--folder-share)")
    cut_up = {cut_out_of(photo.path) for photo in photos} if teacher is not None else ()
    sprites, held_sprites = split_sprites([sprite for sprite in read_sprites(options.shelf)
                                           if not sprite.of_photo or sprite.name.rpartition("-")[0] in cut_up], say)
    mixture = replace(Mixture(), shadows=options.shadows, dynamic=options.dynamic)
    return Material(PairMaker(few, sprites, mixture), PairMaker(held_photos, held_sprites), time.monotonic() - start)


def held_pairs(maker: PairMaker, count: int) -> list[tuple[torch.Tensor, ...]]:
    """Pairs for validation, the same for every run."""
    return [tensors(maker.make(np.random.default_rng((99, index)))) for index in range(count)]


def split(photos: list[Photo]) -> tuple[list[Photo], list[Photo]]:
    """To train on and held out, by place; where that leaves one of them empty, every tenth is held out."""
    training, held = [photo for photo in photos if not photo.held_out], [photo for photo in photos if photo.held_out]
    if training and held:
        return training, held
    return [photo for index, photo in enumerate(photos) if index % EVERY], photos[::EVERY]


def split_sprites(sprites: list[Sprite], say: Callable[[str], None]) -> tuple[list[Sprite], list[Sprite]]:
    """To train on and held out, by model; where that leaves one of them without things, or people and vehicles, both get all, which is said."""
    parts = [sprite for sprite in sprites if not sprite.held_out], [sprite for sprite in sprites if sprite.held_out]
    if all(any(sprite.dynamic == wanted for sprite in part) for part in parts for wanted in (True, False)):
        return parts
    say("too few models to hold some back: validation sees those that are trained on")
    return sprites, sprites
