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
    /// Lamé's parameters (μ, λ) in Pa. A Poisson's ratio near zero is lifted so that λ stays positive.
    pub fn lame(&self) -> (f32, f32) {
        let nu = if self.poisson > 1e-3 { self.poisson } else { 1e-3 };
        let mu = self.young / (2.0 * (1.0 + nu));
        let lambda = self.young * nu / ((1.0 + nu) * (1.0 - 2.0 * nu));
        (mu, lambda)
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
