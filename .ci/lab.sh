# shellcheck shell=bash
# What the laboratories have in common: which cases to run, what their heads say, what they run, and how they ended.
# A case is a file LABORATORY/cases/NAME.sh whose head has lines "# KEY: VALUE", such as "# limit: SECONDS".
# Sourced; begin_lab or join_lab come first.

# From here on this shell belongs to a laboratory.
join_lab() { # NAME FOLDER
    lab=$1
    lab_cases=$2/cases
}

# Where the cases write; it goes with the shell, unless finish_lab keeps it.
begin_lab() { # NAME FOLDER UNTESTED, as in "the verbs rung is"
    join_lab "$1" "$2"
    untested=$3 strict=0
    lab_results=${CARGO_TARGET_DIR:-target}/$lab
    mkdir -p "${lab_results%/*}"
    LAB_RESULTS=$(realpath "$(mktemp -d "$lab_results.XXXXXX")")
    export LAB_RESULTS
    : >"$LAB_RESULTS/outcomes"
    : >"$LAB_RESULTS/built"
    trap cleanup_lab EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# shellcheck disable=SC2317  # called by the trap
cleanup_lab() {
    trap '' INT TERM HUP
    local children
    mapfile -t children < <(jobs -p)
    if [ ${#children[@]} -gt 0 ]; then
        { kill "${children[@]}" && wait; } 2>/dev/null || true
    fi
    rm -rf "$LAB_RESULTS"
}

# Sets strict and cases by the words of the command line: all but those by hand where none is named.
choose_cases() { # WORD…
    strict=0
    cases=()
    local word
    for word in "$@"; do
        case $word in
            --strict) strict=1 ;;
            -*)
                echo "$lab: no option $word" >&2
                exit 2
                ;;
            *)
                [ -e "$lab_cases/$word.sh" ] || {
                    echo "$lab: no case $word in $lab_cases" >&2
                    exit 2
                }
                cases+=("$word")
                ;;
        esac
    done
    [ ${#cases[@]} -eq 0 ] || return 0
    for word in "$lab_cases"/*.sh; do
        [ -n "$(head_of "$(basename "$word" .sh)" 'by hand')" ] || cases+=("$(basename "$word" .sh)")
    done
}

# Ends the laboratory where this machine cannot run it.
skip_lab() { # REASON
    echo "SKIPPED: $lab did not run: $1; $untested NOT TESTED here"
    exit $((strict ? 77 : 0))
}

# In the background and waited for, since a shell attends to a signal only then.
interruptible() { # COMMAND…
    local status=0
    "$@" &
    wait $! || status=$?
    return "$status"
}

# What follows "# KEY:" in the head of a case.
head_of() { # CASE KEY
    sed -n "s/^# $2: *//p" "$lab_cases/$1.sh"
}

# Builds with cargo, and notes "NAME PATH" for each executable in built.
executables() { # WORD… of cargo
    cargo "$@" --release --message-format=json </dev/null |
        sed -nE 's/.*"kind":\["(test|bin)"\].*"name":"([^"]*)".*"executable":"([^"]*)".*/\2 \3/p' >>"$LAB_RESULTS/built"
}

# The path of an executable that was built.
built() { # NAME
    sed -n "s/^$1 //p" "$LAB_RESULTS/built" | tail -n 1
}

# Says how a case ended, with the end of its log if it failed, and notes it.
account_case() { # CASE STATUS TIME LOG
    local outcome
    case $2 in
        0) outcome=PASS && echo "PASS $1 ($3)" ;;
        77) outcome=SKIPPED && echo "SKIPPED: case $1 of $lab: $(tail -n 1 "$4"); what it covers is NOT TESTED here" ;;
        124 | 137) outcome=FAIL && echo "FAIL $1 (not done after $3)" ;;
        *) outcome=FAIL && echo "FAIL $1 ($3, status $2)" ;;
    esac
    [ "$outcome" != FAIL ] || tail -n 60 "$4" | sed 's/^/    | /'
    echo "$outcome $1" >>"$LAB_RESULTS/outcomes"
}

# Whether a case has ended, whatever the end.
accounted() { # CASE
    grep -q "^[A-Z]* $1\$" "$LAB_RESULTS/outcomes"
}

# Cases that ended so.
outcomes() { # PASS|FAIL|SKIPPED
    grep -c "^$1 " "$LAB_RESULTS/outcomes" || true
}

# Keeps what the cases wrote in target/NAME, says how many passed, and ends the laboratory.
finish_lab() {
    rm -rf "$lab_results"
    mv "$LAB_RESULTS" "$lab_results"
    export LAB_RESULTS=$lab_results
    trap - EXIT
    echo "$lab: what the cases wrote is in $lab_results"
    echo "$(outcomes PASS) passed, $(outcomes FAIL) failed"
    [ "$(outcomes FAIL)" -eq 0 ] || exit 1
    [ "$strict" -eq 0 ] || [ "$(outcomes SKIPPED)" -eq 0 ] || exit 77
    exit 0
}
