# shellcheck shell=bash
# What RDMA writes of one process into another cost in the emulator, by perftest's tools: the measure for our own.
# Left in the files bandwidth-SIZE (MB/s) and latency-SIZE (µs).
# limit: 120

pair() { # FILE TOOL ARGUMENT…
    local file=$LAB_OUT/$1 server
    shift
    "$@" -d rxe0 -x "$gid" -F >"$file.server" 2>&1 &
    server=$!
    # The server listens once it has its memory registered.
    until ss -ltn | grep -q ':18515 '; do
        kill -0 "$server"
        sleep 0.1
    done
    "$@" -d rxe0 -x "$gid" -F "$LAB_ADDRESS" >"$file" 2>&1
    wait "$server"
    grep -A 1 '^ *#bytes' "$file"
}

guest() {
    local gid
    gid=$(ibv_devinfo -v -d rxe0 | sed -n "s/.*GID\[ *\([0-9]*\)\].*::ffff:$LAB_ADDRESS, RoCE v2/\1/p")
    pair bandwidth-65536 ib_write_bw -s 65536 -n 1000
    pair bandwidth-4096 ib_write_bw -s 4096 -n 2000
    pair latency-8 ib_write_lat -s 8 -n 2000
    pair latency-4096 ib_write_lat -s 4096 -n 2000
}
