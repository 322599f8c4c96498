"""A git checkout of feedrate as it stands here, small enough for asv to measure in seconds."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

__all__ = ["checkout"]

_ROOT = Path(__file__).parents[2]
_FILES = ("pyproject.toml", "README.md", "LICENSE", "asv.conf.json", "benchmarks/__init__.py", "benchmarks/feed.py")
_MATRIX = {"workloads": {"fxseq": "1"}, "loaders": ["inline"], "steps": ["none"]}


def checkout(folder: Path) -> None:
    """Make it in `folder`, with one commit."""
    shutil.copytree(_ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(_ROOT / name, folder / name)
    (folder / "benchmarks/matrix.json").write_text(json.dumps(_MATRIX))
    (folder / ".gitignore").write_text(".asv\ndata\nlogs\nresults\nout.json\n")
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "all")):
        git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
        subprocess.run(git, cwd=folder, check=True, capture_output=True, timeout=60)
