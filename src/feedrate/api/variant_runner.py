"""Measure the sides of a comparison: here, with a plugin file or variables besides, or at a commit."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import feedrate
from feedrate.api.resources import Resources
from feedrate.api.settings import RUN, SAFE, Settings
from feedrate.api.variant_spec import VariantSpec
from feedrate.comparison.comparison import Variant
from feedrate.errors import UsageError
from feedrate.records.measurement import Outcome
from feedrate.records.request import SECONDS, TURNS
from feedrate.runner.forkserver import FORK_SERVER, ForkServer
from feedrate.runner.turnstile import by_turns

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.revisions.call import Invocation
    from feedrate.revisions.commit import Commit
    from feedrate.runner.turnstile import Running

__all__ = ["VariantRunner"]

COMPARED_S = 2.0
"""Aim of each time of a process that is compared: it takes longer than that to begin, and what others do to the machine
within a second evens out over it."""
STAGE_S = 2.4
"""The same of a process that takes a cell apart by turns, where each rung of the loader alone is timed in pieces."""


@dataclass(frozen=True)
class VariantRunner:
    """What all processes of a comparison have in common. Each outcome is a line of the same file of raw results."""

    resources: Resources
    _numbers: Iterator[int] = field(default_factory=count)
    """Replicates are numbered through, whatever they measure: in the order of measuring."""
    _built: dict[str, Commit] = field(default_factory=dict)

    def side(self, named: VariantSpec, cell: str) -> Variant:
        """Give a cell with the code that it is named with; a commit is built when it is first asked for.

        Raises:
            UsageError: there is no such commit.
            BuildError: it does not build.
        """
        if not named.commit:
            begin = self._beginning(self._call_here(_files(named), variables=named.variables), cell, named.variables)
            measure = self._here(cell, _files(named), COMPARED_S, named.variables)
            return Variant(cell, named.code, measure, self.resources.write, begin, _writer_here())
        commit = self._commit(named.commit)
        begin = self._beginning(self._call(commit), cell) if commit.takes_turns else None
        return Variant(cell, named.code, self._at(commit, cell), begin=begin, writer=commit.writer)

    def control(self, named: VariantSpec, cell: str) -> Variant:
        """Give the control, which shows the machine's pace: as long as in a table; it is measured alone, and here."""
        return Variant(cell, named.code, self._here(cell, _files(named), SECONDS), self.resources.write)

    def taken_apart(self, named: VariantSpec, cell: str) -> Diagnosis | None:
        """Give what one process of `feedrate why` finds at a side's commit; None: it cannot say. Raises like `side`."""
        from feedrate.revisions.commit import SeparateDiagnosis

        return SeparateDiagnosis.begun(cell, self._call(self._commit(named.commit), SECONDS)).outcome()

    def taken_apart_by_turns(self, then: VariantSpec, cell: str) -> tuple[Diagnosis, Diagnosis] | None:
        """Give what one process of `feedrate why` finds here, and one at a side's commit, which measure by turns.

        None: two at a time cannot be, or one of them failed. Raises like `side`.
        """
        from feedrate.revisions.commit import SeparateDiagnosis

        commit, here = self._commit(then.commit), self._call_here((), STAGE_S)
        if here is None or not (_may_share(cell) and commit.takes_turns and commit.writer == _writer_here()):
            return None

        def beginning(call: Invocation) -> Callable[[Path], SeparateDiagnosis]:
            return lambda socket: SeparateDiagnosis.begun(cell, _told(call, {TURNS: str(socket)}))

        now, earlier = by_turns([beginning(here), beginning(self._call(commit, STAGE_S))])
        return None if now is None or earlier is None else (now, earlier)

    def _commit(self, revision: str) -> Commit:
        if revision not in self._built:
            self._built[revision] = self._build(revision)
        return self._built[revision]

    def _build(self, revision: str) -> Commit:
        from feedrate.revisions.commit import Commit

        def tell(text: str) -> None:
            if not self.resources.settings.quiet:
                self.resources.caller.console.print(text, soft_wrap=True)

        commit = Commit.build(revision, Path.cwd(), tell)
        for line in commit.lacking:
            self.resources.caller.console.print(f"feedrate: {revision}: {line}", soft_wrap=True)
        return commit

    def _here(
        self, cell: str, files: tuple[Path, ...], seconds: float, variables: Mapping[str, str] | None = None
    ) -> Callable[[ForkServer], Outcome]:
        """Measure with the code that runs, with plugin files and variables besides those that are for all."""
        from feedrate.runner.isolation import measure

        def measured(fork_server: ForkServer) -> Outcome:
            common = self.resources.replicate_settings
            settings = replace(
                common,
                seconds=self.resources.settings.seconds or seconds,
                replicate=next(self._numbers),
                plugin_files=(*common.plugin_files, *files),
                variables=variables or {},
                fork_server=fork_server.apart(variables or {}),
            )
            return measure(cell, settings)

        return measured

    def _at(self, commit: Commit, cell: str) -> Callable[[ForkServer], Outcome]:
        """Measure with the code of a commit, which adds to the raw results itself."""
        from feedrate.revisions.commit import measure_at_commit

        call = self._call(commit)

        def at_commit(fork_server: ForkServer) -> Outcome:
            return measure_at_commit(cell, next(self._numbers), self._sharing(call, fork_server))

        return at_commit

    def _beginning(
        self, call: Invocation | None, cell: str, variables: Mapping[str, str] | None = None
    ) -> Callable[[ForkServer, Path], Running[Outcome]] | None:
        """Give what begins to measure by turns; None: where two would share a GPU's memory, or nothing is written."""
        from feedrate.revisions.commit import SeparateReplicate

        if call is None or not _may_share(cell):
            return None

        def begin(fork_server: ForkServer, socket: Path) -> Running[Outcome]:
            asked = _told(self._sharing(call, fork_server.apart(variables or {})), {TURNS: str(socket)})
            return SeparateReplicate.begun(cell, next(self._numbers), asked)

        return begin

    def _sharing(self, call: Invocation, fork_server: ForkServer) -> Invocation:
        """The same call under the name of this run, with its processes forked from that server."""
        return _told(call, {RUN: self.resources.caller.run, FORK_SERVER: str(fork_server.folder)})

    def _call_here(
        self, files: tuple[Path, ...], seconds: float = COMPARED_S, variables: Mapping[str, str] | None = None
    ) -> Invocation | None:
        """How the code that runs is called in a process of its own; None: it has nowhere to write its outcome."""
        from feedrate.revisions.call import Invocation

        settings = self.resources.settings
        if settings.results is None:
            return None
        path, plugins = os.environ.get("PYTHONPATH"), [("--plugin", str(file.resolve())) for file in files]
        config = self.resources.caller.config
        noted = () if config is None else ("--config", config["path"])
        return Invocation(
            commit="",
            checkout=Path.cwd(),
            run=self.resources.caller.run,
            raw=settings.results.resolve(),
            logs=settings.logs.resolve(),
            deadline_s=math.ceil(settings.deadline_s),
            options=(*_words(settings, seconds), *noted, *(word for words in plugins for word in words)),
            variables={**({"PYTHONPATH": path} if path else {}), **self._safe, **(variables or {})},
        )

    def _call(self, commit: Commit, seconds: float = COMPARED_S) -> Invocation:
        from feedrate.revisions.call import Invocation

        settings = self.resources.settings
        if settings.results is None:
            raise UsageError(
                "a commit writes its outcomes itself: it needs a folder for raw results, and there is none"
            )
        return Invocation(
            commit=commit.hash,
            checkout=commit.checkout,
            run=self.resources.caller.run,
            raw=settings.results.resolve(),
            logs=settings.logs.resolve(),
            deadline_s=math.ceil(settings.deadline_s),
            python=str(commit.python),
            options=_words(settings, seconds),
            variables=self._safe,
        )

    @property
    def _safe(self) -> Mapping[str, str]:
        """Overrule the variable where the settings do."""
        overruled = SAFE in os.environ and not self.resources.settings.safe
        return {SAFE: "0"} if overruled else {}


