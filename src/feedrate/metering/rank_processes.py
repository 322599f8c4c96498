"""Start the ranks of one cell, each in a process of its own, and make one answer of theirs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.errors import DataError, UnavailableError
from feedrate.records.answer import Failed, Measured, ReplicateAnswer, RoundTimes
from feedrate.records.cell_key import CellKey, split_device
from feedrate.records.codec import decoded_as, encoded
from feedrate.records.digits import significant
from feedrate.records.rank_times import RankTimes
from feedrate.records.request import RankPlace, ReplicateRequest
from feedrate.records.window import Window, mean_batch_s
from feedrate.system.signals import signal_name

__all__ = ["measured_together"]

_LOOK_S = 0.05
_DIGITS = 5
_GRACE_S = 2.0
"""For the ranks that fail because of the first one, so that all are known; and for stacks to be written."""


@dataclass
class _Rank:
    """One of the processes."""

    number: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def _path(self) -> Path:
        return self.folder / "answer.json"

    def answer(self) -> ReplicateAnswer | None:
        """Give what it answered; None: nothing yet."""
        return decoded_as(ReplicateAnswer, json.loads(self._path.read_text())) if self._path.exists() else None

    def ended(self) -> str:
        """Tell how it ended without an answer; empty: it did not."""
        status = self.process.poll()
        if status is None or self._path.exists():
            return ""
        return f"was ended by {signal_name(-status)}" if status < 0 else f"ended with status {status} and no answer"

    def answered_ns(self) -> int:
        """Give when it answered."""
        return self._path.stat().st_mtime_ns


def measured_together(request: ReplicateRequest) -> ReplicateAnswer:
    """Have each rank of the request's cell measure, and give what they come to together.

    The first rank that fails ends the others, and is named.

    Raises:
        UnavailableError: the request asks for what one process alone can do.
    """
    device, count = split_device(CellKey.parse(request.cell).device)
    if request.ablation is not None or request.turns is not None:
        raise UnavailableError(f"several ranks are measured by `run` alone; name the cell of one rank, on {device}")
    with _started(request, device, count) as ranks:
        while not all(isinstance(rank.answer(), Measured) for rank in ranks):
            time.sleep(_LOOK_S)
            if any(isinstance(rank.answer(), Failed) or rank.ended() for rank in ranks):
                return _failed(ranks, request.patience_s)
        for rank in ranks:
            rank.process.wait()
        return _together([answer for rank in ranks if isinstance(answer := rank.answer(), Measured)])


@contextmanager
def _started(request: ReplicateRequest, device: str, count: int) -> Iterator[list[_Rank]]:
    """Start them; none is left on leaving."""
    ranks: list[_Rank] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, holder = listener.getsockname()[1], listener.fileno()
        try:
            for number in range(count):
                folder = request.scratch / f"rank-{number}"
                folder.mkdir()
                place = RankPlace(number, count, port, holder if number == 0 else None, request.scratch)
                asked = folder / "request.json"
                asked.write_text(json.dumps(encoded(replace(request, scratch=folder, rank=place))))
                process = subprocess.Popen(
                    [sys.executable, "-m", "feedrate.metering.replicate_main", str(asked)],
                    env=dict(os.environ) | _variables(device, number),
                    pass_fds=[holder] if number == 0 else [],
                )
                ranks.append(_Rank(number, process, folder))
            yield ranks
        finally:
            for rank in ranks:
                rank.process.kill()
                rank.process.wait()


def _variables(device: str, number: int) -> dict[str, str]:
    """Let a rank see the GPU of its number alone, and talk to the others inside this machine."""
    here = {"GLOO_SOCKET_IFNAME": "lo"}
    if device == "cpu":
        return here | {"TORCH_WARM_POOL": "0"}
    offered = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number)] if offered is None else offered.split(",")[number : number + 1]
    return here | {"CUDA_VISIBLE_DEVICES": ",".join(names)}


def _failed(ranks: Sequence[_Rank], patience_s: float) -> Failed:
    """Name the rank that is to blame: whoever died, then whoever the others waited for, then who failed first."""
    until = time.monotonic() + _GRACE_S
    while time.monotonic() < until and any(rank.process.poll() is None for rank in ranks):
        time.sleep(_LOOK_S)
    for rank in ranks:
        if rank.ended():
            died = (rank.process.poll() or 0) < 0
            return Failed("signal" if died else "exception", f"rank {rank.number} {rank.ended()}")
    failures = [(rank, answer) for rank in ranks if isinstance(answer := rank.answer(), Failed)]
    late = [rank for rank in ranks if rank.answer() is None]
    if late and all(failure.why == "hang" for _, failure in failures):
        for rank in late:
            # It writes down what its threads were doing.
            rank.process.send_signal(signal.SIGUSR1)
        time.sleep(_GRACE_S / 2)
        names = ", ".join(str(rank.number) for rank in late)
        return Failed("hang", f"rank {names} did not come to where others waited for {patience_s:g} s")
    rank, failure = min(failures, key=lambda pair: pair[0].answered_ns())
    return replace(failure, reason=f"rank {rank.number}: {failure.reason}")


def _together(answers: Sequence[Measured]) -> Measured:
    """Make one answer of those of all ranks: batches of all, in the time of the slowest; the rest is of the first."""
    first = answers[0].cell
    rounds = [answer.cell.stream.rounds for answer in answers]
    stream = replace(
        first.stream,
        rounds=replace(
            rounds[0],
            full_windows=_slowest([times.full_windows for times in rounds]),
            step_windows=_slowest([times.step_windows for times in rounds]),
            loader_windows=_slowest([times.loader_windows for times in rounds]),
            # Each rank met them at another place, and an epoch of each is another share of the blocks.
            epoch_starts=None,
        ),
        batch_samples=len(answers) * first.stream.batch_samples,
        # Which batches come together is nowhere laid down.
        smallest_batch_samples=None,
        largest_batch_samples=None,
        epoch_batches=None if first.stream.epoch_batches is None else -(-first.stream.epoch_batches // len(answers)),
        batch_bytes=len(answers) * first.stream.batch_bytes,
    )
    times = tuple(_times(number, of_rank) for number, of_rank in enumerate(rounds))
    return replace(answers[0], cell=replace(first, stream=stream, ranks=times))


def _slowest(windows: Sequence[Sequence[Window]]) -> tuple[Window, ...]:
    """Lay windows that ranks timed at once over one another.

    Raises:
        DataError: the ranks did not take the same batches.
    """
    if len({tuple(window.batches for window in of_rank) for of_rank in windows}) > 1:
        raise DataError("the ranks did not time the same windows: their clocks cannot be laid over one another")
    return tuple(
        Window(max(window.s for window in at_once), at_once[0].batches, sum(window.samples for window in at_once))
        for at_once in zip(*windows, strict=True)
    )


def _times(number: int, rounds: RoundTimes) -> RankTimes:
    return RankTimes(
        rank=number,
        full_batch_s=significant(mean_batch_s(rounds.full_windows), _DIGITS),
        step_batch_s=significant(mean_batch_s(rounds.step_windows), _DIGITS),
        loader_batch_s=significant(mean_batch_s(rounds.loader_windows), _DIGITS),
        loader_wait_s=significant(rounds.loader_wait_s or 0.0, _DIGITS),
    )
