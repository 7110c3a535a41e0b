# shellcheck shell=bash
# A node crashes and is back within seconds, before Slurm has taken it for down.
# nodes: 4
# limit: 120
login() {
    start run 4
    reach run 40
    unplug n3
    boot n3
    finished run
    tells run recovered
}
