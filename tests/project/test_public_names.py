"""`from feedrate import ...` is the whole public API, and asking for names costs no torch."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import feedrate

PACKAGE = Path(feedrate.__file__).parent
HEAVY = "{'torch', 'pyarrow', 'pandas', 'h5py'}"
TORCH_FREE = (
    "import feedrate",
    "import feedrate.plugin.registry",
    "import feedrate.plugin.cell",
    "import feedrate.cli",
    "from feedrate import Loader, Step, Workload, Registry, Cell, hookimpl, knob, Need, cuda, package, results",
    "from feedrate import ahead, forward_and_loss, plain_update",
    "from feedrate import TrainingBenchmark",
    "from feedrate.plugin.registry import Registry; assert Registry.load().loaders",
    "from feedrate.plugin.registry import Registry; [one.unmet_needs() for one in Registry.load().steps.values()]",
    "from feedrate.plugin.cell import Cell; from feedrate.plugin.registry import Registry;"
    " Cell.parse('boardmoves/tiny/inline/fp32/cpu', Registry.load())",
)


def public_modules() -> list[str]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not any(part.startswith("_") for part in name.split(".")):
            found.append(name)
    return found


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by name."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("name", public_modules())
def test_a_public_module_lists_its_names_sorted(name: str) -> None:
    module = import_module(name)
    if Path(str(module.__file__)).read_text().count("\n") <= 1:
        return  # A package that only holds modules: its docstring is all there is.
    assert list(module.__all__) == sorted(module.__all__, key=order)
    missing = [listed for listed in module.__all__ if not hasattr(module, listed)]
    assert missing == []


def test_every_public_name_is_the_one_of_its_module() -> None:
    assert sorted(feedrate._HOME) == sorted(feedrate.__all__)
    for name, home in feedrate._HOME.items():
        assert getattr(feedrate, name) is getattr(import_module(f"feedrate.{home}"), name)
        assert name in import_module(f"feedrate.{home}").__all__


def test_what_authors_write_against_is_public() -> None:
    """Everything that a loader, a step or a workload names in its signatures."""
    assert {"Loader", "Stream", "Step", "Update", "Loss", "Workload", "Plan", "Block", "Batch", "Columns"} <= {
        *feedrate.__all__
    }
    assert {"Field", "Need", "cuda", "hookimpl", "knob", "package"} <= {*feedrate.__all__}


def test_what_most_loaders_and_steps_are_built_from_is_public() -> None:
    assert {"ahead", "forward_and_loss", "plain_update"} <= {*feedrate.__all__}


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'feedrate' has no attribute 'Laoder'"):
        feedrate.Laoder  # noqa: B018


@pytest.mark.process
@pytest.mark.parametrize("code", TORCH_FREE)
def test_asking_for_names_imports_no_torch(code: str) -> None:
    check = f"{code}; import sys; heavy = {HEAVY} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
