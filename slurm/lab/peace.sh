#!/usr/bin/env bash
# Runs the laboratory's job on one rank that nobody disturbs, and keeps the digest after every step, which is the digest of a run
# of so many steps: lines "STEP DIGEST" in $LAB_RESULTS/peace.
# Usage: peace.sh RANKZERO
set -euo pipefail
cd "$(dirname "$0")"
run=$LAB_RESULTS/peace-run
"$1" run job.yaml --run-dir "$run" --set fault_tolerance.epoch_steps=1 --set time.steps="$(cat steps)" >"$run.log" 2>&1 || {
    cat "$run.log" >&2
    exit 1
}
sed -nE 's/.*"event":"epoch".*"step":([0-9]+).*/\1 &/p' "$run/events.jsonl" |
    sed -nE 's/^([0-9]+) .*"digest":"([0-9a-f]+)".*/\1 \2/p' >"$LAB_RESULTS/peace"
rm -rf "$run"
