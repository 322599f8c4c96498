"""`feedrate.Session` as a notebook uses it: real processes, one fork server, and results that show themselves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from offered import Plain, Train
from sums import Sums

import feedrate
from feedrate import Cell, CellError, Failure, Measurement, Results, Session, UnavailableError, UsageError
from feedrate.api.calibration_result import CalibrationResult
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.diagnosis_result import DiagnosisResult
from feedrate.builtin.loaders.inline import Inline
from feedrate.calibration.calibrate import CaseResult
from feedrate.cli import main
from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.system.procfs import process_tree
from tests.support import PLUGINS
from tests.support.outcomes import failure, measurement

PLUGIN = PLUGINS / "offered.py"

pytestmark = pytest.mark.process
PLAIN = "sums/tiny/plain/train/cpu"
PARTS = ("T_S step alone", "T_F together", "T_L loader alone")


@dataclass(frozen=True)
class Offered(Inline):
    """A loader that no plugin offers."""

    name = "mine"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("session")
    data, results, logs = (folder / name for name in ("data", "results", "logs"))
    with Session(
        data=data, results=results, logs=logs, plugins=[PLUGIN], seconds=0.02, threads=1, quiet=True
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def measured(session: Session) -> Results:
    return session.measure("sums/tiny/plain/train/cpu", replicates=2)


@pytest.fixture(scope="module")
def diagnosed(session: Session) -> DiagnosisResult:
    return session.diagnose(workload="sums", loader="plain", step="train", size="tiny", device="cpu", replicates=1)


@pytest.fixture(scope="module")
def compared(session: Session) -> ComparisonResult:
    # One block: a budget that the first round uses up.
    return session.compare(PLAIN, "sums/inline/train", size="tiny", device="cpu", budget_s=0.001)


def lines(session: Session) -> list[dict[str, object]]:
    assert session.raw is not None
    return [json.loads(line) for line in session.raw.read_text().splitlines()]


def test_a_cell_is_measured_and_its_record_says_where(measured: Results, session: Session) -> None:
    assert [type(outcome) for outcome in measured.outcomes] == [Measurement] * 2
    assert measured.failures == ()
    rate = measured.samples_per_s
    assert rate.half is not None
    assert rate.low < rate.mean < rate.high
    kept = lines(session)[:2]
    assert [line["cell"] for line in kept] == [PLAIN] * 2
    assert [line["replicate"] for line in kept] == [0, 1]
    assert {line["run"] for line in kept} == {session.raw and session.raw.stem}
    assert measured.measurements[0].environment["versions"]
    assert session.outcomes[:2] == measured.outcomes


def test_objects_name_the_same_cell_as_their_text(session: Session) -> None:
    parts = session.cell(workload=Sums(), loader=Plain(depth=4), step=Train(), size="tiny", device="cpu")

    assert str(parts) == "sums/tiny/plain[depth=4]/train/cpu"
    assert parts == session.cell(str(parts)) == session.cell(Cell(Sums(), "tiny", Plain(depth=4), Train(), "cpu"))
    assert parts == session.cell("sums/tiny/plain[depth=4]/train", device="cpu")
    assert parts == session.cell("sums/plain[depth=4]/train", size="tiny", device="cpu")


@pytest.mark.parametrize(
    ("cell", "parts", "says"),
    [
        ("sums/plian/train", {}, "did you mean plain"),
        ("sums/plain", {}, "'sums/plain' is not a cell; a cell reads workload/loader/step"),
        ("sums/tiny/plain/train/cpu", {"size": "small"}, "size small contradicts"),
        ("sums/tiny/plain/train", {"loader": "plain"}, "says its loader itself"),
        (None, {"workload": "sums"}, "a cell needs a loader and a step"),
        (None, {"workload": "sums", "loader": "plain", "step": 3}, "3 is no step"),
        (None, {"workload": "sums", "loader": Offered(), "step": "none"}, "plugins=['my_loader.py']"),
        (None, {"workload": "sums", "loader": Train(), "step": "none"}, "no plugin offers Train as the loader"),
    ],
)
def test_a_cell_that_is_none_is_one_line(
    session: Session, cell: str | None, parts: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError) as raised:
        session.cell(cell, **parts)  # type: ignore[arg-type]

    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_setting_that_is_none_is_one_line(session: Session) -> None:
    for wrong in ({"seconds": 0.0}, {"deadline_s": -1.0}, {"threads": 0}):
        with pytest.raises(UsageError, match="is no positive number"):
            Session(**wrong)
    with pytest.raises(UsageError, match="replicates=0 is no positive number"):
        session.measure(PLAIN, replicates=0)
    with pytest.raises(UsageError, match="pairs 3 is too few"):
        session.compare(PLAIN, PLAIN, pairs=3)
    with pytest.raises(UsageError, match="no metric 'ful'; did you mean full"):
        session.compare(PLAIN, PLAIN, metric="ful")


def test_a_folder_that_is_none_is_named_as_the_setting_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        Session(results=tmp_path / "file", plugins=PLUGIN, quiet=True) as session,
        pytest.raises(UsageError, match=r"^results .*/file: cannot write there"),
    ):
        session.measure(PLAIN)


def test_all_combinations_come_one_after_the_other_and_what_cannot_run_is_among_them(session: Session) -> None:
    before = len(session.outcomes)
    coming = session.measure_all(
        workloads="sums", loaders=[Plain(), "needy", "broken"], steps=["train"], size="tiny", device="cpu"
    )

    first = next(coming)

    assert isinstance(first, Failure)
    assert (first.why, first.cell) == ("unavailable", "sums/tiny/needy/train/cpu")
    assert len(session.outcomes) == before + 1
    rest = tuple(coming)
    # In an order that was drawn.
    (second,) = (outcome for outcome in rest if isinstance(outcome, Measurement))
    (third,) = (outcome for outcome in rest if isinstance(outcome, Failure))
    assert "no good for cpu" in third.reason
    assert session.outcomes[before:] == (first, *rest)
    assert {outcome.order_seed for outcome in (first, second, third)} == {session.resources.order_seed}
    assert len(lines(session)) >= before + 3


def test_a_diagnosis_says_what_holds_the_cell_back(diagnosed: DiagnosisResult, session: Session) -> None:
    assert diagnosed.verdict.sentence.startswith(str(diagnosed).splitlines()[0])
    assert diagnosed.verdict.kind == diagnosed.as_json()[0]["verdict"]["kind"]  # type: ignore[index]
    frame = diagnosed.to_frame()
    assert [part for part in frame["part"] if part in PARTS] == [*PARTS]
    assert (frame.loc[frame["part"].isin(PARTS), "batch_s"] > 0).all()
    assert any(isinstance(outcome, Diagnosis) for outcome in session.outcomes)


def test_a_cell_that_fails_has_no_diagnosis_and_its_failure_is_kept(session: Session) -> None:
    with pytest.raises(CellError, match="no good for cpu") as raised:
        session.diagnose("sums/tiny/broken/train/cpu", replicates=1)

    assert session.outcomes[-1] == raised.value.failure
    assert lines(session)[-1]["kind"] == "failure"
    with pytest.raises(UnavailableError, match="pip install nope"):
        session.diagnose("sums/tiny/needy/train/cpu")


@pytest.mark.alone
def test_a_comparison_has_a_verdict_and_keeps_it_beside_the_raw_results(compared: ComparisonResult) -> None:
    assert compared.verdict.word == "UNSURE"
    assert compared.speedup.factor > 0
    assert compared.speedup.low <= compared.speedup.factor <= compared.speedup.high
    (row,) = compared.to_frame().to_dict("records")
    # Two, but for those that a busy neighbour made doubtful.
    left_out, _ = compared.comparisons[0].doubtful_pairs
    standing = (PLAIN, "sums/tiny/inline/train/cpu", "UNSURE", 2 - left_out)
    assert (row["a"], row["b"], row["verdict"], row["pairs"]) == standing
    assert compared.kept is not None
    assert json.loads(compared.kept.read_text())[0]["sentence"] == str(compared).splitlines()[0]


def test_several_verdicts_are_no_single_one(compared: ComparisonResult) -> None:
    several = ComparisonResult.of(compared.comparisons * 2, None)

    with pytest.raises(UsageError, match="there are 2 verdicts, not one"):
        _ = several.verdict
    assert len(several.verdicts) == 2


def test_known_answers_are_asked_in_a_session_as_well(session: Session) -> None:
    answers = session.calibrate(only=["loss is NaN"])

    assert answers.right
    assert str(answers).splitlines()[-1].startswith("1 of 1 right")
    assert list(answers.to_frame()["name"]) == ["loss is NaN"]
    with pytest.raises(UsageError, match="no case"):
        session.calibrate(only="loss is Nan")


def test_every_result_shows_itself_as_html_with_all_that_its_text_says(
    measured: Results, diagnosed: DiagnosisResult, compared: ComparisonResult
) -> None:
    answers = CalibrationResult((CaseResult("a case", PLAIN, "this", "that", "because", right=False),))
    for result, holds in (
        (measured, "plain"),
        (diagnosed, "T_F together"),
        (compared, "control"),
        (answers, "0 of 1 right"),
    ):
        page = result._repr_html_()
        assert page.startswith("<pre style=")
        assert page.endswith("</pre>")
        plain = re.sub(r"<[^>]*>", "", page)
        assert holds in plain
        assert holds in str(result)
        assert "<" not in plain


def test_what_strangers_say_is_no_html() -> None:
    failed = failure("sums/tiny/plain/train/cpu", reason="<script>alert('x')</script> & \x1b[2J")
    results = Results((failed,))

    page = results._repr_html_()

    assert "<script" not in page
    assert "&lt;script&gt;alert(" in page
    assert "\x1b" not in page
    assert repr(results) == str(results)


def test_a_text_is_what_the_command_prints(
    measured: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(f"{json.dumps(outcome.as_json())}\n" for outcome in measured.outcomes))

    assert main(["show", str(raw)]) == 0

    assert capsys.readouterr().out == f"{Results(measured.outcomes, raw)}\n"


def test_half_a_result_is_none_and_two_cells_have_no_one_number() -> None:
    with pytest.raises(CellError, match="failed, exception"):
        _ = Results((measurement(PLAIN), failure(PLAIN, replicate=1))).samples_per_s
    with pytest.raises(UsageError, match="results of 2 cells"):
        _ = Results((measurement(), measurement("boardmoves/small/threads/fp32/cpu"))).samples_per_s


def test_what_is_not_to_be_written_down_is_not(tmp_path: Path) -> None:
    results = feedrate.measure(
        "sums/tiny/needy/train/cpu",
        data=tmp_path / "data",
        logs=tmp_path / "logs",
        results=None,
        plugins=[PLUGIN],
        replicates=1,
        quiet=True,
    )

    assert [outcome.why for outcome in results.failures] == ["unavailable"]
    assert results.raw is None
    assert "raw  " not in str(results)
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_frame_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(UnavailableError, match=r'`pip install "feedrate\[pandas\]"` provides it'):
        Results((measurement(),)).to_frame()


def test_a_word_that_no_session_knows_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="secnds"):
        feedrate.measure(PLAIN, secnds=1)  # type: ignore[call-arg]


INTERRUPTED = f"""
import feedrate
session = feedrate.Session(plugins=[{str(PLUGIN)!r}], seconds=0.02, threads=1, order="named")
try:
    for outcome in session.measure_all(
        workloads="sums", loaders=["plain", "stuck"], steps="train", size="tiny", device="cpu"
    ):
        print("measured", flush=True)
except KeyboardInterrupt:
    print([outcome.cell for outcome in session.outcomes])
    print(len(session.results.measurements), session.raw, flush=True)
session.close()
input()
"""


def test_an_interrupt_keeps_what_there_is_and_leaves_no_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "measured\n"
        os.kill(program.pid, signal.SIGINT)
        assert program.stdout.readline() == f"{[PLAIN]}\n"
        count, raw = program.stdout.readline().split()
        while set(process_tree(program.pid)) != {program.pid}:
            assert program.poll() is None
        _, complaints = program.communicate("\n", timeout=60)
    assert (count, program.returncode) == ("1", 0)
    assert "Traceback" not in complaints
    assert [json.loads(line)["cell"] for line in (tmp_path / raw).read_text().splitlines()] == [PLAIN]
