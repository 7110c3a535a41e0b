# shellcheck shell=bash
# A task is killed: the others go on.
# nodes: 4
# limit: 240
login() {
    start run 4
    reach run 40
    kill_on n3 rankzero
    finished run
    tells run recovered
}
