//! The colour of a sample: material, light, backdrop, and the curve from light to screen.

use super::depth::Focus;
use super::light::Light;
use super::raster::Lens;
use super::scene::Tri;
use super::vec3::{V3, smooth_step, v3};

/// Colours of the backdrop, linear.
const ZENITH: V3 = v3(0.10, 0.32, 0.90);
const HORIZON: V3 = v3(0.42, 0.72, 1.20);
const BELOW: V3 = v3(1.00, 1.02, 1.06);

const SUN_COLOUR: V3 = v3(2.10, 1.86, 1.52);
const SKY_COLOUR: V3 = v3(0.42, 0.53, 0.74);
/// Light that the ground throws back on what faces it.
const BOUNCE: V3 = v3(0.30, 0.26, 0.21);

/// Blinn and Phong's exponent of the highlight as a power of two: 2⁷ = 128.
const SHARPNESS: u32 = 7;

/// Entries of the table of screen values.
const CURVE: usize = 4096;

/// Everything that colours a sample.
#[derive(Debug)]
pub(super) struct Shader<'a> {
    pub light: &'a Light,
    pub lens: &'a Lens,
    /// What the camera looks at: static geometry fades out far from it.
    pub focus: Focus,
    /// Side of a field of the pattern on static geometry, m.
    pub field: f32,
    /// sRGB value → linear.
    linear: Vec<f32>,
    /// Linear × (CURVE − 1) → sRGB value.
    screen: Vec<u8>,
}

/// sRGB to linear light, IEC 61966-2-1.
fn decode(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { libm::pow((value + 0.055) / 1.055, 2.4) }
}

/// Linear light to sRGB, IEC 61966-2-1.
fn encode(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055 }
}

impl<'a> Shader<'a> {
    pub fn new(light: &'a Light, lens: &'a Lens, focus: Focus) -> Self {
        let linear = (0..256).map(|k| decode(f64::from(k) / 255.0) as f32).collect();
        let screen = (0..CURVE).map(|k| (encode(k as f64 / (CURVE - 1) as f64) * 255.0 + 0.5) as u8).collect();
        Self { light, lens, focus, field: field(focus.radius), linear, screen }
    }

    /// Linear light to the screen's byte; light is 0 … 1 after [`tone`].
    pub fn byte(&self, light: f32) -> u8 {
        self.screen[((light * (CURVE - 1) as f32) as usize).min(CURVE - 1)]
    }

    /// What a ray sees that meets nothing.
    pub fn backdrop(&self, ray: V3) -> V3 {
        let height = ray.dot(self.light.up);
        if height > 0.0 {
            HORIZON.mix(ZENITH, smooth_step(0.0, 0.75, height))
        } else {
            HORIZON.mix(BELOW, smooth_step(0.12, 0.55, -height))
        }
    }

    /// Colour of `tri` on `ray`; `turn` differs between samples, `share` of `shares` counts those of a pixel.
    pub fn colour(&self, tri: &Tri, ray: V3, turn: u32, share: usize, shares: usize) -> V3 {
        let (p, mut n, srgb) = self.hit(tri, ray);
        if n.dot(ray) > 0.0 {
            n = self.outward(n, tri, ray);
        }
        let mut base = V3::of(srgb.map(|c| self.linear[c as usize]));
        if tri.is_static {
            base = base * self.pattern(p);
        }
        let (sky, open) = self.light.skylight(p, n, turn, share, shares);
        let facing = n.dot(self.light.sun);
        // Soft bodies let light in: it wraps a little around them.
        let wrap = if tri.is_static || tri.is_rigid { 0.0 } else { 0.22 };
        let shadow = if facing > -wrap { self.light.sunlight(p, n, turn) } else { 0.0 };
        let lit = ((facing + wrap) / (1.0 + wrap)).max(0.0) * shadow;
        let below = (0.5 - 0.5 * n.dot(self.light.up)) * (0.35 + 0.65 * open);
        let diffuse = SUN_COLOUR * lit + SKY_COLOUR * sky + BOUNCE * below;
        let mut colour = base.tint(diffuse);
        if !tri.is_static {
            colour += self.gloss(n, ray, shadow, open, tri.is_rigid);
            // Light that went in and comes out again at the dark side, in the body's own colour.
            if !tri.is_rigid {
                let rim = (1.0 + n.dot(ray)).clamp(0.0, 1.0);
                colour += base * (0.10 * rim * rim + 0.05) * (0.4 + 0.6 * open);
            }
            return colour;
        }
        let away = p - self.focus.centre;
        let far = (away - self.light.up * away.dot(self.light.up)).length() / self.focus.radius.max(1e-6);
        colour.mix(self.backdrop(ray), smooth_step(1.3, 3.0, far))
    }

