//! One substep of a pack: predict, project the elastic constraints in colour order, push out of colliders, set velocities.
//!
//! `R` is a register with a lane for each body of the pack; `W` one with a lane for each of several constraints of a colour, for
//! packs of a single body.

use crate::bounds::Aabb;
use crate::collider::{Collider, Moment, Nodes};
use crate::damping::damp;
use crate::implicit::{self, Effort};
use crate::neo_hookean::{Rest, project};
use crate::pack::Pack;
use crate::reach::Reach;
use crate::rule::{FASTEST, StepRule};
use crate::simd::{Mask, Real};
use crate::solo;
use crate::topology::{Tet, Topology};
use crate::vec3::{Vec3, add, add_scaled, choose, dot, lane, scale, splat, sub, zero};

/// Runs an interval up to the contacts with moving bodies.
#[inline(always)]
pub(crate) fn advance<R: Real, W: Real>(pack: &mut Pack, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    let h = rule.substep();
    let first = interval * rule.per_interval;
    for s in first..first + rule.per_interval {
        predict::<R>(pack, rule, h);
        elastic::<R, W>(pack, h);
        if s + 1 < first + rule.per_interval {
            collide::<R>(pack, colliders, h * s as f32 + h, rule);
            velocities::<R>(pack, 1.0 / h);
        }
    }
}

/// Ends an interval of bodies that contacts may have corrected.
#[inline(always)]
pub(crate) fn settle<R: Real>(pack: &mut Pack, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    let corrections = pack.corrections.vectors::<R>();
    for (x, c) in pack.x.vectors_mut::<R>().iter_mut().zip(corrections) {
        *x = add(*x, *c);
    }
    collide::<R>(pack, colliders, rule.interval() * interval as f32 + rule.interval(), rule);
    // A correction undoes what an interval did, not what a substep did.
    let share = R::splat(1.0 - 1.0 / rule.per_interval as f32);
    let corrections = pack.corrections.vectors::<R>();
    for (predicted, c) in pack.predicted.vectors_mut::<R>().iter_mut().zip(corrections) {
        *predicted = add_scaled(*predicted, *c, share);
    }
    velocities::<R>(pack, 1.0 / rule.substep());
}

/// Runs a whole step without contacts with moving bodies.
#[inline(always)]
pub(crate) fn whole<R: Real, W: Real>(pack: &mut Pack, rule: &StepRule, colliders: &[Collider]) {
    let h = rule.substep();
    for s in 0..rule.substeps {
        predict::<R>(pack, rule, h);
        elastic::<R, W>(pack, h);
        collide::<R>(pack, colliders, h * s as f32 + h, rule);
        velocities::<R>(pack, 1.0 / h);
    }
}

/// Writes the surfaces as others see them: positions, then the displacements of an interval at the present speed.
///
/// Between [`advance`] and [`settle`] those are the positions that contacts are to resolve.
#[inline(always)]
pub(crate) fn show<R: Real>(pack: &mut Pack, rule: &StepRule) {
    let surface = pack.topology.layout.surface;
    let (h, substeps) = (R::splat(rule.substep()), R::splat(rule.per_interval as f32));
    let (x, v, predicted) = (pack.x.vectors::<R>(), pack.v.vectors::<R>(), pack.predicted.vectors::<R>());
    let origin = pack.origin.vectors::<R>()[0];
    let members = pack.members();
    for i in 0..surface {
        let position = add(origin, x[i]);
        let moved = scale(add_scaled(sub(x[i], predicted[i]), v[i], h), substeps);
        let mut words = [[0.0; crate::simd::MAX_LANES]; 6];
        for k in 0..3 {
            position[k].store(&mut words[k]);
            moved[k].store(&mut words[3 + k]);
        }
        for (lane, out) in pack.surfaces[..members].iter_mut().enumerate() {
            let (positions, displacements) = out.split_at_mut(3 * surface);
            (0..3).for_each(|k| positions[3 * i + k] = words[k][lane]);
            (0..3).for_each(|k| displacements[3 * i + k] = words[3 + k][lane]);
        }
    }
}

