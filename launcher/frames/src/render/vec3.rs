//! Three-component vectors, as little of them as drawing needs.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// A point, direction or linear colour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct V3 {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

pub(super) const fn v3(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl V3 {
    pub const ZERO: Self = v3(0.0, 0.0, 0.0);

    pub const fn of(a: [f32; 3]) -> Self {
        v3(a[0], a[1], a[2])
    }

    pub const fn array(self) -> [f32; 3] {
        [self.x, self.y, self.z]
    }

    pub const fn splat(s: f32) -> Self {
        v3(s, s, s)
    }

    pub fn dot(self, b: Self) -> f32 {
        self.x * b.x + self.y * b.y + self.z * b.z
    }

    pub fn cross(self, b: Self) -> Self {
        v3(self.y * b.z - self.z * b.y, self.z * b.x - self.x * b.z, self.x * b.y - self.y * b.x)
    }

    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The unit vector, or `fallback` where there is no direction.
    pub fn unit_or(self, fallback: Self) -> Self {
        let length = self.length();
        if length > 1e-20 && length.is_finite() { self * (1.0 / length) } else { fallback }
    }

    /// Component-wise product, for colours.
    pub fn tint(self, b: Self) -> Self {
        v3(self.x * b.x, self.y * b.y, self.z * b.z)
    }

    pub fn mix(self, b: Self, t: f32) -> Self {
        self * (1.0 - t) + b * t
    }

    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.z.is_finite()
    }

    /// Two unit vectors that complete this unit vector to a right-handed frame.
    pub fn frame(self) -> (Self, Self) {
        let helper = if self.z.abs() < 0.9 { v3(0.0, 0.0, 1.0) } else { v3(1.0, 0.0, 0.0) };
        let u = helper.cross(self).unit_or(v3(0.0, 1.0, 0.0));
        (u, self.cross(u))
    }
}

impl Add for V3 {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        v3(self.x + b.x, self.y + b.y, self.z + b.z)
    }
}

impl AddAssign for V3 {
    fn add_assign(&mut self, b: Self) {
        *self = *self + b;
    }
}

impl Sub for V3 {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        v3(self.x - b.x, self.y - b.y, self.z - b.z)
    }
}

impl Mul<f32> for V3 {
    type Output = Self;
    fn mul(self, s: f32) -> Self {
        v3(self.x * s, self.y * s, self.z * s)
    }
}

impl Neg for V3 {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

/// 0 up to `from`, 1 from `to` on, a smooth step between.
pub(super) fn smooth_step(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
