//! Which node this is, which processes run on it, and how their files are reached.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use nix::libc;

use crate::transport::Unavailable;

/// What two processes must have in common to reach each other's files by process number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Of the running kernel; another one at each start.
    pub boot: u128,
    /// Inode of the namespace in which process numbers hold.
    pub pid_namespace: u64,
}

impl Node {
    /// Of this process.
    pub fn here() -> Result<Node, Unavailable> {
        const BOOT: &str = "/proc/sys/kernel/random/boot_id";
        let boot = fs::read_to_string(BOOT).map_err(|error| no_proc(BOOT, &error))?;
        let boot = u128::from_str_radix(&boot.trim().replace('-', ""), 16)
            .map_err(|_| Unavailable::new(format!("{BOOT} holds no identity of the node")))?;
        const NAMESPACE: &str = "/proc/self/ns/pid";
        let namespace = fs::metadata(NAMESPACE).map_err(|error| no_proc(NAMESPACE, &error))?;
        Ok(Node { boot, pid_namespace: namespace.ino() })
    }

    /// Why a process there cannot be reached from here, if it cannot.
    pub fn reaches(&self, other: &Node) -> Result<(), Unavailable> {
        if self.boot != other.boot {
            return Err(Unavailable::new("on another node"));
        }
        if self.pid_namespace != other.pid_namespace {
            return Err(Unavailable::new(
                "in another pid namespace of this node: start the ranks of a node in one container, or let their \
                 containers share one (--pid=host)",
            ));
        }
        Ok(())
    }
}

fn no_proc(path: &str, error: &io::Error) -> Unavailable {
    Unavailable::new(format!("{path} cannot be read ({error}): mount /proc"))
}

/// A process, so that another one that got its number later is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the node did.
    pub started: u64,
}

impl Process {
    /// This one.
    pub fn this() -> Result<Process, Unavailable> {
        let pid = std::process::id();
        let started = started(pid).map_err(|error| no_proc("/proc/self/stat", &error))?;
        Ok(Process { pid, started })
    }

    /// A handle that becomes readable when the process ends.
    pub fn watch(&self) -> Result<OwnedFd, Unavailable> {
        let pid = self.pid;
        let number = i32::try_from(pid).ok().filter(|pid| *pid > 0);
        let number = number.ok_or_else(|| Unavailable::new(format!("{pid} is no process number")))?;
        // SAFETY: the call takes two integers and touches no memory of this process.
        let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
        if handle < 0 {
            let error = io::Error::last_os_error();
            return Err(Unavailable::new(match error.raw_os_error() {
                Some(libc::ESRCH) => format!("process {pid} has ended"),
                Some(libc::ENOSYS) => "this kernel cannot watch processes: Linux 5.3 or later is needed".into(),
                _ => format!("process {pid} cannot be watched ({error}): allow pidfd_open in the container's profile"),
            }));
        }
        let handle = i32::try_from(handle).map_err(|_| Unavailable::new("a file descriptor out of range"))?;
        // SAFETY: the kernel has just made this descriptor for this process, and nobody else knows of it.
        let handle = unsafe { OwnedFd::from_raw_fd(handle) };
        // Looked at once the handle holds the number: should it belong to another process, that one started later.
        match started(pid) {
            Ok(started) if started == self.started => Ok(handle),
            Ok(_) => Err(Unavailable::new(format!("process {pid} has ended, and another one has its number"))),
            Err(error) => Err(denied(pid, &error)),
        }
    }

    /// Opens a file that this process has open, for reading and writing.
    pub fn open(&self, name: FileName) -> Result<File, Unavailable> {
        let pid = self.pid;
        let path = format!("/proc/{pid}/fd/{}", name.descriptor);
        // Looked at before it is opened in earnest: what opening a device or a pipe does is up to that.
        let found = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path);
        let found = found.map_err(|error| denied(pid, &error))?;
        let is = found.metadata().map_err(|error| denied(pid, &error))?;
        if !is.is_file() || FileName::of(name.descriptor, &is) != name {
            return Err(Unavailable::new(format!("process {pid} has withdrawn what it offered")));
        }
        let path = format!("/proc/self/fd/{}", found.as_raw_fd());
        OpenOptions::new().read(true).write(true).open(path).map_err(|error| denied(pid, &error))
    }
}

/// A file of a process, by its number there and its identity in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileName {
    pub descriptor: u32,
    pub device: u64,
    pub inode: u64,
}

impl FileName {
    /// The name of a file of this process.
    pub fn of_file(file: &File) -> io::Result<FileName> {
        let descriptor = u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?;
        Ok(FileName::of(descriptor, &file.metadata()?))
    }

    fn of(descriptor: u32, is: &fs::Metadata) -> FileName {
        FileName { descriptor, device: is.dev(), inode: is.ino() }
    }
}

/// When a process started, in clock ticks since the node did.
fn started(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses and may hold anything; the start is the 22nd.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok()).ok_or(ErrorKind::InvalidData.into())
}

/// Why the files of a process cannot be reached, in words.
fn denied(pid: u32, error: &io::Error) -> Unavailable {
    let owner = fs::metadata(format!("/proc/{pid}")).map(|process| process.uid());
    let me = nix::unistd::geteuid().as_raw();
    Unavailable::new(match (error.kind(), owner) {
        (_, Ok(owner)) if owner != me => {
            format!("process {pid} belongs to another user ({owner}, this is {me}): start all ranks as one user")
        }
        (ErrorKind::PermissionDenied, _) => format!(
            "no permission to open files of process {pid}: a security policy forbids it, or the process is not dumpable; \
             allow ptrace reads among the ranks"
        ),
        (ErrorKind::NotFound, Err(_)) => format!("process {pid} has ended, or is hidden by /proc (hidepid)"),
        (ErrorKind::NotFound, Ok(_)) => format!("process {pid} is ending, or has withdrawn what it offered"),
        _ => format!("files of process {pid} cannot be reached: {error}"),
    })
}

/// A number that nobody guesses and that never comes twice.
pub(super) fn random() -> io::Result<[u64; 2]> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let number = u128::from_ne_bytes(bytes);
    // Fresh memory is zero, which must not be taken for a number.
    Ok([number as u64 | 1, (number >> 64) as u64])
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn another_node_or_namespace_is_said_so() {
        let here = Node::here().expect("this node");
        assert_eq!(here.reaches(&here), Ok(()));
        let other = Node { boot: !here.boot, ..here };
        assert!(here.reaches(&other).is_err_and(|why| why.0.contains("another node")));
        let other = Node { pid_namespace: 1, ..here };
        assert!(here.reaches(&other).is_err_and(|why| why.0.contains("one container")));
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let me = Process::this().expect("this process");
        me.watch().expect("alive");
        let later = Process { started: me.started + 1, ..me };
        assert!(later.watch().is_err_and(|why| why.0.contains("another one has its number")));
        for pid in [0, u32::MAX, i32::MAX as u32] {
            assert!(Process { pid, started: 0 }.watch().is_err());
        }
    }

    #[test]
    fn only_the_very_file_is_opened() {
        let me = Process::this().expect("this process");
        let file = File::open("/proc/self/exe").expect("this program");
        let name = FileName::of_file(&file).expect("named");
        for wrong in [FileName { inode: name.inode + 1, ..name }, FileName { descriptor: 1 << 30, ..name }] {
            assert!(me.open(wrong).is_err_and(|why| why.0.contains("withdrawn")), "{wrong:?}");
        }
        let null = File::open("/dev/null").expect("a device");
        assert!(me.open(FileName::of_file(&null).expect("named")).is_err(), "a device is never opened");
    }
}
