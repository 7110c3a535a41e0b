#!/usr/bin/env bash
# Runs one case on a cluster of its own, and notes how it ended.
# Usage: one.sh CASE       by run.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../../.ci/lab.sh
. "$here/../../.ci/lab.sh"
join_lab lab-slurm "$here"
name=$1

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

export LAB_OUT=$LAB_RESULTS/$name LAB_LOG=$LAB_RESULTS/$name/slurm
log=$LAB_OUT/case.log
mkdir "$LAB_OUT"
# The plain form is another user's.
chmod 777 "$LAB_OUT"
form=$(head_of "$name" form)
form=${form:-spread}
status=0 start=$SECONDS
why=$(obstacle "$form")
if [ -z "$why" ]; then
    setpriv --pdeathsig KILL timeout -k 5 "$(head_of "$name" limit)" "$here/enter.sh" "$form" "$(head_of "$name" nodes)" \
        "$here/case.sh" "$name" >"$log" 2>&1 || status=$?
else
    echo "$why" >"$log"
    status=77
fi
account_case "$name" "$status" "$((SECONDS - start)) s" "$log"
