//! Forces and their derivative against differences of the energy in double precision.

use super::*;

/// The energy of one tetrahedron by its textbook formula.
fn energy(rest: &[[f64; 3]; 4], x: &[[f64; 3]; 4], mu: f64, lambda: f64) -> f64 {
    let edges = |x: &[[f64; 3]; 4]| -> [[f64; 3]; 3] {
        std::array::from_fn(|i| std::array::from_fn(|k| x[k + 1][i] - x[0][i]))
    };
    let det = |m: &[[f64; 3]; 3]| {
        let c = block::cross(m[1], m[2]);
        m[0][0] * c[0] + m[0][1] * c[1] + m[0][2] * c[2]
    };
    let shape = edges(rest);
    let f = block::product(&edges(x), &block::inverse(&shape));
    let norm2: f64 = f.iter().flatten().map(|c| c * c).sum();
    let volume = det(&shape) / 6.0;
    volume * (0.5 * mu * (norm2 - 3.0) + 0.5 * lambda * (det(&f) - 1.0 - mu / lambda).powi(2))
}

#[test]
fn forces_and_their_derivative_are_those_of_the_energy() {
    let mut dice = Dice(7);
    for poisson in [0.0, 0.3, 0.47] {
        let points: Vec<Vec3> = [[0.0; 3], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]]
            .map(|p: Vec3| add(p, dice.vector(0.02)))
            .to_vec();
        let rest = RestMesh { points: &points, tets: &[[0, 1, 2, 3]], surface: &[] };
        let topology = Topology::new(rest, material(1e5, poisson, 1000.0, 0.0), |_| false).unwrap();
        let factor = Factor::new(&topology, 1.0);
        let x: Vec<Vec3> = topology.rest.iter().map(|p| add(*p, dice.vector(0.04))).collect();
        let p: Vec<Vec3> = x.iter().map(|_| dice.vector(1.0)).collect();
        let (mut force, mut product) = ([[0.0; 3]; 4], [[0.0; 3]; 4]);
        factor.elastic.residual(&x, &x, &mut force);
        factor.elastic.multiply(&x, &p, &mut product);

        let (mu, lambda) = topology.material.neo_hookean();
        let wide = |x: &[Vec3]| -> [[f64; 3]; 4] { std::array::from_fn(|i| x[i].map(f64::from)) };
        let (shape, centre, along) = (wide(&topology.rest), wide(&x), wide(&p));
        let at = |s: f64, t: f64, node: usize, axis: usize| {
            let mut x = centre;
            for i in 0..4 {
                for k in 0..3 {
                    x[i][k] += s * along[i][k];
                }
            }
            x[node][axis] += t;
            energy(&shape, &x, f64::from(mu), f64::from(lambda))
        };
        let (d, largest) = (1e-5, product.iter().flatten().fold(0.0f32, |m, c| m.max(c.abs())));
        for node in 0..4 {
            for axis in 0..3 {
                let slope = (at(0.0, d, node, axis) - at(0.0, -d, node, axis)) / (2.0 * d);
                assert!((f64::from(force[node][axis]) + slope).abs() < 1e-4 * f64::from(largest) * 0.1);
                let mixed =
                    at(d, d, node, axis) - at(d, -d, node, axis) - at(-d, d, node, axis) + at(-d, -d, node, axis);
                let inertia = f64::from(topology.mass[node]) * along[node][axis];
                let expected = mixed / (4.0 * d * d) + inertia;
                let found = f64::from(product[node][axis]);
                assert!((found - expected).abs() < 1e-4 * f64::from(largest), "{poisson}: {found} {expected}");
            }
        }
        let held = f64::from(factor.elastic.energy(&x, &x));
        let expected = at(0.0, 0.0, 0, 0) - energy(&shape, &shape, f64::from(mu), f64::from(lambda));
        assert!((held - expected).abs() < 1e-4 * expected.abs(), "{held} {expected}");
    }
}

/// `P` is the system's matrix at rest: one after the other they change nothing, and a turned body's likewise.
#[test]
fn the_preconditioner_inverts_the_rest_matrix() {
    let topology = mesh([3, 2, 2], [0.3, 0.2, 0.2], material(1e6, 0.3, 1000.0, 0.0), |p| p[0] == 0.0);
    let factor = Factor::new(&topology, 1.0 / 240.0);
    let turned = |p: &Vec3| [-p[1], p[0], p[2]];
    for x in [topology.rest.clone(), topology.rest.iter().map(turned).collect()] {
        let mut dice = Dice(3);
        let free = |i: usize| if topology.inverse_mass[i] == 0.0 { 0.0 } else { 1.0 };
        let p: Vec<Vec3> = (0..x.len()).map(|i| dice.vector(free(i))).collect();
        let (mut product, mut back) = (p.clone(), p.clone());
        factor.elastic.multiply(&x, &p, &mut product);
        factor.precondition(&factor.rotation(&x), &product, &mut back);
        for (a, b) in p.iter().flatten().zip(back.iter().flatten()) {
            assert!((a - b).abs() < 2e-3, "{a} {b}");
        }
    }
}
