"""Read the two sides of a comparison: cells, commits, plugin files, variables, or many of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from feedrate.api.cells import full_key
from feedrate.api.datasets import demand_batches
from feedrate.errors import UnavailableError, UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Strategy
from feedrate.plugin.workload import SizedWorkload, Workload
from feedrate.records.cell_key import SIMULATED, split_spec
from feedrate.system.threadpools import caps

__all__ = ["ComparisonSpec", "VariantSpec", "control", "pace_of", "pairings", "variables_of"]

_ANY = "*"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Of a variable that a shell can set."""


@dataclass(frozen=True)
class VariantSpec:
    """One side as the user wrote it: `CELL`, `CELL@COMMIT`, `CELL@FILE` or `CELL@NAME=VALUE`.

    In a cell `*` stands for all of a family.
    """

    workload: str
    size: str
    loader: str
    step: str
    device: str
    code: str
    """Commit, plugin file, or variables of the environment; empty: the code that runs, as it is."""

    @classmethod
    def parse(cls, text: str, size: str | None, device: str | None, other: VariantSpec | None = None) -> VariantSpec:
        """Read one side; without a cell of its own it is the other's.

        Raises:
            UsageError: it is not of that form.
        """
        cell, at, code = text.partition("@")
        if at and not code:
            raise UsageError(f"{text!r} names neither a commit nor a plugin file nor a variable after its '@'")
        side = replace(other, code=code) if not cell and other else cls(*full_key(cell, size, device), code)
        side._demand_own_variables()
        return side

    @property
    def file(self) -> Path | None:
        """The plugin file that it is measured with, if it names one."""
        return Path(self.code) if self.code.endswith(".py") and not self.variables else None

    @property
    def variables(self) -> Mapping[str, str]:
        """Variables that its processes have, whatever the environment says; of several each stands after an `@`."""
        return variables_of(self.code)

    def _demand_own_variables(self) -> None:
        """Refuse variables that feedrate sets for each process.

        Raises:
            UsageError: one is.
        """
        for name in self.variables:
            if name in caps(1):
                raise UsageError(f"{name} is set for every process that is measured: by --threads, and --pool NAME=N")
            if name.startswith("FEEDRATE_"):
                raise UsageError(f"{name} is feedrate's own: give its option to both sides")

    @property
    def commit(self) -> str:
        """The commit that it is measured at; empty: none."""
        return "" if self.file or self.variables else self.code

    @property
    def uncommitted(self) -> VariantSpec:
        """The same with the code that runs, and its plugin file; the environment is as it is."""
        return replace(self, code=self.code if self.file else "")

    def filled(self, names: Mapping[str, str]) -> VariantSpec:
        """Put a name in the place of each `*`."""
        return replace(self, **{family: name for family, name in names.items() if getattr(self, family) == _ANY})

    def registry(self, files: Sequence[Path], own: Workload | None) -> Registry:
        """Give what there is to name, here, in its plugin file, and the workload of a person's own files.

        Raises:
            PluginError: a file cannot be imported.
        """
        registry = Registry.load([*files, *([self.file] if self.file else [])])
        return registry if own is None else registry.offering(own)

    def cell(self, registry: Registry) -> str:
        """Give its cell's key. At a commit only that commit knows whether it exists.

        Raises:
            UsageError: its name is unknown.
            UnavailableError: this machine lacks what it needs.
        """
        key = f"{self.workload}/{self.size}/{self.loader}/{self.step}/{self.device}"
        if self.device == SIMULATED:
            raise UnavailableError(f"{key}: a simulated device has no speed to compare; name cpu or cuda")
        if self.commit:
            return key
        cell = Cell.parse(key, registry)
        if cell.unmet_needs:
            raise UnavailableError(f"{cell}: {'; '.join(need.reason for need in cell.unmet_needs)}")
        demand_batches(cell.recipe)
        return str(cell)

    def recipes(self, registry: Registry) -> dict[str, SizedWorkload]:
        """Give what its data set is written from, by folder; raises like `cell`."""
        workload = registry.workload(self.workload)
        recipe = workload.at(workload.own_size(self.size))
        return {recipe.folder_name: recipe}


def variables_of(code: str) -> Mapping[str, str]:
    """Give the variables that `NAME=VALUE` names, with an `@` between several; none: it is none of them."""
    pairs = [part.partition("=") for part in code.split("@")]
    if all(equals and _NAME.fullmatch(name) for name, equals, _ in pairs):
        return {name: value for name, _, value in pairs}
    return {}


