# shellcheck shell=bash
# An ordinary user's cluster on one host: tasks of one node with MPI, and of several nodes without. (Open MPI takes several slurmd
# of one host for as many hosts, and often fails to connect them, as they have one address.)
# nodes: 3
# form: plain
# limit: 120
login() {
    srun -N1 -n3 --mpi=pmix rankzero run "$JOB" --run-dir pmix --set time.steps=200
    same_digest pmix
    RANKZERO_RENDEZVOUS=$PWD/meet sbatch --wait -N3 --output=none.log --wrap "srun --mpi=none rankzero run $JOB --run-dir none --set time.steps=200"
    same_digest none
}
