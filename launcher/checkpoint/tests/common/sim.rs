//! A disk in memory that breaks when it is told to, and forgets on a loss of power what was not made durable.
//!
//! A loss of power keeps of each folder any subset of the changes since its last sync, in any combination (a rename is one
//! change), and of each file that was written since its last sync the old contents, a beginning, zeros for its end, or all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use rankzero_checkpoint::disk::{Disk, DiskFile};

use super::mix;

type Id = usize;
const ROOT: Id = 0;

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is the last thing that the process does, and half of it happens.
    Crash,
    /// It fails, the disk being full, if it takes room, and everything after it works.
    Full,
    /// It and everything after it that takes room fails, the disk being full.
    StaysFull,
    /// It fails, whatever it is, and everything after it works.
    Io,
}

impl Fault {
    /// Those after which the process goes on.
    pub const ERRORS: [Fault; 3] = [Fault::Full, Fault::StaysFull, Fault::Io];
}

/// What a disk only pretends to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    #[default]
    None,
    SyncOfFiles,
    SyncOfFolders,
}

#[derive(Clone, Debug)]
enum Node {
    File { data: Vec<u8>, durable: Vec<u8>, synced: bool },
    Dir { names: BTreeMap<String, Id>, durable: BTreeMap<String, Id>, pending: Vec<Change> },
}

/// One change of a folder: a name that goes, a name that comes, or both at once.
#[derive(Clone, Debug)]
struct Change {
    goes: Option<String>,
    comes: Option<(String, Id)>,
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Id>) {
        if let Some(name) = &self.goes {
            names.remove(name);
        }
        names.extend(self.comes.clone());
    }
}

#[derive(Debug)]
struct Inner {
    nodes: Vec<Node>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    lie: Lie,
    dead: bool,
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug)]
pub struct Sim(Arc<Mutex<Inner>>);

fn dir() -> Node {
    Node::Dir { names: BTreeMap::new(), durable: BTreeMap::new(), pending: Vec::new() }
}

impl Sim {
    pub fn new() -> Self {
        Self::of(vec![dir()])
    }

