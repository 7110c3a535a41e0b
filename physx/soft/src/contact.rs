//! The law of one contact between two things that can both move.
//!
//! Contacts are resolved once an interval, in its last substep, after the elastic constraints: where A's point has come to lie inside
//! B, both are moved apart along the normal in proportion to their inverse masses, and back along the tangent as far as Coulomb's law
//! lets friction hold (Müller et al., *Detailed Rigid Body Simulation with Extended Position Based Dynamics*, 2020, section 3.5). What
//! A gains in momentum B loses. All contacts are resolved at once (Jacobi), with the mass of a node split between its contacts by their
//! weights (Tonge et al., *Mass Splitting for Jitter-Free Parallel Rigid Body Simulation*, 2012), so that their sum does not overshoot.

use crate::collider::recoverable;
use crate::material::Friction;
use crate::vec3::{Vec3, add, add_scaled, dot, length, scale};

/// Share of a penetration that one interval takes back. Resolved whole, contacts that are solved at once overshoot a little each time
/// and a stack never comes to rest; by halves it does, at the price of twice the tiny depth that carries a load.
const RELAXATION: f32 = 0.5;

/// Constants of the contact law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// Length of an interval, s.
    pub interval: f32,
    /// What was inside before is taken back no faster than this, m/s.
    pub recovery_speed_max: f32,
}

/// A contact of thing A (a node, or a rigid body's point) with thing B.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    /// Unit normal, from B towards A.
    pub normal: Vec3,
    /// How deep A is inside B, m; positive.
    pub depth: f32,
    /// Displacement of A's point relative to B's over the interval, m.
    pub slip: Vec3,
}

impl Law {
    /// What the contact does to A, kg·m (its opposite acts on B): times an inverse mass it is a displacement, divided by the
    /// interval an impulse.
    ///
    /// `w` is the contact's inverse effective mass in 1/kg, with masses split over simultaneous contacts; `None` where neither side
    /// can move.
    #[inline(always)]
    pub fn push(&self, contact: &Contact, w: f32, friction: Friction) -> Option<Vec3> {
        if !(w > 0.0) {
            return None;
        }
        let along = dot(contact.slip, contact.normal);
        let depth = recoverable(contact.depth, -along, self.recovery_speed_max * self.interval);
        let normal = RELAXATION * depth / w;
        let slide = add_scaled(contact.slip, contact.normal, -along);
        let len = length(slide);
        let holding = len / w;
        let tangential = if holding <= friction.static_ * normal { holding } else { friction.dynamic * normal };
        let push = scale(contact.normal, normal);
        Some(if len > 0.0 { add(push, scale(slide, -tangential / len)) } else { push })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: Law = Law { interval: 0.01, recovery_speed_max: 3.0 };
    const UP: Vec3 = [0.0, 1.0, 0.0];
    const ROUGH: Friction = Friction { static_: 0.5, dynamic: 0.4 };

    #[test]
    fn a_penetration_is_taken_back_by_half_or_at_the_greatest_speed() {
        let contact = Contact { normal: UP, depth: 0.01, slip: [0.0; 3] };
        assert!((LAW.push(&contact, 0.5, ROUGH).unwrap()[1] - 0.01).abs() < 1e-6, "2 kg by half of 1 cm");
        let deep = Contact { depth: 1.0, ..contact };
        let impact = Contact { depth: 0.2, slip: [0.0, -0.18, 0.0], ..contact };
        assert!((LAW.push(&impact, 1.0, ROUGH).unwrap()[1] - 0.1).abs() < 1e-6, "18 m/s are stopped");
        assert!((LAW.push(&deep, 1.0, ROUGH).unwrap()[1] - 0.015).abs() < 1e-6, "half of 3 m/s for 10 ms");
        assert!(LAW.push(&contact, 0.0, ROUGH).is_none());
    }

    #[test]
    fn friction_holds_up_to_its_limit_and_then_slides() {
        let contact = Contact { normal: UP, depth: 0.01, slip: [0.002, -0.02, 0.0] };
        let held = LAW.push(&contact, 1.0, ROUGH).unwrap();
        assert!((held[0] + 0.002).abs() < 1e-7);
        let slid = LAW.push(&Contact { slip: [0.0, 0.0, 1.0], ..contact }, 1.0, ROUGH).unwrap();
        assert!((slid[2] + 0.4 * slid[1]).abs() < 1e-7);
    }
}
