"""What the README tells a newcomer to do works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

EXAMPLE = ROOT / "examples" / "next_block.py"


def test_the_readme_shows_the_example_as_it_is() -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    assert block[1] == EXAMPLE.read_text()


def test_the_example_loader_keeps_its_contract(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "feedrate", "check", "next_block", "--plugin", str(EXAMPLE)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_that_the_readme_names_is_there() -> None:
    for name in re.findall(r"\]\(([\w/.-]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / name).exists(), name
