#!/usr/bin/env bash
# Inside the guest: runs the cases named one after the other (rxe loses completions when several keep it busy) and notes
# in $LAB_RESULTS/outcomes what each ended with.
# Usage: in-guest.sh CASE…
set -uo pipefail
here=$(dirname "$0")

for name in "$@"; do
    log=$LAB_RESULTS/$name/guest.log
    start=$(cut -d' ' -f1 /proc/uptime)
    timeout -k 5 "$(sed -n 's/^# limit: *//p' "$here/cases/$name.sh")" "$here/case.sh" guest "$name" >"$log" 2>&1
    status=$?
    case $status in
        0) outcome=PASS ;;
        77) outcome=SKIPPED ;;
        *) outcome=FAIL ;;
    esac
    time=$(awk -v start="$start" '{ printf "%.1f s", $1 - start }' /proc/uptime)
    case $status in
        0) echo "PASS $name ($time)" ;;
        77) echo "SKIPPED: case $name of the RDMA laboratory: $(tail -n 1 "$log"); what it covers is NOT TESTED here" ;;
        124 | 137) echo "FAIL $name (not done after $time)" ;;
        *) echo "FAIL $name ($time, status $status)" ;;
    esac
    [ "$outcome" != FAIL ] || tail -n 60 "$log" | sed 's/^/    | /'
    echo "$outcome $name" >>"$LAB_RESULTS/outcomes"
done
