//! One substep of one body: predict, project the elastic constraints in colour order, push out of colliders, set velocities.

use crate::body::{Body, StepRule};
use crate::collider::Collider;
use crate::neo_hookean::{Rest, project};
use crate::simd::Real;
use crate::topology::Tet;
use crate::vec3::{add, add_scaled, sub};

/// Runs interval `interval` (counted from the step's start) up to the point where contacts with moving bodies are resolved: all its
/// substeps but the second half of the last.
#[inline(always)]
pub(crate) fn advance(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    let h = rule.substep();
    let first = interval * rule.per_interval;
    for s in first..first + rule.per_interval {
        predict(body, rule, h);
        elastic(body, h);
        if s + 1 < first + rule.per_interval {
            collide(body, colliders, h * s as f32 + h, rule);
            velocities(body, 1.0 / h);
        }
    }
}

/// Ends the interval: takes [`Body::corrections`], stays out of colliders, sets velocities.
#[inline(always)]
pub(crate) fn settle(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    let h = rule.substep();
    for (x, c) in body.x.iter_mut().zip(&body.corrections) {
        *x = add(*x, *c);
    }
    collide(body, colliders, rule.interval() * interval as f32 + rule.interval(), rule);
    // A correction undoes what an interval did, not what a substep did.
    let share = 1.0 / rule.per_interval as f32 - 1.0;
    for (predicted, c) in body.predicted.iter_mut().zip(&body.corrections) {
        *predicted = add_scaled(*predicted, *c, -share);
    }
    velocities(body, 1.0 / h);
}

#[inline(always)]
fn predict(body: &mut Body, rule: &StepRule, h: f32) {
    let inverse_mass = &body.topology.inverse_mass;
    for i in 0..inverse_mass.len() {
        if inverse_mass[i] != 0.0 {
            body.v[i] = add_scaled(body.v[i], rule.gravity, h);
            body.x[i] = add_scaled(body.x[i], body.v[i], h);
        }
        body.predicted[i] = body.x[i];
    }
}

#[inline(always)]
fn elastic(body: &mut Body, h: f32) {
    let topology = &*body.topology;
    let inverse_h2 = 1.0 / (h * h);
    for tet in &topology.tets {
        let n = tet.nodes.map(|n| n as usize);
        let w = n.map(|n| topology.inverse_mass[n]);
        let mut x = n.map(|n| body.x[n]);
        project(&lane(tet, topology.gamma, inverse_h2), &mut x, w);
        for (n, x) in n.into_iter().zip(x) {
            body.x[n] = x;
        }
    }
}

/// The tetrahedron's rest quantities in every lane.
#[inline(always)]
fn lane<R: Real>(tet: &Tet, gamma: f32, inverse_h2: f32) -> Rest<R> {
    Rest {
        inverse: tet.inverse_rest.map(|row| row.map(R::splat)),
        inverse_volume6: R::splat(tet.inverse_volume6),
        alpha_deviatoric: R::splat(tet.compliance_deviatoric * inverse_h2),
        alpha_volume: R::splat(tet.compliance_volume * inverse_h2),
        gamma: R::splat(gamma),
    }
}

#[inline(always)]
fn collide(body: &mut Body, colliders: &[Collider], t: f32, rule: &StepRule) {
    if body.near.is_empty() {
        return;
    }
    let (h, most) = (rule.substep(), rule.recovery_speed_max * rule.substep());
    body.near.move_to(colliders, t);
    let origin = body.origin;
    for i in 0..body.topology.layout.surface {
        if body.topology.inverse_mass[i] == 0.0 {
            continue;
        }
        let start = add_scaled(body.predicted[i], body.v[i], -h);
        let (x, before) = (add(origin, body.x[i]), add(origin, start));
        let out = body.near.resolve(colliders, i, x, before, h, most);
        if out != x {
            body.x[i] = sub(out, origin);
        }
    }
}

/// Adds what the constraints did to the predicted velocity. Taking the difference of positions over the whole substep instead would
/// round a fast body's velocity by its position's last digit in every substep, always the same way.
#[inline(always)]
fn velocities(body: &mut Body, inverse_h: f32) {
    for ((v, x), predicted) in body.v.iter_mut().zip(&body.x).zip(&body.predicted) {
        *v = add_scaled(*v, sub(*x, *predicted), inverse_h);
    }
}
