//! What is asked of Slurm. The words that stand in `#SBATCH` lines are held to the characters that Slurm's own names have, so that none
//! can end its line or become a second option; what a shell reads is quoted when the script is written, and may be anything but a NUL.

use super::Checker;
use crate::model::{SlurmArray, SlurmMail, SlurmOptions};
use crate::path::FieldPath;

/// Most nodes, tasks and cores of a job.
const MANY: u32 = 1 << 17;
/// Longest word of a directive, bytes.
const WORD_MAX: usize = 1024;

pub(super) fn check(c: &mut Checker, at: &FieldPath, slurm: &SlurmOptions) {
    c.within(at.key("nodes"), slurm.nodes, 1..=MANY);
    c.within(at.key("spare_nodes"), slurm.spare_nodes, 0..=MANY);
    c.within(at.key("tasks_per_node"), slurm.tasks_per_node, 1..=4096);
    c.within_if(at.key("cpus_per_task"), slurm.cpus_per_task, 1..=65_536);
    c.within(at.key("gpus_per_task"), slurm.gpus_per_task, 0..=64);
    c.within_if(at.key("memory_mb"), slurm.memory_mb, 1..=1 << 32);
    c.within(at.key("checkpoint_before_s"), slurm.checkpoint_before_s, 10..=65_535);
    c.within(at.key("requeues_max"), slurm.requeues_max, 0..=100_000);
    if let Some(limit) = &slurm.time_limit
        && !is_time(limit)
    {
        let help = "write minutes (`90`), `1:30:00` or `2-12:00:00`, in quotes";
        c.wrong_with_help(at.key("time_limit"), format!("`{}` is no time", shown(limit)), help);
    }
    let words = [
        ("partition", &slurm.partition, ","),
        ("account", &slurm.account, ""),
        ("qos", &slurm.qos, ""),
        ("constraint", &slurm.constraint, "&|*()[],:"),
        ("reservation", &slurm.reservation, ","),
        ("dependency", &slurm.dependency, ":,?"),
    ];
    for (name, value, signs) in words {
        if let Some(value) = value {
            word(c, at.key(name), value, signs);
        }
    }
    if let Some(tasks) = &slurm.array {
        array(c, &at.key("array"), tasks);
    }
    if let Some(letters) = &slurm.mail {
        mail(c, &at.key("mail"), letters);
    }
    for (i, module) in slurm.modules.iter().enumerate() {
        word(c, at.key("modules").index(i), module, "/");
    }
    for (name, value) in &slurm.environment {
        variable(c, at.key("environment").key(name), name, value);
    }
    for (i, option) in slurm.options.iter().enumerate() {
        let at = at.key("options").index(i);
        if option.strip_prefix("--").is_none_or(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase())) {
            c.wrong_with_help(at, format!("`{}` is no option", shown(option)), "write it as `--name=value`");
        } else {
            word(c, at, option.trim_start_matches('-'), "&|*()[],:?/=%");
        }
    }
}

/// Letters, digits, `.`, `_`, `-`, `+`, `@` and some more signs; no `-` in front.
fn word(c: &mut Checker, at: FieldPath, value: &str, signs: &str) {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c) || signs.contains(c);
    if value.is_empty() || value.len() > WORD_MAX || value.starts_with('-') || !value.chars().all(good) {
        let signs = format!("._-+@{signs}").chars().map(String::from).collect::<Vec<_>>().join(" ");
        let help = format!("letters, digits and any of {signs}, and no `-` in front");
        c.wrong_with_help(at, format!("`{}` is nothing that Slurm takes here", shown(value)), help);
    }
}

fn array(c: &mut Checker, at: &FieldPath, array: &SlurmArray) {
    let (numbers, at_once) = array.tasks.split_once('%').unwrap_or((&array.tasks, "1"));
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let range = |text: &str| {
        let (range, step) = text.split_once(':').unwrap_or((text, "1"));
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        matches!((number(low), number(high), number(step)), (Some(low), Some(high), Some(1..)) if low <= high)
    };
    if !numbers.split(',').all(range) || number(at_once).is_none_or(|count| count == 0) {
        let message = format!("`{}` is no list of numbers", shown(&array.tasks));
        c.wrong_with_help(at.key("tasks"), message, "such as `1-8`, `0,3,7`, `1-99:2` or `1-100%4`");
    }
    if let Some(field) = &array.field
        && FieldPath::parse_dotted(field).is_err()
    {
        c.wrong(at.key("field"), format!("`{}` is no field of a job", shown(field)));
    }
}

fn mail(c: &mut Checker, at: &FieldPath, mail: &SlurmMail) {
    word(c, at.key("to"), &mail.to, "");
    if mail.on.is_empty() {
        c.wrong_with_help(at.key("on"), "is empty: no letter would come", "say when, or remove `mail`");
    }
}

fn variable(c: &mut Checker, at: FieldPath, name: &str, value: &str) {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(good) {
        c.wrong_with_help(at, format!("`{}` is no name of a variable", shown(name)), "letters, digits and `_`");
    } else if value.contains('\0') {
        c.wrong(at, "holds a NUL, which no variable can");
    } else if ["RANKZERO_RENDEZVOUS", "RANKZERO_RANK", "RANKZERO_SIZE", "RANKZERO_FIRST_RANK"].contains(&name) {
        c.wrong(at, "is set by `rankzero launch` for each rank");
    }
}

/// `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`, `days-hours:minutes`, `days-hours:minutes:seconds`; not 0, which means
/// no limit to Slurm.
fn is_time(text: &str) -> bool {
    let number = |text: &str| (1..=7).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let parts: Vec<&str> = clock.split(':').collect();
    let all = number(days) && parts.len() <= 3 && parts.iter().copied().all(number);
    all && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

fn shown(text: &str) -> String {
    crate::node::shorten(text).escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::is_time;

    #[test]
    fn times_are_those_that_sbatch_takes() {
        for good in ["90", "90:30", "1:30:00", "2-12", "2-12:30", "2-12:30:15"] {
            assert!(is_time(good), "{good}");
        }
        for bad in ["", "0", "0:00:00", "1:2:3:4", "1h", "-1", "1-", ":30", "1 00", "1:00\n#SBATCH --exclusive"] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
