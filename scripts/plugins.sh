#!/usr/bin/env bash
# Build the plugins of this checkout into a virtual environment: scripts/plugins.sh FOLDER
# Without cargo it says what is left out, and that is no error: everything else runs.
set -euo pipefail
venv=$(cd "${1:?usage: scripts/plugins.sh FOLDER}" && pwd)
cd "$(dirname "$0")/.."
# The folder that asv builds in, too: each crate is compiled once for both.
export CARGO_TARGET_DIR="$PWD/.asv/env/cargo" PATH="$PATH:$venv/bin"
left_out=
for manifest in plugins/*/Cargo.toml; do
    [ -e "$manifest" ] || continue
    folder=$(dirname "$manifest")
    if ! command -v cargo >/dev/null; then
        echo "plugins: cargo is not here, so $folder is left out; install Rust and say the same again, or install a wheel of it that \`make wheels\` made elsewhere"
        left_out=yes
        continue
    fi
    echo "plugins: building $folder (a few minutes the first time)"
    # As it is committed asv needs it, too, and finds it where this puts it.
    wheel=$("$venv/bin/python" scripts/plugin_wheel.py "$folder")
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
        --force-reinstall "${wheel:-$folder}"
done
# Without it the next make looks for cargo again.
[ -n "$left_out" ] || touch "$venv/.plugins"
