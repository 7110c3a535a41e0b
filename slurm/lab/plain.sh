#!/usr/bin/env bash
# A cluster without any privilege: each node is a slurmd of this user on 127.0.0.1, with ports that nobody else uses. Nodes cannot
# be cut off or lose their power here; otherwise it is Slurm like anywhere. Runs a command as on a login node, and ends it all.
# Usage: plain.sh NODES COMMAND…       by enter.sh
set -euo pipefail
lab=$(cd "$(dirname "$0")" && pwd)
nodes=$1
shift

LAB_RIG=$(mktemp -d "${TMPDIR:-/tmp}/rankzero-lab-slurm.XXXXXX")
export LAB_RIG
# shellcheck source=cluster.sh
. "$lab/cluster.sh"
export LAB_LOG=${LAB_LOG:-$LAB_RIG/log} TMPDIR=$LAB_RIG/tmp HOME=$LAB_RIG/home SLURM_CONF=$LAB_RIG/etc/slurm.conf
# All traffic stays on loopback, which Open MPI leaves out unless told to take it.
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo RANKZERO_INTERFACE=lo
daemons=()

# shellcheck disable=SC2317  # called by the trap
cleanup() {
    trap '' EXIT INT TERM HUP
    timeout 5 scancel --user="$(id -un)" 2>/dev/null || true
    kill "${daemons[@]}" "$(cat "$LAB_RIG/munge/pid" 2>/dev/null)" 2>/dev/null || true
    wait "${daemons[@]}" 2>/dev/null || true
    # Steps are no children of this shell, but have its rig in their environment.
    mapfile -t steps < <(grep -lszxF "LAB_RIG=$LAB_RIG" /proc/[0-9]*/environ | cut -d/ -f3)
    kill -KILL "${steps[@]}" 2>/dev/null || true
    rm -rf "$LAB_RIG"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Whether somebody listens on one of the thousand ports from this one on.
taken() { # PORT
    [ -n "$(ss -Hltn "sport >= :$1 and sport < :$(($1 + 1000))")" ]
}

mkdir -p "$LAB_RIG"/{etc,home,pid,spool/ctl,tmp} "$LAB_LOG"
for ((node = 1; node <= nodes; node++)); do mkdir -p "$LAB_RIG"/{spool,tmp}/"n$node"; done
# Below the ports that the kernel gives to clients; where two runs choose the same, the second one finds it taken or fails.
port=$((12000 + 1000 * (RANDOM % 20)))
while taken "$port"; do port=$((12000 + 1000 * (RANDOM % 20))); done
"$lab/conf.sh" plain "$nodes" "$LAB_RIG" "$port" >"$SLURM_CONF"
"$lab/munge.sh" "$LAB_RIG" 2>"$LAB_LOG/munged"
for ((node = 1; node <= nodes; node++)); do
    slurmd -D -N "n$node" </dev/null >>"$LAB_LOG/slurmd.n$node.out" 2>&1 &
    daemons+=($!)
done
slurmctld -D -i </dev/null >>"$LAB_LOG/slurmctld.out" 2>&1 &
daemons+=($!)
(patiently 60 all_idle "$nodes") || {
    tail -n 20 "$LAB_LOG"/* >&2
    exit 1
}
status=0
"$@" || status=$?
exit "$status"
