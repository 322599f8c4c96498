from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from feedrate.asv.benchmarks import classes
from feedrate.asv.matrix import Matrix, Names, class_name, missing, selection, updated
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
