# shellcheck shell=bash
# A node crashes: its kernel is gone at once, and the others hear of it by their connections.
# nodes: 4
# limit: 240
login() {
    start run 4
    reach run 40
    crash n3
    finished run
    tells run recovered
}
