//! What can go wrong with a rigid world, and what to do about it.

use crate::ffi::foundation::StartError;

/// Which list of the scene an item belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// `rigids[i]`.
    Rigid(usize),
    /// `statics[i]`.
    Static(usize),
    /// `states[i]`, handed to a rebuild.
    State(usize),
    /// The world as a whole.
    World,
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Item::Rigid(i) => write!(f, "rigid {i}"),
            Item::Static(i) => write!(f, "static {i}"),
            Item::State(i) => write!(f, "state of rigid {i}"),
            Item::World => write!(f, "rigid world"),
        }
    }
}

/// An error of the rigid world.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RigidError {
    /// PhysX is not available in this process.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A value of the description is out of its range.
    #[error("{item}: {field} {problem}")]
    Invalid {
        /// Where it stands.
        item: Item,
        /// The field, by its name in the description.
        field: &'static str,
        /// What is wrong with it, and what it must be.
        problem: String,
    },
    /// PhysX refused to make an object from values that passed our own checks.
    #[error("{item}: PhysX could not make the {what}{detail}")]
    Refused {
        /// Where it stands.
        item: Item,
        /// The object PhysX was asked for.
        what: &'static str,
        /// PhysX's own words, empty if it said nothing.
        detail: String,
    },
    /// A call names an item that is not there, or is of another kind than the call needs.
    #[error("{item}: {problem}")]
    Misuse {
        /// The item named.
        item: Item,
        /// Why the call does not apply to it.
        problem: &'static str,
    },
    /// PhysX reported a failure while stepping; the world must be rebuilt from its last good states.
    #[error("PhysX failed in a step{detail}: rebuild the rigid world from its last good states")]
    Step {
        /// PhysX's own words.
        detail: String,
    },
    /// A rigid body left the finite numbers.
    #[error(
        "rigid {rigid}: its state is no longer finite: reduce the time step, or look for bodies that start inside each other"
    )]
    Diverged {
        /// Index of the first such rigid.
        rigid: usize,
    },
}

impl RigidError {
    pub(crate) fn invalid(item: Item, field: &'static str, problem: impl Into<String>) -> Self {
        RigidError::Invalid { item, field, problem: problem.into() }
    }

    pub(crate) fn refused(item: Item, what: &'static str, detail: String) -> Self {
        RigidError::Refused { item, what, detail }
    }
}
