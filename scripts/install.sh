#!/usr/bin/env bash
# Make a virtual environment with feedrate and its tools: scripts/install.sh FOLDER [EXTRAS]
# PYTHON names the interpreter. If it holds torch already, the environment is laid over it and downloads none.
set -euo pipefail
venv=${1:?usage: scripts/install.sh FOLDER [EXTRAS]}
extras=${2:-asv,dev,pandas,polars}
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "install: $python is not Python 3.11 or newer; name one with PYTHON=/path/to/python" >&2
    exit 2
fi
if ! "$python" -m venv --clear "$venv" >/dev/null; then
    echo "install: $python cannot make virtual environments; install its venv package (Debian: python3-venv)" >&2
    exit 2
fi
torch_folder=$("$python" -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))' 2>/dev/null || true)
if [ -n "$torch_folder" ]; then
    echo "install: $python holds torch; laying $venv over it"
    echo "$torch_folder" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch-of-base.pth"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
else
    echo "install: into $venv (torch included: some 6 GB, half a minute to a few minutes)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
    "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --editable ".[$extras]"
fi
touch "$venv/.installed"
