"""One run of a person's own training: started with a hook, watched from outside, ended when enough is known."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.errors import DataError
from feedrate.records.codec import decoded, encoded
from feedrate.records.ladder import Ladder
from feedrate.records.measurement import Failure
from feedrate.records.request import AWAITED, CLAIM, SCRIPT_REQUEST, ProfileSide, ScriptRequest, ScriptSightings
from feedrate.runner.isolation import watched_replicate
from feedrate.runner.script_profile import ScriptProfiler, dump_stacks
from feedrate.runner.watch import Ending, watch
from feedrate.system.guard import Guarded
from feedrate.system.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from feedrate.records.code_place import CodePlace
    from feedrate.runner.capped_log import Log
    from feedrate.runner.isolation import ReplicateSettings
    from feedrate.runner.outcome import Replicate
    from feedrate.runner.script_command import ScriptCommand
    from feedrate.system.scratch import Scratch

__all__ = ["run_script"]

_HOOK = Path(__file__).parents[1] / "metering" / "script" / "_hook"
_ENDING_S = 20.0
"""For a script to tidy up, once enough is known of it."""
_TAP = "give its batches through `for batch in feedrate.tap(batches)`"


def run_script(
    command: ScriptCommand,
    settings: ReplicateSettings,
    *,
    profile: bool = False,
    soak: bool = False,
    parts: bool = False,
    begun: Callable[[], None] = lambda: None,
) -> Replicate | Failure:
    """Run the command once in the folder that this process is in, and give what was measured of its training.

    `profile`: also watch its threads, profile its step, and look which lines loader and step are at. `soak`: also watch
    the loop for a while. `parts`: also make batches in one process, part by part. `begun`: called once the loop that
    trains is known, and its times are taken.
    Whatever happens to it comes back as a `Failure`, whose log has what it wrote; on return, and on any exception such
    as Ctrl-C, none of its processes is left.
    """
    asked = partial(ScriptRequest, seconds=settings.seconds, profile=profile, soak=soak, parts=parts)
    asked = partial(asked, loader=command.loader)
    run, in_vain = _run(command, settings, partial(asked, loop=command.loop, awaits_epoch=profile), begun)
    # A second epoch that was near did not come: the first is what there is.
    return _run(command, settings, partial(asked, loop=command.loop), begun)[0] if in_vain else run


def _run(
    command: ScriptCommand,
    settings: ReplicateSettings,
    asked: Callable[[Path], ScriptRequest],
    begun: Callable[[], None],
) -> tuple[Replicate | Failure, bool]:
    """Run the command once; tell also whether it ended while its second epoch was waited for.

    `asked`: makes the request, of a scratch folder.
    """
    ends: list[Failure | None] = []
    where: list[str] = []
    places: dict[ProfileSide, tuple[CodePlace, ...]] = {}
    in_vain: list[bool] = []

    def watched(log: Log, scratch: Scratch) -> Ending:
        profiler = ScriptProfiler(scratch.folder)
        waiting = [begun]

        def look() -> None:
            if waiting and (scratch.folder / CLAIM).exists():
                waiting.pop()()
            profiler.look_if_asked()

        def hangs(child: Guarded) -> None:
            where.append(dump_stacks(child.pid, log.path))
            where.extend(_other_loops(command, scratch.folder))

        ending = _watched(command, settings.timeout_s, log, scratch, asked(scratch.folder), look, hangs)
        in_vain.append((scratch.folder / AWAITED).exists())
        places.update(profiler.places)
        ends.append(_by_itself(command, settings, ending, scratch.folder))
        return ending

    replicate = watched_replicate(str(command.cell), settings, watched)
    if isinstance(replicate, Failure):
        own = ends[0] if ends else None
        if any(where):
            replicate = replace(replicate, reason="; ".join(filter(None, (*where, replicate.reason))))
        elif own is not None:
            replicate = replace(replicate, why=own.why, reason=own.reason)
        return replicate, any(in_vain)
    device = str(replicate.measurement.observed.get("device", "cpu"))
    cell = str(command.cell._replace(device=device))
    ladder = replace(replicate.ladder or Ladder(), places={str(side): lines for side, lines in places.items()})
    return replace(replicate, measurement=replace(replicate.measurement, cell=cell), ladder=ladder), False


def _watched(
    command: ScriptCommand,
    timeout_s: float,
    log: Log,
    scratch: Scratch,
    request: ScriptRequest,
    look: Callable[[], None],
    hangs: Callable[[Guarded], None],
) -> Ending:
    """Run the command, and say how it ended."""
    start, path = time.monotonic(), scratch.folder / "request.json"
    path.write_text(json.dumps(encoded(request)))
    with Guarded.started(command.words, log.path, _environment(path, command.folder), command.folder) as child:
        answer = scratch.folder / "answer.json"
        ending = watch(child, None, scratch, log, timeout_s, answer, _ENDING_S, look, hangs)
    ending.left, ending.wall_s = child.left, time.monotonic() - start
    return ending


def _environment(request: Path, folder: Path | None) -> Mapping[str, str]:
    """Give this process's environment, with the hook first on Python's path, then the code of `folder`."""
    code = [] if folder is None else _code_below(folder)
    paths = [str(_HOOK), *code, *filter(None, [os.environ.get("PYTHONPATH")])]
    # What the profiler of steps has to say of itself is no word of the script's.
    quiet = {"KINETO_LOG_LEVEL": "99"}
    return (
        quiet
        | dict(os.environ)
        | {
            SCRIPT_REQUEST: str(request),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
        }
    )


def _code_below(folder: Path) -> list[str]:
    """List where Python finds the code of a folder and of the repository it lies in.

    What is installed in place is found elsewhere, and would be the code of another commit.
    """
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)
    return list(dict.fromkeys(str(place) for top in (folder, root) for place in (top, top / "src")))


def _by_itself(command: ScriptCommand, settings: ReplicateSettings, ending: Ending, folder: Path) -> Failure | None:
    """Why a script that ended by itself gave no number, in its own words; None: it gave an answer, or was ended."""
    if ending.stopped_for or (folder / "answer.json").exists():
        return None
    if ending.status < 0:
        return _failure(command, settings, f"the script was ended by {signal_name(-ending.status)}")
    if ending.status:
        return _failure(command, settings, f"the script failed by itself, with status {ending.status}")
    sightings = list(_sightings(folder))
    return _failure(command, settings, next(_other_loops(command, folder), _unmeasured(sightings)))


def _failure(command: ScriptCommand, settings: ReplicateSettings, reason: str) -> Failure:
    return Failure(
        *(str(command.cell), settings.run, settings.replicate, "", settings.environment), "exception", reason
    )


def _sightings(folder: Path) -> list[ScriptSightings]:
    """Read what processes of the command left word of."""
    seen = []
    for path in folder.glob("sightings-*.json"):
        try:
            seen.append(decoded(ScriptSightings, json.loads(path.read_text())))
        except (OSError, ValueError, DataError):
            continue
    return seen


def _other_loops(command: ScriptCommand, folder: Path) -> Iterator[str]:
    """Say, where one loop is asked for, that it did not train, and which loops did."""
    if not command.loop:
        return
    loops = [loop for sighting in _sightings(folder) for loop in sighting.loops]
    trained = dict.fromkeys(loop.name for loop in loops if loop.updates)
    asked = Path(command.loop).name
    if asked in trained:
        return
    others = f"those that do: {', '.join(trained)}" if trained else "nor does any other"
    yield f"no optimizer of torch made a step in the loop at {asked}; {others} (--loop)"


def _unmeasured(sightings: list[ScriptSightings]) -> str:
    """Say why a script that came to its end was not measured, and the way out."""
    if not sightings:
        return (
            "the script ended without iterating a DataLoader of torch, unless in a process that multiprocessing"
            f" started: {_TAP}"
        )
    most = max(sightings, key=lambda sighting: (sighting.updates, sighting.batches))
    batches = f"{most.batches} batch{'' if most.batches == 1 else 'es'}"
    if not most.updates:
        return f"no optimizer of torch made a step between the {batches} of the script's loaders: {_TAP}"
    return (
        f"the script ended after {batches} and {most.updates} steps of its optimizer, before anything could be timed:"
        " let it train for longer"
    )
