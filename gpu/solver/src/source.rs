//! The kernels' sources, which travel in the binary and are compiled on the machine that has the card.

/// A file of `gpu/kernels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, as other files include it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! sources {
    ($($name:literal),* $(,)?) => { &[$(Source { name: $name, text: include_str!(concat!("../../kernels/", $name)) }),*] };
}

/// The step of bodies that are swept.
pub const STEP: Source = Source { name: "step.cu", text: include_str!("../../kernels/step.cu") };
/// Its kernels, of whole steps and of intervals: for bodies that live in a block's memory, and for those that are too large.
pub const STEP_KERNELS: [&str; 4] = ["whole_step", "whole_step_large", "interval", "interval_large"];
/// The step of bodies that are solved implicitly.
pub const IMPLICIT: Source = Source { name: "implicit.cu", text: include_str!("../../kernels/implicit.cu") };
/// Its kernels, likewise.
pub const IMPLICIT_KERNELS: [&str; 4] =
    ["implicit_step", "implicit_step_large", "implicit_interval", "implicit_interval_large"];
/// Contacts between bodies.
pub const CONTACT: Source = Source { name: "contact.cu", text: include_str!("../../kernels/contact.cu") };
/// Its kernels.
pub const CONTACT_KERNELS: [&str; 3] = ["take_guests", "find_contacts", "push_contacts"];
/// What an epoch changes in the copies of states.
pub const DELTA: Source = Source { name: "delta.cu", text: include_str!("../../kernels/delta.cu") };
/// Its kernel.
pub const DELTA_KERNELS: [&str; 1] = ["extract_delta"];
/// Which triangles of surfaces nodes may touch in a step.
pub const MESH: Source = Source { name: "mesh.cu", text: include_str!("../../kernels/mesh.cu") };
/// Its kernel.
pub const MESH_KERNELS: [&str; 1] = ["find_triangles"];
/// Limits of a card, for benchmarks.
pub const ROOF: Source = Source { name: "roof.cu", text: include_str!("../../kernels/roof.cu") };
/// Its kernels.
pub const ROOF_KERNELS: [&str; 2] = ["roof_project", "roof_copy"];

/// What is compiled, each with the kernels in it.
pub const UNITS: &[(Source, &[&str])] = &[
    (STEP, &STEP_KERNELS),
    (IMPLICIT, &IMPLICIT_KERNELS),
    (CONTACT, &CONTACT_KERNELS),
    (DELTA, &DELTA_KERNELS),
    (MESH, &MESH_KERNELS),
    (ROOF, &ROOF_KERNELS),
];

/// What these include.
pub const HEADERS: &[Source] = sources![
    "body.cuh",
    "collider.cuh",
    "end.cuh",
    "form.cuh",
    "implicit_elastic.cuh",
    "implicit_factor.cuh",
    "implicit_form.cuh",
    "implicit_momentum.cuh",
    "interval.cuh",
    "mesh.cuh",
    "nearest.cuh",
    "neo_hookean.cuh",
    "pair.cuh",
    "platform.cuh",
    "quat.cuh",
    "rule.cuh",
    "search.cuh",
    "seat.cuh",
    "shape.cuh",
    "shell.cuh",
    "substep.cuh",
    "table.cuh",
    "vec3.cuh",
    "watch.cuh",
    "whole.cuh",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_included_file_is_carried() {
        let names: Vec<&str> = HEADERS.iter().map(|h| h.name).collect();
        let texts = HEADERS.iter().copied().chain(UNITS.iter().map(|(unit, _)| *unit));
        for source in texts {
            let included = source.text.lines().filter_map(|line| line.strip_prefix("#include \"")?.strip_suffix('"'));
            for name in included {
                assert!(names.contains(&name), "{} includes {name}, which is not carried", source.name);
            }
        }
    }

    #[test]
    fn every_kernel_is_listed() {
        for (unit, kernels) in UNITS {
            // Bounds of the launch may come before the name.
            let name = |rest: &'static str| rest.split("(const ").next()?.rsplit(' ').next();
            let defined: Vec<&str> = unit.text.split("__global__ void ").skip(1).filter_map(name).collect();
            assert_eq!(&defined, kernels, "{}", unit.name);
        }
    }
}
