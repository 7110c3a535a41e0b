//! What a run conserves, summed in double precision over its states: no sum here rounds as those of the solver do.

use super::Run;

type Vec3 = [f64; 3];

/// Momenta and energies of one body, or of several.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Linear momentum, kg m/s.
    pub linear: Vec3,
    /// Angular momentum about the centre of mass, kg m²/s; of several bodies the sum of theirs.
    pub spin: Vec3,
    /// Angular velocity of the rigid body that would have this angular momentum, rad/s; of several bodies nothing.
    pub turning: Vec3,
    /// J.
    pub kinetic: f64,
    /// Of the stable Neo-Hookean material, J; 0 at rest.
    pub elastic: f64,
    /// In gravity, J; 0 at the height 0.
    pub potential: f64,
}

impl Totals {
    /// Of one body, under `gravity` downwards, m/s².
    pub fn of(run: &Run, body: u32, gravity: f64) -> Self {
        let wide = |vectors: Vec<[f32; 3]>| -> Vec<Vec3> { vectors.iter().map(|v| v.map(f64::from)).collect() };
        let (x, v) = (wide(run.positions(body)), wide(run.velocities(body)));
        let centre = run.centre(body);
        let mut totals = Totals { elastic: elastic(run, body, &x), ..Totals::default() };
        let mut inertia = [[0.0; 3]; 3];
        for ((x, v), &mass) in x.iter().zip(&v).zip(&run.scene.topology(body).mass) {
            let (mass, arm) = (f64::from(mass), sub(*x, centre));
            totals.linear = add(totals.linear, v.map(|v| mass * v));
            totals.spin = add(totals.spin, cross(arm, *v).map(|l| mass * l));
            totals.kinetic += 0.5 * mass * dot(*v, *v);
            totals.potential += mass * gravity * x[1];
            for (i, row) in inertia.iter_mut().enumerate() {
                row[i] += mass * dot(arm, arm);
                (0..3).for_each(|j| row[j] -= mass * arm[i] * arm[j]);
            }
        }
        totals.turning = solve(inertia, totals.spin);
        totals
    }

    /// Of all bodies.
    pub fn of_all(run: &Run, gravity: f64) -> Self {
        (0..run.scene.bodies.len() as u32).map(|body| Totals::of(run, body, gravity)).fold(
            Totals::default(),
            |sum, one| Totals {
                linear: add(sum.linear, one.linear),
                spin: add(sum.spin, one.spin),
                turning: [0.0; 3],
                kinetic: sum.kinetic + one.kinetic,
                elastic: sum.elastic + one.elastic,
                potential: sum.potential + one.potential,
            },
        )
    }

    /// Of all kinds, J.
    pub fn energy(&self) -> f64 {
        self.kinetic + self.elastic + self.potential
    }
}

/// `V (μ/2 (tr FᵀF − 3) + λ'/2 ((det F − γ)² − (1 − γ)²))` over all tetrahedra (Smith, de Goes and Kim, *Stable Neo-Hookean Flesh
/// Simulation*, 2018), J.
fn elastic(run: &Run, body: u32, x: &[Vec3]) -> f64 {
    let topology = run.scene.topology(body);
    let (mu, lambda) = topology.material.neo_hookean();
    let (mu, lambda) = (f64::from(mu), f64::from(lambda));
    let gamma = 1.0 + mu / lambda;
    let rest: Vec<Vec3> = topology.rest.iter().map(|p| p.map(f64::from)).collect();
    let edges = |x: &[Vec3], nodes: [u32; 4]| [1, 2, 3].map(|i| sub(x[nodes[i] as usize], x[nodes[0] as usize]));
    let mut sum = 0.0;
    for tet in &topology.tets {
        let ([a, b, c], e) = (edges(&rest, tet.nodes), edges(x, tet.nodes));
        let volume6 = dot(a, cross(b, c));
        let inverse = [cross(b, c), cross(c, a), cross(a, b)].map(|row| row.map(|entry| entry / volume6));
        // Column j of F is the sum of the edges weighted by column j of the inverse.
        let f = [0, 1, 2].map(|j| [0, 1, 2].map(|k| (0..3).map(|i| e[i][k] * inverse[i][j]).sum::<f64>()));
        let stretch = f.iter().map(|column| dot(*column, *column)).sum::<f64>() - 3.0;
        let excess = dot(f[0], cross(f[1], f[2])) - gamma;
        let volumetric = excess * excess - (1.0 - gamma) * (1.0 - gamma);
        sum += volume6 / 6.0 * 0.5 * (mu * stretch + lambda * volumetric);
    }
    sum
}

/// Length of a vector.
pub fn length(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// `a − b`.
pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [0, 1, 2].map(|k| a[k] - b[k])
}

fn add(a: Vec3, b: Vec3) -> Vec3 {
    [0, 1, 2].map(|k| a[k] + b[k])
}

/// Solves a symmetric system.
fn solve(m: [Vec3; 3], b: Vec3) -> Vec3 {
    let columns = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])];
    let determinant = dot(m[0], columns[0]);
    columns.map(|column| dot(column, b) / determinant)
}

/// `a · b`.
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
