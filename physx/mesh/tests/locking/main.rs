//! How stiff boxes of tetrahedra are in bending and torsion, and what other cuts and other elements would give.
//!
//! A bar of 1 × 0.2 × 0.2 m, clamped at x = 0, under its own weight or under a torque at its end; small strains, in `f64`.
//! The tables of `docs/locking.md` are printed by the ignored tests.

mod element;
mod lattice;
mod march;
mod solve;

use element::{Hex, Lame, Patch, Piece};
use lattice::{Cut, Mesh, V3};
use march::{Constraint, March};
use rankzero_mesh::TetMesh;
use solve::{Answer, Bar};

const SIZE: V3 = [1.0, 0.2, 0.2];
const YOUNG: f64 = 4e6;
const DENSITY: f64 = 500.0;

fn bar(mesh: &Mesh) -> Bar {
    let mut mass = vec![0.0; mesh.points.len()];
    for t in &mesh.tets {
        let volume = element::tet(&mesh.points, *t).0;
        t.iter().for_each(|n| mass[*n as usize] += 0.25 * DENSITY * volume);
    }
    let as_mesh =
        TetMesh { points: mesh.points.iter().map(|p| p.map(|x| x as f32)).collect(), tets: mesh.tets.clone() };
    let end = solve::end_areas(&mesh.points, &as_mesh.boundary());
    Bar { points: mesh.points.clone(), mass, end }
}

/// Smallest altitude, m.
fn altitude(mesh: &Mesh) -> f64 {
    mesh.tets.iter().map(|t| element::tet(&mesh.points, *t).1).fold(f64::INFINITY, f64::min)
}

/// Colours that the solver's greedy colouring needs.
fn colours(nodes: usize, tets: &[Piece]) -> usize {
    let mut used = vec![std::collections::BTreeSet::new(); nodes];
    let mut most = 0;
    for t in tets {
        let colour = (0..).find(|c| t.nodes.iter().all(|n| !used[*n as usize].contains(c))).unwrap();
        t.nodes.iter().for_each(|n| {
            used[*n as usize].insert(colour);
        });
        most = most.max(colour + 1);
    }
    most
}

/// A way to hold the bar together.
struct Model {
    name: String,
    bar: Bar,
    pieces: Vec<Piece>,
    /// What limits the substep, m, where it is known.
    altitude: Option<f64>,
}

impl Model {
    /// Plain tetrahedra.
    fn tets(how: Cut, cells: [u32; 3], lame: Lame) -> Self {
        let mesh = lattice::cut(SIZE, cells, how);
        let pieces = element::tets(&mesh, lame);
        Self { name: format!("{how:?}"), bar: bar(&mesh), pieces, altitude: Some(altitude(&mesh)) }
    }

    /// Everything averaged over patches.
    fn smoothed(how: Cut, over: Patch, cells: [u32; 3], lame: Lame) -> Self {
        let mesh = lattice::cut(SIZE, cells, how);
        let pieces = element::patches(&mesh, over, lame);
        Self { name: format!("{how:?}, all by {over:?}"), bar: bar(&mesh), pieces, altitude: None }
    }

    /// The volumetric term alone averaged over patches.
    fn pressure(how: Cut, over: Patch, cells: [u32; 3], lame: Lame) -> Self {
        let mesh = lattice::cut(SIZE, cells, how);
        let mut pieces = element::tets(&mesh, lame.without_volume());
        pieces.extend(element::patches(&mesh, over, lame.volume()));
        Self { name: format!("{how:?}, volume by {over:?}"), bar: bar(&mesh), pieces, altitude: None }
    }

    /// Ten-node tetrahedra on the same nodes.
    fn tens(cells: [u32; 3], lame: Lame) -> Self {
        let bar = grid_bar(cells);
        let pieces = element::tens(cells, &bar.points, &lattice::cut(SIZE, cells.map(|c| c / 2), Cut::Kuhn), lame);
        Self { name: "ten nodes".into(), bar, pieces, altitude: None }
    }

