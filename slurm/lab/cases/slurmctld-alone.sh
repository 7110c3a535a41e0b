# shellcheck shell=bash
# slurmctld is gone for a while: no rank needs it.
# nodes: 3
# limit: 240
login() {
    start run 3
    reach run 40
    kill -KILL "$(cat "$LAB_RIG/pid/slurmctld")"
    reach run 200
    slurmctld -D </dev/null >>"$LAB_LOG/slurmctld.out" 2>&1 &
    finished run
}
