#!/usr/bin/env bash
# A run on the nodes of a cluster with its progress in this terminal; Ctrl-C ends it with a checkpoint.
# Usage: jobs/interactive.sh [JOB [ARGUMENT…]]    with NODES (2), TASKS (1, for each node) and TIME (30 minutes) in the environment
#
# srun makes an allocation of its own here, so that its --no-kill holds for the job too. Without --no-kill all ranks end once a node is lost, without
# the other two once one rank is, where the site has set KillOnBadExit or WaitTime. The ranks meet without MPI (--mpi=none). A rank that is lost
# is not replaced; for that: salloc --no-kill --nodes=2 rankzero launch JOB
set -euo pipefail

job=${1:-jobs/demo.yaml}
exec srun --nodes="${NODES:-2}" --ntasks-per-node="${TASKS:-1}" --time="${TIME:-30}" \
    --no-kill --kill-on-bad-exit=0 --wait=0 --mpi=none --cpu-bind=none \
    rankzero run "$job" "${@:2}"
