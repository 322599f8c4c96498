"""The undocumented behaviour of asv that we stand on, held by real runs; see docs/decisions/0003."""

from __future__ import annotations

import json
import math
import subprocess
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.asv_project import Project

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

ABORTED: dict[str, object] = {"failure": {"kind": "signal", "reason": "killed by \x1b[31mSIGABRT\u202e\nor so"}}
TWO_METRICS = ("--bench", "track_(time_per_sample|device_peak)")
ONE_CELL = ("--bench", r"track_time_per_sample\('inline'")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.make(tmp_path_factory.mktemp("asv"))


@pytest.fixture(scope="module")
def commits(project: Project) -> tuple[str, str]:
    """An older and a newer commit, both measured in one run over the range."""
    older = project.commit({"inline": 1e-5, "flaky": ABORTED}, ["inline", "flaky"])
    project.plugin("fastread", "")
    newer = project.commit(
        {"inline": 2e-5, "flaky": "leave a worker behind", "late": 3e-5}, ["inline", "flaky", "late"]
    )
    project.run("main", "--record-samples", *TWO_METRICS)
    return older, newer


def column(project: Project, commit: str, name: str, metric: str = "time_per_sample", size: str = "small") -> Any:
    """One entry for each of the loaders inline, flaky, late."""
    return project.results(commit, size)[metric][name]


def test_a_range_measures_each_commit_with_its_own_code(project: Project, commits: tuple[str, str]) -> None:
    inline = [column(project, commit, "result")[0] for commit in commits]

    assert inline == pytest.approx([1.005e-5, 2.01e-5])


def test_a_tracked_value_of_samples_keeps_its_statistics(project: Project, commits: tuple[str, str]) -> None:
    samples, repeats = (column(project, commits[1], name)[0] for name in ("samples", "stats_repeat"))

    assert (samples, repeats) == (pytest.approx([2e-5, 2.02e-5]), 2)


def test_a_loader_absent_at_a_commit_is_not_a_failure(project: Project, commits: tuple[str, str]) -> None:
    flaky, late = column(project, commits[0], "result")[1:]

    assert flaky is None
    assert math.isnan(late)


def test_a_metric_nobody_measured_is_not_a_failure(project: Project, commits: tuple[str, str]) -> None:
    assert all(math.isnan(value) for value in column(project, commits[1], "result", "device_peak"))


def test_a_worker_left_behind_does_not_time_out_the_benchmark(project: Project, commits: tuple[str, str]) -> None:
    assert column(project, commits[1], "result")[1] == pytest.approx(1.005)


def test_why_a_cell_failed_is_kept(project: Project, commits: tuple[str, str]) -> None:
    (why,) = (line["failure"] for line in raw(project, commits[0]) if "/small/flaky/" in line["cell"])

    assert why == ABORTED["failure"]


def test_a_failed_cell_says_so_in_one_line(project: Project, commits: tuple[str, str]) -> None:
    said = project.run(f"{commits[0]}^!", "--bench", r"track_time_per_sample\('flaky'", FEEDRATE_SIZE="full")

    assert r"toy/full/flaky/fp32/cpu: signal: killed by \x1b[31mSIGABRT\u202e\nor so" in said
    assert "Traceback" not in said


def test_all_metrics_of_a_cell_share_its_measurements(project: Project, commits: tuple[str, str]) -> None:
    measured = Counter(
        (line["cell"], line["replicate"]) for line in raw(project, commits[1]) if "/small/" in line["cell"]
    )

    assert measured["toy/small/inline/fp32/cpu", "0"] == 1
    assert set(measured.values()) == {1}


def test_the_environment_shares_torch_and_hides_the_feedrate_in_development(
    project: Project, commits: tuple[str, str]
) -> None:
    (python,) = project.folder.glob(".asv/env/*/bin/python")
    names = "feedrate", "torch", "pympler"
    found = (
        f"import json, importlib.util as u; print(json.dumps([getattr(u.find_spec(n), 'origin', 0) for n in {names}]))"
    )
    printed = subprocess.run(
        [python, "-E", "-c", found], text=True, capture_output=True, check=True, cwd="/", timeout=60
    )
    feedrate, torch, pympler = json.loads(printed.stdout)
    shared = find_spec("torch")

    assert Path(feedrate).is_relative_to(project.folder)
    assert shared is not None
    assert Path(torch).resolve() == Path(str(shared.origin)).resolve()
    assert pympler == 0


