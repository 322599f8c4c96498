"""Logs that grow without end, while others write to them."""

from __future__ import annotations

import gzip
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.runner import capped_log
from feedrate.runner.capped_log import Log

pytestmark = pytest.mark.process

LINE = b"chatter " * 16
CHUNKS, CHUNK = 10, 10 << 20
WRITER = f"""
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(file, b"the first line\\n")
for _ in range({CHUNKS}):
    for _ in range({CHUNK // len(LINE)}):
        os.write(file, {LINE!r})
    print(flush=True)
    input()
os.write(file, b"the last line\\n")
"""
WRITTEN = 15 + 14 + CHUNKS * CHUNK


def written_and_trimmed(folder: Path) -> tuple[str, int]:
    """Give what is kept of a log that is trimmed all the time, and the most bytes that it took on the disk."""
    log = Log(folder, "a/b/c/d/cpu", 0)
    most = 0
    command = [sys.executable, "-c", WRITER, str(log.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as writer:
        assert writer.stdin
        assert writer.stdout
        while writer.poll() is None:
            log.trim()
            if select.select([writer.stdout], [], [], 0.002)[0] and writer.stdout.readline():
                # It waits: however late we come, there is a chunk at most since the last time.
                most = max(most, log.path.stat().st_blocks * 512)
                log.trim()
                writer.stdin.write(b"\n")
    assert writer.returncode == 0
    return Path(log.close()).read_text(), most


def left_out(text: str) -> tuple[str, int]:
    """Take the note out of the text, and give the count that it has."""
    note = re.search(r"\n--- feedrate left out (?:at least )?([\d,]+) bytes here\n", text)
    assert note
    return text.replace(note[0], ""), int(note[1].replace(",", ""))


def test_no_byte_is_lost_uncounted_while_a_process_writes_and_the_disk_is_spared(tmp_path: Path) -> None:
    text, most = written_and_trimmed(tmp_path)
    kept, missing = left_out(text)
    assert len(kept) + missing == WRITTEN
    assert len(kept) == 2 << 20
    assert kept.startswith("the first line\nchatter chatter ")
    assert kept.endswith(" chatter the last line\n")
    assert set(kept[15:-14].split()) <= {"chatter", *(word for word in kept[(1 << 20) - 9 : (1 << 20) + 9].split())}
    assert most < WRITTEN // 2


def test_where_a_file_has_no_holes_the_count_says_that_it_is_the_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(capped_log, "punch_hole", refused)
    text, most = written_and_trimmed(tmp_path)
    assert "--- feedrate left out at least " in text
    kept, missing = left_out(text)
    assert 2 * (1 << 20) < len(kept) + missing <= WRITTEN
    assert kept.startswith("the first line\n")
    assert kept.endswith("the last line\n")
    assert most < WRITTEN // 2


def test_a_short_log_is_kept_as_it_is_and_an_empty_one_is_not_kept(tmp_path: Path) -> None:
    log = Log(tmp_path, "a/b/c/d/cpu", 0)
    log.path.write_text("a line\n")
    log.trim()
    assert Path(log.close()).read_text() == "a line\n"
    log.path.write_text("")
    assert log.close() == ""
    assert not log.path.exists()


def test_a_file_is_kept_beside_the_log_and_one_that_is_not_there_is_none(tmp_path: Path) -> None:
    log, trace = Log(tmp_path / "logs", "a/b/c/d/cpu", 0), tmp_path / "trace.json"
    log.keep(trace)
    assert list((tmp_path / "logs").iterdir()) == []
    trace.write_text('{"traceEvents": []}')
    log.keep(trace)
    (kept,) = (tmp_path / "logs").iterdir()
    assert kept.name == "a-b-c-d-cpu-0.trace.json.gz"
    assert gzip.decompress(kept.read_bytes()) == trace.read_bytes()
