# shellcheck shell=bash
# slurmd of a node is killed, and nothing else: the tasks there go on.
# nodes: 3
# limit: 120
login() {
    start run 3
    reach run 40
    kill_on n2 slurmd
    finished run
    ! tells run recovered
}