def test_a_plugin_is_there_only_at_commits_that_have_it(project: Project, commits: tuple[str, str]) -> None:
    installed = []
    for commit in commits:
        project.run(f"{commit}^!", *ONE_CELL, FEEDRATE_SIZE="full")
        installed.append(bool(list(project.folder.glob(".asv/env/*/commit/fastread"))))

    assert installed == [False, True]


def test_wheels_are_kept_by_tree(project: Project, commits: tuple[str, str]) -> None:
    kept = [wheel.parent.name.partition("-")[0] for wheel in project.folder.glob(".asv/env/wheels/*/*/*.whl")]

    assert sorted(kept) == ["fastread", "feedrate", "feedrate"]


def test_another_size_has_a_history_of_its_own(project: Project, commits: tuple[str, str]) -> None:
    before = column(project, commits[1], "result")
    project.run("HEAD^!", *ONE_CELL, FEEDRATE_SIZE="tiny")

    assert column(project, commits[1], "result") == before
    assert column(project, commits[1], "result", size="tiny")[0] == pytest.approx(2.01e-5)


def test_interleaved_rounds_add_up_to_one_set_of_samples(project: Project, commits: tuple[str, str]) -> None:
    rounds = ("--interleave-rounds", "-a", "rounds=2", "--record-samples")
    project.run("main", *ONE_CELL, *rounds, FEEDRATE_REPLICATES="1", FEEDRATE_SIZE="tiny")

    assert [column(project, commit, "stats_repeat", size="tiny")[0] for commit in commits] == [2, 2]


def test_a_memo_that_outlives_asv_measures_nothing_twice(project: Project, commits: tuple[str, str]) -> None:
    memo = {"FEEDRATE_MEMO": str(project.home / "memo"), "FEEDRATE_SIZE": "seed"}
    counts = []
    for _ in range(2):
        project.run("HEAD^!", *ONE_CELL, **memo)
        counts.append(sum("/seed/" in line["cell"] for line in raw(project, commits[1])))

    assert counts == [2, 2]
    assert column(project, commits[1], "stats_repeat", size="seed")[0] == 2


def test_asv_starts_one_process_a_cell_however_many_metrics_it_asks_for(
    project: Project, commits: tuple[str, str]
) -> None:
    started = processes(project, FEEDRATE_SIZE="once")

    assert started["run"] == len(("inline", "flaky", "late"))
    assert column(project, commits[1], "result", "samples_per_s", size="once")[0] == pytest.approx(2.01e-5)


def test_asv_starts_no_process_for_cells_of_a_commit_that_serves(tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    commit = project.commit({"inline": 1e-5, "flaky": ABORTED}, ["inline", "flaky", "late"], serves=True)
    started = processes(project)
    inline, flaky, late = column(project, commit, "result")

    assert started["run"] == 0
    assert (inline, flaky, math.isnan(late)) == (pytest.approx(1.005e-5), None, True)
    assert column(project, commit, "samples")[0] == pytest.approx([1e-5, 1.01e-5])
    assert Counter(line["cell"] for line in raw(project, commit)).most_common(1) == [("toy/small/inline/fp32/cpu", 2)]


def processes(project: Project, **environ: str) -> Counter[str]:
    """Count the processes that asv starts for three metrics of HEAD, by what they are for."""
    module, noted = project.folder / "benchmarks/feed.py", project.home / "imported"
    before = module.read_text()
    module.write_text(f"{before}\nwith open({str(noted)!r}, 'a') as file:\n    print(*sys.argv[1:], file=file)\n")
    metrics = ("--bench", "track_(time_per_sample|samples_per_s|first_batch)")
    project.run("HEAD^!", "--record-samples", *metrics, **environ)
    module.write_text(before)
    return Counter(line.split()[0] for line in noted.read_text().splitlines())


def raw(project: Project, commit: str) -> list[dict[str, Any]]:
    """What `feedrate run` kept, which was started in a checkout of the commit."""
    lines = (project.folder / f"results/raw/{commit}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
