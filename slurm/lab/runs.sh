# shellcheck shell=bash
# What cases ask of runs: how far one is, how it ended, and whether its result is the undisturbed one.

# The value of a field of a summary.
summary_field() { # RUN FIELD
    sed -nE "s/^  \"$2\": \"?([^\",]*)\"?,?\$/\1/p" "$1/summary.json"
}

# Fails unless a run has ended with the digest of a run of as many steps that nobody disturbed.
same_digest() { # RUN
    local steps digest
    steps=$(summary_field "$1" steps)
    digest=$(summary_field "$1" digest)
    grep -qx "$steps $digest" "$LAB_RESULTS/peace" || fail "$1: digest $digest after $steps steps is not the undisturbed one"
    same_epochs "$1"
}

# Fails unless every epoch that the journal tells of has the undisturbed digest. Where a checkpoint took long, the next one waits for an epoch of its
# own, whose step the undisturbed run may not have.
same_epochs() { # RUN
    local wrong
    wrong=$(epochs "$1" | awk 'NR == FNR { digest[$1] = $2; next } $1 in digest && digest[$1] != $2' "$LAB_RESULTS/peace" -)
    [ -z "$wrong" ] || fail "$1: $(wc -l <<<"$wrong") epochs with other digests, the first: $(head -n 1 <<<"$wrong")"
}

# Lines "STEP DIGEST" for the epochs of a run so far.
epochs() { # RUN
    sed -nE '/"event":"epoch"/s/.*"digest":"([0-9a-f]+)".*"step":([0-9]+),.*/\2 \1/p' "$1/events.jsonl" 2>/dev/null || true
}

# The last step of which a run has an epoch.
progress() { # RUN
    epochs "$1" | tail -n 1 | cut -d' ' -f1
}

# Whether a run has come that far.
has_reached() { # RUN STEP
    local now
    now=$(progress "$1")
    [ "${now:-0}" -ge "$2" ]
}

# Waits until a run has come that far.
reach() { # RUN STEP
    patiently 90 has_reached "$1" "$2"
}

# Whether the journal of a run tells of an event.
tells() { # RUN EVENT
    grep -q "\"event\":\"$2\"" "$1/events.jsonl"
}

# The states of a job, of an array all that its tasks have: PENDING, RUNNING, COMPLETED, …
state_of() { # JOB
    scontrol show job -o "$1" | sed -nE 's/.* JobState=([A-Z_]+).*/\1/p' | sort -u
}

is_in_state() { # JOB STATE
    [ "$(state_of "$1")" = "$2" ]
}

# Waits until a job is in a state.
becomes() { # JOB STATE
    patiently 300 is_in_state "$@"
}

# Whether a job is over, however it has ended.
has_left() { # JOB
    ! state_of "$1" | grep -qE 'PENDING|CONFIGURING|RUNNING|COMPLETING'
}

# Starts the job in an allocation of its own, as a person at the login node would; rank 0 is on n1, rank 1 on n2, and so on. It goes
# on in the background, and its words are in RUN.log.
start() { # RUN NODES WORD…
    local run=$1 nodes=$2
    shift 2
    salloc -Q --no-kill -N"$nodes" --ntasks-per-node=1 rankzero launch "$JOB" --run-dir "$run" "$@" >"$run.log" 2>&1 &
    launch=$!
}

# Submits the job, and prints the number that Slurm gives it.
submit() { # RUN NODES WORD…
    local run=$1 nodes=$2
    shift 2
    rankzero submit "$JOB" --run-dir "$run" --nodes "$nodes" "$@"
}

# Fails unless a run has ended, and as it would have undisturbed.
finished() { # RUN
    wait "$launch" || fail "$1: launch ended with status $?: $(tail -n 5 "$1.log")"
    same_digest "$1"
}

# How often a job was put back into the queue.
restarts_of() { # JOB
    scontrol show job -o "$1" | sed -nE 's/.* Restarts=([0-9]+).*/\1/p'
}

has_restarted() { # JOB
    [ "$(restarts_of "$1")" -ge 1 ]
}

# Whether nothing of that name runs on a node.
without() { # NODE PROGRAM
    # shellcheck disable=SC2016  # for the shell on the node
    ! in_node "$1" sh -c 'grep -qx "$1" /proc/[0-9]*/comm' sh "$2"
}

# Fails unless steps rise from line to line since the run has begun the last time: two writers would write across each other.
one_writer() { # RUN
    epochs_since_start "$1" | sort -c -n || fail "$1: two have written the journal"
}

# Steps of the epochs since the last start of a run, in the order of the journal.
epochs_since_start() { # RUN
    sed -nE '/"event":"rank_started"/s/.*/start/p; /"event":"epoch"/s/.*"step":([0-9]+),.*/\1/p' "$1/events.jsonl" |
        awk '/start/ { steps = ""; next } { steps = steps $0 "\n" } END { printf "%s", steps }'
}

# Kills what runs a program on a node.
kill_on() { # NODE PROGRAM
    # shellcheck disable=SC2016  # for the shell on the node
    in_node "$1" sh -c '
        for process in /proc/[0-9]*; do
            [ "$(cat "$process/comm")" != "$1" ] || { kill -KILL "${process#/proc/}" && killed=yes; }
        done
        [ -n "$killed" ]' sh "$2"
}
