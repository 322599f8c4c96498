"""Files that feedrate reads, with odd things in them: what they say is taken whole, or one line names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedrate.asv.benchmarks import classes
from feedrate.asv.matrix import Matrix
from feedrate.data.dataset import DataSet
from feedrate.data.manifest import MANIFEST
from feedrate.errors import DataError
from feedrate.records.columns import packed
from feedrate.records.document import document
from feedrate.records.raw_results import read
from tests.support import ROOT
from tests.support.fuzzing import answer, bytes_of, fuzzed, spoiled, tried
from tests.support.outcomes import failure, measurement

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MATRIX = {"workloads": {"fxseq": "1", "boardmoves[head=legal]": "2"}, "loaders": ["inline"], "steps": ["fp32", "none"]}
LINES = [json.loads(json.dumps(one.as_json())) for one in (measurement(), failure())]
EARLIER = json.loads((ROOT / "tests" / "records" / "format_1.jsonl").read_text().splitlines()[1])
LINES.append(EARLIER)
# As a file holds them.
LINES += [packed(line) for line in LINES[:2]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sums_data: DataSet) -> Path:
    """A data folder with one data set, and a file beside it that is nobody's business."""
    root = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(sums_data.folder, root / "data" / "sums-tiny")
    (root / "thesis.arrow").write_text("years of work")
    return root


@fuzzed()
@given(data=st.data())
def test_a_manifest_is_taken_whole_or_named(folder: Path, sums_data: DataSet, data: st.DataObject) -> None:
    text = data.draw(spoiled(json.loads((sums_data.folder / MANIFEST).read_text())))
    place = folder / "data" / "sums-tiny"
    (place / MANIFEST).write_bytes(bytes_of(text))
    opened = tried(lambda: DataSet.open(place))
    if isinstance(opened, DataError):
        assert str(place) in str(opened)
    else:
        assert isinstance(opened, DataSet)
        assert all(opened.path(index).parent == place for index in range(len(opened.shards)))
        assert opened.rows > 0
        assert all(isinstance(line, str) for line in opened.faults())


@fuzzed(0.1)
@given(data=st.data())
def test_commands_take_a_data_set_with_any_manifest(folder: Path, sums_data: DataSet, data: st.DataObject) -> None:
    text = data.draw(spoiled(json.loads((sums_data.folder / MANIFEST).read_text())))
    (folder / "data" / "sums-tiny" / MANIFEST).write_bytes(bytes_of(text))
    before = contents(folder)
    for action in ("list", "verify"):
        answer("data", action, "--data", str(folder / "data"))
        json.loads(answer("data", action, "--data", str(folder / "data"), "--json").printed)
    assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


raw_lines = st.lists(st.sampled_from(LINES).flatmap(spoiled) | st.sampled_from(LINES).map(json.dumps), max_size=3)


@fuzzed()
@given(lines=raw_lines)
def test_raw_lines_are_outcomes_or_named(folder: Path, lines: list[str]) -> None:
    file = folder / "raw.jsonl"
    file.write_bytes(bytes_of("\n".join(lines)))
    outcomes = tried(lambda: list(read(file)))
    if isinstance(outcomes, DataError):
        assert str(file) in str(outcomes)
    else:
        assert isinstance(outcomes, list)
        assert all(json.dumps(document(outcome), allow_nan=False) for outcome in outcomes)


@fuzzed(0.1)
@given(lines=raw_lines)
def test_show_takes_any_raw_lines(folder: Path, lines: list[str]) -> None:
    file = folder / "raw.jsonl"
    file.write_bytes(bytes_of("\n".join(lines)))
    shown, raw = answer("show", str(file)), answer("show", str(file), "--json")
    assert shown.status == raw.status
    assert raw.status == 2 or isinstance(json.loads(raw.printed), list)


@fuzzed()
@given(text=spoiled(MATRIX))
def test_a_matrix_is_taken_whole_or_named(folder: Path, text: str) -> None:
    file = folder / "matrix.json"
    file.write_bytes(bytes_of(text))
    loaded = tried(lambda: (Matrix.load(file), classes(file)))
    if isinstance(loaded, DataError):
        assert file.name in str(loaded)
    else:
        assert isinstance(loaded, tuple)
        matrix, made = loaded
        assert all(name.isidentifier() for name in made)
        matrix.save(file)
        assert Matrix.load(file) == matrix


@fuzzed(0.1)
@given(text=spoiled(MATRIX))
def test_the_matrix_command_takes_any_file(folder: Path, text: str) -> None:
    file = folder / "matrix.json"
    file.write_bytes(bytes_of(text))
    answer("matrix", "--file", str(file))
    assert file.read_bytes() == bytes_of(text)