/// Damping, quiet counts, reaches, and whether all is finite.
#[inline(always)]
pub(crate) fn end<R: Real>(pack: &mut Pack, rule: &StepRule) {
    let topology = &*pack.topology;
    let (x, v) = (pack.x.vectors::<R>(), pack.v.vectors_mut::<R>());
    damp(topology, x, v, rule.step);
    let quiet = quiet(topology, v, rule.sleep.speed).bits();
    let mut falls_asleep = 0;
    for (lane, count) in pack.quiet[..R::LANES].iter_mut().enumerate() {
        *count = if quiet >> lane & 1 != 0 { count.saturating_add(1) } else { 0 };
        falls_asleep |= u32::from(*count == rule.sleep.steps) << lane;
    }
    if falls_asleep != 0 {
        let still = R::Mask::from_bits(falls_asleep);
        for v in v.iter_mut() {
            *v = choose(still, zero(), *v);
        }
    }
    let origin = pack.origin.vectors::<R>()[0];
    let (bounds, speeds) = extents(&x[..topology.layout.surface], &v[..topology.layout.surface], origin);
    for l in 0..R::LANES {
        let bounds = Aabb { min: lane(&bounds[0], l), max: lane(&bounds[1], l) };
        let speeds = Aabb { min: lane(&speeds[0], l), max: lane(&speeds[1], l) };
        pack.reaches[l] = Reach::new(bounds, speeds, pack.quiet[l], rule);
    }
    let most = R::splat(f32::MAX);
    let mut finite = R::Mask::splat(true);
    for (x, v) in x.iter().zip(v.iter()) {
        for k in 0..3 {
            finite = finite & x[k].abs().at_most(most) & v[k].abs().at_most(most);
        }
    }
    pack.blown = (!finite).bits();
}

#[inline(always)]
fn predict<R: Real>(pack: &mut Pack, rule: &StepRule, h: f32) {
    let inverse_mass = &pack.topology.inverse_mass;
    let (gravity, h) = (splat(rule.gravity), R::splat(h));
    if pack.topology.is_implicit() {
        let nodes = pack.topology.layout.nodes;
        pack.begin.vectors_mut::<R>().copy_from_slice(&pack.x.vectors::<R>()[..nodes]);
    }
    let (x, v) = (pack.x.vectors_mut::<R>(), pack.v.vectors_mut::<R>());
    let nodes = x.iter_mut().zip(v).zip(pack.predicted.vectors_mut::<R>());
    for (((x, v), predicted), w) in nodes.zip(inverse_mass) {
        if *w != 0.0 {
            *v = add_scaled(*v, gravity, h);
            *x = add_scaled(*x, *v, h);
        }
        *predicted = *x;
    }
}

/// Moves the nodes from their predicted positions to where elasticity wants them. Velocities take the change at once, in all its digits;
/// what contacts change from here on is the difference to the predicted positions, which are made those that were reached.
///
/// The difference of the positions at both ends instead would round a velocity by the position's last digit in every substep, some
/// of it always the same way.
#[inline(always)]
fn elastic<R: Real, W: Real>(pack: &mut Pack, h: f32) {
    let (topology, nodes) = (&*pack.topology, pack.topology.layout.nodes);
    let inverse_h2 = 1.0 / (h * h);
    if let Some(factor) = &topology.implicit {
        let (x, moved) = (&mut pack.x.vectors_mut::<R>()[..nodes], &mut pack.moved.vectors_mut::<R>()[..nodes]);
        implicit::solve(factor, &Effort::default(), pack.begin.vectors(), x, moved, pack.scratch.vectors_mut());
    } else {
        pack.moved.as_mut_slice().fill(0.0);
        if W::LANES > R::LANES {
            solo::elastic::<W>(topology, pack.predicted.vectors(), pack.moved.vectors_mut(), inverse_h2);
        } else {
            let (from, moved) = (pack.predicted.vectors::<R>(), pack.moved.vectors_mut::<R>());
            for tet in &topology.tets {
                elastic_one(topology, tet, from, moved, inverse_h2);
            }
        }
    }
    let inverse_h = R::splat(1.0 / h);
    let states = pack.x.vectors_mut::<R>().iter_mut().zip(pack.v.vectors_mut::<R>());
    let ways = pack.predicted.vectors_mut::<R>().iter_mut().zip(pack.moved.vectors::<R>());
    for ((x, v), (predicted, moved)) in states.zip(ways) {
        *v = add_scaled(*v, *moved, inverse_h);
        *predicted = add(*predicted, *moved);
        *x = *predicted;
    }
}

