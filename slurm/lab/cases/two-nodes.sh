# shellcheck shell=bash
# Half of the nodes crash, that of rank 0 among them, one after the other.
# nodes: 4
# limit: 240
login() {
    start run 4
    reach run 40
    crash n1
    patiently 60 tells run recovered
    reach run 100
    crash n3
    finished run
}
