"""The code that a side of a comparison is measured with: what runs here, a plugin file besides, or a commit."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.cli.context import RUN, CommandContext
from feedrate.cli.variant_spec import VariantSpec
from feedrate.comparison.comparison import Variant
from feedrate.records.atomic_write import replace_text
from feedrate.records.measurement import Outcome, append
from feedrate.runner.forkserver import NURSERY, ForkServer

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.revisions.call import Invocation
    from feedrate.revisions.commit import Commit

__all__ = ["VariantRunner"]


@dataclass(frozen=True)
class VariantRunner:
    """What all processes of a comparison have in common. Each outcome is a line of the same file of raw results."""

    options: Namespace
    shell: CommandContext
    run: str
    environment: Mapping[str, object]
    _numbers: Iterator[int] = field(default_factory=count)
    """Replicates are numbered through, whatever they measure: in the order of measuring."""
    _built: dict[str, Commit] = field(default_factory=dict)

    @property
    def raw(self) -> Path:
        """The file of raw results."""
        return Path(self.options.results) / f"{self.run}.jsonl"

    @property
    def data(self) -> Path:
        """Where data sets lie."""
        return Path(self.options.data or self.shell.data).resolve()

    @property
    def kept(self) -> Path:
        """The file of verdicts, beside the raw results."""
        return self.raw.with_suffix(".json")

    def keep(self, documents: Sequence[Mapping[str, object]]) -> None:
        """Write the verdicts so far, over those of an earlier round."""
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self.kept, json.dumps(documents, indent=1, allow_nan=False))

    def side(self, named: VariantSpec, cell: str) -> Variant:
        """A cell with the code that it is named with; a commit is built when it is first asked for.

        Raises:
            UsageError: there is no such commit.
            BuildError: it does not build.
        """
        if not named.commit:
            return Variant(cell, named.code, self._here(cell, (named.file,) if named.file else ()))
        return Variant(cell, named.code, self._at(self._commit(named.commit), cell))

    def taken_apart(self, named: VariantSpec, cell: str) -> Diagnosis | None:
        """What one process of `feedrate why` finds at a side's commit; None: it cannot say. Raises like `side`."""
        from feedrate.revisions.commit import diagnose_at_commit

        return diagnose_at_commit(cell, self._call(self._commit(named.commit)))

    def _commit(self, revision: str) -> Commit:
        if revision not in self._built:
            self._built[revision] = self._build(revision)
        return self._built[revision]

    def _build(self, revision: str) -> Commit:
        from feedrate.revisions.commit import Commit

        def tell(text: str) -> None:
            if not self.options.quiet:
                self.shell.err.print(text, soft_wrap=True)

        commit = Commit.build(revision, Path.cwd(), tell)
        for line in commit.lacking:
            self.shell.err.print(f"feedrate: {revision}: {line}", soft_wrap=True)
        return commit

    def _here(self, cell: str, files: tuple[Path, ...] = ()) -> Callable[[ForkServer], Outcome]:
        """Measure with the code that runs, and plugin files besides those that are for all."""
        from feedrate.runner.isolation import ReplicateSettings, measure

        def measured(fork_server: ForkServer) -> Outcome:
            settings = ReplicateSettings(
                data=self.data,
                logs=self.options.logs.resolve(),
                run=self.run,
                replicate=next(self._numbers),
                seconds=self.options.seconds,
                timeout_s=self.options.deadline_s,
                plugin_files=(*self.options.plugin, *files),
                safe=self._safe,
                threads=self.options.threads,
                environment=self.environment,
                fork_server=fork_server,
            )
            outcome = measure(cell, settings)
            append(self.raw, outcome)
            return outcome

        return measured

    def _at(self, commit: Commit, cell: str) -> Callable[[ForkServer], Outcome]:
        """Measure with the code of a commit, which adds to the raw results itself."""
        from feedrate.revisions.commit import measure_at_commit

        call = self._call(commit)

        def at_commit(fork_server: ForkServer) -> Outcome:
            variables = {RUN: self.run, NURSERY: str(fork_server.folder)}
            return measure_at_commit(cell, next(self._numbers), replace(call, variables=variables))

        return at_commit

    def _call(self, commit: Commit) -> Invocation:
        from feedrate.revisions.call import Invocation

        return Invocation(
            commit=commit.hash,
            checkout=commit.checkout,
            run=self.run,
            raw=self.raw.parent.resolve(),
            logs=self.options.logs.resolve(),
            deadline_s=math.ceil(self.options.deadline_s),
            python=str(commit.python),
            options=self._words,
        )

    @property
    def _words(self) -> tuple[str, ...]:
        """The options as `feedrate run` takes them."""
        words = ["--data", str(self.data), "--seconds", str(self.options.seconds)]
        words += ["--threads", str(self.options.threads)] if self.options.threads else []
        words += ["--safe"] if self._safe else []
        return (*words, *(word for file in self.options.plugin for word in ("--plugin", str(file.resolve()))))

    @property
    def _safe(self) -> bool:
        return bool(self.options.safe or self.shell.safe)