_FAMILIES = ("workload", "loader", "step")


@dataclass(frozen=True)
class ComparisonSpec:
    """An A, a B and the cell that is the control beside them."""

    a: VariantSpec
    b: VariantSpec
    a_cell: str
    b_cell: str
    control: Cell
    recipes: Mapping[str, SizedWorkload]
    """What their data sets are written from, by folder."""

    @property
    def of_one(self) -> bool:
        """Both sides are the same."""
        return (self.a_cell, self.a.code) == (self.b_cell, self.b.code)


def pairings(
    a_text: str,
    b_text: str,
    plugins: Sequence[Path],
    size: str | None,
    device: str | None,
    own: Workload | None = None,
) -> tuple[ComparisonSpec, ...]:
    """Give what the two texts name, one pairing for each combination of what `*` stands for.

    `own`: the workload of a person's own files.

    Raises:
        UsageError: they name nothing, or something that is not there, or samples of different data.
        UnavailableError: this machine lacks what a cell needs that was named without `*`.
    """
    a = VariantSpec.parse(a_text, size, device)
    b = VariantSpec.parse(b_text, size, device, a)
    here, there = (side.registry(plugins, own) for side in (a, b))
    pairs = []
    for names in _combinations(a, b, here):
        try:
            pairs.append(_pairing(a.filled(names), b.filled(names), here, there))
        except UnavailableError:
            if not names:
                raise
    if not pairs:
        raise UsageError(f"{a_text!r} and {b_text!r} name nothing that this machine can run")
    # Of all loaders against one of them, that one against itself is not what was asked.
    return tuple(pair for pair in pairs if not pair.of_one) or tuple(pairs)


def _demand_same_data(a: VariantSpec, b: VariantSpec) -> None:
    """Refuse two tasks, or two sizes of one: a sample of one is no sample of the other, whatever it takes.

    Other knobs of a workload may differ: a smaller batch, another layout of the same rows, another reader.

    Raises:
        UsageError: they differ.
    """
    for things, of_a, of_b in (
        ("workloads", split_spec(a.workload)[0], split_spec(b.workload)[0]),
        ("sizes", a.size, b.size),
    ):
        if of_a != of_b:
            raise UsageError(
                f"{of_a} and {of_b} are two {things}: a sample of one is no sample of the other, and which takes longer"
                " says nothing of a loader or a step; name one of them on both sides"
            )


def _pairing(a: VariantSpec, b: VariantSpec, here: Registry, there: Registry) -> ComparisonSpec:
    _demand_same_data(a, b)
    # A commit writes its own data set; that of A is also the control's.
    recipes = a.recipes(here) | ({} if b.commit else b.recipes(there))
    return ComparisonSpec(a, b, a.cell(here), b.cell(there), control(a, here), recipes)


def _combinations(a: VariantSpec, b: VariantSpec, registry: Registry) -> Iterator[dict[str, str]]:
    offered: dict[str, Mapping[str, Strategy]] = {
        "workload": registry.workloads, "loader": registry.loaders, "step": registry.steps
    }  # fmt: skip
    wild = [family for family in _FAMILIES if _ANY in (getattr(a, family), getattr(b, family))]
    names = [
        [name for name, strategy in offered[family].items() if strategy.is_default and not strategy.unmet_needs()]
        for family in wild
    ]
    return (dict(zip(wild, chosen, strict=True)) for chosen in product(*names))


def control(side: VariantSpec, registry: Registry) -> Cell:
    """Give the cell beside them: the step of that side, or one that trains if it does not, on batches that are ready.

    A step that trains nothing takes microseconds: its pace says nothing of the machine. Where there is no model to
    train, it is the cell of that side, whose loader alone says it.
    """
    workload = registry.workload(side.workload)
    if not workload.has_model:
        size, loader, step = workload.own_size(side.size), registry.loader(side.loader), registry.step(side.step)
        return Cell(workload, size, loader, step, side.device)
    step = registry.step(side.step)
    shown = (other for other in registry.steps.values() if other.is_default and not other.unmet_needs())
    training = (other for other in shown if other.trains)
    loader = next(known for known in registry.loaders.values() if known.synthetic)
    return Cell(
        workload, workload.own_size(side.size), loader, step if step.trains else next(training, step), side.device
    )


def pace_of(control: Cell) -> str:
    """Say which time of a control shows how the machine drifts: its step's, or its loader's where nothing trains."""
    return "step" if control.step.trains else "loader"
