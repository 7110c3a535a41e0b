# shellcheck shell=bash
# The node of the batch script loses its power: Slurm puts the job back into the queue, and it goes on from its newest checkpoint.
# nodes: 5
# limit: 300
login() {
    job=$(submit run 3 --set time.steps=6000 --set fault_tolerance.checkpoint.every_steps=50)
    reach run 120
    unplug n1
    patiently 90 has_restarted "$job"
    becomes "$job" COMPLETED
    tells run restored
    one_writer run
    same_digest run
}
