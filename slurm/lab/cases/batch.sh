# shellcheck shell=bash
# A batch script, an array of parameter studies, and a job that waits for another one's success.
# nodes: 4
# limit: 180
login() {
    cat >study.sbatch <<'END'
#!/bin/sh
#SBATCH --nodes=2 --array=1-3 --output=study-%a.log
srun --mpi=pmix rankzero run "$JOB" --set "time.steps=${SLURM_ARRAY_TASK_ID}00" --run-dir "study-$SLURM_ARRAY_TASK_ID"
END
    export JOB
    study=$(sbatch --parsable study.sbatch)
    sbatch --wait --dependency="afterok:$study" --output=after.log --wrap 'ls study-*/summary.json >in-order'
    [ "$(wc -l <in-order)" -eq 3 ] || fail "the dependent job came too early"
    for size in 1 2 3; do
        same_digest "study-$size"
        [ "$(summary_field "study-$size" steps)" = "${size}00" ] || fail "study $size has other steps"
    done
}
