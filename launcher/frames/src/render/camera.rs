//! The camera, and how it finds a place of its own.

use super::vec3::{V3, v3};
use crate::{FrameError, Kind, Surface};

/// Vertical field of view without wish, degrees: a short telephoto, which keeps round things round.
const FOV_DEG: f32 = 28.0;

/// Points whose spread frames a scene; more are thinned out evenly.
const POINTS_MAX: usize = 200_000;

/// Share of points that may lie outside the frame on each side: strays do not move the camera.
const STRAYS: f32 = 0.003;

/// Room around the points in view, as a factor of distance.
const MARGIN: f32 = 1.08;

/// A perspective camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Where it stands, m.
    pub eye: [f32; 3],
    /// What it looks at, m; differs from `eye`.
    pub target: [f32; 3],
    /// What is up in the picture, also for the light; not along the line of sight.
    pub up: [f32; 3],
    /// Vertical field of view, degrees, 1 … 150.
    pub fov_deg: f32,
}

/// What the user says about the camera; the rest is found from the scene.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct View {
    /// See [`Camera::eye`].
    pub eye: Option<[f32; 3]>,
    /// See [`Camera::target`].
    pub target: Option<[f32; 3]>,
    /// See [`Camera::up`]. Without it: the axis that the static triangles face, else +z.
    pub up: Option<[f32; 3]>,
    /// See [`Camera::fov_deg`]; 28 by default.
    pub fov_deg: Option<f32>,
}

impl Camera {
    /// A camera that obeys `view` and otherwise shows all moving bodies of `scene` (or, without any, all that
    /// never moves) in a picture `aspect` times as wide as high.
    pub fn framing(scene: &[&Surface], view: &View, aspect: f32) -> Self {
        let up = V3::of(view.up.unwrap_or_else(|| facing(scene))).unit_or(v3(0.0, 0.0, 1.0));
        let points = framed(scene);
        let fov_deg = view.fov_deg.unwrap_or(FOV_DEG);
        let half = libm::tan(f64::from(fov_deg.clamp(1.0, 150.0)).to_radians() / 2.0) as f32;
        let (right, ahead) = up.frame();
        // Three quarters from the front and somewhat from above.
        let from = (ahead * -0.80 + right * 0.52 + up * 0.40).unit_or(up);
        let fit = Fit::new(&points, from, up, [half * aspect, half]);
        let (eye, target) = match (view.eye.map(V3::of), view.target.map(V3::of)) {
            (Some(eye), Some(target)) => (eye, target),
            (Some(eye), None) => (eye, fit.target),
            (None, Some(target)) => (target + from * fit.distance, target),
            (None, None) => (fit.target + from * fit.distance, fit.target),
        };
        Self { eye: eye.array(), target: target.array(), up: up.array(), fov_deg }
    }

    /// Refuses cameras that see nothing.
    ///
    /// # Errors
    /// [`FrameError::Option`] with the value at fault.
    pub fn check(&self) -> Result<(), FrameError> {
        let fail = |option, found, allowed| Err(FrameError::Option { option, found, allowed });
        for (option, value) in [("--eye", self.eye), ("--target", self.target), ("--up", self.up)] {
            if !value.iter().all(|x| x.abs() < 1e8) {
                return fail(option, format!("{value:?}"), "finite and below 1e8");
            }
        }
        if !(1.0..=150.0).contains(&self.fov_deg) {
            return fail("--fov", self.fov_deg.to_string(), "1 to 150 degrees");
        }
        let sight = V3::of(self.target) - V3::of(self.eye);
        if sight.length() < 1e-6 {
            return fail("--eye", format!("{:?}", self.eye), "away from --target");
        }
        if sight.unit_or(V3::ZERO).cross(V3::of(self.up).unit_or(V3::ZERO)).length() < 1e-3 {
            return fail("--up", format!("{:?}", self.up), "other than the line of sight");
        }
        Ok(())
    }
}

