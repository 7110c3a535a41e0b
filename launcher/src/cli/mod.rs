//! The command line: what can be said, and who does it.

mod args;
mod check;
mod checkpoint;
mod commands;
mod doctor;
mod explain;
mod launch;
mod submit;
mod submit_args;
mod sweep;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};

/// Runs the program; returns its exit code (see `rankzero --help`).
pub fn main() -> std::process::ExitCode {
    std::panic::set_hook(Box::new(report_panic));
    let cli = Cli::parse();
    logging(cli.verbose);
    let code = match cli.command {
        Command::Run(args) => commands::run(&args),
        Command::Launch(args) => launch::launch(&args),
        Command::Submit(args) => submit::submit(&args),
        Command::Check(args) => check::check(&args),
        Command::Render(args) => commands::render(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Join(args) => commands::join(&args),
        Command::Drain(args) => commands::drain(&args),
        Command::Checkpoint(args) => checkpoint::checkpoint(&args.command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "rankzero", &mut std::io::stdout());
            0
        }
        Command::Man => commands::man(),
    };
    std::process::ExitCode::from(code)
}

/// Logs go to stderr: warnings by default, more with `-v` or `RANKZERO_LOG`.
fn logging(verbose: u8) {
    let level = ["warn", "info", "debug", "trace"][usize::from(verbose.min(3))];
    let filter = std::env::var("RANKZERO_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("warning: RANKZERO_LOG is `{filter}`: {error}; using `{level}`");
        tracing_subscriber::EnvFilter::new(level)
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
}

/// The exit code of a program that writes into a closed pipe, 128 + SIGPIPE.
const CLOSED_PIPE: i32 = 141;

/// A closed pipe, as in `rankzero check JOB | head -1`, ends a command that prints without a word; anything else is a bug.
/// A run never gets here for a closed pipe: it writes its words without caring who reads them.
fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let text = info.to_string();
    if text.contains("Broken pipe") {
        std::process::exit(CLOSED_PIPE);
    }
    eprintln!("{text}\nThis is a bug in rankzero; please report it with the job file and the lines above.");
    eprintln!("{}", std::backtrace::Backtrace::force_capture());
}
