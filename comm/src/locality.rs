//! Which RDMA device is near to what: cores, memory nodes and PCI devices, as sysfs tells.
//!
//! Every function takes the root of sysfs, `/sys` on a real machine. What cannot be read counts as not there.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;

/// Most processing units of a list that is believed.
const CPUS_MAX: u32 = 1 << 16;
/// PCI classes of what computes: 3D controllers and processing accelerators.
const ACCELERATOR_CLASSES: [&str; 2] = ["0x0302", "0x1200"];
/// Display controllers are GPUs when they are by these vendors: AMD and NVIDIA; those of a board's service processor are not.
const GPU_VENDORS: [&str; 2] = ["0x1002", "0x10de"];
const DISPLAY_CLASS: &str = "0x0300";

/// Where an RDMA device sits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NicLocality {
    /// Its name, such as `mlx5_0`.
    pub name: String,
    /// Where it is on the PCI buses; empty for a device that is on none, as software devices are.
    pub pci: PciPath,
    /// Its memory node, where the machine has any.
    pub numa_node: Option<u32>,
    /// Processing units near to it.
    pub cpus: Vec<u32>,
}

/// The way from the host to a PCI device: root complex, bridges, device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PciPath(Vec<String>);

impl PciPath {
    /// `domain:bus:device.function` of the device itself.
    pub fn address(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    /// Steps that two devices share: the more, the nearer.
    pub fn shared(&self, other: &PciPath) -> usize {
        self.0.iter().zip(&other.0).take_while(|(mine, theirs)| mine == theirs).count()
    }

    /// The steps of a device's folder in sysfs that are on PCI.
    fn of(folder: &Path) -> PciPath {
        let Ok(real) = folder.canonicalize() else { return PciPath::default() };
        let names = real.components().filter_map(|part| part.as_os_str().to_str());
        PciPath(names.filter(|name| is_root_complex(name) || is_pci_address(name)).map(str::to_owned).collect())
    }
}

/// What a device should be near to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat<'a> {
    /// These processing units.
    Cpus(&'a [u32]),
    /// This PCI device, such as a GPU.
    Pci(&'a PciPath),
}

impl NicLocality {
    /// How near it is; larger is nearer. Only to be compared for one seat.
    pub fn closeness(&self, to: Seat<'_>) -> usize {
        match to {
            Seat::Cpus(cpus) => cpus.iter().filter(|cpu| self.cpus.contains(cpu)).count(),
            Seat::Pci(path) => self.pci.shared(path),
        }
    }
}

/// The RDMA devices, by name.
pub fn devices(root: &Path) -> Vec<NicLocality> {
    let class = root.join("class/infiniband");
    let read = |name: String| {
        let device = class.join(&name).join("device");
        NicLocality {
            numa_node: number(&device.join("numa_node")),
            cpus: cpu_list(&text(&device.join("local_cpulist")).unwrap_or_default()),
            pci: PciPath::of(&device),
            name,
        }
    };
    names(&class).into_iter().map(read).collect()
}

/// The device that is nearest to `seat`: for a PCI device the one with the longest common path, for processing units the one
/// that is near to most of them. Among equals the first.
pub fn nearest<'a>(devices: &'a [NicLocality], seat: Seat<'_>) -> Option<&'a NicLocality> {
    devices.iter().min_by_key(|device| Reverse(device.closeness(seat)))
}

/// GPUs and other accelerators on PCI, by address.
pub fn accelerators(root: &Path) -> Vec<PciPath> {
    let devices = root.join("bus/pci/devices");
    let computes = |name: &String| {
        let class = text(&devices.join(name).join("class")).unwrap_or_default();
        let vendor = text(&devices.join(name).join("vendor")).unwrap_or_default();
        ACCELERATOR_CLASSES.iter().any(|known| class.starts_with(known))
            || (class.starts_with(DISPLAY_CLASS) && GPU_VENDORS.contains(&vendor.as_str()))
    };
    names(&devices).into_iter().filter(computes).map(|name| PciPath::of(&devices.join(name))).collect()
}

/// The memory nodes of these processing units, ascending.
pub fn numa_nodes(root: &Path, cpus: &[u32]) -> Vec<u32> {
    let nodes = root.join("devices/system/node");
    let mut found: Vec<u32> = names(&nodes)
        .iter()
        .filter(|name| {
            let near = cpu_list(&text(&nodes.join(name).join("cpulist")).unwrap_or_default());
            cpus.iter().any(|cpu| near.contains(cpu))
        })
        .filter_map(|name| name.strip_prefix("node")?.parse().ok())
        .collect();
    found.sort_unstable();
    found
}

/// Reads `0-3,8`; what is no such list is left out.
pub fn cpu_list(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (last < CPUS_MAX).then_some(first..=last)
    };
    text.split(',').filter_map(range).flatten().collect()
}

fn is_root_complex(name: &str) -> bool {
    name.strip_prefix("pci").is_some_and(|rest| rest.contains(':'))
}

/// `0000:17:00.0`.
fn is_pci_address(name: &str) -> bool {
    let hexadecimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = name.split([':', '.']).collect();
    parts.len() == 4 && name.matches(':').count() == 2 && parts.into_iter().all(hexadecimal)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn text(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

/// A number that is not -1, which sysfs writes for "none".
fn number(file: &Path) -> Option<u32> {
    text(file)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A made-up sysfs that ends with its test.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("rankzero-sysfs-{name}-{}", std::process::id()));
            fs::create_dir_all(root.join("class/infiniband")).expect("temporary folder");
            fs::create_dir_all(root.join("bus/pci/devices")).expect("temporary folder");
            Tree(root)
        }

        fn write(&self, file: &str, text: &str) {
            let file = self.0.join(file);
            fs::create_dir_all(file.parent().expect("below the root")).expect("temporary folder");
            fs::write(file, format!("{text}\n")).expect("temporary file");
        }

        /// A PCI device; `path` below `devices`.
        fn pci(&self, path: &str, class: &str, vendor: &str) {
            self.write(&format!("devices/{path}/class"), class);
            self.write(&format!("devices/{path}/vendor"), vendor);
            let (_, address) = path.rsplit_once('/').expect("a path");
            symlink(self.0.join("devices").join(path), self.0.join("bus/pci/devices").join(address)).expect("own link");
        }

        /// An RDMA device on PCI.
        fn nic(&self, name: &str, path: &str, node: &str, cpus: &str) {
            self.pci(path, "0x020700", "0x15b3");
            self.write(&format!("devices/{path}/numa_node"), node);
            self.write(&format!("devices/{path}/local_cpulist"), cpus);
            fs::create_dir_all(self.0.join("class/infiniband").join(name)).expect("own folder");
            let link = self.0.join("class/infiniband").join(name).join("device");
            symlink(self.0.join("devices").join(path), link).expect("own link");
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Two sockets, each with two switches, each with a card; GPUs below three of the switches.
    fn big(name: &str) -> Tree {
        let tree = Tree::new(name);
        for (node, cpus) in [(0, "0-3,8-11"), (1, "4-7,12-15")] {
            tree.write(&format!("devices/system/node/node{node}/cpulist"), cpus);
        }
        tree.write("devices/system/node/possible", "0-1");
        tree.nic("mlx5_0", "pci0000:10/0000:10:01.0/0000:11:00.0/0000:12:00.0", "0", "0-3,8-11");
        tree.nic("mlx5_1", "pci0000:10/0000:10:01.0/0000:11:01.0/0000:13:00.0", "0", "0-3,8-11");
        tree.nic("mlx5_2", "pci0000:80/0000:80:01.0/0000:81:00.0/0000:82:00.0", "1", "4-7,12-15");
        tree.pci("pci0000:10/0000:10:01.0/0000:11:01.0/0000:14:00.0", "0x030200", "0x10de");
        tree.pci("pci0000:80/0000:80:01.0/0000:81:04.0/0000:8a:00.0", "0x030000", "0x1002");
        tree.pci("pci0000:10/0000:10:02.0/0000:16:00.0", "0x030000", "0x1a03");
        tree
    }

    #[test]
    fn devices_are_read_with_their_places() {
        let tree = big("places");
        let devices = devices(&tree.0);
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["mlx5_0", "mlx5_1", "mlx5_2"]);
        assert_eq!(devices[1].pci.address(), Some("0000:13:00.0"));
        assert_eq!((devices[2].numa_node, &devices[2].cpus[..5]), (Some(1), &[4, 5, 6, 7, 12][..]));
        assert_eq!(numa_nodes(&tree.0, &[3, 12]), [0, 1]);
        assert_eq!(numa_nodes(&tree.0, &[9]), [0]);
    }

    #[test]
    fn a_gpu_goes_with_the_card_below_the_same_switch() {
        let tree = big("gpus");
        let (devices, gpus) = (devices(&tree.0), accelerators(&tree.0));
        let addresses: Vec<_> = gpus.iter().filter_map(PciPath::address).collect();
        assert_eq!(addresses, ["0000:14:00.0", "0000:8a:00.0"], "a service processor's display is no GPU");
        let near = |gpu| nearest(&devices, Seat::Pci(gpu)).expect("a device").name.as_str();
        assert_eq!([near(&gpus[0]), near(&gpus[1])], ["mlx5_1", "mlx5_2"]);
    }

    #[test]
    fn cores_go_with_the_card_of_their_socket() {
        let tree = big("cores");
        let devices = devices(&tree.0);
        let near = |cpus: &[u32]| nearest(&devices, Seat::Cpus(cpus)).expect("a device").name.clone();
        assert_eq!([near(&[0, 8]), near(&[5]), near(&[3, 4, 5])], ["mlx5_0", "mlx5_2", "mlx5_2"]);
    }

    #[test]
    fn a_device_of_software_has_no_place() {
        let tree = Tree::new("soft");
        fs::create_dir_all(tree.0.join("class/infiniband/rxe0")).expect("own folder");
        tree.write("class/infiniband/siw0/device/numa_node", "-1");
        let devices = devices(&tree.0);
        assert_eq!(devices.len(), 2);
        assert!(devices.iter().all(|device| device.pci.address().is_none() && device.numa_node.is_none()));
        assert_eq!(nearest(&devices, Seat::Cpus(&[0])).map(|device| device.name.as_str()), Some("rxe0"));
    }

    #[test]
    fn a_machine_without_anything_has_nothing() {
        let nowhere = Path::new("/no/such/sysfs");
        assert!(
            devices(nowhere).is_empty() && accelerators(nowhere).is_empty() && numa_nodes(nowhere, &[0]).is_empty()
        );
        assert_eq!(nearest(&[], Seat::Cpus(&[0])), None);
    }

    #[test]
    fn lists_of_processors_are_read_and_nonsense_is_not() {
        assert_eq!(cpu_list("0-2,7"), [0, 1, 2, 7]);
        assert!(cpu_list("").is_empty() && cpu_list("x-3,,-").is_empty() && cpu_list("0-4000000000").is_empty());
    }
}
