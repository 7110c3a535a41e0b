#!/usr/bin/env bash
# The Slurm laboratory: runs the cases of slurm/lab/cases but those by hand, or those named, each on a Slurm cluster of its own. The last line
# is "N passed, N failed"; what the cases and Slurm's daemons wrote is left in target/lab-slurm.
# Where this machine cannot, that is one loud line and status 0, or 77 with --strict. Likewise for a single case.
# Usage: slurm/lab/run.sh [--strict] [CASE…]       docs/contributing.md says what a case is
#        slurm/lab/run.sh --shell                  a shell on the login node of a cluster of eight nodes
#        slurm/lab/run.sh up|down                  a cluster that stays, or its end; LAB_NAME tells several apart
#        slurm/lab/run.sh in COMMAND…              a command on its login node
# LAB_JOBS clusters at a time (2). RANKZERO names a program that is built already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
# shellcheck source=../../.ci/lab.sh
. .ci/lab.sh
begin_lab lab-slurm "$here" 'Slurm is'
PATH=$PATH:/usr/sbin:/sbin

need_slurm() {
    local log
    command -v slurmctld >/dev/null && command -v munged >/dev/null && return
    if ! log=$(.ci/deps.sh slurm-wlm munge iproute2 2>&1); then
        skip_lab "Slurm is not to be had: $(tail -n 1 <<<"$log")"
    fi
    command -v slurmctld >/dev/null || skip_lab "there is no slurmctld after installing slurm-wlm"
}

case ${1:-} in
    --shell | up | down | in)
        strict=1
        need_slurm
        "$here/interactive.sh" "$@"
        exit
        ;;
esac
choose_cases "$@"
need_slurm
if [ -n "${RANKZERO:-}" ]; then
    echo "rankzero $(realpath "$RANKZERO")" >"$LAB_RESULTS/built"
else
    interruptible executables build -p rankzero --bin rankzero
fi

echo "$lab: the run that nobody disturbs"
interruptible "$here/peace.sh" "$(built rankzero)"

chmod 711 "$LAB_RESULTS"
running=0
for name in "${cases[@]}"; do
    if [ "$running" -ge "${LAB_JOBS:-2}" ]; then
        wait -n || true
        running=$((running - 1))
    fi
    # Ends with this shell, however that ends.
    setpriv --pdeathsig KILL "$here/one.sh" "$name" &
    running=$((running + 1))
done
wait
finish_lab
