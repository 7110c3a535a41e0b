#!/usr/bin/env bash
# The first process of a laboratory: a machine called ctl, with a file system of its own at /run, on which a cluster is brought
# up. Then it runs a command there, as on a login node. When it ends, the kernel ends all that it holds: nodes, daemons, jobs,
# links and files.
# Usage: hall.sh NODES COMMAND…       in the namespaces that enter.sh makes
set -euo pipefail
lab=$(cd "$(dirname "$0")" && pwd)
nodes=$1
shift

mount -t tmpfs -o mode=755 lab /run
export LAB_RIG=/run/lab
export LAB_LOG=${LAB_LOG:-$LAB_RIG/log}
export SLURM_CONF=$LAB_RIG/etc/slurm.conf TMPDIR=$LAB_RIG/tmp
mkdir -p "$LAB_RIG/etc" "$TMPDIR"
chmod 1777 "$TMPDIR"
hostname ctl
unset XDG_RUNTIME_DIR "${!SLURM_JOB@}" "${!OMPI_@}" "${!PMIX_@}" "${!PMI_@}"

"$lab/cluster.sh" up "$nodes" || {
    tail -n 20 "$LAB_LOG"/* >&2
    exit 1
}
# Not exec: this process reaps the orphans.
status=0
"$@" || status=$?
exit "$status"
