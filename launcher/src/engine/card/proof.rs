//! A card proves itself: it takes steps of each form of a scene to the bits that the processor comes to.

use std::sync::Arc;

use rankzero_comm::Segment;
use rankzero_gpu::{GpuError, Lent};
use rankzero_gpu_solver::{
    Actor, Cast, Colliders, Coupled, Deltas, Ended, Entrant, Kernels, Meeting, PushedBy, Renewal, Residents, Troop,
};
use rankzero_soft::collider::{Collider, Geometry, TriangleMesh};
use rankzero_soft::pair::{Pair, Surface, Workspace};
use rankzero_soft::reach::{REACH_WORDS, Reach};
use rankzero_soft::shell::Shell;
use rankzero_soft::simd::Isa;
use rankzero_soft::{Friction, Pack, StateLayout};

use super::lending::Lending;
use crate::scene::Scene;

/// What a body came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    state: Vec<u32>,
    reach: [u32; REACH_WORDS],
    finite: bool,
}

impl Outcome {
    fn of(pack: &Pack) -> Self {
        let mut state = vec![0; pack.topology().layout.words()];
        pack.state(0, &mut state);
        Self { state, reach: pack.reach(0).to_words(), finite: pack.is_finite(0) }
    }
}

/// Whether the card takes a body's first step, with a surface through its lower half, to the bits that the processor comes to.
///
/// # Errors
/// [`GpuError`].
pub fn alone(kernels: &Arc<Kernels>, troop: &mut Troop, scene: &Scene, body: u32) -> Result<bool, GpuError> {
    let state = scene.initial_state(body);
    let reach = Reach::of_state(&state, scene.layout(body), &scene.rule);
    let surface = [surface_through(&reach)];
    let mut pack = Pack::new(scene.topology(body).clone(), 1, Isa::best());
    pack.join(&state, &reach, &scene.rule, &surface);
    pack.whole_step(&scene.rule, &surface);
    pack.end(&scene.rule);
    let mut colliders = Colliders::default();
    colliders.set(&surface);
    let mut residents = Residents::of_states(kernels.card(), &[state])?;
    troop.share(&residents)?;
    let entrant = Entrant { reach, home: residents.take(0, 0) };
    troop.start(&scene.rule, &colliders, &[entrant])?;
    Ok(outcomes(troop.finish()?, &mut residents) == [Outcome::of(&pack)])
}

/// Whether the card does so with two bodies of a form that are inside each other; and, where there are `others`, whether it shows their surfaces in
/// each interval and renews their copies afterwards.
///
/// # Errors
/// [`GpuError`], also where memory cannot be lent for that.
pub fn together(kernels: &Arc<Kernels>, scene: &Scene, body: u32, others: bool) -> Result<bool, GpuError> {
    let form = scene.bodies[body as usize].form as usize;
    let states = overlapping(scene.initial_state(body), scene.layout(body));
    let reaches = [0, 1].map(|i| Reach::of_state(&states[i], scene.layout(body), &scene.rule));
    let (expected, surfaces) = by_processor(scene, body, &states, &reaches);
    let mut coupled = Coupled::new(kernels, (0..=form).map(|i| (i == form).then_some(&**scene.topology(body))))?;
    let mut residents = Residents::of_states(kernels.card(), &states)?;
    let words = scene.layout(body).halo_words();
    let mut shown = Shown::new(4 * words)?;
    let lent = others.then(|| shown.lent(kernels)).transpose()?;
    coupled.share(&residents, lent.as_ref())?;
    let mut mover =
        |i: usize| Actor { form, reach: reaches[i], home: residents.take(i as u32, 0), pushed_by: i..i + 1 };
    let cast = Cast {
        movers: vec![mover(0), mover(1)],
        pairs: vec![Meeting { a: 0, b: 1 }],
        pushers: (0..2).map(|side| PushedBy { pair: 0, side }).collect(),
        halos: if others { (0..2).map(|i| [i * words, (2 + i) * words]).collect() } else { Vec::new() },
        ..Cast::default()
    };
    coupled.start(&scene.rule, &Colliders::default(), &cast)?;
    let mut same = true;
    for interval in 0..scene.rule.intervals() {
        if others {
            coupled.wait()?;
            let parity = interval as usize % 2;
            same &= shown.load(2 * words * parity, 2 * words) == surfaces[interval as usize];
        }
        coupled.contacts(interval, &[], |_, _| ())?;
        coupled.go_on(interval, &[])?;
    }
    same &= outcomes(coupled.finish()?, &mut residents) == expected;
    Ok(same && (!others || renewed(kernels, &residents, &expected)?))
}

