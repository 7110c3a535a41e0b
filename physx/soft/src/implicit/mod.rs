//! Implicit substeps, for bodies too stiff for [`neo_hookean`](crate::neo_hookean)'s sweeps.
//!
//! A sweep of position-based dynamics carries a push from one element to the next, so that a substep must not outlast a pressure wave's
//! way through an element: [`Material::substeps_needed`](crate::Material::substeps_needed) goes beyond a hundred for E = 10⁷ Pa. Here a
//! substep solves for all nodes at once and may be as long as the motion allows.
//!
//! Implicit Euler (Baraff and Witkin, *Large Steps in Cloth Simulation*, 1998) asks for the least of
//! `|x − x̂|² M/(2 h²) + Ψ(x)`, with `x̂` the positions after free flight and `Ψ` the stable Neo-Hookean energy. [`solve`] takes a
//! Newton step towards it:
//! 1. *Start* at `x̂`, or at the substep's first positions where these hold less energy.
//! 2. *Solve* `(M/h² + K) Δx = M/h² (x̂ − x) + f` by conjugate gradients. `K` is the exact Hessian matrix, never written down. The
//!    preconditioner is the same matrix at rest, turned with the body: factored once per mesh and substep length ([`Factor`]), shared by
//!    all bodies and lanes. A stiff body is never far from its rest shape, so that it takes one or two iterations.
//! 3. *Shorten* the step where it would raise the energy. Together with the choice of the start this keeps any state from blowing up.
//! 4. *Restore* a free body's momentum, of which implicit Euler would keep the linear part only.
//!
//! What is left of implicit Euler is its damping: a vibration of angular frequency ω loses the share `ω² h` of its energy per second. At
//! 240 substeps per second one of 1.8 Hz keeps half of it after a second, one of 6 Hz next to nothing; at 600, 75 % and 5 %.
mod block;
mod cholesky;
mod elastic;
mod factor;
mod momentum;
mod order;
mod solve;
#[cfg(test)]
mod tests;

pub use elastic::Element;
pub use factor::{Factor, Parts};
pub use solve::{Effort, ITERATIONS, SCRATCH, TOLERANCE, Work, solve};
