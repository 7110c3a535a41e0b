# shellcheck shell=bash
# A node loses its power: nothing comes from it any more, not even an end.
# nodes: 4
# limit: 180
login() {
    start run 4
    reach run 40
    unplug n3
    finished run
    tells run recovered
}
