//! Faults that a test injects into a run: `RANKZERO_FAULTS=60:break:verbs,120:break:mpi,200:mend:verbs` breaks the verbs rung of all
//! ranks before step 60, and so on. The result must not change.

use std::str::FromStr;

use rankzero_comm::Rung;

/// The variable that holds them.
pub const FAULTS_VARIABLE: &str = "RANKZERO_FAULTS";

/// What is done to a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It fails, and stays so.
    Break,
    /// It may be tried again.
    Mend,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Before this step.
    pub step: u64,
    /// What is done.
    pub act: Act,
    /// To which rung.
    pub rung: Rung,
}

/// All faults of a run, by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Those that the environment asks for.
    ///
    /// # Errors
    /// What is wrong with the variable.
    pub fn from_environment() -> Result<Self, String> {
        match std::env::var(FAULTS_VARIABLE) {
            Ok(text) => text.parse().map_err(|why| format!("{FAULTS_VARIABLE}: {why}")),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Those before `step`.
    pub fn before(&self, step: u64) -> impl Iterator<Item = Fault> + '_ {
        self.0.iter().copied().filter(move |fault| fault.step == step)
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| -> Result<Fault, String> {
            let fields: Vec<&str> = part.trim().split(':').collect();
            let &[step, act, rung] = &fields[..] else {
                return Err(format!("`{part}` is not STEP:break:RUNG or STEP:mend:RUNG"));
            };
            let act = match act {
                "break" => Act::Break,
                "mend" => Act::Mend,
                other => return Err(format!("`{other}` is neither break nor mend")),
            };
            let step = step.parse().map_err(|_| format!("`{step}` is no step"))?;
            let rung = rung.parse().map_err(|why: rankzero_comm::UnknownRung| why.to_string())?;
            Ok(Fault { step, act, rung })
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_bad_ones_named() {
        let faults: Faults = "60:break:verbs, 200:mend:verbs".parse().expect("faults");
        let first = Fault { step: 60, act: Act::Break, rung: Rung::Verbs };
        assert_eq!(faults.before(60).collect::<Vec<_>>(), [first]);
        assert_eq!(faults.before(61).count(), 0);
        for (text, part) in [("x", "STEP:break"), ("1:burn:mpi", "burn"), ("-1:mend:mpi", "-1"), ("1:mend:ucx", "ucx")]
        {
            let why = text.parse::<Faults>().expect_err("bad");
            assert!(why.contains(part), "{why}");
        }
    }
}
