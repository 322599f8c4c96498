"""What a process and its children hold is counted by owner."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile

import pytest

from feedrate.system.holdings import holdings

MB = 1 << 20


def test_memory_of_this_process_is_told_from_pages_of_files_and_shared_memory(tmp_path: Path) -> None:
    file = tmp_path / "pages"
    file.write_bytes(bytes(16 * MB))
    before = holdings()
    # Not of the heap, where an earlier test may have left as much that was touched already.
    own = mmap.mmap(-1, 128 * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    own.write(b"x" * (128 * MB))
    after_own = holdings()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        sum(mapped[:: mmap.PAGESIZE])
        after_pages = holdings()
    with mmap.mmap(-1, 64 * MB) as segment:
        segment.write(b"x" * (64 * MB))
        after_segment = holdings()

    # What others free meanwhile in this process is not counted.
    assert after_own.trainer_bytes - before.trainer_bytes >= 120 * MB
    assert after_pages.trainer_file_bytes - after_own.trainer_file_bytes >= 15 * MB
    assert abs(after_pages.trainer_bytes - after_own.trainer_bytes) < 8 * MB
    assert after_segment.shared_bytes >= 64 * MB
    own.close()
    assert holdings(ours_bytes=5 * MB).trainer_bytes == pytest.approx(holdings().trainer_bytes - 5 * MB, abs=MB)


def test_files_of_shared_memory_count_once_whether_linked_or_open() -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm")
    before = holdings().shared_bytes
    with NamedTemporaryFile(dir="/dev/shm") as linked, TemporaryFile(dir="/dev/shm") as unlinked:
        for file in (linked, unlinked):
            file.write(bytes(64 * MB))
            file.flush()
        added = holdings().shared_bytes - before

    assert 100 * MB < added < 160 * MB


@pytest.mark.process
def test_descriptors_threads_and_processes_are_those_of_the_whole_tree() -> None:
    before = holdings()
    ended = threading.Event()
    threads = [threading.Thread(target=ended.wait) for _ in range(3)]
    read, write = os.pipe()
    command = [sys.executable, "-c", f"kept = bytearray(b'x' * {32 * MB}); print(1, flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        for thread in threads:
            thread.start()
        after = holdings()
        ended.set()
        child.communicate(b"\n")
    for thread in threads:
        thread.join()
    os.close(read)
    os.close(write)

    assert after.processes == before.processes + 1
    assert after.threads >= before.threads + 4
    assert after.descriptors >= before.descriptors + 2
    assert after.workers_bytes - before.workers_bytes >= 30 * MB
