"""What `images` and `tokens` write and serve, beyond the promises that all workloads keep."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.workloads._texts import BEYOND, vocabulary
from feedrate.builtin.workloads.images import CLASSES, Images
from feedrate.builtin.workloads.tokens import Tokens
from feedrate.cli import main
from feedrate.contract import written
from feedrate.data.dataset import DataSet
from feedrate.loading.batch import Batch
from feedrate.loading.sample_index import SampleIndex
from feedrate.plugin.dataset_workload import DatasetWorkload
from feedrate.plugin.registry import Registry
from tests.support.commands import refused


def epoch(workload: DatasetWorkload, root: Path) -> list[Batch]:
    return list(Inline().stream(written(workload, root, epochs=1).plan))


def without_pillow(patch: pytest.MonkeyPatch) -> None:
    """None in the place of a module is how Python says that it cannot be imported."""
    patch.setitem(sys.modules, "PIL", None)


def test_pictures_are_jpeg_files_that_a_seed_makes_again(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    for number in (0, 7):
        Images().write_file(tmp_path / f"{number}.jpeg", "small", 5, number)
        Images().write_file(tmp_path / f"{number}-again.jpeg", "small", 5, number)
        assert (tmp_path / f"{number}.jpeg").read_bytes() == (tmp_path / f"{number}-again.jpeg").read_bytes()
    with pillow.open(tmp_path / "7.jpeg") as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (200, 160))
        assert int(picture.info["comment"]) == 7 % CLASSES
        pixels = torch.tensor(list(picture.convert("L").tobytes()), dtype=torch.float32).view(160, 200)
    # Neighbours are alike, as in a photograph, and the picture is not flat: noise is neither.
    assert (pixels[:, 1:] - pixels[:, :-1]).abs().mean() < 0.3 * pixels.std()
    assert pixels.std() > 15
    # About what photographs of that quality take: noise takes some 2, a flat picture 0.03.
    assert 0.1 < (tmp_path / "7.jpeg").stat().st_size / (200 * 160) < 0.6


def test_a_crop_follows_from_the_epoch_and_the_label_does_not(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    plan = written(Images(), tmp_path, epochs=1).plan
    dataset = Images().dataset("tiny", plan.data.folder)
    samples = [dataset[SampleIndex(3, number)] for number in (0, 0, 1)]
    first, again, later = (torch.as_tensor(sample["image"]) for sample in samples)

    assert first.shape == (3, 32, 32)
    assert first.equal(again)
    assert not first.equal(later)
    assert [sample["label"] for sample in samples] == [3, 3, 3]
    assert torch.cat([batch.tensors["label"] for batch in Inline().stream(plan)]).bincount().tolist() == [4] * CLASSES


def test_batches_of_documents_are_as_long_as_their_longest(tmp_path: Path) -> None:
    batches = epoch(Tokens(), tmp_path)
    lengths = {batch.tensors["tokens"].shape[1] for batch in batches}

    assert len(batches) == 12
    assert len(lengths) > 1
    assert max(lengths) <= 128
    assert {batch.tensors["tokens"].shape[1] for batch in epoch(Tokens(pad="context"), tmp_path / "fixed")} == {128}
    for batch in batches:
        tokens, following = batch.tensors["tokens"], batch.tensors["next_tokens"]
        inside = following[:, 1:] != BEYOND
        assert tokens[:, 1:][inside].equal(following[:, :-1][inside])
        assert (following != BEYOND).any(0).all()


def test_no_two_words_are_alike() -> None:
    words = vocabulary()

    assert len(set(words)) == len(words)


def test_documents_that_were_changed_are_found(tmp_path: Path) -> None:
    folder = written(Tokens(), tmp_path).plan.data.folder
    assert list(DataSet.open(folder, Tokens().at("tiny")).faults()) == []
    with (folder / "00001.feather").open("r+b") as file:
        file.seek(900)
        file.write(b"\xff" * 8)
    assert list(DataSet.open(folder, Tokens().at("tiny")).faults()) == ["damaged: 00001.feather"]


@pytest.mark.parametrize(
    "command",
    [
        ["data", "make", "images", "--size", "tiny", "--data", "data"],
        ["check", "images"],
        ["check", "inline", "--workload", "images"],
    ],
    ids=" ".join,
)
def test_what_pillow_would_be_needed_for_is_said_in_a_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pillow(monkeypatch)
    line = refused(command, capsys)

    assert line == "feedrate: images: needs the package 'PIL': `pip install 'feedrate[images]'` provides it"
    assert not (tmp_path / "data").exists()


def test_they_are_listed_and_run_only_when_they_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    workloads = Registry.load().workloads
    assert main(["list"]) == 0
    listed = capsys.readouterr().out

    for name in ("images", "tokens"):
        assert workloads[name].on_request
        assert not workloads[name].is_default
        assert name in listed
