# shellcheck shell=bash
# The time limit comes: the same, by the clock. The least that Slurm has is a minute.
# nodes: 2
# limit: 400
login() {
    job=$(submit run 2 --time 1 --checkpoint-before-s 40 --set time.steps=6000)
    becomes "$job" COMPLETED
    has_restarted "$job"
    tells run restored
    one_writer run
    same_digest run
}