    fn hexes(how: Hex, cells: [u32; 3], lame: Lame) -> Self {
        let pieces = element::hexes(SIZE, cells, how, lame);
        let edge = SIZE[1] / f64::from(cells[1]);
        Self { name: format!("hex {how:?}"), bar: grid_bar(cells), pieces, altitude: Some(edge) }
    }

    /// Constraint work a substep, in tetrahedra: a constraint of n nodes counts n / 4.
    fn work(&self) -> f64 {
        self.pieces.iter().map(|p| p.nodes.len() as f64 / 4.0).sum()
    }
}

/// A bar of the grid's nodes, each with the mass of its share of the cells.
fn grid_bar(cells: [u32; 3]) -> Bar {
    let mut out = bar(&lattice::cut(SIZE, cells, Cut::Mirrored));
    let share = DENSITY * SIZE.iter().product::<f64>() / f64::from(8 * cells.iter().product::<u32>());
    out.mass.fill(0.0);
    for low in lattice::each(cells) {
        lattice::corners(cells, low).iter().for_each(|n| out.mass[*n as usize] += share);
    }
    out
}

/// The solution to compare with.
fn exact(lame: Lame) -> Answer {
    let fine = Model::hexes(Hex::Directed, [40, 8, 8], lame);
    fine.bar.answer(&fine.pieces)
}

/// `w L⁴ / (8 E I)` and `w L² / (2 κ G A)`, m, with κ = 5/6.
fn timoshenko(lame: Lame) -> f64 {
    let weight = DENSITY * 9.81 * SIZE[1] * SIZE[2];
    weight / (8.0 * YOUNG * SIZE[1].powi(4) / 12.0) + weight / (2.0 * 5.0 / 6.0 * lame.mu * SIZE[1] * SIZE[2])
}

#[test]
fn the_reference_agrees_with_beam_theory() {
    for poisson in [0.3, 0.47] {
        let lame = Lame::new(YOUNG, poisson);
        // The clamp keeps the section from narrowing, which beam theory does not know.
        let error = exact(lame).y / timoshenko(lame) - 1.0;
        assert!((-0.06..0.005).contains(&error), "{poisson}: {error}");
    }
}

#[test]
fn the_box_primitive_bends_further_than_cells_cut_in_six_and_not_sideways() {
    for (poisson, gain) in [(0.3, 1.25), (0.47, 2.0)] {
        let lame = Lame::new(YOUNG, poisson);
        let [six, five] = [Cut::Kuhn, Cut::Five].map(|how| {
            let model = Model::tets(how, [10, 2, 2], lame);
            model.bar.answer(&model.pieces)
        });
        assert!(five.y > gain * six.y && five.twist > 1.1 * six.twist, "{five:?} {six:?}");
        assert!((five.y / five.z - 1.0).abs() < 1e-5 && five.across.abs() < 1e-5 * five.y, "{five:?}");
        assert!(six.across.abs() > 0.1 * six.y, "{six:?}");
    }
}

/// One row; `six` are the cells across and the highest frequency (1/s) of the six-tet cut, whose substep is the unit of cost.
fn row(model: &Model, exact: Answer, six: (f64, f64)) {
    let answer = model.bar.answer(&model.pieces);
    let fastest = solve::fastest(&model.pieces, &model.bar.mass);
    let part = answer.y / exact.y;
    // Without an altitude the highest frequency says how short substeps are.
    let substeps = model.altitude.map_or(fastest / six.1, |a| 0.5f64.sqrt() * SIZE[1] / a / six.0);
    let cost = model.work() * substeps;
    // Excess stiffness falls with the square of the edge, cost rises with its fourth power.
    let excess = (1.0 / part - 1.0) * (cost / (240.0 / 8.0 * six.0.powi(3))).sqrt();
    println!(
        "| {} | {} | {} | {} | {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} |",
        model.name,
        model.bar.points.len(),
        model.pieces.len(),
        model.altitude.map_or("".into(), |a| format!("{:.2}", a * six.0 / SIZE[1])),
        colours(model.bar.points.len(), &model.pieces),
        fastest,
        cost,
        1e3 * answer.y,
        1e3 * answer.across,
        100.0 * part,
        100.0 * answer.twist / exact.twist,
        100.0 / (1.0 + excess)
    );
}

