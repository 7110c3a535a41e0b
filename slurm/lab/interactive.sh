#!/usr/bin/env bash
# Clusters for people: a shell on the login node, or a cluster that stays until it is taken down.
# Usage: interactive.sh --shell | up | down | in COMMAND…      by run.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# Which cluster: several may be up.
place=${XDG_RUNTIME_DIR:-/run}/rankzero-lab-slurm-${LAB_NAME:-default}
export PATH="${CARGO_TARGET_DIR:-$here/../../target}/release:$here:$PATH"

# The first process of the cluster that is up.
hall() {
    local outside
    outside=$(cat "$place" 2>/dev/null) || outside=
    [ -n "$outside" ] && cat "/proc/$outside/task/$outside/children" 2>/dev/null
}

command=$1
shift
case $command in
    --shell)
        echo "lab-slurm: this is the login node of n1 to n8; cluster.sh crashes, cuts and boots them; exit ends it all"
        exec "$here/enter.sh" spread 8 bash -i
        ;;
    up)
        if hall >/dev/null; then
            echo "lab-slurm: $place is up" >&2
            exit 1
        fi
        ready=$(mktemp)
        trap 'rm -f "$ready"' EXIT
        setsid unshare --uts --mount --pid --ipc --net --fork --mount-proc --kill-child=KILL \
            "$here/hall.sh" 8 sh -c 'echo ready >&3; exec 3>&-; exec sleep infinity' </dev/null >>"$ready" 2>&1 3>>"$ready" &
        echo $! >"$place"
        until grep -qx ready "$ready"; do
            kill -0 $! 2>/dev/null || {
                cat "$ready" >&2
                rm -f "$place"
                exit 1
            }
            sleep 0.1
        done
        echo "lab-slurm: n1 to n8 are idle; $here/run.sh in COMMAND…"
        ;;
    down)
        if hall >/dev/null; then
            kill -KILL "$(cat "$place")"
        fi
        rm -f "$place"
        ;;
    in)
        init=$(hall) || {
            echo "lab-slurm: no cluster is up" >&2
            exit 1
        }
        # shellcheck disable=SC2016  # for the inner shell
        exec nsenter --target "${init% }" --net --uts --mount --pid --ipc -- env LAB_RIG=/run/lab LAB_LOG=/run/lab/log \
            SLURM_CONF=/run/lab/etc/slurm.conf TMPDIR=/run/lab/tmp sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
        ;;
esac
