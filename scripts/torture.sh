#!/usr/bin/env bash
# Kills, failing system calls and damaged files, all from one seed: SEED= KILLS= CASES= FILES= scripts/torture.sh
# ONLY="17 42" carries out these attacks of SEED alone, and nothing else.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${BIN:-.venv/bin}/python
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
again="SEED=$seed make torture"
mkdir -p out
echo "torture: seed $seed; \`$again\` does all of it again, \`$again ONLY=NUMBER\` one attack"

if [ -n "${ONLY:-}" ]; then
    exec "$python" -m tests.torture --seed "$seed" --log out/torture-again.jsonl $(printf -- '--only %s ' $ONLY)
fi

export FUZZ_SEED=$seed FUZZ_CASES=${CASES:-10000} FUZZ_FILES=${FILES:-20000}
nice "$python" -m pytest -p no:cacheprovider tests/fuzz --durations 0 >out/fuzz.txt 2>&1 &
fuzzing=$!
"$python" -m tests.torture --seed "$seed" --kills "${KILLS:-200}"
killed=$?
wait $fuzzing
fuzzed=$?
echo "fuzzed      $FUZZ_CASES cases of each text, $FUZZ_FILES damaged files: $(tail -n 1 out/fuzz.txt)"
echo "log         out/fuzz.txt"
exit $((killed || fuzzed))
