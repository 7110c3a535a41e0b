//! Linear least squares with few unknowns.

/// The solution of a system with `K` unknowns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Solution<const K: usize> {
    /// The unknowns.
    pub(super) unknowns: [f64; K],
    /// Their covariance, for errors of unit variance.
    pub(super) covariance: [[f64; K]; K],
    /// Sum of the squares of what is left.
    pub(super) rest: f64,
}

/// Columns that are this small beside what they were before their parts along earlier ones were taken out, depend on those.
const DEPENDENT: f64 = 1e-9;

/// Minimises the sum over rows of (row · unknowns − target)², by modified Gram-Schmidt (Björck 1967, "Solving linear least squares
/// problems by Gram-Schmidt orthogonalization"); none where the rows do not determine the unknowns.
pub(super) fn solve<const K: usize>(rows: &[[f64; K]], targets: &[f64]) -> Option<Solution<K>> {
    let mut columns: [Vec<f64>; K] = std::array::from_fn(|k| rows.iter().map(|row| row[k]).collect());
    let mut rest = targets.to_vec();
    let mut upper = [[0.0; K]; K];
    let mut along = [0.0; K];
    for k in 0..K {
        let before = rows.iter().map(|row| row[k] * row[k]).sum::<f64>().sqrt();
        let length = dot(&columns[k], &columns[k]).sqrt();
        // A NaN fails this too.
        if !(length > DEPENDENT * before) || !length.is_finite() {
            return None;
        }
        let (done, later) = columns.split_at_mut(k + 1);
        let unit = &mut done[k];
        unit.iter_mut().for_each(|value| *value /= length);
        upper[k][k] = length;
        for (column, j) in later.iter_mut().zip(k + 1..) {
            upper[k][j] = dot(unit, column);
            subtract(column, upper[k][j], unit);
        }
        along[k] = dot(unit, &rest);
        subtract(&mut rest, along[k], unit);
    }
    let inverse = inverted(&upper);
    let unknowns = std::array::from_fn(|i| (0..K).map(|k| inverse[i][k] * along[k]).sum());
    let covariance = std::array::from_fn(|i| std::array::from_fn(|j| dot(&inverse[i], &inverse[j])));
    Some(Solution { unknowns, covariance, rest: dot(&rest, &rest) })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn subtract(from: &mut [f64], factor: f64, what: &[f64]) {
    from.iter_mut().zip(what).for_each(|(value, part)| *value -= factor * part);
}

/// The inverse of an upper triangular matrix without zeros on its diagonal.
fn inverted<const K: usize>(upper: &[[f64; K]; K]) -> [[f64; K]; K] {
    let mut inverse = [[0.0; K]; K];
    for j in 0..K {
        inverse[j][j] = 1.0 / upper[j][j];
        for i in (0..j).rev() {
            let sum: f64 = (i + 1..=j).map(|k| upper[i][k] * inverse[k][j]).sum();
            inverse[i][j] = -sum / upper[i][i];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_four_points_is_that_of_the_textbook() {
        // y = 1 + 2 x with residuals that sum to nothing: the formulae of simple regression.
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [2.9, 5.1, 7.1, 8.9]);
        let solution = solve(&x.map(|x| [1.0, x]), &y).expect("a line");
        let [a, b] = solution.unknowns;
        assert!((b - 2.0).abs() < 1e-12 && (a - 1.0).abs() < 1e-12, "{a} {b}");
        assert!((solution.rest - 0.04).abs() < 1e-12);
        // Var b = 1 / Σ(x − x̄)² = 1/5, var a = Σx² / (n Σ(x − x̄)²) = 30/20, cov = −x̄ / 5.
        let [[aa, ab], [ba, bb]] = solution.covariance;
        assert!((bb - 0.2).abs() < 1e-12 && (aa - 1.5).abs() < 1e-12 && (ab + 0.5).abs() < 1e-12 && ab == ba);
    }

    #[test]
    fn columns_of_very_different_size_do_no_harm() {
        let rows: Vec<[f64; 3]> = (1..9).map(|i| f64::from(1 << i)).map(|n| [1.0, n, n * n * 1e9]).collect();
        let truth = [3.0, -2.0, 1e-12];
        let targets: Vec<f64> = rows.iter().map(|row| dot(row, &truth)).collect();
        let found = solve(&rows, &targets).expect("a solution").unknowns;
        for (found, truth) in found.iter().zip(truth) {
            assert!((found / truth - 1.0).abs() < 1e-6, "{found} {truth}");
        }
    }

    #[test]
    fn what_rows_do_not_determine_is_not_guessed() {
        assert_eq!(solve(&[[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], &[1.0, 2.0, 3.0]), None);
        assert_eq!(solve::<2>(&[[1.0, 2.0]], &[1.0]), None);
        assert_eq!(solve::<2>(&[], &[]), None);
        assert_eq!(solve(&[[f64::NAN], [1.0]], &[1.0, 1.0]), None);
    }
}
