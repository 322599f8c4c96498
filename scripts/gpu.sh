#!/usr/bin/env bash
# On any machine with CUDA, offline, within LIMIT_S: what only a GPU shows, the part worth most first. Each part has a
# limit of its own, so that one that hangs costs only itself; everything lands in one folder of at most 8 files.
#   scripts/gpu.sh [--rehearse] [FOLDER [PART...]]      (default: out/gpu, all parts)
#   parts, each with the most seconds it has: tests 60, grid 210, why 90, calibrate 75, threads 45, asv 60
# --rehearse  the same on a simulated device, which is slow: at size tiny, one workload, two steps, in three minutes; to
#             see that all of it runs before a GPU is at hand
# PYTHON   an interpreter that holds torch with CUDA (default: python3)
# WHEELS   folder of carried wheels, made with `make wheels` (default: wheels)
# LIMIT_S  seconds for all of it (default: 540; of a rehearsal 180)
# SIZE     of the grid's data sets: tiny, small, full (default: full)   SECONDS_EACH  aim of each time (default: 0.3)
# WORKLOADS  of the grid and of `why` (default: boardmoves[net=resnet] daywindows fxseq)
# STEPS    of the grid, in this order, the first also of `why` (default: bf16 none fp32 compiled graphed tf32 fp16)
set -uo pipefail
cd "$(dirname "$0")/.."
device=cuda size=${SIZE:-full} limit=${LIMIT_S:-540} seconds=${SECONDS_EACH:-0.3} marked="gpu and not answer"
workloads=${WORKLOADS:-boardmoves[net=resnet] daywindows fxseq}
steps=${STEPS:-bf16 none fp32 compiled graphed tf32 fp16} readers=(1 2 4 8 16)
declare -A most_s=([tests]=60 [grid]=210 [why]=90 [calibrate]=75 [threads]=45 [asv]=60)
if [ "${1:-}" = --rehearse ]; then
    device=simulated size=tiny limit=${LIMIT_S:-180} seconds=0.05 marked="not answer"
    workloads=${WORKLOADS:-fxseq} steps=${STEPS:-fp32 none} readers=(1 2)
    most_s=([tests]=40 [grid]=55 [why]=45 [calibrate]=20 [threads]=20 [asv]=40)
    shift
fi
case ${1:-} in -*)
    echo "gpu: no option $1; scripts/gpu.sh [--rehearse] [FOLDER [PART...]]" >&2
    exit 2
    ;;
