//! Slurm's short form of host names: `n[001-008,012],gpu[1-2]`.

use std::fmt::Write;

/// Most hosts of a list; the largest machines have some ten thousand.
pub const HOSTS_MAX: usize = 1 << 17;
/// Most digits of a number: they fit 64 bits.
const DIGITS_MAX: usize = 18;

/// Why a host list was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostlistError {
    /// A bracket without its partner.
    #[error("host list `{list}`: the bracket at character {at} has no partner")]
    Bracket {
        /// The list.
        list: String,
        /// Position, from 1.
        at: usize,
    },
    /// Two commas in a row, or one at an end.
    #[error("host list `{list}`: no host name before character {at}")]
    Empty {
        /// The list.
        list: String,
        /// Position, from 1.
        at: usize,
    },
    /// Something in brackets that is neither a number nor a range that ascends.
    #[error("host list `{list}`: `{range}` is no number or ascending range of at most {DIGITS_MAX} digits")]
    Range {
        /// The list.
        list: String,
        /// The piece.
        range: String,
    },
    /// More hosts than any machine has.
    #[error("host list `{list}` names more than {HOSTS_MAX} hosts")]
    TooMany {
        /// The list.
        list: String,
    },
}

/// The host names of a list, in its order. An empty list has none. Zeros in front are kept: `n[08-10]` is `n08 n09 n10`.
///
/// # Errors
/// What is wrong with the list, and where.
pub fn expand(list: &str) -> Result<Vec<String>, HostlistError> {
    let mut hosts = Vec::new();
    if list.is_empty() {
        return Ok(hosts);
    }
    for (at, entry) in entries(list)? {
        if entry.is_empty() {
            return Err(HostlistError::Empty { list: shown(list), at });
        }
        let room = HOSTS_MAX - hosts.len();
        hosts.extend(expand_entry(list, entry, room)?);
    }
    Ok(hosts)
}

/// The short form of host names, such that [`expand`] gives them back in the same order.
pub fn compress<S: AsRef<str>>(hosts: &[S]) -> String {
    let mut out = String::new();
    let mut rest: Vec<(&str, &str, &str)> = hosts.iter().map(|host| dissect(host.as_ref())).collect();
    rest.reverse();
    while let Some((prefix, digits, suffix)) = rest.pop() {
        if !out.is_empty() {
            out.push(',');
        }
        let mut numbers = vec![digits];
        while let Some(&(_, digits, _)) =
            rest.last().filter(|next| !next.1.is_empty() && (next.0, next.2) == (prefix, suffix))
        {
            numbers.push(digits);
            rest.pop();
        }
        match numbers[..] {
            [one] => write_all(&mut out, &[prefix, one, suffix]),
            _ => write_all(&mut out, &[prefix, "[", &ranges(&numbers), "]", suffix]),
        }
    }
    out
}

