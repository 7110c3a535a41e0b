//! Whether a run has ended, by its files: for a rank that was cut off while the others brought it to its end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use super::Ending;
use super::journal::NAME;
use super::summary::Summary;

/// The last line of a journal is shorter, in bytes.
const TAIL: u64 = 4096;

/// How the run of this directory has ended, where it has: the last line of the journal says so, and the summary is there with the same digest.
pub fn ended(run_dir: &Path) -> Option<Ending> {
    let summary = Summary::read(run_dir)?;
    let line = last_line(&run_dir.join(NAME))?;
    let ending = Ending::of(line["event"].as_str()?)?;
    (line["digest"] == summary.digest.as_str()).then_some(ending)
}

fn last_line(journal: &Path) -> Option<Value> {
    let mut file = File::open(journal).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let whole = tail.strip_suffix(b"\n")?;
    let line = whole.rsplit(|&byte| byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_over_when_journal_and_summary_agree() {
        let dir = std::env::temp_dir().join(format!("rankzero-over-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let journal = |text: &str| std::fs::write(dir.join(NAME), text).expect("written");
        let finished = "{\"event\":\"finished\",\"step\":9,\"digest\":\"ab\"}\n";
        journal(finished);
        assert_eq!(ended(&dir), None, "the summary is not written yet");
        Summary { digest: "ab".to_owned(), ..Default::default() }.write(&dir).expect("written");
        assert_eq!(ended(&dir), Some(Ending::Finished));
        journal(&format!(
            "{}{}",
            "{\"event\":\"epoch\",\"step\":8}\n".repeat(500),
            finished.replace("finished", "stopped")
        ));
        assert_eq!(ended(&dir), Some(Ending::Stopped));
        // Half a line, another run's summary, and a run that was taken up again.
        let more = format!("{finished}{{\"event\":\"restored\",\"step\":9,\"digest\":\"ab\"}}\n");
        for text in [&finished[..20], &finished.replace("ab", "cd"), &more, ""] {
            journal(text);
            assert_eq!(ended(&dir), None, "{text}");
        }
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
