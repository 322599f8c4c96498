"""The losses of the three tasks. A NaN target counts for nothing; where all are NaN the loss is 0."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["board_loss", "frames_loss", "known_mean", "masked_huber", "pinball"]


def known_mean(losses: Tensor, known: Tensor) -> Tensor:
    """Average `losses` where `known`; written without indexing, so that no shape depends on the data."""
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)


def board_loss(logits: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Tensor:
    """Give the cross-entropy of the legal moves; or KL divergence of the policy plus cross-entropy of the value."""
    if "legal" in logits:
        return F.binary_cross_entropy_with_logits(logits["legal"], tensors["legal"])
    policy = F.kl_div(F.log_softmax(logits["policy"], dim=1), tensors["policy"], reduction="batchmean")
    value, known = tensors["value"], ~tensors["value"].isnan()
    filled = torch.where(known, value, 0)
    return policy + known_mean(F.binary_cross_entropy_with_logits(logits["value"], filled, reduction="none"), known)


def masked_huber(predicted: Tensor, targets: Tensor) -> Tensor:
    """Give the mean Huber loss of the targets that are known."""
    known = ~targets.isnan()
    return known_mean(F.huber_loss(predicted, torch.where(known, targets, 0), reduction="none"), known)


def frames_loss(outputs: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Tensor:
    """Give the cross-entropy of the direction plus half the Huber loss of its size."""
    direction = F.cross_entropy(outputs["direction"], tensors["direction"])
    return direction + 0.5 * masked_huber(outputs["magnitude"], tensors["magnitude"])


def pinball(quantiles: Tensor, targets: Tensor) -> Tensor:
    """Give the mean pinball loss of evenly spaced quantiles, 0.1 to 0.9: float32 (B, H, Q) against (B, H)."""
    # Made on the device: a tensor of constants from the host would make every step wait for its copy.
    levels = torch.linspace(0.1, 0.9, quantiles.shape[2], device=quantiles.device)
    known = ~targets.isnan()
    missed = torch.where(known, targets, 0)[:, :, None] - quantiles
    return known_mean(torch.maximum(levels * missed, (levels - 1) * missed).mean(2), known)
