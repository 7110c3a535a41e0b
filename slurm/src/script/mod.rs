//! Batch scripts: text for bash with directives for sbatch, into which no value can put a command or a directive.
//!
//! Three places, each with its own rule:
//! - a *comment* is one line: whatever would end it becomes a space, and none can begin with `#SBATCH`;
//! - a *directive* takes only characters that neither sbatch nor a shell gives a meaning ([`Script::directive`] refuses others);
//! - what a shell reads is a [`Word`], quoted where it has to be.
//!
//! **Invariant:** all directives stand before the first command, where sbatch stops looking for them.

mod word;

pub use word::{NotAWord, Word};

/// A value that a directive cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot stand in an `#SBATCH {option}` line: letters, digits and any of {SIGNS} can", .value.escape_default())]
pub struct NotADirective {
    /// The option.
    pub option: String,
    /// The value.
    pub value: String,
}

/// Signs that a directive may have, beside letters and digits.
const SIGNS: &str = "._-+@:/%,=&|*()[]?";

/// A batch script that grows line by line.
#[derive(Clone, Debug, Default)]
pub struct Script {
    head: String,
    body: String,
}

impl Script {
    /// An empty script for bash.
    pub fn new() -> Script {
        Script { head: "#!/bin/bash\n".to_owned(), body: String::new() }
    }

    /// A comment above or among the directives.
    pub fn head_comment(&mut self, text: &str) {
        comment(&mut self.head, text);
    }

    /// An empty line among the directives.
    pub fn head_gap(&mut self) {
        self.head.push('\n');
    }

    /// `#SBATCH --option`.
    pub fn flag(&mut self, option: &'static str) {
        self.head.push_str(&format!("#SBATCH --{option}\n"));
    }

    /// The same, by a name that the program does not know.
    ///
    /// # Errors
    /// [`NotADirective`].
    pub fn switch(&mut self, option: &str) -> Result<(), NotADirective> {
        if !is_option(option) {
            return Err(NotADirective { option: option.to_owned(), value: String::new() });
        }
        self.head.push_str(&format!("#SBATCH --{option}\n"));
        Ok(())
    }

    /// `#SBATCH --option=value`.
    ///
    /// # Errors
    /// [`NotADirective`].
    pub fn directive(&mut self, option: &str, value: &str) -> Result<(), NotADirective> {
        let good = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || SIGNS.contains(c));
        if value.is_empty() || !good(value) || !is_option(option) {
            return Err(NotADirective { option: option.to_owned(), value: value.to_owned() });
        }
        self.head.push_str(&format!("#SBATCH --{option}={value}\n"));
        Ok(())
    }

    /// A comment among the commands.
    pub fn comment(&mut self, text: &str) {
        comment(&mut self.body, text);
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.body.push('\n');
    }

    /// `name=value`, with a name that the program knows.
    pub fn assign(&mut self, name: &'static str, value: &Word) {
        self.body.push_str(&format!("{name}={value}\n"));
    }

    /// `export NAME=value`; a name that is none becomes a comment.
    pub fn export(&mut self, name: &str, value: &Word) {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(good) {
            self.comment(&format!("left out, no name of a variable: {name}"));
        } else {
            self.body.push_str(&format!("export {name}={value}\n"));
        }
    }

    /// A command: words that a shell reads one by one. Those after the first line stand indented, one line each.
    pub fn command(&mut self, lines: &[&[Word]], end: &'static str) {
        let line = |words: &&[Word]| words.iter().map(Word::to_string).collect::<Vec<_>>().join(" ");
        let text = lines.iter().filter(|words| !words.is_empty()).map(line).collect::<Vec<_>>().join(" \\\n    ");
        self.body.push_str(&format!("{text}{end}\n"));
    }

    /// Lines that the program itself has written.
    pub fn lines(&mut self, text: &'static str) {
        self.body.push_str(text);
    }

    /// The script.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, self.body)
    }
}

fn is_option(name: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(good)
}

fn comment(out: &mut String, text: &str) {
    for line in text.split('\n') {
        let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let clean = clean.trim();
        // `# ` in front: sbatch looks for `#SBATCH` at the beginning of a line.
        out.push_str(&if clean.is_empty() { "#\n".to_owned() } else { format!("# {clean}\n") });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stay_comments() {
        let mut script = Script::new();
        script.head_comment("a\n#SBATCH --exclusive\r\nrm -rf x\u{b}\u{85}y");
        let text = script.text();
        assert!(text.lines().skip(1).all(|line| line.starts_with("# ")), "{text}");
    }

    #[test]
    fn directives_take_what_slurm_has_names_for_and_nothing_else() {
        let mut script = Script::new();
        for good in ["demo-%j.log", "n[1-8]&gpu", "afterok:12?afterany:13", "a@b.c"] {
            script.directive("constraint", good).expect(good);
        }
        for bad in ["", "a b", "a\nb", "$(x)", "`x`", "a'b", "a\"b", "a;b", "a#b", "a\\b", "a>b", "é"] {
            script.directive("constraint", bad).expect_err(bad);
        }
        script.directive("-x", "a").expect_err("an option with a dash");
        script.directive("a b", "a").expect_err("two options");
    }

    #[test]
    fn a_wrong_name_of_a_variable_is_no_command() {
        let mut script = Script::new();
        for name in ["A;reboot", "", "1A", "A B", "A\nreboot", "A=$(reboot) B"] {
            script.export(name, &Word::quoted("x").expect("plain"));
        }
        assert!(script.text().lines().skip(1).all(|line| line.starts_with('#')), "{}", script.text());
    }
}
