//! Which MPI is installed, and whether it is the one that this program is linked to.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{LaunchError, system};

/// A family of launchers with one command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Open MPI.
    OpenMpi {
        /// 4, 5, …
        major: u32,
    },
    /// MPICH, MVAPICH, Intel MPI: the Hydra launcher.
    Hydra,
}

impl Kind {
    /// Reads what `mpirun --version` prints.
    pub fn of_launcher(version: &str) -> Option<Kind> {
        let open_mpi = ["(Open MPI) ", "(PRRTE) ", "(OpenRTE) "].iter().find_map(|mark| version.split_once(mark));
        if let Some((before, after)) = open_mpi {
            let number = leading_number(after)?;
            // PRRTE 3 is the launcher of Open MPI 5, OpenRTE 4 that of Open MPI 4.
            let major = if before.ends_with("prterun ") && number < 5 { number + 2 } else { number };
            return Some(Kind::OpenMpi { major });
        }
        let hydra = ["HYDRA build details", "Intel(R) MPI Library"];
        hydra.iter().any(|mark| version.contains(mark)).then_some(Kind::Hydra)
    }

    /// Reads what `MPI_Get_library_version` says.
    pub fn of_library(version: &str) -> Option<Kind> {
        if let Some((_, after)) = version.split_once("Open MPI v") {
            return Some(Kind::OpenMpi { major: leading_number(after)? });
        }
        let kin = ["MPICH", "MVAPICH", "Intel(R) MPI", "CRAY MPICH"];
        kin.iter().any(|mark| version.contains(mark)).then_some(Kind::Hydra)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::OpenMpi { major } => write!(f, "Open MPI {major}"),
            Kind::Hydra => f.write_str("MPICH or its kin"),
        }
    }
}

/// An installed launcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mpi {
    /// The program.
    pub program: PathBuf,
    /// Its family.
    pub kind: Kind,
    /// First line of its version.
    pub version: String,
}

impl Mpi {
    /// Whether ranks that it starts find each other through the linked library, whose version is given.
    ///
    /// # Errors
    /// [`LaunchError::OtherMpi`]. A library that we do not know is given the benefit of the doubt.
    pub fn agrees_with(&self, library: &str) -> Result<(), LaunchError> {
        match Kind::of_library(library) {
            Some(kind) if kind != self.kind => Err(LaunchError::OtherMpi {
                program: self.program.clone(),
                launcher: self.kind.to_string(),
                linked: first_line(library),
            }),
            _ => Ok(()),
        }
    }
}

/// Finds the launcher in the folders of `path`, the value of `PATH`: `mpirun` first, then `mpiexec`.
///
/// # Errors
/// [`LaunchError::NoMpi`], [`LaunchError::UnknownMpi`], or that it could not be asked for its version.
pub fn find(path: Option<&OsStr>) -> Result<Mpi, LaunchError> {
    let program = ["mpirun", "mpiexec"].iter().find_map(|name| on_path(path, name)).ok_or(LaunchError::NoMpi)?;
    let output = Command::new(&program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(system(format!("run {} --version", program.display())))?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    match Kind::of_launcher(&version) {
        Some(kind) => Ok(Mpi { program, kind, version: first_line(&version) }),
        None => Err(LaunchError::UnknownMpi { program, says: first_line(&version) }),
    }
}

/// The family of the MPI library that this program is linked to, and its first line about itself.
pub fn linked() -> (Option<Kind>, String) {
    let library = rankzero_comm::mpi::library();
    (Kind::of_library(&library), first_line(&library))
}

/// The first executable file `name` in the folders of `path`.
pub(crate) fn on_path(path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    rankzero_slurm::commands::on_path(path?, name)
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn first_line(text: &str) -> String {
    const SHOWN: usize = 120;
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_told_apart_by_their_version() {
        let open_mpi = |major| Some(Kind::OpenMpi { major });
        assert_eq!(Kind::of_launcher("mpirun (Open MPI) 4.1.4\n\nReport bugs to"), open_mpi(4));
        assert_eq!(Kind::of_launcher("mpirun (Open MPI) 5.0.11"), open_mpi(5));
        assert_eq!(Kind::of_launcher("prterun (PRRTE) 3.0.11"), open_mpi(5));
        assert_eq!(Kind::of_launcher("HYDRA build details:\n    Version: 4.0.2"), Some(Kind::Hydra));
        assert_eq!(Kind::of_launcher("Intel(R) MPI Library for Linux* OS, Version 2021.9"), Some(Kind::Hydra));
        assert_eq!(Kind::of_launcher("bash: 5.2"), None);
        assert_eq!(Kind::of_launcher(""), None);
    }

    #[test]
    fn a_library_of_another_family_or_version_is_refused() {
        let program = PathBuf::from("/usr/bin/mpirun");
        let mpi = Mpi { program, kind: Kind::OpenMpi { major: 4 }, version: String::new() };
        assert!(mpi.agrees_with("Open MPI v4.1.4, package: Debian OpenMPI").is_ok());
        assert!(mpi.agrees_with("something new").is_ok());
        for library in ["Open MPI v5.0.1, package: x", "MPICH Version:      4.0.2"] {
            let error = mpi.agrees_with(library).expect_err(library).to_string();
            assert!(error.contains("/usr/bin/mpirun starts Open MPI 4") && error.contains("MPICC"), "{error}");
        }
    }

    #[test]
    fn without_mpi_the_remedy_is_named() {
        let empty = std::env::temp_dir().join(format!("rankzero-no-mpi-{}", std::process::id()));
        for path in [None, Some(empty.as_os_str()), Some(OsStr::new(""))] {
            let error = find(path).expect_err("no MPI").to_string();
            assert!(error.contains("apt-get install openmpi-bin"), "{error}");
        }
    }
}
