"""A study is read from TOML; what nothing reads is named in one line, with the file, before anything is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedrate.api.study_file import StudyPlan
from feedrate.errors import UnavailableError, UsageError
from tests.support import ROOT
from tests.support.commands import refused

BASE = 'base = "known/inline/fp32"\n'
CHANGE = '[[change]]\nname = "one"\n'
LOADER = 'loader = "threads"\n'


def plan(folder: Path, text: str, size: str | None = "tiny") -> StudyPlan:
    file = folder / "study.toml"
    file.write_text(text)
    return StudyPlan.read(file, size, "cpu")


def test_a_change_is_of_parts_of_knobs_of_the_whole_cell_or_of_its_code(tmp_path: Path) -> None:
    read = plan(
        tmp_path,
        'base = "known/workers[count=1,pin=false]/fp32@old.py"\n'
        + "".join(
            f'[[change]]\nname = "{name}"\n{text}\n'
            for name, text in {
                "knob": 'loader = "[prefetch=4,count=2]"',
                "part": 'step = "bf16"',
                "several": 'loader = "threads"\nworkload = "[row_bytes=64]"',
                "cell": 'cell = "known/inline/none"',
                "sized": 'cell = "known/small/inline/none@new.py"',
                "code": 'cell = "@HEAD"',
            }.items()
        ),
    )

    assert read.base == "known/tiny/workers[count=1,pin=false]/fp32/cpu@old.py"
    assert [change.applied(read.base) for change in read.changes] == [
        "known/tiny/workers[count=2,pin=false,prefetch=4]/fp32/cpu@old.py",
        "known/tiny/workers[count=1,pin=false]/bf16/cpu@old.py",
        "known[row_bytes=64]/tiny/threads/fp32/cpu@old.py",
        "known/tiny/inline/none/cpu",
        "known/small/inline/none/cpu@new.py",
        "known/tiny/workers[count=1,pin=false]/fp32/cpu@HEAD",
    ]


def test_the_file_says_what_each_is_compared_with_and_a_change_may_say_otherwise(tmp_path: Path) -> None:
    second = f'{CHANGE.replace("one", "two")}{LOADER}against = "before"\n'
    read = plan(tmp_path, f'{BASE}against = "base"\n{CHANGE}{LOADER}{second}')

    assert [change.against for change in read.changes] == ["base", "before"]
    assert plan(tmp_path, f"{BASE}{CHANGE}{LOADER}").changes[0].against == "before"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{BASE}bse = 1\n{CHANGE}{LOADER}", "nothing reads the key 'bse'; did you mean base?"),
        (f"{BASE}{CHANGE}loadr = 'x'\n", "change 1: nothing reads the key 'loadr'; did you mean loader"),
        (f"{CHANGE}{LOADER}", "'base' is missing: "),
        ("base = 3\n", "base is 3, not a text"),
        (BASE, "holds no change; "),
        (f"{BASE}change = 3\n", "holds no change; "),
        (f"{BASE}[[change]]\n{LOADER}", "change 1: has no name"),
        (f"{BASE}{CHANGE}", "change 'one': names its cell, or the parts that it changes"),
        (f"{BASE}{CHANGE}{LOADER}cell = 'known/inline/none'\n", "change 'one': names its cell, or the parts"),
        (f"{BASE}{CHANGE}{LOADER}claim = 'fast'\n", "change 'one': claim 'fast' is no claim; it reads +10 %"),
        (f"{BASE}{CHANGE}{LOADER}against = 'bas'\n", "change 'one': against is 'bas'; did you mean base?"),
        (f"{BASE}{CHANGE}{LOADER}{CHANGE}{LOADER}", "two changes are called 'one'"),
        ("base = 'python train.py'\n", "base 'python train.py' is a command; "),
        (f"{BASE}{CHANGE}cell = 'python train.py'\n", "change 'one': 'python train.py' is a command; "),
        (f"base = 'known/fp32'\n{CHANGE}{LOADER}", "'known/fp32' is not a cell; "),
        ("base = [\n", "is no TOML: "),
    ],
)
def test_what_a_file_must_not_say_is_named_in_a_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        plan(tmp_path, text)

    assert str(error.value).startswith(f"{tmp_path / 'study.toml'}: {said}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: no such file"):
        StudyPlan.read(tmp_path / "none.toml", None, None)


def test_what_a_change_needs_is_looked_for(tmp_path: Path) -> None:
    on_gpu, lacking, there = (
        plan(tmp_path, f"{BASE}{CHANGE}{LOADER}needs = '{needs}'\n").changes[0]
        for needs in ("cuda", "nobody_has_this", "json")
    )

    with pytest.raises(UnavailableError, match="needs the device cuda: on a cpu it changes nothing"):
        on_gpu.demand_needs("known/tiny/inline/fp32/cpu")
    with pytest.raises(UnavailableError, match="needs the package 'nobody_has_this', which is not installed"):
        lacking.demand_needs("known/tiny/inline/fp32/cpu")
    on_gpu.demand_needs("known/tiny/inline/fp32/cuda")
    there.demand_needs("known/tiny/inline/fp32/cpu")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('loader = "[cont=2]"', "change 'one': inline: no knob 'cont'; "),
        ('loader = "thread"', "change 'one': no loader 'thread'; did you mean threads"),
        ('workload = "boardmoves"', "change 'one': boardmoves and known are two workloads: "),
        ('size = "small"', "change 'one': small and tiny are two sizes: "),
        ('loader = "*"', "change 'one': '"),
    ],
)
def test_a_cell_that_there_is_not_is_named_before_anything_is_measured(
    change: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f"{BASE}{CHANGE}{change}\n")

    line = refused(["study", str(file), "--size", "tiny", "--device", "cpu", "--results", str(tmp_path / "r")], capsys)

    assert line.startswith(f"feedrate: {file}: {said}")
    assert not (tmp_path / "r").exists()


def test_a_page_that_is_there_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.md").write_text("mine")

    line = refused(["study", "any.toml", "-o", str(tmp_path / "study.md")], capsys)

    assert (
        line == f"feedrate: {tmp_path / 'study.md'} is there already, and is left as it is; name another file with -o"
    )
    assert (tmp_path / "study.md").read_text() == "mine"


@pytest.mark.parametrize("file", sorted((ROOT / "examples/studies").glob("*.toml")), ids=lambda file: file.stem)
def test_the_studies_of_the_repository_are_read(file: Path) -> None:
    read = StudyPlan.read(file, "tiny", "cpu")

    cell = read.base
    for change in read.changes:
        cell = change.applied(cell)
    assert len(read.changes) > 5
    assert read.about
