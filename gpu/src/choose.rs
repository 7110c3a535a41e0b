//! Which card a rank works on.

use std::path::Path;

/// Chooses for each rank of a node, in their order, one of its cards: the one with the fewest ranks so far; of those the one at the
/// rank's NUMA node; of those the first.
///
/// `cards` and `ranks` are the NUMA nodes of cards, in the driver's order, and of the ranks' processors, where known. Every rank of the
/// node comes to the same list. Empty where there are no cards.
pub fn choose(cards: &[Option<u32>], ranks: &[Option<u32>]) -> Vec<usize> {
    let mut load = vec![0usize; cards.len()];
    let mut chosen = Vec::with_capacity(ranks.len());
    for rank in ranks {
        let far = |card: usize| rank.is_none() || cards[card] != *rank;
        let Some(card) = (0..cards.len()).min_by_key(|&card| (load[card], far(card), card)) else { return Vec::new() };
        load[card] += 1;
        chosen.push(card);
    }
    chosen
}

/// The NUMA node of a PCI device, `domain:bus:device.function` in lower case, from `sysfs` (`/sys`). `None` where the system does not
/// say, or there is one node only.
pub fn numa_node(sysfs: &Path, pci_bus_id: &str) -> Option<u32> {
    // CUDA writes the domain with eight digits at times, sysfs with four.
    let id = match pci_bus_id.split_once(':') {
        Some((domain, rest)) if domain.len() > 4 => format!("{}:{rest}", &domain[domain.len() - 4..]),
        _ => pci_bus_id.to_owned(),
    };
    let text = std::fs::read_to_string(sysfs.join("bus/pci/devices").join(id).join("numa_node")).ok()?;
    text.trim().parse().ok()
}

/// The NUMA node of a processor, by the system's number of it, from `sysfs` (`/sys`). `None` where the system does not say.
pub fn numa_node_of_processor(sysfs: &Path, processor: u32) -> Option<u32> {
    let folder = sysfs.join(format!("devices/system/cpu/cpu{processor}"));
    let nodes = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    nodes.filter_map(|name| name.strip_prefix("node")?.parse().ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_gets_a_card_near_by_and_none_two_before_others_have_one() {
        let cards = [Some(0), Some(0), Some(1), Some(1)];
        // Ranks bound from the far node on.
        assert_eq!(choose(&cards, &[Some(1), Some(1), Some(0), Some(0)]), [2, 3, 0, 1]);
        // Two ranks a card.
        assert_eq!(choose(&cards[1..3], &[Some(0), Some(0), Some(1), Some(1)]), [0, 1, 1, 0]);
        assert_eq!(choose(&cards, &[None, None, None]), [0, 1, 2]);
        assert_eq!(choose(&[None, None], &[None; 5]), [0, 1, 0, 1, 0]);
        assert_eq!(choose(&[], &[Some(0)]), Vec::<usize>::new());
    }

    #[test]
    fn the_numa_node_is_read_from_sysfs() {
        let sysfs = tempfile::tempdir().unwrap();
        let folder = sysfs.path().join("bus/pci/devices/0000:1b:00.0");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("numa_node"), "1\n").unwrap();
        assert_eq!(numa_node(sysfs.path(), "0000:1b:00.0"), Some(1));
        assert_eq!(numa_node(sysfs.path(), "00000000:1b:00.0"), Some(1));
        // Where there is one node only the kernel says -1.
        std::fs::write(folder.join("numa_node"), "-1\n").unwrap();
        assert_eq!(numa_node(sysfs.path(), "0000:1b:00.0"), None);
        assert_eq!(numa_node(sysfs.path(), "0000:5e:00.0"), None);
    }

    #[test]
    fn the_numa_node_of_a_processor_is_read_from_sysfs() {
        let sysfs = tempfile::tempdir().unwrap();
        let folder = sysfs.path().join("devices/system/cpu/cpu7");
        std::fs::create_dir_all(folder.join("cache")).unwrap();
        assert_eq!(numa_node_of_processor(sysfs.path(), 7), None);
        std::fs::create_dir(folder.join("node1")).unwrap();
        assert_eq!(numa_node_of_processor(sysfs.path(), 7), Some(1));
        assert_eq!(numa_node_of_processor(sysfs.path(), 8), None);
    }
}
