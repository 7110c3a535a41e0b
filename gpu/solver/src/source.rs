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

/// The whole step of bodies that are swept.
pub const STEP: Source = Source { name: "step.cu", text: include_str!("../../kernels/step.cu") };
/// Its kernels: for bodies that live in a block's memory, and for those that are too large.
pub const STEP_KERNELS: [&str; 2] = ["whole_step", "whole_step_large"];
/// The whole step of bodies that are solved implicitly.
pub const IMPLICIT: Source = Source { name: "implicit.cu", text: include_str!("../../kernels/implicit.cu") };
/// Its kernels, likewise.
pub const IMPLICIT_KERNELS: [&str; 2] = ["implicit_step", "implicit_step_large"];

/// What is compiled, each with the kernels in it.
pub const UNITS: &[(Source, &[&str])] = &[(STEP, &STEP_KERNELS), (IMPLICIT, &IMPLICIT_KERNELS)];

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
    "neo_hookean.cuh",
    "platform.cuh",
    "quat.cuh",
    "rule.cuh",
    "shape.cuh",
    "substep.cuh",
    "table.cuh",
    "vec3.cuh",
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
            let defined: Vec<&str> =
                unit.text.split("__global__ void ").skip(1).filter_map(|rest| rest.split('(').next()).collect();
            assert_eq!(&defined, kernels, "{}", unit.name);
        }
    }
}
