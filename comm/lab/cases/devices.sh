# shellcheck shell=bash
# The device is there, its port is up, and it can be addressed by RoCE v2 over IPv4.
# limit: 30

guest() {
    rdma link show
    ibv_devinfo -v -d rxe0 >"$LAB_OUT/devinfo"
    cat "$LAB_OUT/devinfo"
    grep -q 'state:.*PORT_ACTIVE' "$LAB_OUT/devinfo"
    grep -q "GID\[.*::ffff:$LAB_ADDRESS, RoCE v2" "$LAB_OUT/devinfo"
    [ "$(ulimit -l)" = unlimited ]
}
