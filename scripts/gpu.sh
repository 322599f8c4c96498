#!/usr/bin/env bash
# On any machine with CUDA, offline, within LIMIT_S: what only a GPU shows, the part worth most first. Each part has a
# limit of its own, so that one that hangs costs only itself; everything lands in one folder of at most 8 files.
#   scripts/gpu.sh [FOLDER [PART...]]      (default: out/gpu, all parts)
#   parts: tests why calibrate threads grid
# PYTHON   an interpreter that holds torch with CUDA (default: python3)
# WHEELS   folder of carried wheels, made with `make wheels` (default: wheels)
# LIMIT_S  seconds for all of it (default: 540)
# SIZE     of the grid's data sets: tiny, small, full (default: full)   SECONDS_EACH  aim of each time (default: 0.3)
# WORKLOADS  of the grid and of `why` (default: boardmoves[net=resnet] daywindows fxseq)
# STEPS    of the grid, in this order (default: bf16 none fp32 compiled tf32 fp16); it has the time that is left
# REHEARSE=1  the same on a CPU, at size tiny: to see that it runs before a GPU is at hand
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-${OUT:-out}/gpu}
[ $# -eq 0 ] || shift
parts=${*:-tests why calibrate threads grid}
python=${PYTHON:-python3}
wheels=${WHEELS:-wheels}
device=cuda size=${SIZE:-full}
[ -z "${REHEARSE:-}" ] || device=cpu size=tiny
workloads=${WORKLOADS:-boardmoves[net=resnet] daywindows fxseq}
mkdir -p "$out"
exec > >(tee "$out/summary.txt") 2>&1
status=0

left() { echo $((${LIMIT_S:-540} - SECONDS)); }

# within SECONDS COMMAND...: at most so long, and at most as long as there is left. Ctrl-C first, for that prints what
# there is.
within() {
    local limit=$1 rest begin=$SECONDS ended
    rest=$(left)
    shift
    if [ "$limit" -lt 5 ] || [ "$rest" -lt 5 ]; then
        echo "gpu: no time left for: $*"
        return 124
    fi
    timeout --signal=INT --kill-after=15 "$((limit < rest ? limit : rest))" "$@"
    ended=$?
    case $ended in
    124 | 130 | 137) echo "gpu: ended by its limit after $((SECONDS - begin)) s: $*" ;;
    0) ;;
    *) status=1 ;;
    esac
    return $ended
}

feedrate() { "$python" -m feedrate "$@"; }

if [ $device = cuda ] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    echo "gpu: $python has no torch that finds a CUDA device; name another with PYTHON="
    exit 2
fi
packages=$(mktemp -d)
making=
cleanup() {
    [ -z "$making" ] || kill "$making" 2>/dev/null
    rm -rf "$packages"
}
trap cleanup EXIT
# A target folder in front of the path: the machine's own packages stay as they are.
"$python" -m pip install --quiet --no-index --no-deps --target "$packages" "$wheels"/*.whl || exit 2
export PYTHONPATH="$packages" FEEDRATE_DATA="$packages/data"
if ! diff -rq --exclude='__pycache__' src/feedrate "$packages/feedrate" >/dev/null; then
    echo "gpu: the wheel of feedrate in $wheels is not of this checkout; \`make wheels\` builds it again"
    exit 2
fi
missing=$("$python" - <<'PY'
from importlib.util import find_spec
print(*[name for name in ("h5py", "pandas", "pluggy", "psutil", "pyarrow", "pytest", "rich", "scipy") if not find_spec(name)])
PY
)
[ -z "$missing" ] || echo "gpu: not here: $missing; carry their wheels in $wheels"
for package in plugins/*/python/*/; do
    "$python" -c "import $(basename "$package")" 2>/dev/null ||
        echo "gpu: ${package%/python/*} is not here: its wheel, made with \`make wheels\` where cargo is, belongs in $wheels"
done

# Written while tests run, which measure nothing.
make_data() {
    local workload
    for workload in $workloads; do
        feedrate data make "$workload" --size "$size" --quiet
    done
}
case " $parts " in
*" grid "* | *" why "*)
    make_data >"$out/log.txt" 2>&1 &
    making=$!
    ;;
esac

part_tests() {
    # Plugins of pytest that the machine happens to have may warn, and warnings are errors. The known answers of a GPU are
    # the part `calibrate`.
    # What is about the device alone first; the contract's processes, which import torch each, take minutes.
    for what in tests/project/test_gpu.py "--deselect tests/project/test_gpu.py tests"; do
        # shellcheck disable=SC2086
        within 90 env PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "$python" -m pytest -p pytest_timeout -m "gpu and not answer" -rs \
            --durations=10 -p no:cacheprovider $what >>"$out/tests.txt" 2>&1
    done
    for package in plugins/*/python/*/; do
        if "$python" -c "import $(basename "$package")" 2>/dev/null; then
            within 40 env PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "$python" -m pytest -p pytest_timeout -m gpu -rs -p no:cacheprovider \
                 "${package%/python/*}/tests_py" >>"$out/tests.txt" 2>&1
        fi
    done
    grep -E ' (passed|failed|error)' "$out/tests.txt"
}

part_grid() {
    local step
    wait $making
    for step in ${STEPS:-bf16 none fp32 compiled tf32 fp16}; do
        within "$(left)" "$python" -m feedrate run $workloads --step "$step" --device $device --size "$size" \
            --seconds "${SECONDS_EACH:-0.3}" --results "$packages/raw" --logs "$packages/logs" --quiet >>"$out/log.txt" 2>&1
    done
    cat "$packages"/raw/*.jsonl >"$out/results.jsonl"
    feedrate show "$out/results.jsonl" | tee "$out/table.txt"
}

part_why() {
    local workload
    wait $making
    for workload in $workloads; do
        within 60 "$python" -m feedrate why "$workload" workers bf16 --device $device --size "$size" --replicates 1 \
            --seconds "${SECONDS_EACH:-0.3}" --results "$packages/why" --logs "$packages/logs" --quiet >>"$out/why.txt" 2>&1
    done
    cat "$packages"/why/*.jsonl >"$out/why.jsonl"
    cut -c1-300 "$out/why.txt" | grep -A2 -E '^[a-z -]+( \([a-z]+\))?: |^unsure'
}

part_calibrate() {
    within 100 "$python" -m feedrate calibrate --device $device --logs "$packages/logs" --quiet >"$out/calibrate.txt" 2>&1
    tail -n 8 "$out/calibrate.txt"
}

part_threads() { # how each plugin's own benchmark scales with threads
    for package in plugins/*/python/*/; do
        if "$python" -c "import $(basename "$package")" 2>/dev/null; then
            within 60 "$python" "${package%/python/*}/bench" --readers 1 2 4 8 16 --rounds 2 --size small --only "boardmoves, many files, none" \
                --data "$FEEDRATE_DATA" --json "$packages/threads.json" | tee "$out/threads.txt"
        fi
    done
}

feedrate doctor >>"$out/log.txt" 2>&1
for part in $parts; do
    echo "gpu: --- $part, $(left) s left"
    "part_$part"
done
# What a failed cell said, the end of each.
[ ! -d "$packages/logs" ] || find "$packages/logs" -name '*.log' -size +0 -exec tail -n 30 -v {} + 2>/dev/null |
    tail -c 2000000 >>"$out/log.txt"
echo "gpu: everything is in $out, after $SECONDS s"
exit $status
