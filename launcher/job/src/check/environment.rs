//! What does not move.

use super::{Checker, MAX_COORDINATE_M, layout, shape, simulation};
use crate::model::{Environment, HeightField, Relief};
use crate::path::FieldPath;

pub(super) fn check(c: &mut Checker, environment: &Environment) {
    let root = FieldPath::default().key("environment");
    for (i, plane) in environment.planes.iter().enumerate() {
        let at = root.key("planes").index(i);
        c.direction(&at.key("normal"), plane.normal);
        c.within(at.key("offset_m"), plane.offset_m, -MAX_COORDINATE_M..=MAX_COORDINATE_M);
        simulation::friction(c, &at.key("friction"), plane.friction);
    }
    if let Some(field) = &environment.height_field {
        height_field(c, &root.key("height_field"), field);
    }
    for (i, mesh) in environment.triangle_meshes.iter().enumerate() {
        let at = root.key("triangle_meshes").index(i);
        shape::file(c, at.key("file"), &mesh.file, shape::SURFACES);
        c.positive(at.key("scale"), mesh.scale, 1.0e6);
        c.vector(&at.key("position_m"), mesh.position_m, MAX_COORDINATE_M);
        layout::rotation(c, &at.key("rotation"), mesh.rotation);
        simulation::friction(c, &at.key("friction"), mesh.friction);
    }
}

fn height_field(c: &mut Checker, at: &FieldPath, field: &HeightField) {
    c.within(at.key("rows"), field.rows, 2..=1024);
    c.within(at.key("columns"), field.columns, 2..=1024);
    c.positive(at.key("spacing_m"), field.spacing_m, 1000.0);
    if let Some(origin) = field.origin_m {
        c.vector(&at.key("origin_m"), origin, MAX_COORDINATE_M);
    }
    simulation::friction(c, &at.key("friction"), field.friction);
    let at = at.key("relief");
    match &field.relief {
        Relief::FlatM(height) => c.within(at.key("flat_m"), *height, -MAX_COORDINATE_M..=MAX_COORDINATE_M),
        Relief::HeightsM(heights) => {
            let at = at.key("heights_m");
            let wanted = u64::from(field.rows) * u64::from(field.columns);
            if heights.len() as u64 != wanted {
                let message = format!(
                    "has {} heights; {} rows of {} columns need {wanted}",
                    heights.len(),
                    field.rows,
                    field.columns
                );
                c.wrong(at.clone(), message);
            }
            // One is enough: a field in the wrong unit has them all wrong.
            if let Some(i) = heights.iter().position(|h| !(-MAX_COORDINATE_M..=MAX_COORDINATE_M).contains(h)) {
                c.within(at.index(i), heights[i], -MAX_COORDINATE_M..=MAX_COORDINATE_M);
            }
        }
        Relief::Hills(hills) => {
            let at = at.key("hills");
            c.within(at.key("amplitude_m"), hills.amplitude_m, 0.0..=MAX_COORDINATE_M);
            c.positive(at.key("wavelength_m"), hills.wavelength_m, MAX_COORDINATE_M);
            c.within(at.key("bowl_m"), hills.bowl_m, -MAX_COORDINATE_M..=MAX_COORDINATE_M);
            if hills.wavelength_m > 0.0 && hills.wavelength_m < 2.0 * field.spacing_m {
                let message = format!(
                    "must be at least twice `spacing_m`, {} is below {}",
                    hills.wavelength_m,
                    2.0 * field.spacing_m
                );
                c.wrong_with_help(at.key("wavelength_m"), message, "a grid cannot hold hills narrower than two cells");
            }
        }
    }
}
