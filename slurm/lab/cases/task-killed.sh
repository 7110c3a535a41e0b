# shellcheck shell=bash
# A task is killed: a new one takes its place, on the same node.
# nodes: 4
# limit: 150
login() {
    start run 4
    reach run 40
    kill_on n3 rankzero
    finished run
    tells run recovered
    tells run rank_joined
}