def _told(call: Invocation, variables: Mapping[str, str]) -> Invocation:
    return replace(call, variables={**call.variables, **variables})


def _may_share(cell: str) -> bool:
    """Whether there is room for two of a cell at a time: the memory of a GPU is one."""
    return cell.endswith("/cpu")


def _files(named: VariantSpec) -> tuple[Path, ...]:
    return (named.file,) if named.file else ()


def _writer_here() -> str:
    from feedrate.revisions.commit import writer_of

    return writer_of(Path(feedrate.__file__).parent)


def _words(settings: Settings, seconds: float) -> tuple[str, ...]:
    """The settings as options of `feedrate run`; `seconds`: aim of each time where they do not say."""
    words = ["--data", str(settings.data.resolve()), "--seconds", str(settings.seconds or seconds)]
    words += ["--threads", str(settings.threads)] if settings.threads else []
    words += [word for pool, count in settings.pools.items() for word in ("--pool", f"{pool}={count}")]
    words += ["--safe"] if settings.safe else []
    # It is started elsewhere.
    words += ["--files", *(str(Path(pattern).absolute()) for pattern in settings.files)] if settings.files else []
    words += ["--columns", ",".join(settings.columns)] if settings.columns else []
    return (*words, *(word for file in settings.plugins for word in ("--plugin", str(file.resolve()))))
