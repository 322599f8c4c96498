"""Make pictures that compress as photographs do: clouds of all sizes, and objects with edges."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from feedrate.data.counter_rng import CounterRng

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["photograph"]

_COLOURS, _LIGHT, _SHAPES = 30, 31, 32  # streams of `CounterRng`
_COARSEST = 3
"""Values across the coarsest grid; each octave has twice as many."""
_OF_COLOURS, _OF_LIGHT = 3, 7
"""Octaves: colours change slowly over a photograph, light down to the pixel."""
_FALL = 0.75
"""Of the contrast, from an octave to the next finer one."""
_COLOUR, _CONTRAST, _BRIGHTNESS = 30.0, 22.0, 110.0
_OBJECTS = 5


def photograph(seed: int, number: int, size: tuple[int, int], hue: float) -> Image.Image:
    """Give a picture of `size` (width, height): clouds of light over a ground and over objects in hues near `hue`."""
    ground = [
        _BRIGHTNESS + _COLOUR * _clouds(seed, _COLOURS, 3 * number + band, size, _OF_COLOURS) for band in range(3)
    ]
    picture = _picture(np.stack(ground, axis=2))
    draw, draws = ImageDraw.Draw(picture), CounterRng(seed, _SHAPES, 2 * _OBJECTS).uniform(number, number + 1)[0]
    for left, top, across, colour in draws.reshape(_OBJECTS, -1).tolist():
        red, green, blue = colorsys.hsv_to_rgb((hue + 0.06 * (colour - 0.5)) % 1, 0.75, 0.4 + 0.6 * across)
        fill = (int(255 * red), int(255 * green), int(255 * blue))
        corner, extent = (left * size[0] * 0.8, top * size[1] * 0.8), (0.1 + 0.3 * across) * size[1]
        box = (*corner, corner[0] + extent, corner[1] + extent * (0.6 + 0.4 * colour))
        (draw.ellipse if colour > 0.5 else draw.rectangle)(box, fill=fill)
    light = _CONTRAST * _clouds(seed, _LIGHT, number, size, _OF_LIGHT)
    return _picture(np.asarray(picture, np.float32) + light[:, :, None])


def _picture(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _clouds(seed: int, stream: int, row: int, size: tuple[int, int], octaves: int) -> NDArray[np.float32]:
    """float32 (height, width) about 0: random values on grids that double, each smoothed to the whole picture."""
    across = [_COARSEST << octave for octave in range(octaves)]
    numbers = CounterRng(seed, stream, sum(count**2 for count in across)).normal(row, row + 1)[0]
    total, at = np.zeros(size[::-1], np.float32), 0
    for octave, count in enumerate(across):
        grid = Image.fromarray(numbers[at : at + count**2].reshape(count, count))
        at += count**2
        total += np.float32(_FALL**octave) * np.asarray(grid.resize(size, Image.Resampling.BICUBIC))
    return total
