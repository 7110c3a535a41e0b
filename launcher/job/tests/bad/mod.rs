//! The table of mistakes.

mod structure;
mod values;

/// A job without fault. The numbers of its lines are used by the table.
pub const GOOD: &str = "\
name: demo
time: { steps: 100, substeps: 8 }
materials:
  rubber: { density_kg_m3: 1000, young_pa: 1.0e5, poisson: 0.4, friction: 0.5 }
soft_bodies:
  - name: cubes
    shape: { box: { size_m: [1, 1, 1] } }
    material: rubber
    count: 2
    layout: { grid: { spacing_m: [2, 2, 2], cells: [2, 1, 1] } }
rigid_bodies:
  - name: stone
    shape: { sphere: { radius_m: 0.5 } }
    motion: { dynamic: { density_kg_m3: 500 } }
    layout: { at: [[0, 5, 0]] }
environment:
  planes: [{ offset_m: 0 }]
";

/// A mistake, and how each complaint about it begins, after `error: `.
pub struct Bad {
    pub mistake: &'static str,
    /// What is replaced in [`GOOD`], and by what; nothing stands for the whole text.
    pub edit: (&'static str, &'static str),
    pub set: &'static [&'static str],
    pub env: &'static [(&'static str, &'static str)],
    pub says: &'static [&'static str],
}

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Bad> {
    structure::TABLE.iter().chain(values::TABLE)
}

/// A mistake in the file.
pub const fn file(mistake: &'static str, from: &'static str, to: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { mistake, edit: (from, to), set: &[], env: &[], says }
}

/// A mistake on the command line.
pub const fn set(mistake: &'static str, set: &'static [&'static str], says: &'static [&'static str]) -> Bad {
    Bad { mistake, edit: ("name: demo", "name: demo"), set, env: &[], says }
}
