# shellcheck shell=bash
# The node of the batch script loses its power, and with it rank 0 and the script. What is left finishes the job, or Slurm puts it back
# into the queue; in the end it does not hold its nodes any more.
# nodes: 4
# limit: 300
login() {
    job=$(submit run 3 --set time.steps=4000 --set fault_tolerance.checkpoint.every_steps=50)
    reach run 120
    unplug n1
    patiently 120 test -e run/summary.json
    one_writer run
    same_digest run
    patiently 60 has_left "$job"
}
