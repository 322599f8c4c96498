from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedrate.asv.benchmarks import class_name, classes
from feedrate.asv.matrix import Matrix, Names, missing, updated
from feedrate.errors import DataError

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


def test_a_damaged_matrix_is_named(tmp_path: Path) -> None:
    (tmp_path / "matrix.json").write_text('{"workloads": ["boardmoves"]}')

    with pytest.raises(DataError, match=r"matrix\.json"):
        Matrix.load(tmp_path / "matrix.json")


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


def test_a_workload_with_knobs_has_an_identifier() -> None:
    assert class_name("boardmoves[head=legal,model=vit]") == "boardmoves_head_legal_model_vit"
