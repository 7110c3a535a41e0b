#!/usr/bin/env bash
# Counts the instructions of a few steps of small scenes and compares them with bench/counts.json: more than 3 % above is a failure.
# Unlike a time, a count does not depend on what else the machine does; it does on the compiler, so that a new one wants --update.
# Valgrind knows no AVX-512: what is counted there is the path for AVX2, also on a CPU that has more.
# Usage: bench/counts.sh [--update]
set -euo pipefail
cd "$(dirname "$0")/.."

what=check
case "${1:-}" in
    "") ;;
    --update) what=update ;;
    *) echo "counts: usage: bench/counts.sh [--update]" >&2 && exit 2 ;;
esac

cargo build --release -p rankzero-bench --bin counts
program=${CARGO_TARGET_DIR:-target}/release/counts
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

counts=()
for work in cubes contact; do
    isa=$(valgrind --tool=callgrind --callgrind-out-file="$folder/$work" --collect-atstart=no \
        --toggle-collect='*counted_steps*' "$program" run "$work" 2>"$folder/log") || {
        cat "$folder/log" >&2
        exit 1
    }
    # The sum of all instructions, in the file's line `totals: N`.
    count=$(awk '/^totals:/ { print $2 }' "$folder/$work")
    if [ -z "$count" ] || [ "$count" -eq 0 ]; then
        echo "counts: valgrind counted nothing in $work" >&2
        exit 1
    fi
    counts+=("$work=$count")
done
"$program" "$what" bench/counts.json "$isa" "${counts[@]}"
