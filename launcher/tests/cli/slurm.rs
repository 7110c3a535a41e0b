//! A Slurm of shell scripts: an allocation whose nodes are all this machine, an srun that starts its tasks here, and whatever squeue and sinfo
//! are to say.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Notes each call, starts the tasks, hands USR1 on to them and kills them on SIGTERM, as srun does.
const SRUN: &str = r#"#!/bin/sh
node='' tasks=1
while :; do
    case $1 in
        --nodelist=*) node=${1#*=} ;;
        --ntasks=*) tasks=${1#*=} ;;
        --*) ;;
        *) break ;;
    esac
    shift
done
echo "$node $tasks $2" >> "$STUBS/calls"
step=$(wc -l < "$STUBS/calls")
export SLURM_STEP_ID="$step" SLURM_STEP_NUM_TASKS="$tasks" SLURM_STEP_TASKS_PER_NODE="$tasks" SLURM_NODEID=0
export SLURM_STEP_NODELIST="$node" SLURMD_NODENAME="$node"
place=0 pids=''
while [ "$place" -lt "$tasks" ]; do
    SLURM_PROCID=$place SLURM_LOCALID=$place "$@" &
    pids="$pids $!"
    place=$((place + 1))
done
trap 'kill -USR1 $pids' USR1
trap 'kill -KILL $pids' TERM
code=0
for pid in $pids; do
    wait "$pid" || code=$?
    while kill -0 "$pid" 2>/dev/null; do wait "$pid" || code=$?; done
done
exit "$code"
"#;

/// The scripts, in a folder of their own.
pub struct Stubs(PathBuf);

impl Stubs {
    pub fn new(folder: PathBuf) -> Stubs {
        fs::create_dir_all(&folder).expect("own folder");
        let stubs = Stubs(folder);
        stubs.put("srun", SRUN);
        stubs
    }

    /// Puts a script there, whole.
    pub fn put(&self, name: &str, text: &str) {
        let (draft, path) = (self.0.join(format!(".{name}")), self.0.join(name));
        fs::write(&draft, text).expect("own folder");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("own file");
        fs::rename(draft, path).expect("own folder");
    }

    /// What a command says from now on.
    pub fn says(&self, name: &str, text: &str) {
        self.put(name, &format!("#!/bin/sh\ncat <<'END'\n{text}END\n"));
    }

    /// Lets a command find the scripts, before everything else.
    pub fn found_by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let rest = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{rest}", self.0.display())).env("STUBS", &self.0)
    }

    /// Calls of srun: node, tasks, the command of the program; sorted.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}
