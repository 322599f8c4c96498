from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from feedrate.asv.benchmarks import classes
from feedrate.asv.matrix import Matrix, Names, class_name, missing, selection, updated
from feedrate.cli import main
from feedrate.errors import DataError
from tests.support import ROOT

MATRIX = Matrix(Names(("boardmoves",), ("inline", "workers[count=2]"), ("fp32",)), ("3",))


def test_what_is_offered_and_not_listed_is_missing() -> None:
    offered = Names(("boardmoves", "fxseq"), ("threads", "workers", "inline"), ("fp32", "bf16"))

    assert missing(MATRIX, offered) == Names(("fxseq",), ("threads",), ("bf16",))


def test_nothing_is_missing_where_all_is_listed() -> None:
    assert not missing(MATRIX, Names(("boardmoves",), ("workers",), ()))


def test_an_update_appends_and_keeps_what_the_registry_lost() -> None:
    after = updated(MATRIX, Names(("fxseq",), ("threads",), ()))

    assert after.names.loaders == ("inline", "workers[count=2]", "threads")
    assert (after.names.workloads, after.versions) == (("boardmoves", "fxseq"), ("3", "1"))


def test_a_matrix_survives_its_file(tmp_path: Path) -> None:
    MATRIX.save(tmp_path / "matrix.json")

    assert Matrix.load(tmp_path / "matrix.json") == MATRIX


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ("[]", "not an object of workloads, loaders and steps"),
        ('{"workloads": {}, "loaders": []}', "not an object of workloads, loaders and steps"),
        ('{"workloads": {}, "loaders": [], "steps": [], "step": []}', "and nothing else"),
        ('{"workloads": ["fxseq"], "loaders": [], "steps": []}', "workloads are not an object"),
        ('{"workloads": {"fxseq": 1}, "loaders": [], "steps": []}', "version of workload 'fxseq' is 1, not a text"),
        ('{"workloads": {"fxseq": "1", "fxseq": "2"}, "loaders": [], "steps": []}', "'fxseq' stands there twice"),
        ('{"workloads": {}, "loaders": "inline", "steps": []}', "loaders are not a list"),
        ('{"workloads": {}, "loaders": [["inline"]], "steps": []}', "among the loaders, ['inline'] is not of the form"),
        ('{"workloads": {}, "loaders": ["a", "a"], "steps": []}', "'a' stands there twice"),
        ('{"workloads": {}, "loaders": ["<script>"], "steps": []}', "'<script>' is not of the form"),
        ('{"workloads": {}, "loaders": [], "steps": ["a[b=\'c\']"]}', "is not of the form"),
        ('{"workloads": {}, "loaders": [], "steps": ["a[b=\\u001b[31m]"]}', "is not of the form"),
        ('{"workloads": {"\\u202eqesxf": "1"}, "loaders": [], "steps": []}', r"'\u202eqesxf' is not of the form"),
    ],
)
@pytest.mark.parametrize("command", ["matrix", "bench"])
def test_a_matrix_of_a_wrong_shape_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    text: str,
    said: str,
) -> None:
    checkout(tmp_path)
    (tmp_path / "benchmarks/matrix.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    status = main([command])
    told = capsys.readouterr()

    assert (status, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith("feedrate: 'benchmarks/matrix.json' is no benchmark matrix (")
    assert said in told.err
    assert told.err.endswith("): mend it, or restore it from git\n")


def test_asvs_own_processes_say_so_in_one_line_too(tmp_path: Path) -> None:
    feed = str(shutil.copy(ROOT / "benchmarks/feed.py", tmp_path))
    (tmp_path / "matrix.json").write_text("[]")

    with pytest.raises(
        SystemExit, match=r"^feedrate: '\S+/matrix.json' is no benchmark matrix .* restore it from git$"
    ):
        runpy.run_path(feed)


@pytest.mark.parametrize("kind", ["folder", "latin-1", "missing"])
def test_a_matrix_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "matrix.json"
    if kind == "folder":
        file.mkdir()
    if kind == "latin-1":
        file.write_bytes(b'{"workloads": "\xe4"}')

    with pytest.raises(DataError, match=r"matrix\.json"):
        Matrix.load(file)


def test_a_matrix_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match="cannot be written"):
        MATRIX.save(tmp_path / "file/matrix.json")


def test_a_name_that_asv_cannot_spell_is_not_added() -> None:
    with pytest.raises(DataError, match=r"'<b>' is not of the form .* rename it"):
        updated(MATRIX, Names((), ("<b>",), ()))


def test_each_workload_is_a_class_with_a_version_of_its_own(tmp_path: Path) -> None:
    MATRIX.save(tmp_path / "matrix.json")
    (made,) = classes(tmp_path / "matrix.json").values()

    assert (made.__name__, vars(made)["version"]) == ("boardmoves", "3")
    assert made.params == (MATRIX.names.loaders, MATRIX.names.steps)


def test_two_workloads_never_share_a_class(tmp_path: Path) -> None:
    found = {"workloads": {"fx-seq": "1", "fx_seq": "1"}, "loaders": [], "steps": []}
    (tmp_path / "matrix.json").write_text(json.dumps(found))

    with pytest.raises(DataError, match="fx_seq"):
        classes(tmp_path / "matrix.json")


def test_a_selection_takes_the_cells_it_names_and_no_other() -> None:
    chosen = re.compile(selection(Names(("boardmoves",), ("inline", "workers[count=2]"))))
    cells = [
        ("boardmoves", "workers[count=2]"),
        ("boardmoves", "workers"),
        ("fxseq", "inline"),
        ("boardmoves", "inline"),
    ]
    named = [f"feed.{workload}.track_first_batch('{loader}', 'fp32')" for workload, loader in cells]

    assert [bool(chosen.search(name)) for name in named] == [True, False, False, True]


def test_a_hidden_strategy_stays_out_of_the_matrix() -> None:
    @dataclass(frozen=True)
    class Registry:
        workloads: Mapping[str, object] = field(default_factory=dict)
        loaders: Mapping[str, object] = field(default_factory=lambda: {"inline": object(), "resident": Hidden()})
        steps: Mapping[str, object] = field(default_factory=dict)

    class Hidden:
        hidden = True

    assert Names.offered(Registry()) == Names((), ("inline",), ())


def test_a_workload_with_knobs_has_an_identifier() -> None:
    assert class_name("boardmoves[head=legal,model=vit]") == "boardmoves_head_legal_model_vit"


def checkout(folder: Path) -> None:
    """What `feedrate bench` asks of the folder it runs in: a repository with a commit."""
    (folder / "benchmarks").mkdir()
    for name in ("asv.conf.json", "pyproject.toml"):
        (folder / name).write_text("")
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (("init", "--quiet"), ("add", "--all"), (*identity, "commit", "--quiet", "--message", "start")):
        subprocess.run(["git", *words], cwd=folder, check=True, timeout=60)


@pytest.mark.parametrize("name", ["3body", "fxseq", "a.b-c", "boardmoves[head=legal]", "-"])
def test_every_workloads_class_has_an_identifier_for_a_name(name: str) -> None:
    assert class_name(name).isidentifier()
