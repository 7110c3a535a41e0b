# shellcheck shell=bash
# Most of the nodes lose their power: who is left has no majority and waits, until Slurm says that they are down.
# nodes: 4
# limit: 300
login() {
    start run 4
    reach run 40
    for node in n1 n3 n4; do unplug "$node"; done
    finished run
    tells run recovered
    [ "$(summary_field run ranks)" -eq 1 ]
}
