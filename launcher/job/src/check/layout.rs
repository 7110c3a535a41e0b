//! Where bodies start.

use super::{Checker, MAX_COORDINATE_M};
use crate::model::{Layout, Rotation};
use crate::path::FieldPath;

/// The layout of a group of `count` bodies, whose path is `group`.
pub(super) fn check(c: &mut Checker, group: &FieldPath, layout: &Layout, count: Option<u32>) {
    let at = group.key("layout");
    match layout {
        Layout::At(positions) => {
            if positions.is_empty() {
                c.wrong(at.key("at"), "is an empty list; expected at least one position");
            }
            for (i, position) in positions.iter().enumerate() {
                c.vector(&at.key("at").index(i), *position, MAX_COORDINATE_M);
            }
        }
        Layout::Grid(grid) => {
            let at = at.key("grid");
            c.vector(&at.key("origin_m"), grid.origin_m, MAX_COORDINATE_M);
            for axis in 0..3 {
                c.positive(at.key("spacing_m").index(axis), grid.spacing_m[axis], MAX_COORDINATE_M);
                c.within(at.key("cells").index(axis), grid.cells[axis], 1..=1_000_000);
                let end = grid.origin_m[axis] + grid.spacing_m[axis] * grid.cells[axis] as f32;
                far(c, &at.key("spacing_m").index(axis), end);
            }
        }
        Layout::Stack(stack) => {
            let at = at.key("stack");
            c.vector(&at.key("base_m"), stack.base_m, MAX_COORDINATE_M);
            c.positive(at.key("spacing_m"), stack.spacing_m, MAX_COORDINATE_M);
            far(c, &at.key("spacing_m"), stack.base_m[1] + stack.spacing_m * count.unwrap_or(1) as f32);
        }
        Layout::Random(random) => {
            let at = at.key("random");
            c.corners(&at, random.min_m, random.max_m);
            c.within(at.key("separation_m"), random.separation_m, 0.0..=MAX_COORDINATE_M);
            separation(c, &at.key("separation_m"), random, count.unwrap_or(1));
        }
    }
    match (count, layout.capacity()) {
        (Some(0), _) => c.wrong(group.key("count"), "must be at least 1, is 0"),
        (Some(count), Some(capacity)) if u64::from(count) > capacity && capacity > 0 => {
            let message = format!("{count} bodies do not fit a layout of {capacity}");
            let help = "leave `count` out to fill the layout, or make the layout larger";
            c.wrong_with_help(group.key("count"), message, help);
        }
        _ => {}
    }
}

/// Random bodies that keep apart need room. Balls of half the separation that are thrown one by one jam at 38 % of space; up to 20 % they
/// find their places in a few throws each.
fn separation(c: &mut Checker, at: &FieldPath, random: &crate::model::Random, count: u32) {
    let separation = f64::from(random.separation_m);
    if separation <= 0.0 {
        return;
    }
    // The centres lie in the box, the balls reach half a separation beyond it.
    let room: f64 =
        (0..3).map(|axis| f64::from(random.max_m[axis]) - f64::from(random.min_m[axis]) + separation).product();
    let ball = std::f64::consts::FRAC_PI_6 * separation * separation * separation;
    let places = 0.2 * room / ball;
    if f64::from(count) > places.max(1.0) {
        let message = format!("a box of this size holds about {places:.0} bodies this far apart, not {count}");
        c.wrong_with_help(at.clone(), message, "enlarge the box, or lower `separation_m` or `count`");
    }
}

fn far(c: &mut Checker, at: &FieldPath, end: f32) {
    if end.abs() > MAX_COORDINATE_M {
        c.wrong(at.clone(), format!("places bodies up to {end} m away; at most {MAX_COORDINATE_M} m are allowed"));
    }
}

pub(super) fn rotation(c: &mut Checker, at: &FieldPath, rotation: Rotation) {
    c.direction(&at.key("axis"), rotation.axis);
    c.within(at.key("degrees"), rotation.degrees, -1.0e6..=1.0e6);
}
