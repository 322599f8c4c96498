"""A person's repository at a commit, beside what git does not know; and what became of its training since."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.errors import UsageError
from feedrate.revisions.script_tree import tree_at
from tests.support.commands import feedrate, refused

SCRIPT = Path(__file__).parents[1] / "support" / "scripts" / "in_turns.py"
pytestmark = pytest.mark.process


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", folder, *named, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits of a training in a folder of its own: the loader of the second takes three times as long."""
    folder = tmp_path / "repository" / "training"
    folder.mkdir(parents=True)
    root = folder.parent
    git(tmp_path, "init", "--quiet", str(root))
    shutil.copy(SCRIPT, folder / "train.py")
    (root / ".gitignore").write_text("data\nresults\nlogs\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "quick")
    text = (folder / "train.py").read_text()
    (folder / "train.py").write_text(text.replace("time.sleep(1e-4)", "time.sleep(6e-4)"))
    git(root, "commit", "--quiet", "-am", "slow")
    (root / "data").mkdir()
    (root / "data" / "mine.bin").write_text("mine")
    return folder


def test_a_commit_lies_in_a_folder_of_its_own_beside_what_git_does_not_know(repository: Path) -> None:
    before = git(repository, "status", "--porcelain", "--ignored"), git(repository, "worktree", "list")
    with tree_at("HEAD~1", repository) as tree:
        assert "time.sleep(1e-4)" in (tree / "train.py").read_text()
        assert (tree.parent / "data" / "mine.bin").read_text() == "mine"
    assert not tree.exists()
    assert (repository.parent / "data" / "mine.bin").read_text() == "mine"
    assert (git(repository, "status", "--porcelain", "--ignored"), git(repository, "worktree", "list")) == before


def test_what_is_no_commit_and_no_repository_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no commit 'nowhere' in"), tree_at("nowhere", repository):
        pass
    with pytest.raises(UsageError, match="is in no repository of git"), tree_at("HEAD", tmp_path):
        pass


@pytest.mark.parametrize(
    "arguments",
    [
        ("why", "--since", "nowhere", "--", "python", "train.py", "1"),
        ("compare", "python train.py 1@nowhere", "@HEAD"),
    ],
)
def test_an_unknown_commit_is_one_line_and_status_2(
    arguments: tuple[str, ...], repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    assert "no commit 'nowhere'" in refused(arguments, capsys)


@pytest.mark.answer
def test_a_loader_that_a_commit_made_slower_is_told_beside_the_commit_before(repository: Path) -> None:
    asked = ("why", "--since", "HEAD~1", "--pairs", "4", "--seconds", "0.1", "--json")
    done = feedrate(repository, *asked, "--", sys.executable, "train.py", "100000")
    assert done.returncode == 0, done.stderr
    change = json.loads(done.stdout)
    assert (change["kind"], change["side"]) == ("slower", "loader"), change["sentence"]
