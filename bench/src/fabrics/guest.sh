#!/usr/bin/env bash
# Inside the guest of the RDMA laboratory: the verbs rung and perftest by turns. A line of JSON a figure, as the examples print
# them; with "peer" where it is perftest's.
# Usage: guest.sh VERBS_PINGPONG CALM ROUNDS COUNTED
#   CALM      bench/src/peers/calm.c, as a shared object
#   ROUNDS    how often all is measured
#   COUNTED   messages that instructions are counted with, and twice as many; 0: they are not counted
set -euo pipefail
ours=$1 calm=$2 rounds=$3 counted=$4
address=10.77.0.1
log=$(mktemp -d)
gid=$(ibv_devinfo -v -d rxe0 | sed -n "s/.*GID\[ *\([0-9]*\)\].*::ffff:$address, RoCE v2/\1/p")

# Runs a tool of perftest against itself; the client by way of the words in $under.
under=()
perftest() { # TOOL ARGUMENT…
    local server
    "$@" -d rxe0 -x "$gid" -F >"$log/server" 2>&1 &
    server=$!
    # The server listens once it has its memory registered.
    until ss -ltn | grep -q ':18515 '; do
        kill -0 "$server"
        sleep 0.1
    done
    ${under[@]+"${under[@]}"} "$@" -d rxe0 -x "$gid" -F "$address" >"$log/client" 2>&1
    wait "$server"
}

# What stands in a column of the table.
column() { # NUMBER
    awk -v at="$1" 'found { print $at; exit } /^ *#bytes/ { found = 1 }' "$log/client"
}

figure() { # NAME UNIT PEER VALUE
    [ -n "$4" ] || { echo "guest: no figure of $1" >&2; cat "$log/client" >&2; exit 1; }
    echo "{\"name\":\"$1\",\"unit\":\"$2\",\"samples\":[$4]${3:+,\"peer\":\"$3\"}}"
}

name_of() { # BYTES
    if [ "$1" -lt 1024 ]; then echo "$1 B"; elif [ "$1" -lt 1048576 ]; then echo "$(($1 / 1024)) KiB"; else echo "$(($1 / 1048576)) MiB"; fi
}

speeds() { # BYTES MESSAGES
    "$ours" --json -n "$2" -s "$1"
    # The median and the least; of rates of 2^20 bytes/s the average.
    perftest ib_write_lat -n "$2" -s "$1"
    figure "verbs, $(name_of "$1"), half round trip" us ib_write_lat "$(column 5)"
    figure "verbs, $(name_of "$1"), least half round trip" us ib_write_lat "$(column 3)"
    perftest ib_write_bw -n "$2" -s "$1"
    figure "verbs, $(name_of "$1"), stream" MB/s ib_write_bw "$(column 4 | awk '{ print 1.048576 * $1 }')"
}

# Instructions of N and of 2 N messages: the difference is that of N messages, without start and end.
instructions() { # PROGRAM…, with N in the place of @
    local of=() messages
    for messages in "$counted" "$((2 * counted))"; do
        under=(env "LD_PRELOAD=$calm" valgrind --tool=callgrind "--callgrind-out-file=$log/callgrind" "--log-file=$log/valgrind"
            --toggle-collect=calm_sleep --collect-atstart=yes)
        if [ "$1" = perftest ]; then
            "${@//@/$messages}"
        else
            "${under[@]}" "${@//@/$messages}" >"$log/client" 2>&1
        fi
        under=()
        of+=("$(sed -n 's/.*Collected : *//p' "$log/valgrind")")
    done
    awk -v once="${of[0]}" -v twice="${of[1]}" -v messages="$counted" 'BEGIN { print (twice - once) / messages }'
}

counts() { # BYTES
    local name
    name="verbs, $(name_of "$1")"
    figure "$name, a streamed write" instr '' "$(instructions "$ours" --json --only stream -n @ -s "$1")"
    figure "$name, a streamed write" instr ib_write_bw "$(instructions perftest ib_write_bw -n @ -s "$1")"
    figure "$name, a round trip" instr '' "$(instructions "$ours" --json --only pingpong -n @ -s "$1")"
    figure "$name, a round trip" instr ib_send_lat "$(instructions perftest ib_send_lat -n @ -s "$1")"
}

for ((round = 0; round < rounds; round++)); do
    speeds 8 500
    speeds 65536 100
    speeds 1048576 20
    speeds 8388608 6
done
if [ "$counted" -gt 0 ]; then
    counts 8
    counts 65536
fi
