#!/usr/bin/env bash
# A Slurm cluster whose nodes are namespaces, within the namespaces that hall.sh has made; this shell is its login node and
# runs slurmctld. Nothing of it is visible outside, and all of it ends with the hall's first process.
# Usage: cluster.sh COMMAND [NODE…]
#   up COUNT        start slurmctld and nodes n1 to nCOUNT, and wait until all are idle
#   boot NODE…      start nodes that are off
#   crash NODE…     every process of a node dies at once; its peers' kernels hear of it
#   isolate NODE…   nothing gets to a node or from it any more: no end of a connection is told
#   part NODE…      likewise, but that these nodes still see each other
#   connect NODE…   the opposite of isolate and part
#   unplug NODE…    a node loses its power: isolate, then crash
#   in NODE WORD…   run a command on a node
#   daemon NODE     start slurmd on a node again
#   show            the nodes, and why they are down
set -euo pipefail
cluster=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${LAB_RIG:?set by hall.sh}"

fail() {
    echo "cluster: $*" >&2
    exit 1
}

# Repeats a command until it succeeds.
patiently() { # SECONDS COMMAND…
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "not in time: $*"
        sleep 0.05
    done
}

# The first process of a node, as the hall numbers it.
init_of() { # NODE
    local holder
    holder=$(cat "$LAB_RIG/pid/$1" 2>/dev/null) || fail "node $1 is off"
    cat "/proc/$holder/task/$holder/children" 2>/dev/null || fail "node $1 has crashed"
}

has_child() { # PID
    grep -q . "/proc/$1/task/$1/children"
}

boot() { # NODE
    local node=$1 holder
    [ ! -e "$LAB_RIG/pid/$node" ] || fail "node $node is on"
    unshare --uts --mount --pid --ipc --net --fork --mount-proc --kill-child=KILL \
        "$cluster/node.sh" "$node" </dev/null >>"$LAB_LOG/node.$node" 2>&1 &
    holder=$!
    echo "$holder" >"$LAB_RIG/pid/$node"
    patiently 10 has_child "$holder"
    # What a crashed node had may still be there. A machine keeps its address when it comes back.
    ip link delete "v-$node" 2>/dev/null || true
    ip link add "v-$node" type veth peer name eth0 address "02:00:0a:4d:00:$(printf %02x $((10 + ${node#n})))" netns "$holder"
    ip link set "v-$node" master bridge up
}

crash() { # NODE
    local init
    init=$(init_of "$1")
    kill -KILL "${init% }"
    rm "$LAB_RIG/pid/$1"
}

isolate() { ip link set "v-$1" down; }
part() { ip link set "v-$1" master other; }
connect() { ip link set "v-$1" master bridge up; }

unplug() {
    isolate "$1"
    crash "$1"
}

in_node() { # NODE WORD…
    local node=$1 init
    shift
    init=$(init_of "$node")
    # shellcheck disable=SC2016  # for the inner shell
    nsenter --target "${init% }" --net --uts --mount --pid --ipc -- sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
}

all_idle() { # COUNT
    [ "$(sinfo -h -o '%D %t')" = "$1 idle" ]
}

up() { # COUNT
    local node
    mkdir -p "$LAB_LOG" "$LAB_RIG"/{pid,spool/ctl,tmp}
    for ((node = 1; node <= $1; node++)); do mkdir -p "$LAB_RIG/spool/n$node"; done
    {
        echo "127.0.0.1 localhost"
        echo "10.77.0.1 ctl"
        for ((node = 1; node <= $1; node++)); do echo "10.77.0.$((10 + node)) n$node"; done
    } >"$LAB_RIG/hosts"
    mount --bind "$LAB_RIG/hosts" /etc/hosts
    "$cluster/conf.sh" spread "$1" "$LAB_RIG" >"$SLURM_CONF"
    # Graphics cards that are there for Slurm alone.
    for ((card = 0; card < 8; card++)); do ln -s /dev/null "$LAB_RIG/gpu$card"; done
    echo "Name=gpu File=$LAB_RIG/gpu[0-7]" >"$(dirname "$SLURM_CONF")/gres.conf"

    "$cluster/munge.sh" "$LAB_RIG"
    ip link set lo up
    ip link add bridge type bridge
    ip address add 10.77.0.1/24 dev bridge
    ip link set bridge up
    ip link add other type bridge
    ip link set other up
    for ((node = 1; node <= $1; node++)); do boot "n$node"; done
    slurmctld -D -i </dev/null >>"$LAB_LOG/slurmctld.out" 2>&1 &
    patiently 60 all_idle "$1"
}

each() { # FUNCTION NODE…
    local function=$1 node
    shift
    for node in "$@"; do "$function" "$node"; done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    command=${1:-}
    shift || true
    case $command in
        up) up "${1:?how many nodes}" ;;
        boot | crash | isolate | part | connect | unplug) each "$command" "$@" ;;
        in) in_node "$@" ;;
        daemon) kill -USR1 "$(init_of "$1" | tr -d ' ')" ;;
        show) sinfo -N -o '%N %t %E' ;;
        *)
            sed -n '2,/^set /{/^# /s/^# //p}' "$0" >&2
            exit 2
            ;;
    esac
fi