/// Projects one tetrahedron in every lane: `from` is where the nodes started, `moved` how far they have come.
#[inline(always)]
pub(crate) fn elastic_one<R: Real>(
    topology: &Topology,
    tet: &Tet,
    from: &[Vec3<R>],
    moved: &mut [Vec3<R>],
    inverse_h2: f32,
) {
    let (n, w) = (tet.nodes.map(|n| n as usize), &topology.inverse_mass);
    let w = [R::splat(w[n[0]]), R::splat(w[n[1]]), R::splat(w[n[2]]), R::splat(w[n[3]])];
    let mut ways = [moved[n[0]], moved[n[1]], moved[n[2]], moved[n[3]]];
    let corners =
        [add(from[n[0]], ways[0]), add(from[n[1]], ways[1]), add(from[n[2]], ways[2]), add(from[n[3]], ways[3])];
    project(&rest(tet, topology.gamma, inverse_h2), &corners, w, &mut ways);
    for i in 0..4 {
        moved[n[i]] = ways[i];
    }
}

/// The tetrahedron's rest quantities in every lane.
#[inline(always)]
fn rest<R: Real>(tet: &Tet, gamma: f32, inverse_h2: f32) -> Rest<R> {
    Rest {
        inverse: [splat(tet.inverse_rest[0]), splat(tet.inverse_rest[1]), splat(tet.inverse_rest[2])],
        balance6: R::splat(tet.volume6 * gamma),
        alpha_deviatoric: R::splat(tet.compliance_deviatoric * inverse_h2),
        alpha_volume: R::splat(tet.compliance_volume * inverse_h2),
    }
}

#[inline(always)]
fn collide<R: Real>(pack: &mut Pack, colliders: &[Collider], t: f32, rule: &StepRule) {
    if pack.near.is_empty() {
        return;
    }
    let h = rule.substep();
    let moment = Moment { t, h, most: rule.recovery_speed_max * h };
    let surface = pack.topology.layout.surface;
    let mut nodes = Nodes {
        origin: pack.origin.vectors::<R>()[0],
        x: &mut pack.x.vectors_mut::<R>()[..surface],
        predicted: pack.predicted.vectors::<R>(),
        v: pack.v.vectors::<R>(),
        inverse_mass: &pack.topology.inverse_mass,
    };
    pack.near.resolve(colliders, &mut nodes, moment);
}

/// Adds what colliders and contacts did after the elastic constraints.
#[inline(always)]
fn velocities<R: Real>(pack: &mut Pack, inverse_h: f32) {
    let (x, predicted) = (pack.x.vectors::<R>(), pack.predicted.vectors::<R>());
    let inverse_h = R::splat(inverse_h);
    for ((v, x), predicted) in pack.v.vectors_mut::<R>().iter_mut().zip(x).zip(predicted) {
        *v = add_scaled(*v, sub(*x, *predicted), inverse_h);
    }
}

#[inline(always)]
fn quiet<R: Real>(topology: &Topology, v: &[Vec3<R>], speed: f32) -> R::Mask {
    let (mut mass, mut energy, mut fastest) = (0.0, R::splat(0.0), R::splat(0.0));
    for (v, m) in v.iter().zip(&topology.mass) {
        let square = dot(*v, *v);
        mass += m;
        energy = energy + R::splat(*m) * square;
        fastest = square.larger(fastest);
    }
    let limit = speed * speed;
    energy.less(R::splat(limit * mass)) & fastest.less(R::splat(FASTEST * FASTEST * limit))
}

/// Boxes of world positions and of velocities, each as lowest and highest corner.
#[inline(always)]
fn extents<R: Real>(x: &[Vec3<R>], v: &[Vec3<R>], origin: Vec3<R>) -> ([Vec3<R>; 2], [Vec3<R>; 2]) {
    let mut bounds: [Vec3<R>; 2] = [splat(Aabb::EMPTY.min), splat(Aabb::EMPTY.max)];
    let mut speeds = bounds;
    for (x, v) in x.iter().zip(v) {
        let x = add(origin, *x);
        for k in 0..3 {
            bounds[0][k] = bounds[0][k].smaller(x[k]);
            bounds[1][k] = bounds[1][k].larger(x[k]);
            speeds[0][k] = speeds[0][k].smaller(v[k]);
            speeds[1][k] = speeds[1][k].larger(v[k]);
        }
    }
    (bounds, speeds)
}
