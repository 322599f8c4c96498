"""A wheel is a commit's where the folder that it is built from is as in that commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from feedrate.revisions.wheels import Package

pytestmark = pytest.mark.process


@pytest.fixture
def plugin(tmp_path: Path) -> Package:
    """A plugin of a repository with one commit, which ignores what builds leave."""
    folder = tmp_path / "plugins/fastread"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "notes.txt").write_text("of the repository\n")
    (tmp_path / ".gitignore").write_text("target\n")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "first"]):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *author, *command], cwd=tmp_path, check=True, timeout=60)
    return Package(tmp_path, "plugins/fastread")


def test_what_is_as_in_the_last_commit_is_committed(plugin: Package) -> None:
    (plugin.checkout / "notes.txt").write_text("changed, but not the plugin's\n")
    (plugin.checkout / plugin.folder / "target").write_text("ignored\n")

    assert plugin.is_committed


@pytest.mark.parametrize("name", ["pyproject.toml", "new.rs"])
def test_a_file_that_is_changed_or_new_makes_it_no_commits_plugin(plugin: Package, name: str) -> None:
    (plugin.checkout / plugin.folder / name).write_text("[project]\nname = 'changed'\n")

    assert not plugin.is_committed


def test_without_a_repository_nothing_is_committed(tmp_path: Path) -> None:
    assert not Package(tmp_path, ".").is_committed