/// Where a camera that looks along `-from` sees all points, and no farther away than it must.
struct Fit {
    target: V3,
    /// From the target to the eye, m.
    distance: f32,
}

impl Fit {
    /// `half` is the tangent of half the field of view, across and up.
    fn new(points: &[V3], from: V3, up: V3, half: [f32; 2]) -> Self {
        let right = up.cross(from).unit_or(v3(1.0, 0.0, 0.0));
        let above = from.cross(right);
        // A point d is inside the right edge of an eye at (x, D) where d·right − x ≤ (D − d·from)·half, and so on
        // for each edge. The tightest pair of opposite edges gives D, the difference within a pair its x.
        let edge = |axis: V3, half: f32| {
            let side = |sign: f32| {
                points.iter().map(|d| d.dot(axis) * sign + d.dot(from) * half).fold(f32::NEG_INFINITY, f32::max)
            };
            let (low, high) = (side(-1.0), side(1.0));
            ((low + high) / (2.0 * half), (high - low) / 2.0)
        };
        let ((wide, x), (high, y)) = (edge(right, half[0]), edge(above, half[1]));
        let depth = points.iter().map(|d| d.dot(from)).sum::<f32>() / points.len() as f32;
        let distance = ((wide.max(high) - depth) * MARGIN).max(1e-3);
        Self { target: right * x + above * y + from * depth, distance }
    }
}

/// The positions of `scene` that are finite and of the wanted sort, thinned out.
fn positions(scene: &[&Surface], want_static: bool) -> Vec<V3> {
    let is_static = |k: u8| k == Kind::Static as u8;
    let total: usize = scene.iter().map(|p| p.point_count()).sum();
    let stride = total / POINTS_MAX + 1;
    let all = scene.iter().flat_map(|piece| piece.points.as_chunks::<3>().0.iter().zip(&piece.kind));
    all.filter(|(_, k)| is_static(**k) == want_static)
        .map(|(p, _)| V3::of(*p))
        .filter(|p| p.is_finite() && p.dot(*p) < 1e14)
        .step_by(stride)
        .collect()
}

/// The points to be in the picture: those of the moving bodies without strays; the rest where nothing moves. Never
/// empty.
fn framed(scene: &[&Surface]) -> Vec<V3> {
    let mut points = positions(scene, false);
    if points.is_empty() {
        points = positions(scene, true);
    }
    if points.is_empty() {
        return vec![V3::splat(-1.0), V3::splat(1.0)];
    }
    let cut = (points.len() as f32 * STRAYS) as usize;
    for axis in [|p: &V3| p.x, |p: &V3| p.y, |p: &V3| p.z] {
        points.sort_unstable_by(|a, b| axis(a).total_cmp(&axis(b)));
        let (low, high) = (axis(&points[cut]), axis(&points[points.len() - 1 - cut]));
        points.retain(|p| (low..=high).contains(&axis(p)));
    }
    points
}

/// The axis that the static triangles face on the whole: away from the ground.
fn facing(scene: &[&Surface]) -> [f32; 3] {
    let mut sum = V3::ZERO;
    for piece in scene {
        for cell in &piece.cells {
            let corner = cell.map(|i| piece.points.get(i as usize * 3..i as usize * 3 + 3));
            let ([Some(a), Some(b), Some(c)], Some(&k)) = (corner, piece.kind.get(cell[0] as usize)) else { continue };
            let [a, b, c] = [a, b, c].map(|p| v3(p[0], p[1], p[2]));
            let n = (b - a).cross(c - a);
            if k == Kind::Static as u8 && n.is_finite() {
                sum += n;
            }
        }
    }
    let [x, y, z] = sum.array().map(f32::abs);
    let sign = |s: f32| if s < 0.0 { -1.0 } else { 1.0 };
    if y > x && y > z {
        [0.0, sign(sum.y), 0.0]
    } else if x > y && x > z {
        [sign(sum.x), 0.0, 0.0]
    } else {
        [0.0, 0.0, sign(sum.z)]
    }
}
