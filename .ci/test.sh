#!/usr/bin/env bash
# Runs every test of the workspace, each fuzz target for FUZZ_S (20) seconds, the laboratories, and the counts.
# The last line is "N passed, N failed"; the exit code is 0 only where nothing failed and everything ran.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# The counts are read from plain output.
export CARGO_TERM_COLOR=never
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0

# A part that fails without counting a failed test (a build error, say) counts as one.
account() { # STATUS PASSED FAILED WHAT
    passed=$((passed + $2))
    failed=$((failed + $3))
    if [ "$1" -ne 0 ] && [ "$3" -eq 0 ]; then
        echo "test: $4 ended with status $1" >&2
        failed=$((failed + 1))
    fi
}

# Adds up the numbers before WORD in the lines that match PATTERN.
sum() { # PATTERN WORD
    awk -v pattern="$1" -v word="$2" '
        $0 ~ pattern { for (i = 2; i <= NF; i++) if ($i ~ "^" word "[,;]?$") n += $(i - 1) }
        END { print n + 0 }' "$log"
}

with_libtest() { # WHAT ARGUMENT…
    local what=$1 status
    shift
    cargo test --release --workspace --no-fail-fast "$@" 2>&1 </dev/null | tee "$log"
    status=${PIPESTATUS[0]}
    account "$status" "$(sum '^test result:' passed)" "$(sum '^test result:' failed)" "$what"
}

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --release --workspace --no-fail-fast --no-tests=pass 2>&1 </dev/null | tee "$log"
    status=${PIPESTATUS[0]}
    # A test that hangs until its time limit is neither passed nor failed to nextest; to us it failed.
    bad=$(($(sum '^ *Summary ' failed) + $(sum '^ *Summary ' 'timed')))
    account "$status" "$(sum '^ *Summary ' passed)" "$bad" "cargo nextest"
    with_libtest "the documentation tests" --doc
else
    with_libtest "cargo test"
fi

for script in physx/mesh/fuzz/run.sh launcher/job/fuzz/run.sh launcher/checkpoint/fuzz/run.sh comm/fuzz/run.sh; do
    [ -e "$script" ] || continue
    echo "fuzz: $script for ${FUZZ_S:-20} s"
    "./$script" "${FUZZ_S:-20}" </dev/null
    status=$?
    account "$status" "$((status == 0))" "$((status != 0))" "$script"
done

for script in comm/lab/run.sh slurm/lab/run.sh gpu/lab/run.sh; do
    echo "lab: $script"
    "$script" </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    totals='^[0-9]+ passed, [0-9]+ failed$'
    account "$status" "$(sum "$totals" passed)" "$(sum "$totals" failed)" "$script"
done

echo "counts: instructions of the solver"
.ci/deps.sh valgrind && bench/counts.sh </dev/null
status=$?
account "$status" "$((status == 0))" "$((status != 0))" bench/counts.sh

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
