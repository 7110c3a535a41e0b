//! What a body is made of, and how finely time must be cut for it.

/// Coulomb friction coefficients, dimensionless.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Friction {
    /// Holds a contact at rest up to this multiple of the normal force.
    pub static_: f32,
    /// Slows a sliding contact by this multiple of the normal force; at most `static_`.
    pub dynamic: f32,
}

impl Friction {
    /// The coefficients between two surfaces: the geometric mean of theirs.
    pub fn between(self, other: Friction) -> Friction {
        Friction { static_: (self.static_ * other.static_).sqrt(), dynamic: (self.dynamic * other.dynamic).sqrt() }
    }
}

/// An isotropic hyperelastic material.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Material {
    /// Mass per rest volume, kg/m³.
    pub density: f32,
    /// Young's modulus, Pa.
    pub young: f32,
    /// Poisson's ratio, in `[0, 0.5)`.
    pub poisson: f32,
    /// Rate at which motion other than the rigid one decays, 1/s.
    pub damping: f32,
    /// Friction of its surface.
    pub friction: Friction,
}

/// The largest `substep × wave speed / smallest altitude` at which one coupled solve per substep stays accurate.
///
/// Small-step position-based dynamics follows elastic waves only where a substep is shorter than the time a wave takes
/// through an element. The constant was fitted on a cantilever with E = 1.2·10⁷ Pa, which needs 100 substeps.
pub const COURANT_MAX: f32 = 0.7;

impl Material {
    /// Lamé's parameters (μ, λ) in Pa.
    pub fn lame(&self) -> (f32, f32) {
        let mu = self.young / (2.0 * (1.0 + self.poisson));
        let lambda = self.young * self.poisson / ((1.0 + self.poisson) * (1.0 - 2.0 * self.poisson));
        (mu, lambda)
    }

    /// The parameters (μ, λ + μ) with which the stable Neo-Hookean energy `μ/2 tr FᵀF + λ'/2 (det F − γ)²` behaves like the
    /// material at small strains: its volumetric term takes μ from λ' there (Smith, de Goes and Kim, *Stable Neo-Hookean Flesh
    /// Simulation*, 2018, section 3.4). Without it a bar of ν = 0.3 is 11 % too soft, and one of ν = 0 has no stiffness at all.
    pub fn neo_hookean(&self) -> (f32, f32) {
        let (mu, lambda) = self.lame();
        (mu, lambda + mu)
    }

    /// Speed of pressure waves, m/s: `sqrt((λ + 2μ) / ρ)`.
    pub fn wave_speed(&self) -> f32 {
        let (mu, lambda) = self.lame();
        ((lambda + 2.0 * mu) / self.density).sqrt()
    }

    /// Substeps that a step of `step_s` seconds needs on a mesh whose smallest tetrahedron altitude is `altitude_m`.
    pub fn substeps_needed(&self, step_s: f32, altitude_m: f32) -> u32 {
        let ratio = step_s * self.wave_speed() / (COURANT_MAX * altitude_m);
        if ratio.is_finite() { (ratio.ceil() as u32).max(1) } else { u32::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stiff_and_fine_needs_more_substeps() {
        let friction = Friction { static_: 0.5, dynamic: 0.5 };
        let jelly = Material { density: 1000.0, young: 1e5, poisson: 0.3, damping: 0.0, friction };
        let needed = jelly.substeps_needed(1.0 / 60.0, 0.1);
        assert!(jelly.substeps_needed(1.0 / 60.0, 0.05) >= 2 * needed - 1);
        let steel = Material { young: 1e7, ..jelly };
        assert!(steel.substeps_needed(1.0 / 60.0, 0.1) >= 9 * needed);
        assert_eq!(steel.substeps_needed(1.0 / 60.0, 0.0), u32::MAX);
    }
}