    /// Highlight of the sun and mirror image of the sky.
    fn gloss(&self, n: V3, ray: V3, shadow: f32, open: f32, is_rigid: bool) -> V3 {
        let (strength, base) = if is_rigid { (1.2, 0.12) } else { (1.1, 0.05) };
        let half = (self.light.sun - ray).unit_or(n);
        let shine = (0..SHARPNESS).fold(half.dot(n).max(0.0), |x, _| x * x);
        let peak = shine * strength * shadow * n.dot(self.light.sun).max(0.0);
        let mirrored = ray - n * (2.0 * n.dot(ray));
        let grazing = (1.0 + n.dot(ray)).clamp(0.0, 1.0);
        // Schlick 1994.
        let square = grazing * grazing;
        let fresnel = base + (1.0 - base) * square * square * grazing;
        let facing_sky = smooth_step(-0.3, 0.4, mirrored.dot(self.light.up));
        SUN_COLOUR * peak + self.backdrop(mirrored) * (fresnel * 0.6 * open * facing_sky)
    }

    /// Point, unit normal and colour where `ray` meets the plane of `tri`, within its edges.
    fn hit(&self, tri: &Tri, ray: V3) -> (V3, V3, [u8; 3]) {
        let [a, b, c] = tri.p;
        let (e, f, s) = (b - a, c - a, self.lens.eye - a);
        // Möller and Trumbore 1997.
        let h = ray.cross(f);
        let det = e.dot(h);
        let inverse = if det.abs() > 1e-30 { 1.0 / det } else { 0.0 };
        let wb = (s.dot(h) * inverse).clamp(0.0, 1.0);
        let wc = (ray.dot(s.cross(e)) * inverse).clamp(0.0, 1.0 - wb);
        let wa = 1.0 - wb - wc;
        let n = (tri.n[0] * wa + tri.n[1] * wb + tri.n[2] * wc).unit_or(tri.n[0]);
        let channel = |k: usize| {
            let at = |corner: usize| f32::from(tri.colour[corner][k]);
            (at(0) * wa + at(1) * wb + at(2) * wc + 0.5) as u8
        };
        (a * wa + b * wb + c * wc, n, [channel(0), channel(1), channel(2)])
    }

    /// The normal for a surface that faces away: turned around if the surface is seen from behind, bent into view
    /// if only the smooth normal faces away.
    fn outward(&self, n: V3, tri: &Tri, ray: V3) -> V3 {
        let [a, b, c] = tri.p;
        let flat = (b - a).cross(c - a);
        if flat.dot(ray) > 0.0 { -n } else { (n - ray * (n.dot(ray) + 1e-3)).unit_or(n) }
    }

    /// A quiet chequered pattern that shows how the ground runs.
    fn pattern(&self, p: V3) -> f32 {
        let (u, v) = self.light.up.frame();
        let cell = |x: f32| (x / self.field).floor().rem_euclid(2.0) < 1.0;
        if cell(p.dot(u)) == cell(p.dot(v)) { 1.0 } else { 0.86 }
    }
}

/// A round number, m, about a fifth of `radius`.
fn field(radius: f32) -> f32 {
    let wanted = radius.max(1e-6) * 0.2;
    let mut size = 1e-6f32;
    while size * 10.0 <= wanted {
        size *= 10.0;
    }
    [5.0, 2.0].iter().map(|k| k * size).find(|s| *s <= wanted).unwrap_or(size)
}

/// Compresses light without bound into 0 … 1, white at 4 (Reinhard and others 2002, eq. 4).
pub(super) fn tone(colour: V3) -> V3 {
    let curve = |x: f32| (x * (1.0 + x / 16.0) / (1.0 + x) * 1.35).clamp(0.0, 1.0);
    v3(curve(colour.x), curve(colour.y), curve(colour.z))
}
