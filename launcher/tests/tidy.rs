//! The rules of the house that a machine can check: sizes of files and functions, unfinished work, and where `unsafe` may stand.
//!
//! Sources are read as text. Comments and literals are blanked first, so that braces and words in them do not count.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file: above the first it is listed, above the second it fails.
const FILE_LINES: [usize; 2] = [400, 500];
/// Lines of a function, likewise.
const FUNCTION_LINES: [usize; 2] = [70, 100];
/// Where `unsafe` may stand.
const UNSAFE: [&str; 8] = [
    "bench/src/allocations.rs",
    "bench/src/peers/jolt/ffi.rs",
    "comm/src/mpi",
    "comm/src/shm",
    "comm/src/verbs",
    "gpu",
    "physx/src/ffi",
    "physx/soft/src/simd",
];
/// Folders that hold no sources of the workspace.
const SKIPPED: [&str; 3] = ["target", "fuzz", "runs"];

/// A source file, with its path from the root of the workspace.
struct Source {
    path: String,
    text: String,
    /// The text with comments and literals blanked, byte for byte and line for line.
    code: Vec<u8>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("a source file in UTF-8");
        let path = file.strip_prefix(&root).expect("a file below the root").display().to_string();
        Source { path, code: code_of(&text), text }
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// The text with all comments, texts and characters blanked; line ends stay.
fn code_of(text: &str) -> Vec<u8> {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let after = end_of_blank(&text.as_bytes()[at..]).map_or(at, |length| at + length);
        code[at..after].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = after.max(at + 1);
    }
    code
}

/// Length of the comment or literal that `rest` begins with.
fn end_of_blank(rest: &[u8]) -> Option<usize> {
    let past = |start: usize, end: &[u8]| {
        let found = rest.get(start..)?.windows(end.len()).position(|window| window == end);
        Some(found.map_or(rest.len(), |position| start + position + end.len()))
    };
    match rest {
        [b'/', b'/', ..] => Some(past(2, b"\n").map_or(rest.len(), |end| end - 1)),
        [b'/', b'*', ..] => past(2, b"*/"),
        [b'"', ..] => Some(end_of_literal(rest, b'"')),
        // A character, and not a lifetime.
        [b'\'', b'\\', ..] | [b'\'', _, b'\'', ..] => Some(end_of_literal(rest, b'\'')),
        [b'\'', first, ..] if !first.is_ascii() => Some(end_of_literal(rest, b'\'')),
        [b'r', b'"' | b'#', ..] => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            let end = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
            (rest.get(1 + hashes) == Some(&b'"')).then(|| past(2 + hashes, &end)).flatten()
        }
        _ => None,
    }
}

/// Length of a literal up to its closing `quote`, with escapes.
fn end_of_literal(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Places where `word` stands by itself.
fn words<'a>(code: &'a [u8], word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    code.windows(word.len()).enumerate().filter_map(move |(at, window)| {
        let before = at.checked_sub(1).and_then(|before| code.get(before));
        (window == word.as_bytes() && !part(before) && !part(code.get(at + word.len()))).then_some(at)
    })
}

fn line(code: &[u8], at: usize) -> usize {
    1 + code[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Every function with a body: its name, its first line and its number of lines.
fn functions(code: &[u8]) -> Vec<(String, usize, usize)> {
    let name = |at: usize| -> String {
        let letters = code[at + 2..].iter().skip_while(|byte| **byte == b' ');
        letters
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .map(|byte| char::from(*byte))
            .collect()
    };
    // A type such as `fn(u32)` has no name, a required method no body.
    let named = words(code, "fn").map(|at| (at, name(at))).filter(|(_, name)| !name.is_empty());
    named
        .filter_map(|(at, name)| {
            let (first, last) = (line(code, at), line(code, end_of_body(code, at)?));
            Some((name, first, last - first + 1))
        })
        .collect()
}

/// The closing brace of the function whose `fn` is at `start`.
fn end_of_body(code: &[u8], start: usize) -> Option<usize> {
    let (mut brackets, mut braces) = (0, 0);
    for (at, byte) in code.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at);
                }
            }
            b';' if brackets == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Prints what is above the first limit; returns what is above the second.
fn above(limits: [usize; 2], sizes: impl Iterator<Item = (String, usize)>) -> Vec<String> {
    let mut listed: Vec<(String, usize)> = sizes.filter(|(_, lines)| *lines > limits[0]).collect();
    listed.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    listed.iter().for_each(|(what, lines)| println!("{lines:5} lines, more than {}: {what}", limits[0]));
    listed.into_iter().filter(|(_, lines)| *lines > limits[1]).map(|(what, _)| what).collect()
}

#[test]
fn files_are_short() {
    let sources = sources();
    let sizes = sources.iter().map(|source| (source.path.clone(), source.text.lines().count()));
    let failed = above(FILE_LINES, sizes);
    assert!(failed.is_empty(), "more than {} lines: {failed:#?}", FILE_LINES[1]);
}

#[test]
fn functions_are_short() {
    let sources = sources();
    let sizes = sources.iter().flat_map(|source| {
        let place = |(name, first, lines): (String, usize, usize)| (format!("{}:{first} {name}", source.path), lines);
        functions(&source.code).into_iter().map(place)
    });
    let failed = above(FUNCTION_LINES, sizes);
    assert!(failed.is_empty(), "more than {} lines: {failed:#?}", FUNCTION_LINES[1]);
}

#[test]
fn nothing_is_left_unfinished() {
    // In two halves, so that this very file holds none of them.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["todo", "!("], ["unimplemented", "!("]].map(|halves| halves.concat());
    let mut found = Vec::new();
    for source in sources() {
        let lines = source.text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
        found.extend(lines.map(|(i, line)| format!("{}:{}: {}", source.path, i + 1, line.trim())));
    }
    assert!(found.is_empty(), "unfinished: {found:#?}");
}

#[test]
fn unsafe_stands_only_where_it_may() {
    let outside = |source: &Source| !UNSAFE.iter().any(|place| Path::new(&source.path).starts_with(place));
    let places = |source: Source| {
        words(&source.code, "unsafe")
            .map(|at| format!("{}:{}", source.path, line(&source.code, at)))
            .collect::<Vec<_>>()
    };
    let found: Vec<String> = sources().into_iter().filter(outside).flat_map(places).collect();
    assert!(found.is_empty(), "unsafe outside {UNSAFE:?}: {found:#?}");
}

#[test]
fn the_scanner_reads_code_and_nothing_else() {
    let text = r##"fn a<'x>(b: [u8; 2]) -> char { // }
        let c = ('}', '\'', "} fn d() {", r#"}"}"#, b'}'); /* unsafe
        } */ c.0
    }
    trait T { fn e(); }
    type F = fn(u8) -> u8;"##;
    let code = code_of(text);
    assert_eq!(functions(&code), [("a".to_owned(), 1, 4)]);
    assert_eq!(words(&code, "unsafe").count(), 0);
    assert_eq!(code.len(), text.len());
    assert_eq!(words(b"unsafe_code unsafe {", "unsafe").collect::<Vec<_>>(), [12]);
}
