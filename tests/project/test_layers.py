"""A package imports only from those below; core code names no strategy; what the parent is made of needs no torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.imports import LAYERS, NO_TORCH, Module, below, circle, modules, upward
from tests.support.rust_imports import crates, module_graph

MODULES = list(modules())


def test_every_module_stands_in_a_package_that_has_a_layer() -> None:
    homes = {name for names in LAYERS for name in names}
    assert {module.name for module in MODULES if module.package not in homes} == set()


def test_nothing_is_imported_from_above_and_no_strategy_by_the_core() -> None:
    assert list(upward()) == []


def test_modules_import_one_another_in_no_circle() -> None:
    assert circle({module.name: set(below(module.at_once)) for module in MODULES}) == []


@pytest.mark.parametrize("module", [module for module in MODULES if module.package in NO_TORCH], ids=str)
def test_what_the_parent_is_made_of_imports_no_torch(module: Module) -> None:
    assert "torch" not in {name.partition(".")[0] for name in module.at_once}


def test_only_the_command_line_reads_arguments() -> None:
    readers = {module.package for module in MODULES if any("argparse" in name for name in module.sometimes)}
    assert readers == {"cli"}


def test_arrows_and_circles_are_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    up = Module("records.bad", MODULES[0].path, frozenset({"feedrate.cli.run", "feedrate.errors"}), frozenset())
    strategy = Module("metering.bad", MODULES[0].path, frozenset({"feedrate.builtin.loaders.inline"}), frozenset())
    assert list(upward([up, strategy])) == [
        "records.bad -> cli.run",
        "metering.bad -> builtin.loaders.inline (a strategy)",
    ]


@pytest.mark.parametrize("crate", crates(), ids=lambda crate: str(crate.name))
def test_modules_of_rust_use_one_another_in_no_circle(crate: Path) -> None:
    graph = module_graph(crate / "src")
    assert sum(map(len, graph.values())) > len(graph)
    assert circle(graph) == []


def test_circles_of_rust_are_found(tmp_path: Path) -> None:
    (tmp_path / "formats").mkdir()
    (tmp_path / "lib.rs").write_text("pub mod reading;\npub mod formats;\n")
    (tmp_path / "reading.rs").write_text("use std::{fs, io::{self, Read}};\nuse crate::{formats::{Format}};\n")
    (tmp_path / "formats/mod.rs").write_text("pub mod arrow;\npub struct All { arrow: arrow::Arrow }\n")
    (tmp_path / "formats/arrow.rs").write_text(
        "// use crate::reading::Unit;\npub struct Arrow;\nmod tests {\n    use super::Arrow;\n}\n"
    )
    assert module_graph(tmp_path) == {
        "reading": {"formats"},
        "formats": {"formats::arrow"},
        "formats::arrow": set(),
    }
    (tmp_path / "formats/arrow.rs").write_text("pub struct Arrow { format: super::Format }\n")
    assert circle(module_graph(tmp_path)) != []
