//! The same bits at every width, and in any company.

use super::*;
use crate::simd::MAX_LANES;

/// Substeps of bodies of different states side by side: for each body its positions' bits.
struct Side<'a> {
    topology: &'a Topology,
    factor: &'a Factor,
    h: f32,
    /// Positions and velocities of each body.
    states: &'a [(Vec<Vec3>, Vec<Vec3>)],
}

impl Kernel for Side<'_> {
    type Output = Vec<Vec<u32>>;

    #[inline(always)]
    fn run<R: Real>(self) -> Vec<Vec<u32>> {
        let n = self.topology.rest.len();
        let mut scratch = vec![[R::splat(f32::NAN); 3]; SCRATCH * n];
        let mut moved = vec![[R::splat(f32::NAN); 3]; n];
        let mut out = Vec::new();
        for group in self.states.chunks_exact(R::LANES) {
            let gather =
                |i: usize, k: usize| (R::from_lanes(|l| group[l].0[i][k]), R::from_lanes(|l| group[l].1[i][k]));
            let mut x: Vec<[R; 3]> = (0..n).map(|i| std::array::from_fn(|k| gather(i, k).0)).collect();
            let mut v: Vec<[R; 3]> = (0..n).map(|i| std::array::from_fn(|k| gather(i, k).1)).collect();
            for _ in 0..6 {
                let begin = x.clone();
                for i in (0..n).filter(|&i| self.topology.inverse_mass[i] != 0.0) {
                    x[i] = add_scaled(x[i], v[i], R::splat(self.h));
                }
                let flown = x.clone();
                solve(self.factor, &Effort::default(), &begin, &mut x, &mut moved, &mut scratch);
                for i in 0..n {
                    v[i] = add_scaled(v[i], sub(x[i], flown[i]), R::splat(1.0 / self.h));
                }
            }
            for l in 0..R::LANES {
                out.push(x.iter().flatten().map(|c| c.lane(l).to_bits()).collect());
            }
        }
        out
    }
}

/// Bodies at rest, moving, and (where `violent` holds) crushed, blown up, or no numbers at all.
fn states(topology: &Topology, violent: impl Fn(usize) -> bool) -> Vec<(Vec<Vec3>, Vec<Vec3>)> {
    let state = |body: usize| {
        let mut dice = Dice(body as u32);
        let fix = |i: usize| if topology.inverse_mass[i] == 0.0 { 0.0 } else { 1.0 };
        let mut x: Vec<Vec3> = topology.rest.clone();
        let v: Vec<Vec3> = (0..x.len()).map(|i| dice.vector(fix(i) * 0.2 * body as f32)).collect();
        if violent(body) {
            match body % 4 {
                0 => x.iter_mut().for_each(|x| x[0] *= 0.05),
                1 => x.iter_mut().for_each(|x| x[1] *= -3.0),
                2 => x.iter_mut().for_each(|x| *x = add(*x, dice.vector(1.0))),
                _ => x.iter_mut().for_each(|x| *x = [f32::NAN; 3]),
            }
        }
        (x, v)
    };
    (0..MAX_LANES).map(state).collect()
}

#[test]
fn all_widths_give_the_same_bits_and_neighbours_do_not_matter() {
    for pinned in [false, true] {
        let topology = mesh([4, 2, 2], [0.4, 0.2, 0.2], material(4e6, 0.4, 800.0, 0.0), |p| pinned && p[0] == 0.0);
        let (h, factor) = (1.0 / 240.0, Factor::new(&topology, 1.0 / 240.0));
        let calm = states(&topology, |_| false);
        let mixed = states(&topology, |body| body % 3 == 1);
        let run = |isa: Isa, states: &[_]| isa.run(Side { topology: &topology, factor: &factor, h, states });
        let (expected, disturbed) = (run(Isa::Scalar, &calm), run(Isa::Scalar, &mixed));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let (alone, company) = (run(isa, &calm), run(isa, &mixed));
            for body in 0..MAX_LANES {
                assert_eq!(alone[body], expected[body], "{isa:?}, body {body}");
                if body % 3 != 1 {
                    assert_eq!(company[body], expected[body], "{isa:?}, body {body} beside violent ones");
                } else if body % 4 != 3 {
                    assert_eq!(company[body], disturbed[body], "{isa:?}, violent body {body}");
                    assert!(company[body].iter().all(|&b| f32::from_bits(b).is_finite()));
                }
            }
        }
    }
}
