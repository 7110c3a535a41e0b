#!/usr/bin/env bash
# Runs a job twice on several ranks: left in peace, and with rank 0 killed in the middle. Both must come to the same digest.
# Usage: jobs/killed.sh RANKZERO JOB RANKS RUN_DIR     (RUN_DIR is that of the second run; RUN_DIR-peace that of the first)
set -euo pipefail
program=$1 job=$2 ranks=$3 run_dir=$4

digest() { sed -n 's/^  "digest": "\([0-9a-f]*\)",$/\1/p' "$1/summary.json"; }

echo "== $job on $ranks ranks, left in peace"
"$program" launch "$job" -n "$ranks" --run-dir "$run_dir-peace" --set 'output.frames={geometry: none}'
if [ "$ranks" -lt 2 ]; then
    echo "== one rank cannot lose rank 0: run with RANKS=2 or more to see that survived"
    exec "$program" launch "$job" -n "$ranks" --run-dir "$run_dir"
fi
echo
echo "== the same, with rank 0 killed (kill -9) in the middle"
RANKZERO_FAULTS='50%:kill:0' "$program" launch "$job" -n "$ranks" --run-dir "$run_dir"
echo
peace=$(digest "$run_dir-peace") killed=$(digest "$run_dir")
if [ -z "$peace" ] || [ "$peace" != "$killed" ]; then
    echo "the digests differ: $peace in peace, $killed with rank 0 killed" >&2
    exit 1
fi
echo "same digest: $killed"
