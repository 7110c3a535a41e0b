# shellcheck shell=bash
# A node is cut off, and comes back when the others have finished: what ran there has computed nothing and written nothing meanwhile.
# nodes: 4
# limit: 180
login() {
    start run 4
    reach run 40
    isolate n3
    reach run 200
    connect n3
    finished run
    tells run recovered
}
