from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from feedrate.workspace import clear_abandoned, workspace

ABANDONING = Path(__file__).with_name("abandoning.py")


def abandoned(parent: Path) -> Path:
    done = subprocess.run([sys.executable, ABANDONING, parent, "x.partial-"], stdout=subprocess.PIPE, check=False)
    return Path(done.stdout.decode())


def test_a_workspace_is_gone_with_all_that_is_in_it_when_it_is_left(tmp_path: Path) -> None:
    with workspace(tmp_path, "x.partial-") as folder:
        (folder / "deep").mkdir()
        assert folder.name.startswith("x.partial-")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_and_the_workspace_of_a_living_one_stays(tmp_path: Path) -> None:
    left = abandoned(tmp_path)
    assert (left / "half").exists()
    with workspace(tmp_path, "x.partial-") as mine:
        clear_abandoned(tmp_path, "x.partial-")
        assert list(tmp_path.iterdir()) == [mine]


def test_a_folder_of_that_name_without_our_record_stays(tmp_path: Path) -> None:
    copied = tmp_path / "x.partial-notes"
    copied.mkdir()
    (copied / "owner.json").write_text('{"owner": "me"}')
    for name in ("x.partial-1", "x.partial-999999999", "x.partial-replaced-999999999"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
    (tmp_path / "x.partial-file").write_text("years of work")
    before = sorted(tmp_path.rglob("*"))

    clear_abandoned(tmp_path, "x.partial-")

    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_to_an_abandoned_workspace_is_not_followed(tmp_path: Path) -> None:
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    elsewhere.mkdir()
    here.mkdir()
    left = abandoned(elsewhere)
    (here / "x.partial-2").symlink_to(left)

    clear_abandoned(here, "x.partial-")

    assert (left / "half").exists()
