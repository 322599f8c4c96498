"""The file system says no: one line and status 2 before anything is measured, and later nothing whole is lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.cli import main
from feedrate.records.raw_results import read
from tests.support import PLUGINS
from tests.support.commands import feedrate

PLUGIN = str(PLUGINS / "offered.py")
QUICK = ("--plugin", PLUGIN, "--size", "tiny", "--device", "cpu", "--seconds", "0.05")
CELL = "sums/tiny/plain/train/cpu"
RUN = ("run", "sums", "--loader", "plain", "--step", "train", *QUICK)
WHY = ("why", "sums", "plain", "train", *QUICK)
COMPARE = ("compare", "sums/plain/train", "sums/plain[depth=4]/train", *QUICK)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with a file and nothing else in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("years of work")
    return tmp_path


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        *(((*command, "--results", "file"), "--results file: ") for command in (RUN, WHY, COMPARE)),
        *(((*command, "--logs", "file/x/y"), "--logs file/x/y: ") for command in (RUN, WHY, COMPARE)),
        *(((*command, "--data", "file"), "--data file: ") for command in (RUN, WHY, COMPARE)),
        ((*RUN, "--results", "/proc/nothing"), "--results /proc/nothing: "),
        (("calibrate", "--logs", "file"), "--logs file: "),
        (("run", "--cell", CELL, *QUICK, "--out", "nodir/x"), "--out "),
        (("run", "--cell", CELL, *QUICK, "--out", "."), "--out .: is a folder"),
        (("run", "--cell", CELL, *QUICK, "--out", "file/x"), "--out "),
        (("show", "--results", "file"), "--results file: no folder"),
        *((("data", action, "sums", "--plugin", PLUGIN, "--data", "file"), "--data file: no folder")
          for action in ("make", "list", "verify", "remove")),
        (("matrix", "--update", "--file", "file/x.json"), "--file file: "),
        (("machine", "--file", "file/x.json"), "--file file: "),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_written_is_one_line_before_anything_is_measured(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    status = main([*arguments, *(("--quiet",) if arguments[0] in ("run", "why", "compare", "calibrate") else ())])

    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert told.err.startswith(f"feedrate: {says}")
    assert told.err.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["file"]
    assert (here / "file").read_text() == "years of work"


def test_why_says_before_it_measures_that_it_cannot_write_to_memory(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedrate.system.scratch.SHARED_MEMORY", here / "file")

    assert main(WHY) == 2
    told = capsys.readouterr()
    assert told.err == f"feedrate: why: {here / 'file'}: cannot write there (Not a directory); choose another folder\n"
    assert [path.name for path in here.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["../..", "a/b", ".hidden", "x" * 65, "a\nb", "-- x"])
@pytest.mark.parametrize("arguments", [RUN, WHY, COMPARE])
def test_a_runs_name_leads_nowhere(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    name: str,
) -> None:
    assert main(arguments, {**os.environ, "FEEDRATE_RUN": name}) == 2
    told = capsys.readouterr()
    assert told.err.startswith("feedrate: FEEDRATE_RUN=")
    assert told.err.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["file"]


def full_after(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """A disk that takes so many records, half of the next, and then nothing."""
    write = os.write
    answers = iter([*("all" for _ in range(lines)), "half"])

    def written(opened: int, text: bytes) -> int:
        is_record = Path(f"/proc/self/fd/{opened}").readlink().suffix == ".jsonl"
        answer = next(answers, "full") if is_record else "all"
        if answer == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(opened, text if answer == "all" else text[: len(text) // 2])

    monkeypatch.setattr(os, "write", written)


@pytest.mark.process
def test_a_disk_that_fills_up_ends_a_run_with_its_table_and_whole_lines(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["data", "make", "sums", "--plugin", PLUGIN, "--size", "tiny", "--quiet"])
    capsys.readouterr()
    full_after(monkeypatch, 1)

    status = main([*RUN, "--loader", "needy", "--loader", "plain[depth=4]", "--order", "named", "--quiet"])

    told = capsys.readouterr()
    raw = next((here / "results/raw").glob("*.jsonl"))
    assert status == 2
    assert told.err == (
        f"feedrate: {raw.relative_to(here)}: No space left on device; measuring ends here, this is what there is\n"
    )
    assert [line.split()[1] for line in told.out.splitlines() if line.startswith("train")] == ["plain", "needy"]
    assert raw.read_text().endswith("}\n")
    assert len(list(read(raw))) == 1


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "says"), [((*WHY, "--replicates", "1"), "sums/tiny/plain/train/cpu, ms a batch"), (COMPARE, "UNSURE")]
)
def test_a_full_disk_loses_no_diagnosis_and_no_verdict(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    main(["data", "make", "sums", "--plugin", PLUGIN, "--size", "tiny", "--quiet"])
    capsys.readouterr()
    full_after(monkeypatch, 0)

    status = main([*arguments, "--quiet"])

    told = capsys.readouterr()
    assert status == 2
    assert "No space left on device; measuring ends here" in told.err
    assert told.err.count("\n") == 1
    assert says in told.out
    assert [path.read_text() for path in (here / "results/raw").iterdir()] == [""]


@pytest.mark.process
def test_one_cell_on_a_full_disk_still_writes_its_document(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full_after(monkeypatch, 0)

    status = main(["run", "--cell", "sums/tiny/needy/train/cpu", *QUICK[:2], "--out", "out.json", "--quiet"])

    assert status == 2
    assert "No space left on device" in capsys.readouterr().err
    assert json.loads((here / "out.json").read_text())["failure"]["kind"] == "unavailable"


@pytest.mark.process
@pytest.mark.parametrize("arguments", ["list", "list --json", "--help", "data list", "doctor"])
def test_output_that_nobody_can_take_is_one_line(tmp_path: Path, arguments: str) -> None:
    command = f"PYTHONUNBUFFERED= {sys.executable} -m feedrate {arguments} > /dev/full"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr == "feedrate: standard output: No space left on device\n"


@pytest.mark.process
def test_complaints_that_nobody_can_take_change_no_status(tmp_path: Path) -> None:
    command = f"{sys.executable} -m feedrate lst 2> /dev/full"
    assert subprocess.run(command, shell=True, cwd=tmp_path, timeout=60, check=False).returncode == 2


@pytest.mark.process
def test_no_folder_for_temporary_files_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    program = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['file/x']\n"
    program += f"import sys; from feedrate.cli import main; sys.exit(main({[*RUN]!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("feedrate: No usable temporary directory")
    assert done.stderr.count("\n") == 1


def test_commits_without_git_are_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".git").mkdir()
    (here / "pyproject.toml").write_text("")
    monkeypatch.setenv("PATH", str(here))

    status = main(["compare", "boardmoves/inline/none@HEAD", "@HEAD~1", "--size", "tiny", "--device", "cpu"])

    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert told.err == "feedrate: git is not installed, so 'HEAD' cannot be checked out; install git\n"


@pytest.mark.process
def test_a_file_system_that_is_read_only_and_one_that_is_full_are_one_line(tmp_path: Path) -> None:
    for kind in ("ro", "size=32k"):
        mount = f"mount -t tmpfs -o {kind} none {tmp_path}"
        command = f"{mount} && exec {sys.executable} -m feedrate {' '.join(RUN)} --quiet --results {tmp_path}/x"
        done = subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", command],
            cwd="/", capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if "feedrate" not in done.stderr:
            pytest.skip(f"no mounts of one's own here: {done.stderr.strip()}")
        assert done.returncode == 2
        assert done.stderr.startswith(f"feedrate: --results {tmp_path}/x: cannot write there (")
        assert done.stderr.count("\n") == 1


@pytest.mark.process
def test_one_cell_writes_its_document_to_a_pipe(tmp_path: Path) -> None:
    done = feedrate(
        tmp_path, "run", "--cell", "sums/tiny/needy/train/cpu", *QUICK[:2], "--out", "/dev/stdout", "--quiet"
    )
    assert json.loads(done.stdout)["failure"]["kind"] == "unavailable"
