"""A person's repository at a commit, beside what git does not know; and what became of its training since."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.errors import UsageError
from feedrate.records.measurement import Failure
from feedrate.revisions.script_tree import tree_at
from feedrate.runner.capped_log import last_lines
from feedrate.runner.isolation import ReplicateSettings
from feedrate.runner.script_command import ScriptCommand
from feedrate.runner.script_process import run_script
from tests.support.commands import patient, refused

SCRIPTS = Path(__file__).parents[1] / "support" / "scripts"
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
    shutil.copy(SCRIPTS / "in_turns.py", folder / "train.py")
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


def test_only_what_git_does_not_know_is_linked(repository: Path) -> None:
    root, first = repository.parent, git(repository, "rev-parse", "HEAD~1")
    files = ("data/.gitkeep", "training/later.py", "training/notes/one.txt", "src/part/code.py")
    loose = ("data/deep/rows.bin", "src/part/code.so", "src/part/__pycache__/code.pyc", "training/notes/two.txt")
    for name in (*files, *loose):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    git(root, "add", "--force", *files)
    git(root, "commit", "--quiet", "-m", "more")
    with tree_at(first, repository) as tree:
        linked = {str(path.relative_to(tree.parent)) for path in tree.parent.rglob("*") if path.is_symlink()}
        assert linked == {"data/deep", "data/mine.bin", "src/part/code.so", "training/notes/two.txt"}
        assert (tree.parent / "data/deep/rows.bin").is_file()
        assert not (tree / "later.py").exists()


def test_nothing_is_made_beyond_a_link_that_the_commit_has(repository: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (repository / "cache").symlink_to(elsewhere)
    git(repository, "add", "cache")
    git(repository, "commit", "--quiet", "-m", "a link")
    (repository / "cache").unlink()
    (repository / "cache/inner").mkdir(parents=True)
    (repository / "cache/inner/known.txt").write_text("")
    git(repository, "add", "cache")
    git(repository, "commit", "--quiet", "-m", "a folder")
    (repository / "cache/inner/loose.bin").write_text("")
    with tree_at("HEAD~1", repository) as tree:
        assert (tree / "cache").is_symlink()
    assert not list(elsewhere.iterdir())


def test_what_is_made_in_a_folder_that_git_does_not_know_stays_in_the_scratch_folder(repository: Path) -> None:
    folder = repository.parent / "loose" / "trial"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("")
    with tree_at("HEAD", folder) as tree:
        assert (tree / "train.py").is_file()
        (tree / "made.bin").write_text("")
    assert [path.name for path in folder.iterdir()] == ["train.py"]


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


@pytest.mark.parametrize(
    "arguments", [("why", "--since", "HEAD", "--", "python", "{}"), ("compare", "python {}@HEAD", "@")]
)
def test_a_script_that_is_named_from_the_root_is_refused(
    arguments: tuple[str, ...], repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    line = refused([word.format(repository / "train.py") for word in arguments], capsys)
    assert line.endswith("train.py' would be today's file at each commit; name it from here, as 'train.py'")


def test_code_of_the_whole_repository_is_the_commits(repository: Path) -> None:
    (repository.parent / "src").mkdir()
    (repository.parent / "src/part.py").write_text("raise SystemExit('then')")
    (repository / "train.py").write_text("import part")
    git(repository.parent, "add", ".")
    git(repository, "commit", "--quiet", "-m", "then")
    (repository.parent / "src/part.py").write_text("raise SystemExit('now')")
    with tree_at("HEAD", repository) as tree:
        command = ScriptCommand((sys.executable, "train.py"), folder=tree)
        failure = run_script(command, ReplicateSettings(tree, repository.parent / "logs", "run"))
    assert isinstance(failure, Failure)
    assert last_lines(failure.log) == ("then",)


@pytest.mark.answer
@pytest.mark.timeout(480)
def test_a_loader_that_a_commit_made_slower_is_told_beside_the_commit_before(repository: Path) -> None:
    asked = ("why", "--since", "HEAD~1", "--pairs", "8", "--seconds", "0.1", "--json")
    done = patient(400, repository, *asked, "--", sys.executable, "train.py", "100000")
    assert done.returncode == 0, done.stderr
    change = json.loads(done.stdout)
    assert (change["kind"], change["side"]) == ("slower", "loader"), change["sentence"]


@pytest.mark.answer
@pytest.mark.timeout(480)
@pytest.mark.parametrize(("workers", "step_s", "kind"), [("0", "0.01", "slower"), ("1", "0.08", "latent")])
def test_loading_that_a_commit_made_a_tenth_slower_is_told_whether_it_shows_or_not(
    workers: str, step_s: str, kind: str, repository: Path
) -> None:
    text = (SCRIPTS / "hideable.py").read_text()
    for item_s in ("4e-3", "4.4e-3"):
        (repository / "train.py").write_text(text.replace("ITEM_S = 4e-3", f"ITEM_S = {item_s}"))
        git(repository, "commit", "--quiet", "-am", item_s)
    # It ends as soon as it knows; on a machine that others use that takes more than the four pairs of a quiet one.
    asked = ("why", "--since", "HEAD~1", "--pairs", "8", "--seconds", "0.2", "--json")
    done = patient(400, repository, *asked, "--", sys.executable, "train.py", workers, step_s)
    assert done.returncode == 0, done.stderr
    change = json.loads(done.stdout)
    assert change["kind"] == kind, change["sentence"]
    # That it shows is known from fewer pairs than which side it is.
    assert change["side"] in ("loader", "")
