//! Three-by-three matrices in double precision, for what is computed once per mesh.

/// A matrix by rows.
pub(super) type Block = [[f64; 3]; 3];

pub(super) const ZERO: Block = [[0.0; 3]; 3];

/// `a × b`.
pub(super) fn product(a: &Block, b: &Block) -> Block {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j]))
}

/// The rows become columns.
pub(super) fn transposed(a: &Block) -> Block {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// `a ← a + b × s`.
pub(super) fn add_scaled(a: &mut Block, b: &Block, s: f64) {
    for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
        *a += b * s;
    }
}

/// `s` times the unit matrix.
pub(super) fn diagonal(s: f64) -> Block {
    [[s, 0.0, 0.0], [0.0, s, 0.0], [0.0, 0.0, s]]
}

/// The matrix `[v]ₓ` with `[v]ₓ u = v × u`.
pub(super) fn cross_matrix(v: [f64; 3]) -> Block {
    [[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]]
}

/// `a bᵀ`.
pub(super) fn outer(a: [f64; 3], b: [f64; 3]) -> Block {
    a.map(|a| b.map(|b| a * b))
}

/// `a × b`.
pub(super) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The inverse, by cofactors.
pub(super) fn inverse(a: &Block) -> Block {
    let rows = [cross(a[1], a[2]), cross(a[2], a[0]), cross(a[0], a[1])];
    let det = a[0][0] * rows[0][0] + a[0][1] * rows[0][1] + a[0][2] * rows[0][2];
    transposed(&rows.map(|row| row.map(|c| c / det)))
}
