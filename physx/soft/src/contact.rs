//! The law of one contact between two things that can both move.
//!
//! At the start of an interval of `T` seconds the contact asks for an impulse, spread evenly over the interval, that brings
//! the normal approach speed to what lets the gap just close (gap > 0), or open by a share [`Law::recovery`] (gap < 0).
//! That is a damped spring in the time scale of the interval: resting contacts settle without a limit cycle. The approach speed is the
//! one at the interval's *end*, as gravity and the bodies' own elasticity drive it if they do what they did in the interval before
//! (the *drive*, part of a body's state): so a contact carries a load without sinking in. Simultaneous
//! contacts of one node are solved at once (Jacobi) with the node's mass split between them by their weights (Tonge et al., *Mass
//! Splitting for Jitter-Free Parallel Rigid Body Simulation*, 2012), so their sum does not overshoot.

use crate::material::Friction;
use crate::topology::Topology;
use crate::vec3::{Vec3, add, add_scaled, dot, length, scale};

/// Constants of the contact law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// Length of an interval, s.
    pub interval: f32,
    /// Share of a penetration that one interval takes back.
    pub recovery: f32,
    /// A penetration is taken back no faster than this, m/s.
    pub recovery_speed_max: f32,
    /// How much of a node's elastic stiffness counts as inertia, see [`Law::inverse_inertia`].
    pub stiffening: f32,
}

/// A contact of thing A (a node, or a rigid body's point) with thing B.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    /// Unit normal, from B towards A.
    pub normal: Vec3,
    /// Distance along the normal, m; negative where A is inside B.
    pub gap: f32,
    /// Velocity of A's point relative to B's at the interval's end if nothing touched them, m/s.
    pub approach: Vec3,
}

impl Law {
    /// Whether the contact would be closed at the interval's end if nothing were done.
    pub fn closes(&self, contact: &Contact) -> bool {
        contact.gap + dot(contact.approach, contact.normal) * self.interval < 0.0
    }

    /// The inverse of what a node opposes to a push that lasts an interval, 1/kg: of `m + a T² k`.
    ///
    /// A node is tied to its neighbours by its stiffness `k`; over a long interval that counts for more than its own mass `m`, as in
    /// the matrix `M + T² K` of an implicit step. With the mass alone, resting contacts would be soft in proportion to `T²`.
    pub fn inverse_inertia(&self, topology: &Topology, node: u32) -> f32 {
        let (w, k) = (topology.inverse_mass[node as usize], topology.stiffness[node as usize]);
        w / (self.stiffening * self.interval * self.interval * k).mul_add(w, 1.0)
    }

    /// The impulse on A in N·s (its opposite acts on B), or `None` where the contact does not push.
    ///
    /// `w` is the contact's inverse effective mass in 1/kg, with masses split over simultaneous contacts.
    pub fn impulse(&self, contact: &Contact, w: f32, friction: Friction) -> Option<Vec3> {
        if !(w > 0.0) {
            return None;
        }
        let speed = dot(contact.approach, contact.normal);
        let wanted = if contact.gap > 0.0 {
            -contact.gap / self.interval
        } else {
            let back = -contact.gap * self.recovery / self.interval;
            if back < self.recovery_speed_max { back } else { self.recovery_speed_max }
        };
        let normal = (wanted - speed) / w;
        if !(normal > 0.0) {
            return None;
        }
        let slide = add_scaled(contact.approach, contact.normal, -speed);
        let slide_speed = length(slide);
        let holding = slide_speed / w;
        let tangential = if holding <= friction.static_ * normal { holding } else { friction.dynamic * normal };
        let push = scale(contact.normal, normal);
        Some(if slide_speed > 0.0 { add(push, scale(slide, -tangential / slide_speed)) } else { push })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: Law = Law { interval: 0.01, recovery: 0.3, recovery_speed_max: 3.0, stiffening: 0.0 };
    const UP: Vec3 = [0.0, 1.0, 0.0];
    const ROUGH: Friction = Friction { static_: 0.5, dynamic: 0.4 };

    #[test]
    fn a_gap_may_close_and_no_more() {
        let contact = Contact { normal: UP, gap: 0.01, approach: [0.0, -3.0, 0.0] };
        assert!(LAW.closes(&contact));
        let p = LAW.impulse(&contact, 0.5, ROUGH).unwrap();
        assert!((p[1] - 4.0).abs() < 1e-5, "from −3 to −1 m/s with 2 kg: {p:?}");
        assert!(!LAW.closes(&Contact { approach: [0.0, -0.5, 0.0], ..contact }));
    }

    #[test]
    fn friction_holds_up_to_its_limit_and_then_slides() {
        let contact = Contact { normal: UP, gap: -0.001, approach: [0.1, -1.0, 0.0] };
        let held = LAW.impulse(&contact, 1.0, ROUGH).unwrap();
        assert!((held[0] + 0.1).abs() < 1e-6);
        let slid = LAW.impulse(&Contact { approach: [2.0, -1.0, 0.0], ..contact }, 1.0, ROUGH).unwrap();
        assert!((slid[0] + 0.4 * slid[1]).abs() < 1e-6);
    }

    #[test]
    fn separating_and_immovable_contacts_do_nothing() {
        let apart = Contact { normal: UP, gap: -0.001, approach: [0.0, 2.0, 0.0] };
        assert!(LAW.impulse(&apart, 1.0, ROUGH).is_none());
        assert!(LAW.impulse(&Contact { approach: [0.0, -1.0, 0.0], ..apart }, 0.0, ROUGH).is_none());
    }
}
