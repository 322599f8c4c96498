"""What Python runs at its start below `feedrate why -- COMMAND`: it waits for torch, and costs next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import feedrate
from feedrate.records.request import SCRIPT_REQUEST

pytestmark = pytest.mark.process

HOOK = Path(feedrate.__file__).parent / "metering" / "script" / "_hook"
LOOK = "import sys; print(*sorted(sys.modules), type(sys.meta_path[0]).__name__, *sys.path, sep='|')"


def printed(code: str, path: str, request: str) -> set[str]:
    """Run code in a fresh Python, and give what it prints."""
    environment = os.environ | {"PYTHONPATH": path, SCRIPT_REQUEST: request}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.strip().split("|"))


def test_a_process_starts_with_no_module_more_and_its_path_as_it_was() -> None:
    plain, hooked = printed(LOOK, "", ""), printed(LOOK, str(HOOK), "nowhere")
    assert hooked - plain <= {"_Watch", "sitecustomize"}


def test_nothing_waits_in_workers_and_without_a_request() -> None:
    assert "_Watch" in printed(LOOK, str(HOOK), "nowhere")
    assert "_Watch" not in printed(LOOK, str(HOOK), "")
    assert "_Watch" not in printed(f"'multiprocessing'; {LOOK}", str(HOOK), "nowhere")


def test_a_sitecustomize_that_it_hides_runs_after_it(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.path.append('mine')")
    seen = printed(LOOK, os.pathsep.join((str(HOOK), str(tmp_path))), "nowhere")
    assert {"_Watch", "mine", str(tmp_path)} <= seen


def test_only_feedrate_itself_is_found_by_it_and_the_loader_of_torch_taken() -> None:
    code = (
        "import torch.utils.data.dataloader as d, feedrate, sys;"
        "print(d.DataLoader.__iter__.__code__.co_filename, type(d.__loader__).__name__, feedrate.__file__, sep='|')"
    )
    source = str(Path(feedrate.__file__).parent)
    assert printed(code, str(HOOK), "nowhere") == {
        f"{source}/metering/script/patch.py",
        "SourceFileLoader",
        f"{source}/__init__.py",
    }
