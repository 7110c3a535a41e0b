# shellcheck shell=bash
# An ordinary user's cluster on one host: srun with MPI and without, and a batch script.
# nodes: 8
# form: plain
# limit: 120
login() {
    srun -N8 --mpi=pmix rankzero run "$JOB" --run-dir pmix
    same_digest pmix
    RANKZERO_RENDEZVOUS=$PWD/meet sbatch --wait -N3 --output=batch.log --wrap "srun --mpi=none rankzero run $JOB --run-dir batch"
    same_digest batch
}
