//! Hostile values in batch scripts, read back by a real bash.

use std::process::{Command, Stdio};

use proptest::prelude::*;
use rankzero_slurm::script::{Script, Word};

/// What bash makes of a script's variables `a` and `B`, and of a command's words: each between NULs.
fn read_back(script: &Script) -> Vec<Vec<u8>> {
    let text = format!("{}\nprintf '%s\\0' \"$a\" \"$B\" \"${{words[@]}}\"\n", script.text());
    let out = Command::new("bash")
        .args(["-c", &text])
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .expect("bash starts");
    assert!(out.stderr.is_empty(), "{}\n{text}", String::from_utf8_lossy(&out.stderr));
    let mut parts: Vec<Vec<u8>> = out.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    parts.pop();
    parts
}

/// Strings with all that means something to a shell or to sbatch.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n#SBATCH --exclusive\n".to_owned()),
        Just("$(touch /tmp/rankzero-injected)".to_owned()),
        Just("`id`".to_owned()),
        Just("${HOME}".to_owned()),
        Just("\\".to_owned()),
        Just("-n".to_owned()),
        Just("; exit 3".to_owned()),
        Just("!x".to_owned()),
        Just("~".to_owned()),
        Just("*".to_owned()),
        "[^\\x00]{0,6}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_value_holds_bash_reads_that_very_value_and_does_nothing_else(
        a in hostile(), b in hostile(), note in hostile(), word in hostile(),
    ) {
        let mut script = Script::new();
        script.head_comment(&note);
        let directive = script.directive("comment", &note);
        script.comment(&note);
        script.assign("a", &Word::quoted(&a).expect("no NUL"));
        script.export("B", &Word::quoted(&b).expect("no NUL"));
        let words = [Word::verbatim("words=("), Word::quoted(&word).expect("no NUL"), Word::quoted(&a).expect("no NUL")];
        script.command(&[&words], ")");
        let directives = script.text().lines().filter(|line| line.starts_with("#SBATCH")).count();
        // sbatch stops looking at the first command; what stands in a quoted value comes after it.
        let head = script.text().split("\na=").next().unwrap_or_default().to_owned();
        let in_head = head.lines().filter(|line| line.starts_with("#SBATCH")).count();
        prop_assert_eq!(in_head, usize::from(directive.is_ok()));
        prop_assert!(directives >= in_head);
        let expected: Vec<Vec<u8>> = [&a, &b, &word, &a].iter().map(|text| text.as_bytes().to_vec()).collect();
        prop_assert_eq!(read_back(&script), expected);
    }
}

#[test]
fn a_nul_is_refused() {
    Word::quoted("a\0b").expect_err("a NUL");
}
