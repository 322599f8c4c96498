"""Samples out of a tar file."""

import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pace
import torch
import webdataset
from torch.utils.data import DataLoader


def write(path: Path, count: int) -> None:
    """Write so many samples."""
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            content = str(number).encode()
            entry = tarfile.TarInfo(f"{number:06d}.txt")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def decoded(sample: dict[str, bytes]) -> tuple[torch.Tensor, torch.Tensor]:
    """Give features and class of a sample."""
    return pace.item(int(sample["txt"]))


if __name__ == "__main__":
    tar = Path(sys.argv[1]) / "samples.tar"
    write(tar, 400)
    dataset = webdataset.WebDataset(str(tar), shardshuffle=False).shuffle(20).map(decoded)
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(dataset, batch_size=pace.BATCH)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give epoch after epoch."""
        while True:
            yield from loader

    pace.train(batches())