/// Whether copies of the states that two bodies have come to are renewed, where nothing is known of them and where some of them differs.
fn renewed(kernels: &Arc<Kernels>, residents: &Residents, expected: &[Outcome]) -> Result<bool, GpuError> {
    let words = expected[0].state.len();
    let mut shown = Shown::new(2 * words)?;
    let lent = shown.lent(kernels)?;
    let mut deltas = Deltas::new(kernels)?;
    let mut renew = |fresh: bool| {
        let renewals = [0, 1].map(|i| Renewal { body: i as u32, at: i * words, fresh });
        deltas.renew(residents, 1, &lent, &renewals)
    };
    let all: Vec<u32> = expected.iter().flat_map(|outcome| outcome.state.clone()).collect();
    let is_whole = |shown: &Shown| shown.load(0, 2 * words) == all;
    let first = renew(true)?;
    let mut same = is_whole(&shown) && first.concat().iter().all(|changed| *changed);
    shown.memory.store(words, &[!expected[1].state[0]]);
    let second = renew(false)?;
    same &= is_whole(&shown) && second.concat().iter().filter(|changed| **changed).count() == 1 && second[1][0];
    Ok(same)
}

/// Memory that a card shows things in.
struct Shown {
    memory: Arc<Segment>,
    lending: Lending,
}

impl Shown {
    fn new(words: usize) -> Result<Self, GpuError> {
        let memory = Segment::new(words)
            .map_err(|error| GpuError::Driver { operation: "proving itself", words: error.to_string() })?;
        Ok(Self { memory, lending: Lending::default() })
    }

    fn lent(&mut self, kernels: &Kernels) -> Result<Arc<Lent>, GpuError> {
        self.lending.of(kernels.card(), &self.memory, None)
    }

    fn load(&self, at: usize, words: usize) -> Vec<u32> {
        let mut out = vec![0; words];
        self.memory.load(at, &mut out);
        out
    }
}

/// Two triangles across a body, a quarter of its height above its lowest node.
fn surface_through(reach: &Reach) -> Collider {
    let (low, high) = (reach.bounds.min, reach.bounds.max);
    let (size, y) = (high[1] - low[1], low[1] + 0.25 * (high[1] - low[1]));
    let [x, z] = [0, 2].map(|k| [low[k] - size, high[k] + size]);
    let points = [[x[0], y, z[0]], [x[1], y, z[0]], [x[0], y, z[1]], [x[1], y, z[1]]];
    let mesh = TriangleMesh::new(&points, &[[0, 2, 1], [1, 2, 3]], size);
    Collider { geometry: Geometry::Mesh(mesh), friction: Friction { static_: 0.5, dynamic: 0.4 } }
}

fn outcomes(ended: Ended<'_>, residents: &mut Residents) -> Vec<Outcome> {
    let outcome = |body: usize| {
        residents.ended(body as u32, 1);
        let mut state = vec![0; residents.host().words_of(body as u32)];
        residents.host().load(body as u32, &mut state);
        let outcome = ended.body(body);
        Outcome { state, reach: outcome.reach.to_words(), finite: outcome.finite }
    };
    (0..ended.len()).map(outcome).collect()
}

/// A state, and one that is moved along x by nine tenths of the body's width.
fn overlapping(state: Vec<u32>, layout: StateLayout) -> [Vec<u32>; 2] {
    let xs =
        |state: &[u32]| state[layout.positions()].iter().step_by(3).map(|&x| f32::from_bits(x)).collect::<Vec<_>>();
    let (low, high) = xs(&state).into_iter().fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let mut other = state.clone();
    for x in other[layout.positions()].iter_mut().step_by(3) {
        *x = (f32::from_bits(*x) + 0.9 * (high - low)).to_bits();
    }
    [state, other]
}

fn pack(scene: &Scene, body: u32, state: &[u32], reach: &Reach) -> Pack {
    let mut pack = Pack::new(scene.topology(body).clone(), 1, Isa::best());
    pack.join(state, reach, &scene.rule, &[]);
    pack
}

/// A step of two bodies that touch, and their surfaces by interval.
fn by_processor(
    scene: &Scene,
    body: u32,
    states: &[Vec<u32>; 2],
    reaches: &[Reach; 2],
) -> (Vec<Outcome>, Vec<Vec<u32>>) {
    let (rule, law, isa) = (&scene.rule, &scene.law, Isa::best());
    let mut packs = [0, 1].map(|i| pack(scene, body, &states[i], &reaches[i]));
    let mut shells = [Shell::default(), Shell::default()];
    let (mut pair, mut work) = (Pair::default(), Workspace::default());
    let mut surfaces = Vec::new();
    for interval in 0..rule.intervals() {
        for (pack, shell) in packs.iter_mut().zip(&mut shells) {
            pack.advance(interval, rule, &[]);
            shell.update(interval == 0, pack.surface(0), pack.topology(), isa);
            pack.clear_corrections();
        }
        surfaces.push(packs.iter().flat_map(|pack| pack.surface(0)).map(|x| x.to_bits()).collect());
        let [a, b] =
            [0, 1].map(|i| Surface { words: packs[i].surface(0), topology: packs[i].topology(), shell: &shells[i] });
        if interval == 0 {
            pair.find((&a, &reaches[0]), (&b, &reaches[1]), rule.step, law, &mut work, isa);
        }
        pair.push(&a, &b, law, &mut work, isa);
        for (pack, pushes) in packs.iter_mut().zip(&pair.pushes) {
            pack.correct(0, pushes);
            pack.settle(interval, rule, &[]);
        }
    }
    let end = |pack: &mut Pack| {
        pack.end(rule);
        Outcome::of(pack)
    };
    (packs.iter_mut().map(end).collect(), surfaces)
}
