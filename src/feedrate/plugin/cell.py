"""A cell: one workload, size, loader, step and device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.errors import UsageError
from feedrate.plugin.strategy import Need
from feedrate.records.cell_key import SIMULATED, CellKey, split_device
from feedrate.records.cell_traits import CellTraits

if TYPE_CHECKING:
    from feedrate.plugin.loader import Loader
    from feedrate.plugin.registry import Registry
    from feedrate.plugin.step import Step
    from feedrate.plugin.workload import SizedWorkload, Workload

__all__ = ["DEVICES", "Cell"]

DEVICES = ("cpu", "cuda", SIMULATED)
_OPERATORS = Need(
    "a step made of torch's operators on the simulated device", lambda: False, "measure compiled code on cpu or cuda"
)
_BESIDE_HOST = Need("a device beside the host", lambda: False, "measure it on cuda, or try it on the simulated device")


@dataclass(frozen=True)
class Cell:
    """What is measured; `str(cell)`, such as `boardmoves/small/workers[count=2]/bf16/cuda`, is its key everywhere."""

    workload: Workload
    size: str
    loader: Loader
    step: Step
    device: str
    ranks: int = 1
    """Processes that train one model together, each on a device of its own (the host: on their share of its cores)."""

    def __post_init__(self) -> None:
        if self.ranks > 1 and self.device == SIMULATED:
            raise UsageError(f"several ranks train on cpu or cuda: there is but one device {SIMULATED!r}")

    def __str__(self) -> str:
        device = self.device if self.ranks == 1 else f"{self.ranks}x{self.device}"
        return f"{self.workload}/{self.size}/{self.loader}/{self.step}/{device}"

    @classmethod
    def parse(cls, text: str, registry: Registry) -> Cell:
        """Read what `str` gives; a workload that has but one size is of that, whichever is named.

        Raises:
            UsageError: it is not of that form, or names something that does not exist.
        """
        key = CellKey.parse(text)
        device, ranks = split_device(key.device)
        if device not in DEVICES:
            raise UsageError(f"no device {device!r}; there are: {', '.join(DEVICES)}")
        workload = registry.workload(key.workload)
        return cls(
            workload,
            workload.at(workload.own_size(key.size)).size,
            registry.loader(key.loader),
            registry.step(key.step),
            device,
            ranks,
        )

    @property
    def recipe(self) -> SizedWorkload:
        """What its data set is written from."""
        return self.workload.at(self.size)

    @property
    def traits(self) -> CellTraits:
        """What its parts say of themselves."""
        loader, compression = self.loader, self.workload.storage.get("compression")
        return CellTraits(
            loader.traits(),
            self.step.traits(),
            synthetic=loader.synthetic,
            trains=self.step.trains,
            cast=loader.cast,
            copy=loader.copy,
            pin=loader.pin,
            compressed=None if compression is None or loader.makes_copy else compression != "none",
            keeps_copy=loader.makes_copy,
        )

    @property
    def unmet_needs(self) -> tuple[Need, ...]:
        """Needs of its parts, and of its device, that this machine does not meet."""
        from feedrate.plugin.strategy import cuda

        needs = [*self.workload.unmet_needs(), *self.loader.unmet_needs(), *self.step.unmet_needs()]
        if self.device == "cuda" and not cuda.met():
            needs.append(cuda)
        if self.device == "cpu" and not self.step.on_host:
            needs.append(_BESIDE_HOST)
        if self.device == SIMULATED and self.step.traits().compiled:
            needs.append(_OPERATORS)
        return tuple(dict.fromkeys(needs))
