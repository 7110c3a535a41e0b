#!/usr/bin/env bash
# Inside the guest: runs the cases named one after the other (rxe loses completions when several keep it busy) and notes
# in $LAB_RESULTS/outcomes what each ended with.
# Usage: in-guest.sh CASE…
set -uo pipefail
here=$(dirname "$0")
# shellcheck source=../../.ci/lab.sh
. "$here/../../.ci/lab.sh"
join_lab lab-rdma "$here"

for name in "$@"; do
    log=$LAB_RESULTS/$name/guest.log
    start=$(cut -d' ' -f1 /proc/uptime)
    timeout -k 5 "$(head_of "$name" limit)" "$here/case.sh" guest "$name" >"$log" 2>&1
    status=$?
    account_case "$name" "$status" "$(awk -v start="$start" '{ printf "%.1f s", $1 - start }' /proc/uptime)" "$log"
done
