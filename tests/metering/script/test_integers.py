"""Integers of samples that floats of their batch cannot hold are wrong data; those that they hold are a remark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from feedrate.errors import ContractError
from feedrate.metering.script.data_check import demand_integers_kept, integers_of

Samples = Sequence[Any]
Collate = Callable[[Samples], Any]


def labelled(labels: Sequence[Any]) -> Samples:
    return [(torch.full((3,), float(number)), label) for number, label in enumerate(labels)]


def to_float(samples: Samples) -> Any:
    inputs, labels = zip(*samples, strict=True)
    return torch.stack(inputs), torch.tensor([float(label) for label in labels])


def check(samples: Samples, collate: Collate) -> str:
    integers = integers_of(samples)
    return demand_integers_kept(integers, collate(samples))


@pytest.mark.parametrize("kind", [int, np.int64, torch.tensor], ids=["python", "numpy", "torch"])
def test_labels_that_collating_makes_floats_of_are_named(kind: Callable[[int], Any]) -> None:
    samples = labelled([kind(label) for label in (4, 1, 9, 1)])
    assert check(samples, lambda them: default_collate(list(them))) == ""
    assert check(samples, to_float) == "[1] as float32", "a regression on integers is right"


def test_those_that_floats_cannot_hold_are_wrong_data() -> None:
    with pytest.raises(ContractError, match=r"the integers at \[1\] of the samples are others as float32") as caught:
        check(labelled([(1 << 24) + 1, 7, 8]), to_float)
    assert "told apart" not in str(caught.value)
    with pytest.raises(ContractError, match="and some are no longer told apart"):
        check(labelled([1 << 24, (1 << 24) + 1, 7, 8]), to_float)


def test_a_batch_of_another_form_is_looked_through() -> None:
    samples = [{"text": "a", "label": label} for label in (4, 1, 9)]
    texts = [sample["text"] for sample in samples]
    assert check(samples, lambda _: [texts, np.array([4.0, 1.0, 9.0])]) == "['label'] as float64"
    weighted = {"names": texts, "labels": [4, 1, 9], "weights": torch.tensor([4.0, 1.0, 9.0])}
    assert check(samples, lambda _: weighted) == ""


@pytest.mark.parametrize(
    "samples",
    [
        labelled([0, 1, 1, 0]),
        labelled([4.0, 1.0, 9.0]),
        labelled([True, False, True]),
        [4, 1, 9],
        [(torch.tensor([4, 1, 9]), "an image")] * 3,
        labelled([1 << 70, 2, 3]),
    ],
    ids=["zero or one", "numbers", "truths", "no field", "pixels", "huge"],
)
def test_what_is_meant_as_a_number_passes(samples: Samples) -> None:
    assert check(samples, lambda _: (torch.tensor([4.0, 1.0, 9.0]), torch.tensor([0.0, 1.0, 1.0, 0.0]))) == ""
