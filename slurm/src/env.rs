//! The environment with typed access, and why it makes no sense.

use std::collections::BTreeMap;

use crate::hostlist::HostlistError;

/// Why the environment makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// Something else than a number.
    #[error("environment variable {variable} is `{value}`, not a number of {bits} bits")]
    NotANumber {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// Width.
        bits: u32,
    },
    /// The launcher sets it together with others that are there.
    #[error(
        "environment variable {variable} is missing though {present} is set; was the environment filtered on the way?"
    )]
    Missing {
        /// The missing one.
        variable: &'static str,
        /// The one that is there.
        present: &'static str,
    },
    /// Two variables that cannot both be true.
    #[error(
        "environment variables {left} and {right} contradict each other: {why}; start the program by one launcher, from a clean environment"
    )]
    Contradiction {
        /// The first.
        left: &'static str,
        /// The second.
        right: &'static str,
        /// How.
        why: String,
    },
    /// A malformed list of tasks per node.
    #[error("environment variable {variable} is `{value}`, not a list such as `2(x3),1`")]
    TaskList {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A malformed host list.
    #[error("environment variable {variable}: {source}")]
    Nodes {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        source: HostlistError,
    },
    /// Tasks that do not know of each other.
    #[error(
        "srun started {size} tasks without PMI, so each would believe it is alone and run the whole job; \
         use `srun --mpi=pmix` (`srun --mpi=list` shows what this site has; it adds well under a second to the start), \
         or one task"
    )]
    NoPmi {
        /// Tasks of the step.
        size: u32,
    },
}

/// The environment of this process; what is not Unicode is no launcher's.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The environment with typed access. An empty value counts as none.
pub(crate) struct Env<'a>(pub(crate) &'a BTreeMap<String, String>);

impl Env<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, variable: &'static str) -> Result<Option<T>, EnvError> {
        self.get(variable)
            .map(|value| {
                value.parse().map_err(|_| EnvError::NotANumber {
                    variable,
                    value: value.to_owned(),
                    bits: 8 * size_of::<T>() as u32,
                })
            })
            .transpose()
    }

    pub(crate) fn required<T: std::str::FromStr>(
        &self,
        variable: &'static str,
        present: &'static str,
    ) -> Result<T, EnvError> {
        self.number(variable)?.ok_or(EnvError::Missing { variable, present })
    }
}
