# shellcheck shell=bash
# An ordinary user's cluster on one host: srun with MPI and without, in a batch script.
# nodes: 3
# form: plain
# limit: 120
login() {
    srun -N3 --mpi=pmix rankzero run "$JOB" --run-dir pmix --set time.steps=200
    same_digest pmix
    RANKZERO_RENDEZVOUS=$PWD/meet sbatch --wait -N3 --output=none.log --wrap "srun --mpi=none rankzero run $JOB --run-dir none --set time.steps=200"
    same_digest none
}
