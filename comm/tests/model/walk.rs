//! Random walks: faults are rare, so that they get somewhere, and each is repeated exactly by its seed.

use std::fmt;

use stateright::{Expectation, Model};

use super::{Setup, Step, World};

/// A generator of pseudo-random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// How often a step of this kind is taken in comparison with others.
fn weight(step: &Step) -> usize {
    match step {
        Step::Deliver { .. } => 40,
        Step::Tick(_) | Step::Prove { .. } => 8,
        Step::Kill(_) | Step::Lose(..) | Step::Admit { .. } | Step::Dismiss { .. } => 1,
    }
}

fn choose(dice: &mut Dice, steps: &mut Vec<Step>) -> Option<Step> {
    let mut at = dice.below(steps.iter().map(weight).sum::<usize>().max(1));
    for index in 0..steps.len() {
        match at.checked_sub(weight(&steps[index])) {
            Some(rest) => at = rest,
            None => return Some(steps.swap_remove(index)),
        }
    }
    None
}

/// A walk that has ended.
pub struct Walk {
    pub steps: Vec<Step>,
    pub last: World,
    /// The first property that does not hold at its end, if that is why it ended.
    pub broken: Option<&'static str>,
    /// Which properties that must hold sometimes have.
    pub seen: Vec<&'static str>,
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.broken.unwrap_or("nothing is broken"))?;
        self.steps.iter().try_for_each(|step| write!(f, "{step}; "))?;
        for (rank, membership) in self.last.ranks.iter().enumerate() {
            let known = membership.as_ref().map(|known| (known.status(), known.view(), known.promised(), known.dead()));
            write!(f, "\n{rank}: {known:?}")?;
        }
        for (term, (view, after)) in &self.last.proposed {
            let after: Vec<_> = after.iter().map(ToString::to_string).collect();
            let confirmed = if self.last.confirmed.contains(term) { "in force" } else { "proposed" };
            write!(f, "\n{term} {confirmed}: {:?} after {after:?}", view.members)?;
        }
        Ok(())
    }
}

/// Walks `most` steps at most, or until nothing more can happen.
pub fn walk(setup: &Setup, seed: u64, most: usize) -> Walk {
    let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let last = setup.init_states().remove(0);
    let mut walk = Walk { steps: Vec::new(), last, broken: None, seen: Vec::new() };
    let properties = setup.properties();
    while walk.steps.len() < most && walk.broken.is_none() {
        let mut steps = Vec::new();
        setup.actions(&walk.last, &mut steps);
        let next = loop {
            let Some(step) = choose(&mut dice, &mut steps) else { return walk };
            let Some(world) = setup.next_state(&walk.last, step.clone()) else { continue };
            if setup.within_boundary(&world) {
                break (step, world);
            }
        };
        walk.steps.push(next.0);
        walk.last = next.1;
        for property in &properties {
            let holds = (property.condition)(setup, &walk.last);
            match property.expectation {
                Expectation::Always if !holds => walk.broken = walk.broken.or(Some(property.name)),
                Expectation::Sometimes if holds && !walk.seen.contains(&property.name) => walk.seen.push(property.name),
                _ => {}
            }
        }
    }
    walk
}
