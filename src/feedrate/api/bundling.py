"""Put all that there is of a run into one zip file, which a person can look through and attach to an issue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

from feedrate.api.diagnosis_result import DiagnosisResult
from feedrate.api.results import Results
from feedrate.errors import DataError, UsageError
from feedrate.records.jsonl import Unreadable, complaints
from feedrate.records.measurement import Failure, Measurement
from feedrate.report.rendered import as_text

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.records.measurement import Outcome

__all__ = ["CONTENTS", "bundled"]

CONTENTS: Mapping[str, str] = {
    "summary.txt": "tables, verdicts and remarks, as `feedrate show --details` prints them",
    "summary.json": "the same for programs, each record with the numbers that follow from it",
    "environment.json": "what the run ran under: versions, machine, git, variables",
    "doctor.json": "what the machine is where the bundle was made, and what would bend a measurement there",
    "raw/": "the records as they lie in the raw results, and the verdicts of a comparison",
    "logs/": "what the measured processes wrote to standard error",
}
"""What lies in a bundle, by name."""


@dataclass(frozen=True)
class _Run:
    """What a file of raw results holds."""

    raw: Path
    records: tuple[Outcome | Diagnosis, ...]
    left_out: tuple[str, ...]
    """What is said of lines that cannot be read."""

    @classmethod
    def read(cls, raw: Path) -> _Run:
        from feedrate.diagnosis.diagnosis import records

        lines = list(records(raw))
        unreadable = [line for line in lines if isinstance(line, Unreadable)]
        if len(unreadable) == len(lines):
            raise DataError(f"{raw}: holds no results; `feedrate run` writes them")
        readable = tuple(line for line in lines if not isinstance(line, Unreadable))
        return cls(raw, readable, tuple(complaints(unreadable)))

    @property
    def results(self) -> Results:
        return Results(tuple(each for each in self.records if isinstance(each, Measurement | Failure)))

    @property
    def diagnosis(self) -> DiagnosisResult:
        return DiagnosisResult(tuple(each for each in self.records if not isinstance(each, Measurement | Failure)))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield name and text of what is written of the records."""
        measured, diagnosed = self.results, self.diagnosis
        shown = [as_text(lambda console: diagnosed.show(console, details=True))] if diagnosed.diagnoses else []
        shown += [as_text(lambda console: measured.show(console, details=True))] if measured.outcomes else []
        yield "summary.txt", "\n\n".join((*self.left_out, *shown)) + "\n"
        yield "summary.json", _json([*measured.as_json(), *diagnosed.as_json()])
        yield "environment.json", _json(self.environment)

    @property
    def environment(self) -> Mapping[str, object]:
        """What the last record ran under."""
        return self.outcomes[-1].environment

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Those of each cell, and the measurements of what was taken apart."""
        return [*self.results.outcomes, *(each for whole in self.diagnosis.diagnoses for each in whole.measured)]

    @property
    def logs(self) -> Iterable[Path]:
        """Logs that the records name; of a folder that is not called as the run, nothing is taken."""
        named = (Path(each.log) for each in self.outcomes if each.log)
        return (log for log in named if log.parent.name == self.raw.stem and log.suffix == ".log")


def bundled(raw: Path, logs: Path, doctor: Mapping[str, object], out: Path) -> list[str]:
    """Write a zip file, and give the names of what is in it, in a folder that is called as the run.

    `raw`: the raw results; `logs`: folder in which each run has one; `doctor`: what is known of this machine.

    Raises:
        UsageError: `out` is there already; it is left as it is.
        DataError: the raw results cannot be read.
        OSError: the file cannot be written; nothing is left of it.
    """
    run = _Run.read(raw)
    texts = {**dict(run.texts()), "doctor.json": _json(doctor)}
    files = {f"raw/{file.name}": file for file in (raw, raw.with_suffix(".json")) if _is_plain(file)}
    written = {*(logs / raw.stem).rglob("*"), *run.logs}
    files |= {f"logs/{_within(file, raw.stem)}": file for file in sorted(written) if _is_plain(file)}
    try:
        with ZipFile(out, "x", ZIP_DEFLATED, strict_timestamps=False) as archive:
            for name, text in texts.items():
                archive.writestr(f"{raw.stem}/{name}", text)
            for name, file in files.items():
                archive.write(file, f"{raw.stem}/{name}")
    except FileExistsError:
        raise UsageError(f"{out} is there already, and is left as it is; name another with --output FILE") from None
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    return [*texts, *files]


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _within(file: Path, run: str) -> str:
    """Give the path of a log from the folder of its run on."""
    parts = file.parts
    return "/".join(parts[parts.index(run) + 1 :])


def _json(value: object) -> str:
    return json.dumps(value, indent=1, allow_nan=False, default=str) + "\n"
