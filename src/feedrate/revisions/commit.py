"""Build a commit of the project into an environment of its own under `.asv`, and measure cells there."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree, which
from typing import Self

from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.errors import DataError, UnavailableError, UsageError
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.revisions.call import Invocation
from feedrate.revisions.invoke import RunningCell, RunningCommand, run_cell
from feedrate.revisions.venv import Venv, checked
from feedrate.system.scratch import Scratch

__all__ = ["Commit", "SeparateDiagnosis", "SeparateReplicate", "commit_hash", "measure_at_commit", "writer_of"]

_PACKAGE = "src/feedrate"
_WRITING = ("data", "builtin/workloads", "plugin/workload.py", "plugin/dataset_workload.py")
"""What a data set's content and format depend on."""
_SAID = "why.json"
_READY = "ready"
"""File in a commit's folder, written when all else is there: the plugins that do not build, a line each."""


@dataclass(frozen=True)
class Commit:
    """A commit that cells can be measured at."""

    hash: str
    checkout: Path
    python: Path
    """The interpreter of its environment."""
    lacking: tuple[str, ...]
    """A line for each of its plugins that does not build here, and each of the host's that is left out."""

    @property
    def takes_turns(self) -> bool:
        """Whether its code knows how to measure by turns with another process."""
        return (self.checkout / _PACKAGE / "metering/turns.py").exists()

    @property
    def writer(self) -> str:
        """See `writer_of`."""
        return writer_of(self.checkout / _PACKAGE)

    @classmethod
    def build(cls, revision: str, root: Path, tell: Callable[[str], None]) -> Self:
        """Build a commit into its environment, if it is not there yet: one small wheel, and one for each plugin.

        Wheels are shared with asv's environments: what asv has built is not built again. `tell` is called with a line
        before a build begins: it takes seconds, and with compiled plugins minutes.

        Raises:
            UsageError: see `commit_hash`.
            UnavailableError: virtualenv or git is not installed.
            BuildError: feedrate does not build at that commit.
        """
        commit = commit_hash(revision, root)
        if find_spec("virtualenv") is None:
            raise UnavailableError("virtualenv is not installed; `pip install feedrate[asv]` provides it")
        asv = (root / ".asv").resolve()
        folder = asv / "commits" / commit[:16]
        venv = Venv(folder / "env", asv / "env", root)
        if not (folder / _READY).exists():
            tell(f"{revision}: building commit {commit[:8]} into an environment of its own")
            _make(commit, root, folder, venv)
        lacking = (*(folder / _READY).read_text().splitlines(), *venv.look())
        return cls(commit, folder / "project", venv.python, lacking)


def commit_hash(revision: str, root: Path) -> str:
    """Look up the hash of a commit of the project at `root`.

    Raises:
        UsageError: there is no such commit, or `root` is not the root of a git checkout of feedrate.
        UnavailableError: git is not installed.
    """
    if not (root / ".git").exists() or not (root / "pyproject.toml").exists():
        raise UsageError(
            f"{str(root)!r} is no git checkout of feedrate, so it has no commit {revision!r}; run it at the root of one"
        )
    if which("git") is None:
        raise UnavailableError(f"git is not installed, so {revision!r} cannot be checked out; install git")
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise UsageError(
            f"no commit {revision!r} in {str(root)!r}, nor a plugin file of that name; `git log` lists commits"
        )
    return done.stdout.strip()


def _make(commit: str, root: Path, folder: Path, venv: Venv) -> None:
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checkout = folder / "project"
    clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(root.resolve()), str(checkout)]
    for command in (clone, ["git", "-C", str(checkout), "checkout", "--quiet", "--detach", commit]):
        checked(command, root)
    venv.make()
    venv.look()
    lacking = venv.install(checkout)
    (folder / _READY).write_text("".join(f"{line}\n" for line in lacking))


@dataclass(frozen=True)
class SeparateReplicate:
    """One replicate that a `feedrate run` of its own measures, at a commit or here, and adds to the raw results."""

    _scratch: Scratch
    _running: RunningCell

    @classmethod
    def begun(cls, cell: str, replicate: int, invocation: Invocation) -> SeparateReplicate:
        """Begin it; another may measure while it stands still."""
        scratch = Scratch.made()
        standing_s = invocation.deadline_s
        return cls(scratch, RunningCell.started(invocation, cell, replicate, scratch.folder, standing_s))

    @property
    def is_running(self) -> bool:
        """See `Running`."""
        return self._running.is_running

    def outcome(self) -> Outcome:
        """See `Running`."""
        document = self._running.waited()
        self._scratch.remove()
        return _outcome(document, self._running.cell, self._running.replicate, self._running.invocation)

    def end(self) -> None:
        """See `Running`."""
        self._running.end()
        self._scratch.remove()


def writer_of(package: Path) -> str:
    """Digest the code of a feedrate that data sets are written by: where it differs, so may they."""
    digest = hashlib.blake2b(digest_size=8)
    for place in _WRITING:
        path = package / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(package).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()


def measure_at_commit(cell: str, replicate: int, invocation: Invocation) -> Outcome:
    """Measure one replicate of a cell with the code of a commit, which itself adds the raw line."""
    with Scratch.made() as scratch:
        document = run_cell(invocation, cell, replicate, scratch.folder)
    return _outcome(document, cell, replicate, invocation)


def _outcome(document: Mapping[str, object], cell: str, replicate: int, invocation: Invocation) -> Outcome:
    try:
        return (Failure if "failure" in document else Measurement).from_json(document)
    except DataError:
        reason = f"its record at commit {invocation.commit[:8]} is not one that this version can read"
        return Failure(cell, invocation.run, replicate, "", {"git": {"commit": invocation.commit}}, "invalid", reason)


@dataclass(frozen=True)
class SeparateDiagnosis:
    """What one process of a `feedrate why` finds, at a commit or here."""

    _scratch: Scratch
    _running: RunningCommand

    @classmethod
    def begun(cls, cell: str, invocation: Invocation) -> SeparateDiagnosis:
        """Begin it; another may measure while it stands still."""
        scratch = Scratch.made()
        # -P: the folder it is started in is a checkout, of which nothing is to be imported.
        command = [invocation.python, "-P", "-m", "feedrate", "why", cell, "--json", "--quiet", "--replicates", "1"]
        limits = ["--deadline-s", str(invocation.deadline_s)]
        places = ["--results", str(invocation.raw), "--logs", str(invocation.logs)]
        with (scratch.folder / _SAID).open("wb") as out, (scratch.folder / "why.log").open("wb") as log:
            words = [*command, *limits, *places, *invocation.options]
            running = RunningCommand.started(words, invocation, out, log, invocation.deadline_s)
        return cls(scratch, running)

    @property
    def is_running(self) -> bool:
        """See `Running`."""
        return self._running.is_running

    def outcome(self) -> Diagnosis | None:
        """Wait for its end, and give what it found; None: it has no such command, or fails."""
        try:
            if self._running.wait():
                return None
            (document,) = json.loads((self._scratch.folder / _SAID).read_text())
            return Diagnosis.from_json(document)
        except (OSError, ValueError, TypeError, DataError):
            # Another version's words.
            return None
        finally:
            self._scratch.remove()

    def end(self) -> None:
        """See `Running`."""
        self._running.end()
        self._scratch.remove()
