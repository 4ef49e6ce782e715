"""The loss: cross-entropy that heeds what is still wrong, and overlap, both weighted pixel by pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F

CLASS_WEIGHTS = (1.0, 0.7, 0.5)
FOCUS = 1.5         # exponent of how wrong a pixel is
CHANGED_GAIN = 3.0  # a changed pixel weighs 1 + this
CROSS_ENTROPY = 8.0
SURE_LOGIT = 6.0    # beyond this nothing is asked of what should agree


def change_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The loss of logits `(N, 3, h, w)` against target and weight `(N, 3, H, W)` in [0, 1], whose sides are whole multiples.

    Focal cross-entropy (Lin et al., ICCV 2017) with soft targets and the Dice overlap (Milletari et al., 3DV 2016), a class each.
    """
    stride = target.shape[-1] // logits.shape[-1]
    if stride > 1:
        mass = F.avg_pool2d(weight, stride)
        target = F.avg_pool2d(target * weight, stride) / mass.clamp_min(1e-6)
        weight = mass
    logits = logits.float()
    chance = logits.sigmoid()
    wrong = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * (target - chance).abs() ** FOCUS
    entropy = (wrong * weight * (1 + CHANGED_GAIN * target)).mean((0, 2, 3)) * CROSS_ENTROPY
    both = (chance * target * weight).sum((0, 2, 3))
    either = ((chance + target) * weight).sum((0, 2, 3))
    dice = 1 - (2 * both + 1) / (either + 1)
    return ((entropy + dice) * entropy.new_tensor(CLASS_WEIGHTS)).sum()


def agreement_loss(logits: torch.Tensor, others: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """How far logits `(N, C, h, w)` of the first C classes are from what `others` say, where `valid` `(N, 1, H, W)` is.

    Cross-entropy above its least, what changed heeded.
    """
    others = others.clamp(-SURE_LOGIT, SURE_LOGIT)
    said = others.sigmoid()
    above = F.binary_cross_entropy_with_logits(logits.float(), said, reduction="none") - F.binary_cross_entropy_with_logits(others, said, reduction="none")
    weight = F.avg_pool2d(valid, valid.shape[-1] // logits.shape[-1]) * (1 + CHANGED_GAIN * said)
    return (above * weight).mean((0, 2, 3)).mul(above.new_tensor(CLASS_WEIGHTS[:above.shape[1]])).sum() * CROSS_ENTROPY
