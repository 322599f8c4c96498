"""What strangers say is shown to people, and never obeyed by their terminals."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from feedrate.cli import main
from feedrate.records.raw_results import append
from feedrate.report.console import console, harmless
from feedrate.report.progress import rows_written, run_progress
from tests.support.outcomes import failure, measurement

EVIL = "\x1b]0;owned\x07\x1b[2J \u202egnp.exe\u2066 \x9b31m\r\n[red]loss[/] \u200b\x00\ud800"
SHOWN = r"\x1b]0;owned\x07\x1b[2J \u202egnp.exe\u2066 \x9b31m\r\n[red]loss[/] \u200b\x00\ud800"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (EVIL, SHOWN),
        ("caf\u00e9 \u6570 \u2588 ~", "caf\u00e9 \u6570 \u2588 ~"),
        ("a\tb\x7f", r"a\tb\x7f"),
        ("x" * 600, "x" * 600),
        ("x" * 100_000 + "log", f"{'x' * 400} ... [99,403 characters left out] ... {'x' * 197}log"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_whatever_is_printed_is_one_line() -> None:
    plain, styled = io.StringIO(), io.StringIO()
    console(plain).print(EVIL, soft_wrap=True)
    # Such a text has lost bells and returns already when it is made.
    console(styled).print(Text(EVIL, style="red"), soft_wrap=True)

    assert plain.getvalue() == f"{SHOWN}\n"
    assert styled.getvalue() == SHOWN.replace(r"\x07", "").replace(r"\r", "") + "\n"


def test_what_an_encoding_lacks_is_shown_as_its_number(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        console(file).print("caf\u00e9 \u6570", soft_wrap=True)

    assert (tmp_path / "out").read_bytes() == b"caf\\xe9 \\u6570\n"


def harmful(text: str) -> list[str]:
    return [char for char in text if not char.isprintable() and char != "\n"]


def test_progress_obeys_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    with run_progress(console(file), quiet=False) as progress:
        progress.end(failure(f"a/b/{EVIL}/d/cpu", reason=EVIL))
    with rows_written(console(file), EVIL, 10, quiet=False):
        pass
    assert harmful(file.getvalue()) == []
    assert file.getvalue().count("\n") == 2

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    live = io.StringIO()
    with run_progress(console(live), quiet=False) as progress:
        progress.begin(f"a/b/{EVIL}/d/cpu", 2)
        progress.end(failure(f"a/b/{EVIL}/d/cpu", reason=EVIL))
        progress.begin("a/b/[/]/d/cpu", 1)
    with rows_written(console(live), EVIL, 10, quiet=False) as wrote:
        wrote(10)

    assert SHOWN in live.getvalue()
    assert "\x1b]0;" not in live.getvalue()
    assert not {"\x07", "\x00", "\u202e", "\x9b"} & set(live.getvalue())


def test_a_record_and_its_table_obey_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"machine": {"name": EVIL, "cpu": EVIL, "cores": 2}, "versions": {"feedrate": EVIL}, "unset": EVIL}
    append(Path("raw.jsonl"), failure(reason=EVIL + "x" * 100_000))
    append(Path("raw.jsonl"), measurement(environment=environment, page_cache=EVIL, run=EVIL))

    status = main(["show", "raw.jsonl"])

    told = capsys.readouterr()
    assert status == 0
    assert harmful(told.out) == []
    assert "(log: logs/two.log)" in told.out
    assert max(map(len, told.out.splitlines())) < 1_000


def test_a_folder_of_data_sets_obeys_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("data") / EVIL.replace("/", "-").replace("\x00", "").replace("\ud800", "")
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"format": EVIL}))

    main(["data", "list"])

    told = capsys.readouterr()
    assert r"\x1b]0;owned\x07" in told.out
    assert harmful(told.out) == []


PLUGIN = """
from dataclasses import dataclass

from feedrate import Loader, Need, hookimpl

EVIL = {evil!r}


@dataclass(frozen=True)
class Evil(Loader):
    __doc__ = EVIL
    name = "evil"
    needs = (Need(EVIL, lambda: False, EVIL),)

    def stream(self, plan):
        yield from ()


@hookimpl
def loaders():
    return (Evil,)


@hookimpl
def steps():
    raise ValueError(EVIL * 100)
"""


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments", [("list",), ("doctor",), ("check", "evil"), ("run", "fxseq", "-l", "evil", "-s", "none")]
)
@pytest.mark.parametrize("at_import", [False, True])
def test_a_plugin_has_no_command_of_the_terminal(tmp_path: Path, arguments: tuple[str, ...], at_import: bool) -> None:
    evil = EVIL.replace("\x00", "").replace("\ud800", "")
    (tmp_path / "evil.py").write_text(f"raise ValueError({evil!r})" if at_import else PLUGIN.format(evil=evil))
    command = [sys.executable, "-m", "feedrate", *arguments, "--plugin", "evil.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=110,
        check=False,
    )

    told = (done.stdout + done.stderr).decode("ascii")
    assert done.returncode == (2 if at_import or arguments[0] in ("check", "run") else 0), told
    assert r"\x1b]0;owned\x07" in told
    assert "Traceback" not in told
    assert harmful(told) == []
    assert max(map(len, told.splitlines())) < 1_500