#[test]
#[ignore = "prints the table of docs/locking.md, which takes a minute"]
fn table() {
    for poisson in [0.3, 0.47] {
        let lame = Lame::new(YOUNG, poisson);
        let exact = exact(lame);
        println!("\nν = {poisson}: {exact:?}, theory {}", timoshenko(lame));
        for n in [1, 2, 4] {
            let cells = [5 * n, n, n];
            let kuhn = Model::tets(Cut::Kuhn, cells, lame);
            let six = (f64::from(n), solve::fastest(&kuhn.pieces, &kuhn.bar.mass));
            println!("\n{cells:?} cells\n");
            let mut models = vec![kuhn];
            for how in [Cut::Mirrored, Cut::Five, Cut::Twelve, Cut::TwentyFour, Cut::Bcc] {
                models.push(Model::tets(how, cells, lame));
            }
            for how in [Cut::Kuhn, Cut::Five, Cut::Bcc] {
                models.push(Model::smoothed(how, Patch::Node, cells, lame));
                models.push(Model::smoothed(how, Patch::Edge, cells, lame));
                models.push(Model::pressure(how, Patch::Node, cells, lame));
            }
            for how in [Cut::Kuhn, Cut::Five] {
                models.push(Model::pressure(how, Patch::Cell, cells, lame));
            }
            if n > 1 {
                models.push(Model::tens(cells, lame));
            }
            let springs = [1.0, 0.6].map(|stiffness| Hex::Hourglass { stiffness });
            for how in [Hex::Full, Hex::Selective, springs[0], springs[1], Hex::Directed] {
                models.push(Model::hexes(how, cells, lame));
            }
            models.iter().for_each(|model| row(model, exact, six));
        }
    }
}

/// Mean deflection of the free end after two seconds, mm.
fn sag(model: &Model, constraints: &[Constraint], h: f64, lame: Lame) -> f64 {
    let Bar { points, mass, end } = &model.bar;
    let march = March { mu: lame.mu, volumetric: lame.lambda + lame.mu, constraints, mass, rest: points };
    let x = march.run(2.0, h, 16.0);
    let sum: f64 = (0..x.len()).map(|i| end[i] * (points[i][1] - x[i][1])).sum();
    1e3 * sum / end.iter().sum::<f64>()
}

#[test]
#[ignore = "prints the second table of docs/locking.md, which takes a minute"]
fn table_of_motion() {
    for (poisson, n) in [(0.3, 1), (0.3, 2), (0.3, 4), (0.47, 2)] {
        let lame = Lame::new(YOUNG, poisson);
        let wave = ((lame.lambda + 2.0 * lame.mu) / DENSITY).sqrt();
        let cells = [5 * n, n, n];
        let edge = [SIZE[1] / f64::from(n); 3];
        let mut all = Vec::new();
        for how in [Cut::Kuhn, Cut::Five] {
            let mesh = lattice::cut(SIZE, cells, how);
            let constraint = |nodes: &[u32; 4]| {
                let (volume, _, gradients) = element::tet(&mesh.points, *nodes);
                Constraint::Tet { nodes: *nodes, gradients, volume }
            };
            all.push((Model::tets(how, cells, lame), mesh.tets.iter().map(constraint).collect::<Vec<_>>()));
        }
        let springs = Hex::Hourglass { stiffness: 1.0 };
        let volume: f64 = edge.iter().product();
        let hourglass = element::hourglass_stiffness(edge, springs, lame).map(|k| k[0] * volume);
        let constraint = |low| Constraint::Hex { nodes: lattice::corners(cells, low), edge, hourglass };
        all.push((Model::hexes(springs, cells, lame), lattice::each(cells).map(constraint).collect()));
        for (model, constraints) in all {
            let row = [1.4, 1.0, 0.7, 0.5, 0.35].map(|part| {
                let h = part * edge[1] / wave;
                format!("{:.1}", sag(&model, &constraints, h, lame))
            });
            println!("| {poisson} | {cells:?} | {} | {} |", model.name, row.join(" | "));
        }
    }
}