esac
out=${1:-${OUT:-out}/gpu}
[ $# -eq 0 ] || shift
parts=${*:-tests grid why calibrate threads asv}
for part in $parts; do
    if [ -z "${most_s[$part]:-}" ]; then
        echo "gpu: no part $part; there are: tests grid why calibrate threads asv" >&2
        exit 2
    fi
done
python=${PYTHON:-python3}
wheels=${WHEELS:-wheels}
mkdir -p "$out"
exec > >(tee "$out/summary.txt") 2>&1
status=0 until_s=$limit

# Seconds that are left to this part.
left() { echo $((until_s - SECONDS)); }

# within COMMAND...: at most as long as this part has. Ctrl-C first, for that prints what there is.
within() {
    local rest begin=$SECONDS ended
    rest=$(left)
    if [ "$rest" -lt 5 ]; then
        echo "gpu: no time left for: $*"
        return 124
    fi
    timeout --signal=INT --kill-after=15 "$rest" "$@"
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
print(*[name for name in ("h5py", "packaging", "pandas", "pluggy", "psutil", "pyarrow", "pytest", "rich", "scipy") if not find_spec(name)])
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
    local about=(tests/project/test_gpu.py "--deselect tests/project/test_gpu.py tests")
    # Without a GPU some of them: a cell takes ten seconds.
    local only=()
    [ $device = cuda ] || about=(tests/project/test_gpu.py) only=(-k "fxseq or threads/fp32")
    for what in "${about[@]}"; do
        # shellcheck disable=SC2086
        within env PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "$python" -m pytest -p pytest_timeout -m "$marked" -rs \
            --durations=10 -p no:cacheprovider $what "${only[@]}" >>"$out/tests.txt" 2>&1
    done
    for package in plugins/*/python/*/; do
        if "$python" -c "import $(basename "$package")" 2>/dev/null; then
            within env PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "$python" -m pytest -p pytest_timeout -m gpu -rs -p no:cacheprovider \
                 "${package%/python/*}/tests_py" >>"$out/tests.txt" 2>&1
        fi
    done
    grep -E ' (passed|failed|error)' "$out/tests.txt"
}

part_grid() {
    local step
    wait $making
    for step in $steps; do
        within "$python" -m feedrate run $workloads --step "$step" --device $device --size "$size" \
            --seconds "$seconds" --results "$packages/raw" --logs "$packages/logs" --quiet >>"$out/log.txt" 2>&1
    done
    cat "$packages"/raw/*.jsonl >"$out/results.jsonl"
    feedrate show "$out/results.jsonl" | tee "$out/table.txt"
}

part_why() {
    local workload
    wait $making
    for workload in $workloads; do
        within "$python" -m feedrate why "$workload" workers "${steps%% *}" --device $device --size "$size" --replicates 1 \
            --seconds "$seconds" --results "$packages/why" --logs "$packages/logs" --quiet --details >>"$out/why.txt" 2>&1
    done
    cat "$packages"/why/*.jsonl >"$out/why.jsonl"
    cut -c1-300 "$out/why.txt" | grep -A2 -E '^[a-z -]+( \([a-z]+\))?: |^unsure'
    # How near copies come to what the machine can do, a workload each.
    grep -A1 '^copies ' "$out/why.txt"
}

part_calibrate() {
    local cases=(--device cuda)
    # Of a device that is no hardware nothing is known; that the command works here, and is carried whole, one shows.
    [ $device = cuda ] || cases=(--only "slow when asked")
    within "$python" -m feedrate calibrate "${cases[@]}" --logs "$packages/logs" --quiet >"$packages/calibrate.txt" 2>&1
    cat "$packages/calibrate.txt" >>"$out/log.txt"
    tail -n 8 "$packages/calibrate.txt"
}

part_threads() { # how each plugin's own benchmark scales with threads
    for package in plugins/*/python/*/; do
        if "$python" -c "import $(basename "$package")" 2>/dev/null; then
            within "$python" "${package%/python/*}/bench" --readers "${readers[@]}" --rounds 2 --size small --only "boardmoves, many files, none" \
                --data "$FEEDRATE_DATA" --json "$packages/threads.json"
        fi
    done
}

# asv over this commit and the one before it, one cell: that a history can be kept here.
part_asv() {
    local history=$packages/history machine tracked=cuda
    # A simulated device has no speed to track.
    [ $device = cuda ] || tracked=cpu
    if ! "$python" -c 'import asv, hatchling, virtualenv' 2>/dev/null; then
        echo "gpu: asv, hatchling and virtualenv are not all here: asv over two commits is left out"
        return
    fi
    if ! git rev-parse --quiet --verify "HEAD~1^{commit}" >/dev/null 2>&1; then
        echo "gpu: git finds no two commits here: asv over them is left out"
        return
    fi
    # A copy, for asv writes results and environments beside its configuration.
    git clone --quiet . "$history" && machine=$(feedrate machine) || return
    git rev-parse HEAD~1 HEAD >"$packages/commits"
    within env FEEDRATE_SIZE="$size" FEEDRATE_DEVICE=$tracked FEEDRATE_REPLICATES=1 "$python" -m asv run \
        --config "$history/asv.conf.json" --machine "$machine" --record-samples \
        --bench "boardmoves.track_.*\('threads', '${steps%% *}'\)" "HASHFILE:$packages/commits" >>"$out/log.txt" 2>&1 &&
        # One sample of each: it shows that both are there, and of a change nothing.
        "$python" -m asv compare --config "$history/asv.conf.json" --machine "$machine" HEAD~1 HEAD |
        grep -Ev '\| n/a +\| n/a '
    git -C "$history" ls-files --others --modified results | tar -C "$history" -czf "$out/asv.tgz" --files-from -
}

feedrate doctor >>"$out/log.txt" 2>&1
for part in $parts; do
    echo "gpu: --- $part, $((limit - SECONDS)) s left"
    until_s=$((SECONDS + most_s[$part]))
    until_s=$((until_s < limit ? until_s : limit))
    "part_$part"
done
# What a failed cell said, the end of each.
[ ! -d "$packages/logs" ] || find "$packages/logs" -name '*.log' -size +0 -exec tail -n 30 -v {} + 2>/dev/null |
    tail -c 2000000 >>"$out/log.txt"
echo "gpu: everything is in $out, after $SECONDS s"
exit $status
