//! Any text is either a job that survives being written and read, or is refused with a reason; never a panic, and never a long wait.
//!
//! An input is the text of a job file, and after a zero byte the argument of one `--set`. So a job file is an input as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rankzero_job::{JobError, Overrides, parse};

fuzz_target!(|input: &[u8]| {
    let Ok(input) = str::from_utf8(input) else { return };
    let (text, set) = match input.split_once('\0') {
        Some((text, set)) => (text, Some(set)),
        None => (input, None),
    };
    match parse(text, "fuzz.yaml", &Overrides::from_set(set)) {
        Ok(loaded) => {
            let job = loaded.job;
            assert!(job.validate().is_ok());
            let written = job.resolved_yaml();
            let again = parse(&written, "resolved.yaml", &Overrides::none()).map(|again| again.job);
            assert_eq!(again.ok().as_ref(), Some(&job), "{written}");
        }
        Err(JobError::Invalid(problems)) => assert!(!problems.is_empty()),
        Err(JobError::Read { .. }) => unreachable!("nothing was opened"),
    }
});