/// `list` cut at the commas outside brackets, each piece with the position of its end, from 1.
fn entries(list: &str) -> Result<Vec<(usize, &str)>, HostlistError> {
    let (mut pieces, mut start, mut open) = (Vec::new(), 0, None);
    for (at, character) in list.char_indices() {
        match (character, open) {
            ('[', None) => open = Some(at),
            (']', Some(_)) => open = None,
            ('[', Some(_)) | (']', None) => return Err(HostlistError::Bracket { list: shown(list), at: at + 1 }),
            (',', None) => {
                pieces.push((at + 1, &list[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    if let Some(at) = open {
        return Err(HostlistError::Bracket { list: shown(list), at: at + 1 });
    }
    pieces.push((list.len() + 1, &list[start..]));
    Ok(pieces)
}

/// The hosts of one entry; with several brackets, the last one runs fastest, as in Slurm.
fn expand_entry(list: &str, entry: &str, room: usize) -> Result<Vec<String>, HostlistError> {
    let too_many = || HostlistError::TooMany { list: shown(list) };
    let mut hosts = vec![String::new()];
    let mut rest = entry;
    while let Some((text, after)) = rest.split_once('[') {
        // `entries` has paired the brackets.
        let (inside, after) = after.split_once(']').unwrap_or((after, ""));
        let numbers = expand_numbers(list, inside, room)?;
        if hosts.len().checked_mul(numbers.len()).is_none_or(|count| count > room) {
            return Err(too_many());
        }
        hosts =
            hosts.iter().flat_map(|host| numbers.iter().map(move |number| format!("{host}{text}{number}"))).collect();
        rest = after;
    }
    hosts.iter_mut().for_each(|host| host.push_str(rest));
    if hosts.len() > room { Err(too_many()) } else { Ok(hosts) }
}

/// The numbers of `001-008,012`, as written.
fn expand_numbers(list: &str, inside: &str, room: usize) -> Result<Vec<String>, HostlistError> {
    let mut numbers = Vec::new();
    for range in inside.split(',') {
        let wrong = || HostlistError::Range { list: shown(list), range: range.to_owned() };
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let width = low.len();
        let (low, high) = (number(low).ok_or_else(wrong)?, number(high).ok_or_else(wrong)?);
        if low > high {
            return Err(wrong());
        }
        if high - low >= (room - numbers.len().min(room)) as u64 {
            return Err(HostlistError::TooMany { list: shown(list) });
        }
        numbers.extend((low..=high).map(|number| format!("{number:0width$}")));
    }
    Ok(numbers)
}

fn number(digits: &str) -> Option<u64> {
    let well = (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    well.then(|| digits.parse().ok()).flatten()
}

/// A host name as prefix, last run of digits (empty if none or too long), suffix.
fn dissect(host: &str) -> (&str, &str, &str) {
    let Some(end) = host.rfind(|c: char| c.is_ascii_digit()).map(|last| last + 1) else { return (host, "", "") };
    let start = host[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |before| before + host[before..].chars().next().map_or(1, char::len_utf8));
    if end - start > DIGITS_MAX { (host, "", "") } else { (&host[..start], &host[start..end], &host[end..]) }
}

/// Numbers in order as `001-008,012`.
fn ranges(numbers: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = numbers;
    while let Some((&low, mut after)) = rest.split_first() {
        let mut high = low;
        while let Some((&next, more)) = after.split_first() {
            let follows = number(high).map(|high| format!("{:0width$}", high + 1, width = low.len()));
            if follows.as_deref() != Some(next) {
                break;
            }
            (high, after) = (next, more);
        }
        let comma = if out.is_empty() { "" } else { "," };
        if high == low {
            write_all(&mut out, &[comma, low]);
        } else {
            write_all(&mut out, &[comma, low, "-", high]);
        }
        rest = after;
    }
    out
}

fn write_all(out: &mut String, pieces: &[&str]) {
    for piece in pieces {
        // Writing to a String cannot fail.
        let _ = out.write_str(piece);
    }
}

/// As much of a list as an error message shows.
fn shown(list: &str) -> String {
    const SHOWN: usize = 80;
    match list.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &list[..cut]),
        None => list.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_expand_as_slurm_expands_them() {
        let cases = [
            ("", vec![]),
            ("n1", vec!["n1"]),
            ("n[001-003,012],gpu[1-2]", vec!["n001", "n002", "n003", "n012", "gpu1", "gpu2"]),
            ("n[8-11]", vec!["n8", "n9", "n10", "n11"]),
            ("r[1-2]n[0-1]-ib,login", vec!["r1n0-ib", "r1n1-ib", "r2n0-ib", "r2n1-ib", "login"]),
            ("[1-2]", vec!["1", "2"]),
        ];
        for (list, hosts) in cases {
            assert_eq!(expand(list).expect(list), hosts, "{list}");
        }
    }

    #[test]
    fn wrong_lists_say_what_is_wrong() {
        let says = |list: &str| expand(list).expect_err(list).to_string();
        assert_eq!(says("n[1-2"), "host list `n[1-2`: the bracket at character 2 has no partner");
        assert_eq!(says("n1]"), "host list `n1]`: the bracket at character 3 has no partner");
        assert_eq!(says("n[[1]]"), "host list `n[[1]]`: the bracket at character 3 has no partner");
        assert_eq!(says("a,,b"), "host list `a,,b`: no host name before character 3");
        assert_eq!(says("a,"), "host list `a,`: no host name before character 3");
        for range in ["", "x", "2-1", "1-", "-1", "1-2-3", "+1", "9999999999999999999"] {
            assert!(says(&format!("n[{range}]")).contains(&format!("`{range}` is no number")), "{range}");
        }
    }

    #[test]
    fn no_list_makes_memory_grow_without_bound() {
        for list in
            ["n[0-999999999]", "a[1-400]b[1-400]", "a[1-100000],b[1-100000]", "a[1-300]b[1-300]c[1-300]d[1-300]"]
        {
            assert!(matches!(expand(list), Err(HostlistError::TooMany { .. })), "{list}");
        }
    }

    #[test]
    fn compressing_shortens() {
        let cases = [
            (vec!["n001", "n002", "n003", "n012", "gpu1", "gpu2"], "n[001-003,012],gpu[1-2]"),
            (vec!["n9", "n10", "n11"], "n[9-11]"),
            (vec!["n099", "n100"], "n[099-100]"),
            (vec!["login"], "login"),
            (vec!["n2-ib", "n3-ib"], "n[2-3]-ib"),
            (vec![], ""),
        ];
        for (hosts, list) in cases {
            assert_eq!(compress(&hosts), list);
        }
    }

    #[test]
    fn what_is_compressed_expands_to_itself() {
        let mut seed = 7u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..2000 {
            let hosts: Vec<String> = (0..draw(12))
                .map(|_| {
                    let prefix = ["n", "gpu-", "é", ""][draw(4) as usize];
                    let width = draw(4) as usize;
                    let suffix = ["", "-ib", "é"][draw(3) as usize];
                    format!("{prefix}{:0width$}{suffix}", draw(12) + 90)
                })
                .collect();
            assert_eq!(expand(&compress(&hosts)).expect("well-formed"), hosts);
        }
    }
}
