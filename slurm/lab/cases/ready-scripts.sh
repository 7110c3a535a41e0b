# shellcheck shell=bash
# Every batch script of jobs/ runs as it is. The jobs that they name are shorter here: 64 ranks share what cores there are.
# nodes: 8
# limit: 600
login() {
    mkdir -p jobs
    local file script jobs=() scripts=("${JOB%/slurm/*}"/jobs/*.sbatch)
    for script in "${scripts[@]}"; do
        # That of a sweep has a case of its own.
        [[ $script != */sweep.sbatch ]] || continue
        file=$(sed -n 's/^job=//p' "$script")
        [ -z "$file" ] || sed "s/steps: 1200/steps: 10/; s/heartbeat_timeout_ms: 3000/heartbeat_timeout_ms: 60000/" "$JOB" >"$file"
        jobs+=("$(sbatch --parsable "$script")")
    done
    for job in "${jobs[@]}"; do
        patiently 300 has_left "$job"
        is_in_state "$job" COMPLETED || fail "job $job is $(state_of "$job"): $(tail -n 5 ./*-"$job"*.log)"
    done
    for run in runs/*; do same_digest "$run"; done
}
