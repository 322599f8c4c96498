#!/usr/bin/env bash
# Make a virtual environment with feedrate and its tools: scripts/install.sh FOLDER [EXTRAS]
# PYTHON  the interpreter (default: python3). If it holds torch already, the environment is laid over it and downloads none.
# TORCH   cpu: torch's build for the CPU, without CUDA's libraries, where the index of those builds can be reached
# TORCH_WAIT_S  seconds that this index has to answer (default: 30); then the ordinary build is installed
set -euo pipefail
venv=${1:?usage: scripts/install.sh FOLDER [EXTRAS]}
extras=${2:-asv,dev,pandas,polars,report}
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."

case ${TORCH:-} in
"" | cpu) ;;
*)
    echo "install: TORCH=$TORCH is no build of torch; TORCH=cpu is, and without it the ordinary one is installed" >&2
    exit 2
    ;;
esac
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "install: $python is not Python 3.11 or newer; name one with PYTHON=/path/to/python" >&2
    exit 2
fi
if ! "$python" -m venv --clear "$venv" >/dev/null; then
    echo "install: $python cannot make virtual environments; install its venv package (Debian: python3-venv)" >&2
    exit 2
fi

# uv_install ARGUMENTS...: uv knows by itself where the builds of a --torch-backend are.
uv_install() { "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" "$@"; }

everything=(--compile-bytecode --editable ".[$extras]")

# cpu_install: everything with torch's CPU build, or status 1 and one line that says why not. Asking first costs no
# download: an index that does not answer is not waited for, and one that does has all the time that its files take.
cpu_install() {
    local answer wait_s=${TORCH_WAIT_S:-30}
    if ! answer=$(timeout --kill-after=5 "$wait_s" "$venv/bin/uv" pip install --quiet --dry-run --no-deps \
        --python "$venv/bin/python" --torch-backend cpu torch 2>&1); then
        answer=${answer##*$'\n'}
        answer=${answer##*cause: }
        echo "install: torch's CPU builds cannot be reached (${answer:-no answer within $wait_s s}); going on with the ordinary build"
        return 1
    fi
    echo "install: into $venv, with torch's CPU build (without CUDA's libraries)"
    if ! uv_install --torch-backend cpu "${everything[@]}"; then
        echo "install: torch's CPU build cannot be installed, see above; going on with the ordinary build"
        return 1
    fi
}

torch_folder=$("$python" -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))' 2>/dev/null || true)
if [ -n "$torch_folder" ]; then
    echo "install: $python holds torch; laying $venv over it"
    echo "$torch_folder" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch-of-base.pth"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
    if [ "${TORCH:-}" != cpu ] || ! cpu_install; then
        echo "install: into $venv (torch included: some 6 GB, half a minute to a few minutes)"
        uv_install "${everything[@]}"
    fi
fi
touch "$venv/.installed"
