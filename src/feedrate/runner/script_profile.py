"""Look with py-spy where a person's loader and step spend their time, in all processes of a script."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from feedrate.records.code_place import CodePlace
from feedrate.records.request import PROFILES, ProfileSide
from feedrate.system.code_paths import is_library, package_of
from feedrate.system.procfs import process_tree

__all__ = ["ScriptProfiler", "dump_stacks", "places_in", "standstill"]

_LOOK_S = 2.0
_RATE = 100
"""Looks a second."""
_MOST_PLACES = 3
_FETCH = "torch/utils/data/_utils/fetch.py"
"""The file below whose frames a sample is fetched or a batch collated, in whichever process."""
_DUMPED = re.compile(r"    (?P<function>.*) \((?P<path>.*):(?P<line>\d+)\)")
_FRAME = re.compile(r"(?P<function>.*) \((?P<path>.*):(?P<line>\d+)\)")


@dataclass
class ScriptProfiler:
    """Looks when the script's process asks for it, by a file in a folder; it serves one side for so long."""

    folder: Path
    places: dict[ProfileSide, tuple[CodePlace, ...]] = field(default_factory=dict)

    def look_if_asked(self) -> None:
        """Look for two seconds at the process that asks, if one does, and tell it that it may go on."""
        for side in PROFILES:
            request = self.folder / f"profile-{side}"
            if request.exists() and side not in self.places:
                self.places[side] = self._look(side, request)
                request.unlink(missing_ok=True)

    def _look(self, side: ProfileSide, request: Path) -> tuple[CodePlace, ...]:
        stacks, program = self.folder / f"stacks-{side}.txt", _program()
        if program is None:
            return ()
        command = [program, "record", "--pid", request.read_text(), "--subprocesses", "--idle", "--full-filenames"]
        command += ["--format", "raw", "--rate", str(_RATE), "--duration", f"{_LOOK_S:.0f}", "--output", str(stacks)]
        # Where the kernel lets nobody look, nothing is said of lines.
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=10 * _LOOK_S)
            return places_in(stacks.read_text(), side)
        return ()


def dump_stacks(pid: int, log: Path) -> str:
    """Add the stacks of a process and of all below it to its log, as py-spy sees them; give where they stand.

    Empty where the kernel lets nobody look.
    """
    program, stacks = _program(), []
    for process in process_tree(pid) if program is not None else ():
        with suppress(OSError, subprocess.SubprocessError):
            command = [str(program), "dump", "--full-filenames", "--pid", str(process)]
            looked = subprocess.run(
                command, check=True, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=10 * _LOOK_S
            )
            stacks.append(looked.stdout)
    with suppress(OSError), log.open("a") as file:
        file.write("".join(f"--- stacks\n{text}" for text in stacks))
    return standstill(stacks)


def standstill(stacks: Sequence[str]) -> str:
    """Say where the main threads of processes stand, of what `py-spy dump` wrote of each: the first trains.

    Each is named by the innermost line that the person wrote, and the package that it is in.
    """
    places = []
    for number, text in enumerate(stacks):
        matches = map(_DUMPED.fullmatch, text.partition("\nThread ")[2].partition("\nThread ")[0].splitlines())
        frames = [_Frame(match["function"], match["path"], int(match["line"])) for match in matches if match]
        own = next((frame for frame in frames if not is_library(frame.path)), None)
        if own is not None:
            whose = "a process below it" if number else "the process that trains"
            inside = "" if frames[0].path == own.path else f", in {package_of(frames[0].path)}"
            places.append(f"{whose} stands at {Path(own.path).name}:{own.line}{inside}")
    return "; ".join(dict.fromkeys(places))


def _program() -> str | None:
    return shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")


class _Frame(NamedTuple):
    function: str
    path: str
    line: int


def places_in(stacks: str, side: ProfileSide) -> tuple[CodePlace, ...]:
    """Sum up what py-spy wrote (`--format raw`): the lines that one side was at most often, of all its looks.

    A look counts for the innermost line that the person wrote, or, where there is none, for the line of the library
    that the loader calls.
    """
    lines: Counter[_Frame] = Counter()
    calls: dict[_Frame, Counter[str]] = {}
    total = 0
    for frames, count in _looks(stacks):
        fetching = [number for number, frame in enumerate(frames) if frame.path.endswith(_FETCH)]
        if bool(fetching) != (side == "loader") or (side == "step" and not _trains(frames)):
            continue
        total += count
        below = frames[fetching[-1] + 1 :] if fetching else frames
        place = _place(below)
        if place is not None:
            lines[place] += count
            leaf = below[-1]
            package = "" if leaf.path == place.path else package_of(leaf.path)
            calls.setdefault(place, Counter())[package] += count
    return tuple(
        CodePlace(place.function, Path(place.path).name, place.line, calls[place].most_common(1)[0][0], count / total)
        for place, count in lines.most_common(_MOST_PLACES)
    )


def _looks(stacks: str) -> Iterator[tuple[Sequence[_Frame], int]]:
    """Yield each stack, outermost frame first, and how often it was met."""
    for text in stacks.splitlines():
        words, _, count = text.rpartition(" ")
        matches = map(_FRAME.fullmatch, words.split(";"))
        frames = [_Frame(match["function"], match["path"], int(match["line"])) for match in matches if match]
        if frames and count.isdecimal():
            yield frames, int(count)


def _trains(frames: Sequence[_Frame]) -> bool:
    """Whether a stack is of the thread that trains: it began with a script, and stands in no loader."""
    outer = frames[0]
    in_loader = any("torch/utils/data/" in frame.path or "feedrate/metering/" in frame.path for frame in frames)
    return outer.function == "<module>" and not in_loader


def _place(frames: Sequence[_Frame]) -> _Frame | None:
    own = [frame for frame in frames if not is_library(frame.path)]
    return own[-1] if own else next((frame for frame in frames if "torch/utils/data/" not in frame.path), None)
