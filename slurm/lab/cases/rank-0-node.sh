# shellcheck shell=bash
# The node of rank 0 crashes: another rank becomes rank 0.
# nodes: 4
# limit: 120
login() {
    start run 4
    reach run 40
    crash n1
    finished run
    tells run recovered
}
