//! Half a round trip over the MPI rung between two ranks of this machine.

use super::program::Program;
use crate::error::BenchError;
use crate::report::Report;

const REPEATS: usize = 3;
/// Sizes that are reported, as the example prints them, and their names.
const SIZES: [(&str, &str); 2] =
    [("8", "MPI rung, 8 B, half round trip"), ("65536", "MPI rung, 64 KiB, half round trip")];

/// Microseconds, by the example `pingpong`. Nothing is reported without mpirun.
pub fn measure(program: &Program, report: &mut Report) -> Result<(), BenchError> {
    let mut samples = SIZES.map(|_| Vec::new());
    for _ in 0..REPEATS {
        let Some(text) = program.example_on_two_ranks("rankzero-comm", "pingpong")? else {
            eprintln!("no mpirun: the MPI rung is not measured");
            return Ok(());
        };
        for ((size, _), of_size) in SIZES.iter().zip(&mut samples) {
            let time = text.lines().find_map(|line| half_round_trip(line, size));
            let missing =
                || BenchError::Unexpected { command: "pingpong".to_owned(), what: format!("no line of {size} B") };
            of_size.push(time.ok_or_else(missing)?);
        }
    }
    for ((_, name), of_size) in SIZES.iter().zip(&samples) {
        report.alone(name, "us", of_size);
    }
    Ok(())
}

/// The time in a line such as `8 B  half round trip 1.25 us …`.
fn half_round_trip(line: &str, size: &str) -> Option<f64> {
    let rest = line.trim_start().strip_prefix(size)?.strip_prefix(" B")?;
    rest.split_once("half round trip")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::half_round_trip;

    #[test]
    fn the_line_of_a_size_is_read() {
        let line = "       8 B  half round trip      1.25 us       6.4 MB/s  cpu/wall 2.00";
        assert_eq!(half_round_trip(line, "8"), Some(1.25));
        assert_eq!(half_round_trip(line, "65536"), None);
        assert_eq!(half_round_trip("waiting for nothing: cpu/wall 0.003", "8"), None);
    }
}
