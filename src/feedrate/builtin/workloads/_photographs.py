"""Read pictures as a training does: decoded by Pillow, cut and flipped at random, normalised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from feedrate.data.manifest import shard_name
from feedrate.errors import DataError
from feedrate.loading.sample_index import sample_generator

__all__ = ["Photographs"]

_MEAN = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
_DEVIATION = torch.tensor((0.229, 0.224, 0.225))[:, None, None]
"""Of the colours of ImageNet, as trainings on photographs have them."""


class Photographs(Dataset[dict[str, Tensor | int]]):
    """`count` JPEG files of a folder: each a `crop` of the picture, in half of all cases flipped, and its label.

    Where it is cut and whether it is flipped follow from the index and its epoch.
    """

    def __init__(self, folder: Path, count: int, crop: int) -> None:
        """No file is opened."""
        self.folder, self.count, self.crop = folder, count, crop

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        """Give `image`, float32 (3, crop, crop), and `label`.

        Raises:
            DataError: the file is missing, damaged or none of ours.
        """
        path, chance = self.folder / shard_name(index, "jpeg"), sample_generator(index)
        try:
            with Image.open(path) as picture:
                label = int(picture.info["comment"])
                left, top = (int(chance.integers(room - self.crop + 1)) for room in picture.size)
                cut = picture.convert("RGB").crop((left, top, left + self.crop, top + self.crop))
        except FileNotFoundError:
            raise DataError(f"{path}: is missing") from None
        # Pillow says by all of these that a file is damaged.
        except (OSError, SyntaxError, LookupError, ValueError) as error:
            raise DataError(f"{path}: is no picture that feedrate wrote ({type(error).__name__}: {error})") from error
        if chance.random() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(cut)).permute(2, 0, 1)
        return {"image": (pixels.float() / 255 - _MEAN) / _DEVIATION, "label": label}
