# shellcheck shell=bash
# A job is told that its time is up: it writes a checkpoint, goes back into the queue, and goes on from there.
# nodes: 3
# limit: 300
login() {
    job=$(submit run 3 --set time.steps=3000)
    reach run 100
    scancel --batch --signal=USR1 "$job"
    becomes "$job" COMPLETED
    has_restarted "$job"
    tells run restored
    one_writer run
    same_digest run
}
