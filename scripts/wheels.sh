#!/usr/bin/env bash
# Build the wheels that a machine without network needs: feedrate, its plugins where cargo is, and the small tools that
# scripts/gpu.sh calls; in FOLDER/site, what the pages of `asv publish` need. scripts/wheels.sh FOLDER
set -euo pipefail
folder=${1:?usage: scripts/wheels.sh FOLDER}
cd "$(dirname "$0")/.."
python=${BIN:-.venv/bin}/python
export CARGO_TARGET_DIR="$PWD/.asv/env/cargo"
mkdir -p "$folder"
rm -f "$folder"/feedrate*.whl
"$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" .
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" pytest-timeout
for manifest in plugins/*/Cargo.toml; do
    [ -e "$manifest" ] || continue
    if command -v cargo >/dev/null; then
        # Not through pip, which has maturin leave out the manylinux tag: any machine with this glibc can install it.
        "$(dirname "$python")/maturin" build --quiet --release --interpreter "$python" --out "$folder" --manifest-path "$manifest"
    else
        echo "wheels: cargo is not here; $(dirname "$manifest") is left out"
    fi
done
# Through npm, each package once; `asv publish` looks in wheels/site first.
"$python" - "$folder/site" <<'PY'
import sys
from pathlib import Path

from feedrate.asv.site_assets import fetched
from feedrate.errors import UnavailableError

try:
    fetched(Path(sys.argv[1]))
except UnavailableError as error:
    print(f"wheels: the files of asv's pages are left out ({error}); without them the pages need a network to be read")
PY
ls -R "$folder"
