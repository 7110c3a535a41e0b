#!/usr/bin/env bash
# Within an allocation: a step for each node, and in it a rank.
# Usage: per-node.sh JOB WORD…
set -euo pipefail
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export RANKZERO_RENDEZVOUS=$PWD/meet-$SLURM_JOB_ID RANKZERO_SIZE=${#hosts[@]} RANKZERO_LOCAL_RANK=0 RANKZERO_LOCAL_SIZE=1
for rank in "${!hosts[@]}"; do
    RANKZERO_RANK=$rank srun --no-kill --kill-on-bad-exit=0 --wait=0 --exact -N1 -n1 -w "${hosts[$rank]}" --mpi=none \
        rankzero run "$@" &
done
# What the steps ended with says nothing once something was lost.
wait
