//! `rankzero`: see `rankzero --help`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    rankzero::cli::main()
}
