"""Write documents of made-up words: of all lengths, a few words often and most of them seldom."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from feedrate.data.counter_rng import CounterRng

__all__ = ["BEYOND", "WORDS", "vocabulary", "write_texts"]

BEYOND = -100
"""Stands for the token that follows where a document has ended; the loss leaves it out."""
WORDS = 2_000
_TEXT = 40  # stream of `CounterRng`
_SHORTEST, _LONGEST = 8, 600
"""Words of a document: most have some twenty, few have hundreds."""
_FOLLOWS = 0.8
"""Share of the words in the second place of a pair that follow from the one in the first."""
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def vocabulary() -> tuple[str, ...]:
    """Give all words, the most frequent first, no two of them alike."""
    syllables = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
    return tuple(syllables[word % len(syllables)] + _tail(word // len(syllables), syllables) for word in range(WORDS))


def _tail(number: int, syllables: list[str]) -> str:
    return "" if number == 0 else syllables[(number - 1) % len(syllables)]


def write_texts(path: Path, seed: int, start: int, stop: int) -> None:
    """Write the documents `start` to `stop`, a column `text`, as an uncompressed Arrow file, which can be mapped."""
    import pyarrow as pa

    words = np.array(vocabulary(), dtype=object)
    # Two numbers for the length, then one for each word and one for each pair.
    draws = CounterRng(seed, _TEXT, _LONGEST).uniform(start, stop)
    lengths = (_SHORTEST * (_LONGEST / _SHORTEST) ** (draws[:, 0] * draws[:, 1])).astype(int)
    frequent = np.minimum(WORDS ** draws[:, 2 : _LONGEST + 2], WORDS - 1).astype(int)
    follows = draws[:, _LONGEST + 2 :] < _FOLLOWS
    second = frequent[:, 1::2]
    second[follows[:, : second.shape[1]]] = (7 * frequent[:, ::2] + 3)[follows[:, : second.shape[1]]] % WORDS
    texts = [" ".join(words[row[:length]]) for row, length in zip(frequent, lengths.tolist(), strict=True)]
    table = pa.table({"text": pa.array(texts, pa.string())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
