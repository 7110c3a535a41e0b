#!/usr/bin/env bash
# Runs the function "login" of a case on the login node of its cluster, with what is below at hand.
# Usage: case.sh CASE       by run.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../../.ci/lab.sh
. "$here/../../.ci/lab.sh"
join_lab lab-slurm "$here"
# shellcheck source=cluster.sh
. "$here/cluster.sh"
# shellcheck source=runs.sh
. "$here/runs.sh"

PATH=$(dirname "$(built rankzero)"):$PATH
# Where meshes are cooked, and what ranks log.
export RANKZERO_CACHE_DIR=$LAB_OUT/cache RANKZERO_PROGRESS=plain
# shellcheck disable=SC2034  # for the case
JOB=$here/job.yaml
cd "$LAB_OUT"

skip() { # REASON
    echo "$*"
    exit 77
}

# What Slurm thought, for whoever looks for the reason.
# shellcheck disable=SC2317  # called by the trap
epilogue() {
    local status=$?
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        echo "--- the case ended with status $status; squeue, sinfo:"
        timeout 10 squeue -o '%i %j %t %N %r' || true
        timeout 10 sinfo -N -o '%N %t %E' || true
    fi
}
trap epilogue EXIT

# shellcheck source=/dev/null
. "$here/cases/$1.sh"
# The log shows what the case does, but not how.
declare -ft login
trap '[ "$BASH_COMMAND" = login ] || echo "+ $BASH_COMMAND"' DEBUG
login
