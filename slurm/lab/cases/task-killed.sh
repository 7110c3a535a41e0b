# shellcheck shell=bash
# One task is killed.
# nodes: 4
# limit: 120
login() {
    start run 4
    reach run 40
    kill_on n3 rankzero
    finished run
    tells run recovered
}
