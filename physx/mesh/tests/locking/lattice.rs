//! Ways to cut a box of cells into tetrahedra.

use rankzero_mesh::primitives::boxed;

pub type V3 = [f64; 3];

/// A box in tetrahedra.
pub struct Mesh {
    /// Node positions, m; the grid's nodes come first, x fastest.
    pub points: Vec<V3>,
    /// Positively oriented tetrahedra.
    pub tets: Vec<[u32; 4]>,
    /// Cell that each tetrahedron counts for.
    pub cell_of: Vec<u32>,
}

/// How the cells are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// Six along the paths between two opposite corners, the same in all cells.
    Kuhn,
    /// The same, mirrored from cell to cell.
    Mirrored,
    /// The box primitive's: five, mirrored from cell to cell.
    Five,
    /// Twelve around a node in the middle; the diagonals of the faces as in `Five`.
    Twelve,
    /// Twenty-four around a node in the middle and one on each face.
    TwentyFour,
    /// Body-centred: four around each edge between neighbouring cells' middles, two on each face of the boundary.
    Bcc,
}

/// Number of the grid node `at` in a grid of `cells`.
pub fn node(cells: [u32; 3], at: [u32; 3]) -> u32 {
    (at[2] * (cells[1] + 1) + at[1]) * (cells[0] + 1) + at[0]
}

/// The corners of the cell at `low`, bit k of the index for axis k.
pub fn corners(cells: [u32; 3], low: [u32; 3]) -> [u32; 8] {
    std::array::from_fn(|c| node(cells, std::array::from_fn(|k| low[k] + (c as u32 >> k & 1))))
}

pub fn each(cells: [u32; 3]) -> impl Iterator<Item = [u32; 3]> {
    (0..cells[2]).flat_map(move |k| (0..cells[1]).flat_map(move |j| (0..cells[0]).map(move |i| [i, j, k])))
}

pub fn grid(size: V3, cells: [u32; 3]) -> Vec<V3> {
    let at = |c: [u32; 3]| std::array::from_fn(|k| f64::from(c[k]) / f64::from(cells[k]) * size[k]);
    each(cells.map(|c| c + 1)).map(at).collect()
}

const PATHS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 2, 0], [1, 0, 2], [2, 0, 1], [2, 1, 0]];

pub fn cut(size: V3, cells: [u32; 3], how: Cut) -> Mesh {
    let mut mesh = Mesh { points: grid(size, cells), tets: Vec::new(), cell_of: Vec::new() };
    for (number, low) in each(cells).enumerate() {
        let corner = corners(cells, low);
        let mirror = low.iter().enumerate().map(|(k, c)| (*c as usize & 1) << k).sum::<usize>();
        let number = number as u32;
        match how {
            Cut::Kuhn | Cut::Mirrored => {
                let flip = if how == Cut::Mirrored { mirror } else { 0 };
                for path in PATHS {
                    let second = 1 << path[0];
                    let third = second | 1 << path[1];
                    mesh.push(number, [0, second, third, 7].map(|c: usize| corner[c ^ flip]));
                }
            }
            Cut::Five => {}
            Cut::Twelve | Cut::TwentyFour | Cut::Bcc => mesh.star(cells, low, how, number),
        }
    }
    if how == Cut::Five {
        mesh.tets = boxed(size.map(|s| s as f32), cells).expect("a sound size").tets;
        mesh.cell_of = (0..mesh.tets.len() as u32).map(|t| t / 5).collect();
    }
    mesh
}

impl Mesh {
    /// Adds a tetrahedron, turned the right way.
    fn push(&mut self, cell: u32, mut tet: [u32; 4]) {
        let p = tet.map(|n| self.points[n as usize]);
        let e: [V3; 3] = std::array::from_fn(|i| sub(p[i + 1], p[0]));
        if dot(e[0], cross(e[1], e[2])) < 0.0 {
            tet.swap(2, 3);
        }
        self.tets.push(tet);
        self.cell_of.push(cell);
    }

    /// The node at `at`; made if it is not there.
    fn place(&mut self, grid: usize, at: V3) -> u32 {
        let near = |p: &V3| length(sub(*p, at)) < 1e-9;
        let found = self.points[grid..].iter().position(near).map(|i| i + grid);
        found.unwrap_or_else(|| {
            self.points.push(at);
            self.points.len() - 1
        }) as u32
    }

    /// A cell around its middle.
    fn star(&mut self, cells: [u32; 3], low: [u32; 3], how: Cut, number: u32) {
        let grid = cells.iter().map(|c| *c as usize + 1).product();
        let corner = corners(cells, low);
        let mean = |mesh: &Self, nodes: &[u32]| {
            let sum = nodes.iter().fold([0.0; 3], |s, n| add(s, mesh.points[*n as usize]));
            scale(sum, 1.0 / nodes.len() as f64)
        };
        let middle = mean(self, &corner);
        let middle = self.place(grid, middle);
        let odd = low.iter().sum::<u32>() as usize % 2;
        for axis in 0..3 {
            let (u, v) = (1 << ((axis + 1) % 3), 1 << ((axis + 2) % 3));
            for side in 0..2 {
                let ring = [0, u, u | v, v].map(|c: usize| corner[c | side << axis]);
                let boundary = if side == 0 { low[axis] == 0 } else { low[axis] + 1 == cells[axis] };
                if how == Cut::TwentyFour {
                    let face = mean(self, &ring);
                    let face = self.place(grid, face);
                    (0..4).for_each(|i| self.push(number, [middle, face, ring[i], ring[(i + 1) % 4]]));
                } else if how == Cut::Bcc && !boundary {
                    if side == 1 {
                        let mut next = low;
                        next[axis] += 1;
                        let far = mean(self, &corners(cells, next));
                        let far = self.place(grid, far);
                        (0..4).for_each(|i| self.push(number, [middle, far, ring[i], ring[(i + 1) % 4]]));
                    }
                } else {
                    // The diagonal joins the corners of even parity.
                    let turn = (odd + side) % 2;
                    let at = |i: usize| ring[(i + turn) % 4];
                    self.push(number, [middle, at(0), at(1), at(2)]);
                    self.push(number, [middle, at(0), at(2), at(3)]);
                }
            }
        }
    }
}

pub fn add(a: V3, b: V3) -> V3 {
    std::array::from_fn(|k| a[k] + b[k])
}
pub fn sub(a: V3, b: V3) -> V3 {
    std::array::from_fn(|k| a[k] - b[k])
}
pub fn scale(a: V3, s: f64) -> V3 {
    a.map(|x| x * s)
}
pub fn dot(a: V3, b: V3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
pub fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
pub fn length(a: V3) -> f64 {
    dot(a, a).sqrt()
}
