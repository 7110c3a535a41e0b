#!/usr/bin/env bash
# Runs a command on the login node of a cluster that exists as long as the command runs, or this process lives.
# Usage: enter.sh spread|plain NODES COMMAND…
#   spread  every node is a machine of its own, which can be cut off and lose its power; wants root
#   plain   every node is a slurmd of an ordinary user on 127.0.0.1
set -euo pipefail
lab=$(cd "$(dirname "$0")" && pwd)
form=$1
shift

# Whoever kills the parent of this process, by whatever signal, ends all of it: the first process dies with its parent,
# and in a namespace of processes nobody outlives the first one.
apart=(setpriv --pdeathsig KILL unshare --pid --mount --fork --mount-proc --kill-child=KILL)
case $form in
    spread) exec "${apart[@]}" --uts --net --ipc "$lab/hall.sh" "$@" ;;
    plain)
        if [ "$(id -u)" -eq 0 ]; then
            # The first process stays root's: the signal at a parent's death is lost with a change of user.
            # shellcheck disable=SC2016  # for the inner shell
            exec "${apart[@]}" sh -c 'mount -t tmpfs -o mode=1777 lab /run && TMPDIR=/run "$@"; exit $?' sh \
                setpriv --reuid nobody --regid nogroup --clear-groups "$lab/plain.sh" "$@"
        elif unshare --user --map-current-user true 2>/dev/null; then
            exec "${apart[@]}" --user --map-current-user "$lab/plain.sh" "$@"
        fi
        exec "$lab/plain.sh" "$@"
        ;;
esac
echo "enter.sh: no form $form" >&2
exit 2
