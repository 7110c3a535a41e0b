//! One word of a command line, as a shell reads it.

use std::fmt;

/// Why a text cannot be a word: no process can be given a NUL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` holds a NUL, which no command line can carry", .0.escape_default())]
pub struct NotAWord(pub String);

/// Text that a shell reads as exactly one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// This very text: as it is where no character has a meaning to a shell, else in single quotes.
    ///
    /// # Errors
    /// [`NotAWord`].
    pub fn quoted(text: &str) -> Result<Word, NotAWord> {
        if text.contains('\0') {
            return Err(NotAWord(text.to_owned()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            return Ok(Word(text.to_owned()));
        }
        Ok(Word(format!("'{}'", text.replace('\'', r"'\''"))))
    }

    /// The value of a variable, in double quotes.
    pub fn variable(name: &'static str) -> Word {
        Word(format!("\"${name}\""))
    }

    /// Text that the program itself has written, with whatever meaning it has to a shell.
    pub fn verbatim(text: &'static str) -> Word {
        Word(text.to_owned())
    }

    /// One word of several parts.
    pub fn joined(parts: &[Word]) -> Word {
        Word(parts.iter().map(|part| part.0.as_str()).collect())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
