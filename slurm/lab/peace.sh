#!/usr/bin/env bash
# Runs the laboratory's job on one rank that nobody disturbs, and keeps the digest at every epoch, which is that of a run of so
# many steps: lines "STEP DIGEST" in $LAB_RESULTS/peace.
# Usage: peace.sh RANKZERO
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=runs.sh
. ./runs.sh
run=$LAB_RESULTS/peace-run
"$1" run job.yaml --run-dir "$run" --set time.steps=6000 >"$run.log" 2>&1 || {
    cat "$run.log" >&2
    exit 1
}
{
    epochs "$run"
    echo "$(summary_field "$run" steps) $(summary_field "$run" digest)"
} >"$LAB_RESULTS/peace"
rm -rf "$run"
