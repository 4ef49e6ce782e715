"""A training from its data to its weights, stage by stage; the same call again goes on where it was cut off."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import nn

from umad_patrol.comparer import choose_device
from umad_patrol.detect.change_net.folded import folded
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.detect.change_net.weights import load_closer, load_weights, read_card, save_weights
from umad_patrol.errors import TrainingError
from umad_patrol.evaluate.peers.trained import SiamDiffPeer, save_peer
from umad_patrol.io.folders import new_folder
from umad_patrol.io.images import write_image
from umad_patrol.train.closer import CloserTrainer
from umad_patrol.train.curves import draw_curves, read_log
from umad_patrol.train.data import Pairs
from umad_patrol.train.distil import Distiller, DistilSettings
from umad_patrol.train.held import write_pairs
from umad_patrol.train.loop import Loop
from umad_patrol.train.material import Material, check_assets, get_material, get_photos, held_pairs
from umad_patrol.train.options import CHANGE_NET, CURVES, RunOptions, check, check_record, write_record
from umad_patrol.train.photos import Photo
from umad_patrol.train.preview import draw_sheet
from umad_patrol.train.real_pairs import Mixed, RealPair, RealPairs, find_real
from umad_patrol.train.teacher import Teacher, load_teacher
from umad_patrol.train.trainer import CHECKPOINT, ENCODER_RATE, LOG, Trainer, TrainSettings
from umad_patrol.train.validate import Scores, validate

VALIDATED = 100     # pairs, made and taken each
ENDLESS = 10**8     # pairs; the time ends a run
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _Found:
    """What the options name, opened: so that nothing is written where one of them is bad."""

    device: torch.device
    teacher: Teacher | None
    init: ChangeNet | None
    real: list[RealPair]
    real_held_out: list[RealPair]

    @property
    def pairs(self) -> list[str]:
        """Names of the real pairs to train on."""
        return [pair.name for pair in self.real]


def train(options: RunOptions, say: Say) -> dict:
    """Run all stages. Returns what the model card holds, with the weights' path. Raises PatrolError before anything is written."""
    cv2.setNumThreads(1)
    found = _found(options)
    check_record(options, found.pairs)
    _say_plan(options, found, say)
    photos = get_photos(options)
    write_record(options, found.pairs)
    material = get_material(options, photos, found.teacher, say) if options.made else None
    if options.closer:
        return _looks_closer(options, found, material)
    encoder = _distilled(options, found, material.training.photos if material is not None else photos)
    network, settings = _network(options, found.init, encoder), _settings(options, encoder is not None or found.init is not None)
    kept = folded(load_weights(options.init)[0]) if options.keep else None
    trainer = Trainer(network, options.out, settings, found.device, kept)
    held = _held_out(material, found)
    scores = trainer.run(_pairs(options, material, found.real), held, lambda: _draw(options.out))
    real = _real_scores(trainer, material, found)
    card = _card(options, found, material, trainer, {"validation": scores.row(), **({"validation_real": real.row()} if real is not None else {})})
    return card | _saved(options, trainer.average, card)


def _looks_closer(options: RunOptions, found: _Found, material: Material | None) -> dict:
    """Teach a network of its own to look closer, or go on with that of --init; it is written with the one of --init that looks first."""
    trainer = CloserTrainer(found.init, options.out, _settings(options, taught=True), found.device, load_closer(options.init))
    told = trainer.run(_pairs(options, material, found.real), _held_out(material, found))
    card = _card(options, found, material, trainer, {"validation": told.row()})
    return card | _saved(options, found.init, {**card, "first": read_card(options.init)}, trainer.taught)


def preview(options: RunOptions, path: Path, count: int, say: Say) -> dict:
    """Write a sheet of the first pairs of a run."""
    found = _found(options)
    material = get_material(options, get_photos(options), found.teacher, say) if options.made else None
    pairs = _pairs(options, material, found.real)(0)
    write_image(path, draw_sheet([pairs[index] for index in range(count)]))
    return {"preview": str(path), "pairs": count}


def write_held(options: RunOptions, out: Path, count: int, say: Say) -> dict:
    """Write the made pairs that a run is validated with, so many of them, to the new folder `out`. Raises TrainingError."""
    if not options.made:
        raise TrainingError("--held writes the made pairs of validation; with --pairs-share 1 none are made")
    with new_folder(out, TrainingError) as folder:
        found = _found(options)
        write_pairs(held_pairs(get_material(options, get_photos(options), found.teacher, say).held_out, count), folder)
    return {"held": str(out), "pairs": count}


def _found(options: RunOptions) -> _Found:
    check(options)
    device = choose_device(options.device)
    check_assets(options)
    teacher = load_teacher(options.teacher).to(device) if options.teacher is not None else None
    init = load_weights(options.init)[0] if options.init is not None else None
    if init is not None and (init.differences[0].project is not None) != options.correlation:
        raise TrainingError(f"--init {options.init}: its network is one {'with' if not options.correlation else 'without'} correlation")
    real, held = find_real(options.pairs, options.umad, options.hold)
    for pairs in (real, held):
        if pairs:
            RealPairs(pairs, options.seed, 1)[0]    # else it would be told of after the sprites are made, or the training
    if options.real and not options.made and not held:
        raise TrainingError(f"{len(real)} real pairs of one place: none can be held back for validation; add others, or have pairs made as well")
    return _Found(device, teacher, init, real, held)


