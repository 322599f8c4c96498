"""What tests share: fakes, liars, helpers, and `plugins/`, files that are given to feedrate by their path."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
PLUGINS = Path(__file__).parent / "plugins"
"""Each is imported by its bare name, as feedrate imports a plugin file, and so they import one another."""
