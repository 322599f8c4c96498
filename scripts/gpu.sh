#!/usr/bin/env bash
# On any machine with CUDA, offline: the GPU tests, the plugins' own benchmarks, then the default matrix; everything
# lands in one folder.
#   scripts/gpu.sh [FOLDER]      (default: out/gpu)
# PYTHON   an interpreter that holds torch with CUDA (default: python3)
# WHEELS   folder of carried wheels, made with `make wheels` (default: wheels)
# SIZE     tiny, small, full (default: small)   SECONDS_EACH  aim of each time (default: 0.3)
# LIMIT_S  the matrix is ended after that many seconds, and what was measured is kept (default: 480); BENCH_LIMIT_S: the same
#          for each plugin's own benchmark (default: 120)
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-${OUT:-out}/gpu}
python=${PYTHON:-python3}
wheels=${WHEELS:-wheels}
mkdir -p "$out"
exec > >(tee "$out/log.txt") 2>&1

if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    echo "gpu: $python has no torch that finds a CUDA device; name another with PYTHON=" >&2
    exit 2
fi
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
# A target folder in front of the path: the machine's own packages stay as they are.
"$python" -m pip install --quiet --no-index --no-deps --target "$packages" "$wheels"/*.whl || exit 2
export PYTHONPATH="$packages"
missing=$("$python" - <<'PY'
from importlib.util import find_spec
print(*[name for name in ("h5py", "pandas", "pluggy", "psutil", "pyarrow", "pytest", "rich", "scipy") if not find_spec(name)])
PY
)
[ -z "$missing" ] || echo "gpu: not here: $missing; carry their wheels in $wheels"

status=0
"$python" -m feedrate doctor >"$out/doctor.txt" 2>&1
"$python" -m pytest -m gpu -rs -p no:cacheprovider >"$out/tests.txt" 2>&1 || status=1
for package in plugins/*/python/*/; do
    plugin=${package%/python/*} name=$(basename "${package%/python/*}")
    if "$python" -c "import $(basename "$package")" 2>/dev/null; then
        "$python" -m pytest -m gpu -rs -p no:cacheprovider "$plugin/tests_py" >>"$out/tests.txt" 2>&1 || status=1
        # How it scales with threads.
        timeout --kill-after=20 "${BENCH_LIMIT_S:-120}" "$python" "$plugin/bench" --readers 1 2 4 8 16 --rounds 2 \
            --size small --only boardmoves --data "$packages/data" --json "$out/bench-$name.json" \
            >"$out/bench-$name.txt" 2>&1 || status=1
    else
        echo "gpu: $plugin is not here: its wheel, made with \`make wheels\` where cargo is, belongs in $wheels"
    fi
done
tail -n 15 "$out/tests.txt"
timeout --signal=INT --kill-after=20 "${LIMIT_S:-480}" \
    "$python" -m feedrate run --device cuda --size "${SIZE:-small}" --seconds "${SECONDS_EACH:-0.3}" \
    --data "$packages/data" --results "$out/raw" --logs "$out/logs" >"$out/table.txt" 2>"$out/progress.txt" || status=1
cat "$out/table.txt"
"$python" -m feedrate show --results "$out/raw" --json >"$out/results.json" || status=1
echo "gpu: everything is in $out"
exit $status