def _say_plan(options: RunOptions, found: _Found, say: Say) -> None:
    lessons = options.lesson_minutes
    say(f"{options.network} in {options.minutes - lessons:g} min of training" + (f" after {lessons:g} min of distillation" if lessons else "")
        + f" on {found.device.type}; sprites and labels are made first, once, and are not counted")
    if options.teacher is None and options.made:
        say("no --teacher: no distillation, people and vehicles in the photographs are not known, and none are cut out of them")
    if options.real:
        say(f"{len(found.real)} real pairs to train on ({options.pairs_share:.0%} of all samples), {len(found.real_held_out)} held back")


def _distilled(options: RunOptions, found: _Found, photos: list[Photo]) -> nn.Module | None:
    """The encoder after its lessons; None where there are none, or where training has begun and has it."""
    if not options.distils or not options.lesson_minutes:
        return None
    distiller = Distiller(options.out, DistilSettings(options.lesson_minutes, seed=options.seed, workers=min(1, options.workers)), found.device,
                          found.teacher.widths)
    if (options.out / CHECKPOINT).is_file() or distiller.done:
        return distiller.student.encoder
    return distiller.run(photos, found.teacher)


def _network(options: RunOptions, init: ChangeNet | None, encoder: nn.Module | None) -> nn.Module:
    torch.manual_seed(options.seed)
    if options.network != CHANGE_NET:
        return SiamDiffPeer().train()
    network = init if init is not None else ChangeNet(correlated=options.correlation)
    if encoder is not None:
        network.encoder.load_state_dict(encoder.state_dict())
    return network.requires_grad_(True).train()


def _settings(options: RunOptions, taught: bool) -> TrainSettings:
    """An encoder that has learnt nothing yet learns as quickly as the rest; what is to be kept, or gone on with to look closer, is not shaken by quick
    steps or other normalisations."""
    plain = TrainSettings(options.minutes - options.lesson_minutes, options.batch, seed=options.seed, workers=options.workers,
                          validate_every=options.validate_every, half=options.half, encoder_rate=ENCODER_RATE if taught else 1.0, keep=options.keep,
                          echo=options.echo)
    return replace(plain, rate=plain.rate / 2, held_share=1.0) if options.keep or options.closer else plain


def _pairs(options: RunOptions, material: Material | None, real: list[RealPair]) -> Callable[[int], torch.utils.data.Dataset]:
    """The run's data set from an item on."""
    def made(start: int) -> Pairs:
        return Pairs(material.training, options.seed, ENDLESS, start)

    def taken(start: int) -> RealPairs:
        return RealPairs(real, options.seed, ENDLESS, start)

    if not real:
        return made
    if material is None:
        return taken
    return lambda start: Mixed(made(start), taken(start), options.pairs_share, options.seed, start)


def _held_out(material: Material | None, found: _Found) -> list[tuple[torch.Tensor, ...]]:
    """Pairs that are validated with: made ones if pairs are made."""
    return held_pairs(material.held_out, VALIDATED) if material is not None else _taken(found)


def _taken(found: _Found) -> list[tuple[torch.Tensor, ...]]:
    pairs = RealPairs(found.real_held_out, 98, VALIDATED, plain=True, together=1)
    return [pairs[index] for index in range(VALIDATED)]


def _real_scores(trainer: Trainer, material: Material | None, found: _Found) -> Scores | None:
    """On real pairs held back, where there are such besides the made ones."""
    return validate(trainer.average, _taken(found), trainer.device) if material is not None and found.real_held_out else None


def _draw(out: Path) -> None:
    write_image(out / CURVES, draw_curves(read_log(out / LOG)))


def _card(options: RunOptions, found: _Found, material: Material | None, trainer: Loop, scores: dict[str, dict]) -> dict:
    """How the weights came to be: folders by their names alone."""
    paths = {name: getattr(options, name) for name in ("photos", "assets", "teacher", "init", "pairs", "umad")}
    data = {name: path.name for name, path in paths.items() if path is not None}
    counts = material.counts if material is not None else {}
    if found.real:
        counts = counts | {"real": len(found.real), "real_held_out": len(found.real_held_out)}
    return {"command": command(options), "data": data, "counts": counts, "steps": trainer.step, "seconds": round(trainer.seconds, 1),
            "distil_seconds": round(60 * options.lesson_minutes, 1), "seed": options.seed, "batch": options.batch, "device": found.device.type,
            "versions": {"torch": torch.__version__, "python": platform.python_version(), "opencv": cv2.__version__}, **scores}


def command(options: RunOptions) -> str:
    """The command of this run, with the names of folders and files alone."""
    words = ["umad-patrol train OUT"]
    for name, default in RunOptions.__dataclass_fields__.items():
        value = getattr(options, name)
        if name in ("out", "sprites", "device", "workers", "validate_every") or value == default.default:
            continue
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option} {value.name if isinstance(value, Path) else ' '.join(value) if isinstance(value, tuple) else value}")
    return " ".join(words)


def _saved(options: RunOptions, network: nn.Module, card: dict, closer: ChangeNet | None = None) -> dict:
    path = options.out / f"{options.network}.safetensors"
    if options.network == CHANGE_NET:
        return {"weights": str(path), "sha256": save_weights(network, path, card, closer)}
    save_peer(network, path, card)
    return {"weights": str(path)}