    fn of(nodes: Vec<Node>) -> Self {
        Sim(Arc::new(Mutex::new(Inner { nodes, operations: 0, fault: None, lie: Lie::None, dead: false })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics inside")
    }

    /// Lets operation `at`, counted from now, fail.
    pub fn fail(&self, at: u64, fault: Fault) {
        let mut inner = self.inner();
        inner.fault = Some((inner.operations + at, fault));
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        self.inner().fault = None;
    }

    pub fn lie(&self, lie: Lie) {
        self.inner().lie = lie;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Everything that was done becomes durable.
    pub fn settle(&self) {
        for node in &mut self.inner().nodes {
            match node {
                Node::File { data, durable, synced } => (*durable, *synced) = (data.clone(), true),
                Node::Dir { names, durable, pending } => {
                    durable.clone_from(names);
                    pending.clear();
                }
            }
        }
    }

    /// The disk after the process has died and the system lives.
    pub fn after_kill(&self) -> Sim {
        let nodes = self.inner().nodes.clone();
        Sim::of(nodes)
    }

    /// A disk as it may be after a loss of power; `seed` says what is left.
    pub fn after_power_loss(&self, seed: u64) -> Sim {
        let mut nodes = self.inner().nodes.clone();
        for (id, node) in nodes.iter_mut().enumerate() {
            let chance = |what: u64| mix(seed ^ mix(id as u64) ^ (what << 48));
            match node {
                Node::File { data, durable, synced } if !*synced => {
                    let cut = (chance(1) % (data.len() as u64 + 1)) as usize;
                    match chance(2) % 4 {
                        0 => data.clone_from(durable),
                        1 => data.truncate(cut),
                        2 => data[cut..].fill(0),
                        _ => {}
                    }
                    (*durable, *synced) = (data.clone(), true);
                }
                Node::File { .. } => {}
                Node::Dir { names, durable, pending } => {
                    let prefix = chance(3) % (pending.len() as u64 + 1);
                    for (i, change) in (0u64..).zip(&*pending) {
                        let kept = match chance(4) % 4 {
                            0 => false,
                            1 => true,
                            2 => i < prefix,
                            _ => chance(5 + i) % 2 == 0,
                        };
                        if kept {
                            change.apply(durable);
                        }
                    }
                    names.clone_from(durable);
                    pending.clear();
                }
            }
        }
        Sim::of(nodes)
    }

    /// Changes the bytes of a file where they lie, as a failing disk does.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let id = inner.find(path).expect("a file that exists");
        let Node::File { data, .. } = &mut inner.nodes[id] else { panic!("not a file") };
        change(data);
    }
}

impl Inner {
    /// Counts an operation; an error, if it is to fail.
    fn operation(&mut self, takes_room: bool) -> io::Result<()> {
        let at = self.operations;
        self.operations += 1;
        match self.fault {
            _ if self.dead => Err(io::Error::other("the process is dead")),
            Some((chosen, Fault::Crash)) if at == chosen => {
                self.dead = true;
                Err(io::Error::other("the process is dead"))
            }
            Some((chosen, Fault::Io)) if at == chosen => Err(io::Error::from_raw_os_error(nix::libc::EIO)),
            Some((chosen, Fault::Full)) if at == chosen && takes_room => Err(ErrorKind::StorageFull.into()),
            Some((chosen, Fault::StaysFull)) if at >= chosen && takes_room => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<Id> {
        let parts = path.strip_prefix("/").map_err(|_| ErrorKind::InvalidInput)?;
        let mut id = ROOT;
        for part in parts.iter().map(|part| part.to_string_lossy()) {
            let Node::Dir { names, .. } = &self.nodes[id] else { return Err(ErrorKind::NotADirectory.into()) };
            id = *names.get(part.as_ref()).ok_or(ErrorKind::NotFound)?;
        }
        Ok(id)
    }

    /// The folder of a path, and its name in it.
    fn place(&self, path: &Path) -> io::Result<(Id, String)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        Ok((self.find(parent)?, name.to_string_lossy().into_owned()))
    }

    fn names(&mut self, folder: Id) -> io::Result<(&mut BTreeMap<String, Id>, &mut Vec<Change>)> {
        match &mut self.nodes[folder] {
            Node::Dir { names, pending, .. } => Ok((names, pending)),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn change(&mut self, folder: Id, change: Change) -> io::Result<()> {
        let (names, pending) = self.names(folder)?;
        change.apply(names);
        pending.push(change);
        Ok(())
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<Id> {
        let (folder, name) = self.place(path)?;
        if self.names(folder)?.0.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let id = self.nodes.len();
        self.nodes.push(node);
        self.change(folder, Change { goes: None, comes: Some((name, id)) })?;
        Ok(id)
    }
}

struct SimFile {
    disk: Sim,
    id: Id,
}

impl Disk for Sim {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation(true)?;
        inner.add(path, dir()).map(drop)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.operation(true)?;
        let id = inner.add(path, Node::File { data: Vec::new(), durable: Vec::new(), synced: false })?;
        Ok(Box::new(SimFile { disk: self.clone(), id }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.operation(false)?;
        let id = inner.find(path)?;
        Ok(Box::new(SimFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation(true)?;
        let ((folder, old), (other, new)) = (inner.place(from)?, inner.place(to)?);
        assert_eq!(folder, other, "a rename stays within its folder");
        let id = inner.find(from)?;
        inner.change(folder, Change { goes: Some(old), comes: Some((new, id)) })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation(false)?;
        let id = inner.find(path)?;
        if matches!(inner.nodes[id], Node::Dir { .. }) {
            return Err(ErrorKind::IsADirectory.into());
        }
        let (folder, name) = inner.place(path)?;
        inner.change(folder, Change { goes: Some(name), comes: None })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation(false)?;
        let id = inner.find(path)?;
        if !inner.names(id)?.0.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        let (folder, name) = inner.place(path)?;
        inner.change(folder, Change { goes: Some(name), comes: None })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation(false)?;
        let id = inner.find(path)?;
        if inner.lie == Lie::SyncOfFolders {
            return Ok(());
        }
        match &mut inner.nodes[id] {
            Node::Dir { names, durable, pending } => {
                durable.clone_from(names);
                pending.clear();
                Ok(())
            }
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut inner = self.inner();
        inner.operation(false)?;
        let id = inner.find(path)?;
        Ok(inner.names(id)?.0.keys().rev().map(OsString::from).collect())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let mut inner = self.inner();
        inner.operation(false)?;
        match &inner.nodes[inner.find(path)?] {
            Node::File { data, .. } => Ok(data.len() as u64),
            Node::Dir { .. } => Ok(4096),
        }
    }

    fn free_bytes(&self, _: &Path) -> Option<u64> {
        Some(0)
    }
}

impl DiskFile for SimFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let alive = !inner.dead;
        let result = inner.operation(true);
        if let Node::File { data, synced, .. } = &mut inner.nodes[self.id]
            && alive
        {
            // What fails has written the first half.
            data.extend_from_slice(if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] });
            *synced = false;
        }
        result
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operation(true)?;
        let lie = inner.lie;
        if let Node::File { data, durable, synced } = &mut inner.nodes[self.id]
            && lie != Lie::SyncOfFiles
        {
            (*durable, *synced) = (data.clone(), true);
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        match &self.disk.inner().nodes[self.id] {
            Node::File { data, .. } => Ok(data.len() as u64),
            Node::Dir { .. } => Ok(4096),
        }
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operation(false)?;
        let Node::File { data, .. } = &inner.nodes[self.id] else { return Err(ErrorKind::IsADirectory.into()) };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = start.checked_add(bytes.len()).and_then(|end| data.get(start..end));
        bytes.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
