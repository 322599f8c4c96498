"""A person's own repository as it was at a commit, beside the files of theirs that git does not know."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

from feedrate.errors import UnavailableError, UsageError
from feedrate.system.scratch import Scratch

__all__ = ["commit_in", "demand_relative", "git", "repository_of", "tree_at"]

_COMPILED = "__pycache__"
"""Python tells compiled code by the size and the second of its source: that of two commits may agree in both."""


@contextmanager
def tree_at(revision: str, folder: Path) -> Iterator[Path]:
    """Give a scratch folder that stands for `folder` with the code of a commit; it is gone on leaving.

    What lies in the repository of `folder` and git does not know, such as data, is linked there. Nothing is written to
    the repository.

    Raises:
        UsageError: `folder` is in no repository of git, or that has no such commit.
        UnavailableError: git is not installed, or cannot lay the commit out.
    """
    root = repository_of(folder)
    if root is None:
        raise UsageError(f"{str(folder)!r} is in no repository of git, so it has no commit {revision!r}")
    commit = commit_in(root, revision)
    if not commit:
        raise UsageError(f"no commit {revision!r} in {str(root)!r}; `git log` lists commits")
    with Scratch.made() as scratch:
        tree = scratch.folder.resolve() / "tree"
        _lay_out(root, commit, tree)
        place = tree / folder.resolve().relative_to(root.resolve())
        place.mkdir(parents=True, exist_ok=True)
        for name in git(root, "ls-files", "--others", "--directory", "-z").split("\0"):
            if name:
                _link(root / name, tree / name, place, tree)
        yield place


def repository_of(folder: Path) -> Path | None:
    """Give the root of the repository of git that a folder is in; None: it is in none."""
    root = git(folder, "rev-parse", "--show-toplevel")
    return Path(root) if root else None


def commit_in(root: Path, revision: str) -> str:
    """Look up the hash of a commit; empty: there is no such commit."""
    return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")


def demand_relative(words: Sequence[str], folder: Path) -> None:
    """Refuse a command that names a file which git knows from the root of the file system: each commit has its own.

    Raises:
        UsageError: it does.
    """
    for word in words:
        if Path(word).is_absolute() and git(folder, "ls-files", "--", word):
            near = os.path.relpath(word, folder)
            raise UsageError(f"{word!r} would be today's file at each commit; name it from here, as {near!r}")


def git(folder: Path, *arguments: str) -> str:
    """Give what git answers in a folder; empty where it refuses.

    Raises:
        UnavailableError: git is not installed.
    """
    if which("git") is None:
        raise UnavailableError("git is not installed, so no commit can be looked up; install git")
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=False)
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else ""


def _lay_out(root: Path, commit: str, tree: Path) -> None:
    """Fill a new folder with a commit's files."""
    clone = ["clone", "--quiet", "--shared", "--no-checkout", str(root), str(tree)]
    for arguments in (clone, ["-C", str(tree), "checkout", "--quiet", "--detach", commit]):
        done = subprocess.run(["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode:
            reason = (os.fsdecode(done.stderr).strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise UnavailableError(f"git cannot lay out commit {commit[:8]}: {reason}")


def _link(theirs: Path, ours: Path, place: Path, tree: Path) -> None:
    """Link a file or a folder; of one that `place` is, or lies in, the entries: what is made there stays there."""
    if _COMPILED in ours.parts:
        return
    if ours in (place, *place.parents):
        for entry in theirs.iterdir():
            _link(entry, ours / entry.name, place, tree)
    # At the commit a folder above may have been a link to somewhere else.
    elif ours.parent.resolve().is_relative_to(tree):
        with suppress(FileExistsError, NotADirectoryError):
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)
