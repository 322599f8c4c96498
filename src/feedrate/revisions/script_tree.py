"""A person's own repository as it was at a commit, beside the files of theirs that git does not know."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

from feedrate.errors import UnavailableError, UsageError
from feedrate.system.scratch import Scratch

__all__ = ["git_answer", "link_missing", "tree_at"]


@contextmanager
def tree_at(revision: str, folder: Path) -> Iterator[Path]:
    """Give a scratch folder that stands for `folder` with the code of a commit; it is gone on leaving.

    What lies in `folder`, or at the root of its repository, and is no part of the commit, such as data that git
    ignores, is linked there. Nothing is written to the repository.

    Raises:
        UsageError: `folder` is in no repository of git, or that has no such commit.
        UnavailableError: git is not installed.
    """
    if which("git") is None:
        raise UnavailableError(f"git is not installed, so {revision!r} cannot be checked out; install git")
    root = Path(git_answer(folder, "rev-parse", "--show-toplevel") or _no_repository(revision, folder))
    commit = git_answer(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not commit:
        raise UsageError(f"no commit {revision!r} in {str(root)!r}; `git log` lists commits")
    with Scratch.made() as scratch:
        tree = scratch.folder / "tree"
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", root, tree], check=True)
        subprocess.run(["git", "-C", tree, "checkout", "--quiet", "--detach", commit], check=True)
        place = tree / folder.resolve().relative_to(root.resolve())
        place.mkdir(parents=True, exist_ok=True)
        for theirs, ours in ((root, tree), (folder, place)):
            link_missing(theirs, ours)
        yield place


def link_missing(theirs: Path, ours: Path) -> None:
    """Link what lies in one folder and not in the other from there."""
    for entry in os.scandir(theirs):
        with suppress(FileExistsError):
            (ours / entry.name).symlink_to(Path(entry.path).resolve())


def git_answer(folder: Path, *arguments: str) -> str:
    """Give what git answers; empty where it refuses, or is not installed."""
    if which("git") is None:
        return ""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _no_repository(revision: str, folder: Path) -> str:
    raise UsageError(f"{str(folder)!r} is in no repository of git, so it has no commit {revision!r}")
