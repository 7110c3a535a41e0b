# shellcheck shell=bash
# The time limit comes: the same, by the clock. The least that Slurm has is a minute; the run is told after 8 s of it.
# nodes: 2
# limit: 400
login() {
    # Long enough for any machine: it is not waited for.
    job=$(submit run 2 --time 1 --checkpoint-before-s 52 --set time.steps=60000)
    patiently 120 has_restarted "$job"
    patiently 120 tells run restored
    reach run $(($(progress run) + 20))
    one_writer run
    same_epochs run
    scancel "$job"
    patiently 60 has_left "$job"
}
