//! Which cores are near which device.

/// A set of cores in the kernel's list form, as `0-3,8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(Vec<(u32, u32)>);

impl Cpus {
    /// Reads the list form. `None` for what is not one.
    pub fn parse(text: &str) -> Option<Cpus> {
        let mut ranges = Vec::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            ranges.push((first.parse().ok()?, last.parse().ok()?));
        }
        Some(Cpus(ranges))
    }

    /// The cores that this process may run on; none where the kernel does not say.
    pub fn of_this_process() -> Cpus {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        list.and_then(Cpus::parse).unwrap_or(Cpus(Vec::new()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some core is in both.
    pub fn meets(&self, other: &Cpus) -> bool {
        self.0.iter().any(|a| other.0.iter().any(|b| a.0 <= b.1 && b.0 <= a.1))
    }
}

#[cfg(test)]
mod tests {
    use super::Cpus;

    #[test]
    fn lists_meet_where_they_share_a_core() {
        let near = Cpus::parse("0-15,64-79\n").expect("a list");
        assert!(near.meets(&Cpus::parse("70").expect("a list")));
        assert!(!near.meets(&Cpus::parse("16-63").expect("a list")));
        assert!(Cpus::parse("").expect("the empty list").is_empty());
        assert_eq!(Cpus::parse("0-x"), None);
        assert!(!Cpus::of_this_process().is_empty());
    }
}
