#!/usr/bin/env bash
# The Slurm laboratory: runs the cases of slurm/lab/cases, or those named, each on a Slurm cluster of its own. The last line
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

# Why clusters of a form cannot be had here; nothing where they can.
obstacle() { # FORM
    case $1 in
        plain)
            [ "$(id -u)" -ne 0 ] || setpriv --reuid nobody --regid nogroup --clear-groups test -x "$(built rankzero)" ||
                echo "user nobody cannot read $(built rankzero)"
            ;;
        *)
            unshare --uts --mount --pid --ipc --net --fork mount -t tmpfs lab /run 2>/dev/null ||
                echo "nodes in namespaces want root"
            ;;
    esac
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

run_case() { # CASE
    local form why log=$LAB_RESULTS/$1/case.log status=0 start=$SECONDS
    form=$(head_of "$1" form)
    form=${form:-spread}
    why=$(obstacle "$form")
    mkdir "$LAB_RESULTS/$1"
    # The plain form is another user's.
    chmod 777 "$LAB_RESULTS/$1"
    export LAB_OUT=$LAB_RESULTS/$1 LAB_LOG=$LAB_RESULTS/$1/slurm
    if [ -z "$why" ]; then
        setpriv --pdeathsig KILL timeout -k 5 "$(head_of "$1" limit)" "$here/enter.sh" "$form" "$(head_of "$1" nodes)" \
            "$here/case.sh" "$1" >"$log" 2>&1 &
        # Ends with this one, however that ends.
        trap 'kill $!; wait' TERM
        wait $! || status=$?
    else
        echo "$why" >"$log"
        status=77
    fi
    account_case "$1" "$status" "$((SECONDS - start)) s" "$log"
}

chmod 711 "$LAB_RESULTS"
running=0
for name in "${cases[@]}"; do
    if [ "$running" -ge "${LAB_JOBS:-2}" ]; then
        wait -n || true
        running=$((running - 1))
    fi
    run_case "$name" &
    running=$((running + 1))
done
wait
finish_lab
