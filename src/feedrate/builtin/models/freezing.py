"""Choose which layers of a board network learn."""

from __future__ import annotations

from torch import nn

from feedrate.builtin.models.resnet import ResNet
from feedrate.builtin.models.vit import VisionTransformer

__all__ = ["freeze"]


def freeze(net: VisionTransformer | ResNet, trainable: str) -> nn.Module:
    """Turn gradients off for what does not learn: `trainable` is all, last_two (layers, and the head) or head."""
    if trainable == "all":
        return net
    learning: list[nn.Module] = [net.heads]
    if trainable == "last_two":
        learning += net.last_two
    net.requires_grad_(requires_grad=False)
    for part in learning:
        part.requires_grad_()
    return net
