from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from feedrate.system.environment import relevant, snapshot, unset


@pytest.mark.process
def test_a_snapshot_is_json_and_names_versions_machine_and_variables() -> None:
    found = json.loads(json.dumps(snapshot({"OMP_NUM_THREADS": "3", "HOME": "/somewhere"})))

    assert found["versions"]["torch"] == version("torch")
    assert found["machine"]["cores"] >= 1
    assert found["variables"] == {"OMP_NUM_THREADS": "3"}


@pytest.mark.process
def test_a_snapshot_imports_none_of_what_it_names() -> None:
    code = "import sys; from feedrate.system.environment import snapshot; snapshot({}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_variables_that_change_nothing_are_left_out() -> None:
    environ = {"PATH": "/bin", "MALLOC_ARENA_MAX": "2", "CUDA_VISIBLE_DEVICES": "0", "FORCE_SINGLE_PROCESS": "1"}

    assert list(relevant(environ)) == ["CUDA_VISIBLE_DEVICES", "FORCE_SINGLE_PROCESS", "MALLOC_ARENA_MAX"]


def test_that_nothing_was_set_is_stated() -> None:
    assert unset({}) == "all environment variables that change a measurement were unset"
    assert unset({"OMP_NUM_THREADS": "1"}).startswith("set: OMP_NUM_THREADS;")


@pytest.mark.process
def test_the_commit_and_uncommitted_changes_are_recorded(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-qm", "One")
    clean = snapshot({}, tmp_path)["git"]
    (tmp_path / "file").write_text("two")
    changed = snapshot({}, tmp_path)["git"]

    assert isinstance(clean, dict)
    assert isinstance(changed, dict)
    assert len(clean["commit"]) == 40
    assert (clean["dirty"], changed["dirty"]) == (False, True)
    assert (clean["changed"], changed["changed"], changed["untracked"]) == ([], ["file"], [])


@pytest.mark.process
def test_files_that_differ_from_the_commit_are_named(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    git("init", "-q")
    names = ["old name", "kept", "gone", " begins with a blank", *(f"many-{number}" for number in range(60))]
    for name in names:
        (tmp_path / name).write_text("one")
    (tmp_path / ".gitignore").write_text("ignored\n")
    git("add", ".")
    git("commit", "-qm", "One")
    git("mv", "old name", "new name")
    (tmp_path / "gone").unlink()
    (tmp_path / " begins with a blank").write_text("two")
    (tmp_path / "ignored").write_text("")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/run.jsonl").write_text("")
    (tmp_path / b"\xff.py".decode("utf-8", "surrogateescape")).write_text("")

    few = snapshot({}, tmp_path)["git"]
    for number in range(60):
        (tmp_path / f"many-{number}").write_text("two")
    many = snapshot({}, tmp_path)["git"]

    assert isinstance(few, dict)
    assert isinstance(many, dict)
    assert sorted(few["changed"]) == [" begins with a blank", "gone", "new name"]
    assert sorted(few["untracked"]) == ["\\xff.py", "results/"]
    assert len(many["changed"]) == 51
    assert many["changed"][-1] == "and 13 more"
    json.dumps(many)


@pytest.mark.process
def test_files_beside_the_commit_alone_leave_it_clean(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    git("init", "-q")
    git("commit", "--allow-empty", "-qm", "One")
    (tmp_path / "beside").write_text("")

    told = snapshot({}, tmp_path)["git"]

    assert isinstance(told, dict)
    assert (told["dirty"], told["changed"], told["untracked"]) == (False, [], ["beside"])


@pytest.mark.process
def test_outside_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert snapshot({}, tmp_path)["git"] is None
