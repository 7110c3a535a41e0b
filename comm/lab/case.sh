#!/usr/bin/env bash
# Runs one side of a case: its function guest inside the guest, or before that, if it has one, host outside.
# Usage: case.sh host|guest CASE       with LAB_RESULTS, the directory that both sides write
set -euo pipefail
case_file=$(dirname "$0")/cases/$2.sh
# shellcheck source=../../.ci/lab.sh
. "$(dirname "$0")/../../.ci/lab.sh"

# Where the case keeps what it writes, on both sides.
# shellcheck disable=SC2034  # for the case
LAB_OUT=$LAB_RESULTS/$2
# The address of eth0 in the guest.
# shellcheck disable=SC2034
LAB_ADDRESS=10.77.0.1

skip() { # REASON
    echo "$*"
    exit 77
}

# Ends what a case leaves running, so that the next has the device for itself.
# shellcheck disable=SC2317  # called by the trap
end_children() {
    local children
    mapfile -t children < <(jobs -p)
    [ ${#children[@]} -eq 0 ] || kill -KILL "${children[@]}" 2>/dev/null || true
}
trap end_children EXIT

# shellcheck source=/dev/null
. "$case_file"
if declare -F "$1" >/dev/null; then
    "$1"
fi
