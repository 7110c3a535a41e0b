//! What stands on the page, from top to bottom.

use super::html::{escape, figure, page as html_page, table};
use super::plots;
use crate::analysis::{Analysis, Digests, SizeResult};
use crate::error::SweepError;
use crate::fit::{Fit, Refusal};
use crate::numbers::{bytes, estimate, estimate_percent, or_dash, percent, short};
use crate::plan::{Scaling, Unit};
use crate::record::{Outcome, Record};
use crate::text::{digests_line, disturbed_line, fit_line};

pub(super) fn page(analysis: &Analysis, records: &[Record]) -> Result<String, SweepError> {
    let plan = &analysis.plan;
    let title = format!("{}: {} scaling", plan.name, plan.scaling.name());
    let mut body = format!("<h1>{}</h1>\n<p class=\"dim\">{}</p>\n", escape(&title), escape(&subtitle(analysis)));
    body += &alarms(analysis);
    body += "<h2>How it scales</h2>\n";
    if analysis.sizes.is_empty() {
        body += "<p>No run has ended well yet.</p>\n";
    } else {
        body += &format!("<div class=\"plots\">\n{}</div>\n", figures(analysis)?);
        body += &sizes(analysis);
        body += &split(analysis);
        body += &traffic(analysis);
        body += &fits(analysis);
    }
    body += &machine(analysis);
    body += &runs(analysis, records);
    Ok(html_page(&title, &body))
}

fn subtitle(analysis: &Analysis) -> String {
    let plan = &analysis.plan;
    let load = match plan.scaling {
        Scaling::Strong => "the same job on every size".to_owned(),
        Scaling::Weak => format!("n {} have n times the bodies of the job file", plan.unit.name()),
    };
    let place = match plan.unit {
        Unit::Ranks => "ranks of one machine".to_owned(),
        Unit::Nodes => format!("nodes with {} ranks each", plan.ranks_per_node),
    };
    let machine = &analysis.machine;
    format!("{load}; {place}; {} repeats; {}, {} hardware threads", plan.repeats, machine.cpu, machine.cpus)
}

fn alarms(analysis: &Analysis) -> String {
    let mut text = String::new();
    if let Digests::Differ { .. } = analysis.digests {
        let line = digests_line(&analysis.digests);
        text += &format!(
            "<p class=\"alarm\">The runs do not agree. This is a bug, or a broken machine. {}</p>\n",
            escape(&line)
        );
    }
    if !analysis.failures.is_empty() {
        let failed: Vec<String> = analysis.failures.iter().map(|(point, _)| point.to_string()).collect();
        text += &format!(
            "<p class=\"alarm\">Runs that failed: {}. The table of runs below says why.</p>\n",
            escape(&failed.join(" "))
        );
    }
    if analysis.missing > analysis.failures.len() {
        let missing = analysis.missing - analysis.failures.len();
        text += &format!("<p>{missing} runs are still to be done; the same command goes on with them.</p>\n");
    }
    if let Some(share) = analysis.disturbed {
        text += &format!("<p>Note: {}.</p>\n", escape(&disturbed_line(share)));
    }
    if let Digests::Equal { what } = &analysis.digests {
        text += &format!("<p class=\"dim\">Digests are equal: {}</p>\n", escape(what));
    }
    text
}

fn figures(analysis: &Analysis) -> Result<String, SweepError> {
    let crowded = if analysis.is_crowded() {
        " Shaded: more threads than hardware threads on a host, where ranks wait for a core; there the CPU seconds tell what more ranks cost."
    } else {
        ""
    };
    let of = analysis.plan.unit.name();
    Ok([
        figure(
            &plots::speed_up(analysis)?,
            &format!(
                "Work per second over that of the smallest size. Rings: what the CPU seconds would allow.{crowded}"
            ),
        ),
        figure(
            &plots::cpu_ratio(analysis)?,
            &format!("CPU seconds for a piece of work over those of the smallest size: 1 is ideal.{crowded}"),
        ),
        figure(&plots::efficiency(analysis)?, &format!("Speed-up over {of}: 1 is ideal.{crowded}")),
        figure(&plots::time_split(analysis)?, "Where the time of the ranks' main threads went."),
    ]
    .concat())
}

fn sizes(analysis: &Analysis) -> String {
    let name = |size: &SizeResult| format!("{}{}", size.nodes, if size.crowded { " (shares cores)" } else { "" });
    let times = |size: &SizeResult| {
        vec![
            name(size),
            format!("{} × {}", size.ranks, size.threads_per_rank),
            size.wall_s.runs.to_string(),
            estimate(size.wall_s),
            estimate(size.steps_per_s),
            or_dash(size.speed_up, estimate),
            or_dash(size.efficiency, estimate_percent),
        ]
    };
    let costs = |size: &SizeResult| {
        vec![
            name(size),
            size.bodies.to_string(),
            estimate(size.cpu_s),
            or_dash(size.cpu_ratio, estimate),
            or_dash(size.allowed(), estimate),
            or_dash(size.start_s, estimate),
            bytes(size.resident_bytes as f64),
        ]
    };
    let of = analysis.plan.unit.name();
    let rows = |row: &dyn Fn(&SizeResult) -> Vec<String>| analysis.sizes.iter().map(row).collect::<Vec<_>>();
    format!(
        "{}{}<p class=\"dim\">Geometric means, with 95 % intervals of Student's t on logarithms. Speed-up, efficiency and CPU ratio compare each size \
         with the smallest one within the same repeat. Time and CPU seconds are those of the steps; the start is apart. CPU seconds allow a \
         speed-up of {of} over CPU ratio: a bound, for as many cores as threads, and ranks that never wait for each other.</p>\n",
        table(&[of, "ranks × threads", "runs", "time, s", "steps/s", "speed-up", "efficiency"], &rows(&times)),
        table(
            &[of, "bodies", "CPU, s", "CPU ratio", "speed-up allowed", "start, s", "memory of a rank"],
            &rows(&costs)
        ),
    )
}

fn split(analysis: &Analysis) -> String {
    let parts = plots::parts(analysis);
    let heads: Vec<&str> = [analysis.plan.unit.name()].into_iter().chain(parts.iter().map(String::as_str)).collect();
    let share = |size: &SizeResult, part: &String| percent(size.time_split.get(part).copied().unwrap_or(0.0));
    let row = |size: &SizeResult| {
        [vec![size.nodes.to_string()], parts.iter().map(|part| share(size, part)).collect()].concat()
    };
    let rows: Vec<Vec<String>> = analysis.sizes.iter().map(row).collect();
    format!(
        "<h2>Where the time goes</h2>\n{}<p class=\"dim\">Shares of the main threads' time: solve and contact compute soft bodies, rigid is PhysX, \
         halo packs what is exchanged, wait is for other ranks, output are frames, epochs and the journal.</p>\n",
        table(&heads, &rows)
    )
}

fn traffic(analysis: &Analysis) -> String {
    let mut fabrics: Vec<&str> =
        analysis.sizes.iter().flat_map(|size| size.bytes_per_step.keys().map(String::as_str)).collect();
    fabrics.sort_unstable();
    fabrics.dedup();
    let heads: Vec<&str> =
        [analysis.plan.unit.name()].into_iter().chain(fabrics.iter().copied()).chain(["messages"]).collect();
    let row = |size: &SizeResult| {
        let sent = |fabric: &&str| size.bytes_per_step.get(*fabric).map_or_else(|| "–".to_owned(), |sent| bytes(*sent));
        let cells = fabrics.iter().map(sent).chain([short(size.messages_per_step)]);
        [size.nodes.to_string()].into_iter().chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = analysis.sizes.iter().map(row).collect();
    format!("<h2>What is sent in a step, by all ranks together</h2>\n{}", table(&heads, &rows))
}

fn fits(analysis: &Analysis) -> String {
    let item = |of: &str, fit: &Result<Fit, Refusal>| {
        let residuals = fit.as_ref().ok().map(|fit| {
            let one = |(nodes, residual): &(u32, f64)| format!("{nodes}: {:+.1} %", 100.0 * residual);
            format!("; by size {}", fit.residuals.iter().map(one).collect::<Vec<_>>().join(", "))
        });
        format!("<li><b>{of}</b>: {}{}</li>\n", escape(&fit_line(fit)), escape(&residuals.unwrap_or_default()))
    };
    let times: String = analysis.time_fits.iter().map(|fit| item("time", fit)).collect();
    format!(
        "<h2>Laws of scaling</h2>\n<ul>\n{times}{}</ul>\n<p class=\"dim\">σ is the share of serial work, κ what pairs of {of} cost. Least squares of relative \
         errors over all runs, with Student's intervals. Time is fitted for sizes that have a hardware thread for each thread, CPU seconds for \
         all: N times the CPU seconds of one over those of N bounds the speed-up that more cores could give, as far as ranks do not wait for each \
         other. A law with k unknowns wants k + 1 sizes.</p>\n",
        item("CPU seconds", &analysis.cpu_fit),
        of = analysis.plan.unit.name()
    )
}

fn machine(analysis: &Analysis) -> String {
    let m = &analysis.machine;
    let cores = if m.cores == 0 { "unknown".to_owned() } else { m.cores.to_string() };
    let facts = [
        ("host", m.host.clone()),
        ("processor", m.cpu.clone()),
        ("hardware threads that may be used", m.cpus.to_string()),
        ("cores", cores),
        ("memory", bytes(m.memory_bytes as f64)),
        ("kernel", m.kernel.clone()),
        ("MPI", m.mpi.clone()),
        ("Slurm", m.slurm.clone().unwrap_or_else(|| "none".to_owned())),
        ("rankzero", m.rankzero.clone()),
        ("build", m.build.clone()),
        ("checkout", m.checkout.clone().unwrap_or_else(|| "none".to_owned())),
        ("order of the runs", format!("{}, from seed {}", order(analysis), analysis.plan.seed)),
    ];
    let row = |(name, value): &(&str, String)| format!("<tr><td>{name}</td><td>{}</td></tr>\n", escape(value));
    format!(
        "<h2>On what</h2>\n<table class=\"facts\"><tbody>\n{}</tbody></table>\n",
        facts.iter().map(row).collect::<String>()
    )
}

fn order(analysis: &Analysis) -> String {
    analysis.plan.points().iter().map(|point| point.to_string()).collect::<Vec<_>>().join(" ")
}

fn runs(analysis: &Analysis, records: &[Record]) -> String {
    let row = |record: &Record| {
        let (result, digest) = match &record.outcome {
            Outcome::Done { measure } => {
                let times = format!("{} s, {} CPU s", short(measure.wall_s), short(measure.cpu_steps_s));
                (times, measure.digest.chars().take(16).collect())
            }
            Outcome::Failed { why } => (format!("FAILED: {}", why.lines().next().unwrap_or_default()), "–".to_owned()),
        };
        vec![
            record.point.to_string(),
            record.began.clone(),
            result,
            digest,
            record.key.to_string(),
            record.machine.host.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = records.iter().map(row).collect();
    let command = records.last().map_or(String::new(), |record| {
        format!("<p class=\"dim\">The last one was started by <code>{}</code></p>\n", escape(&record.command))
    });
    format!(
        "<h2>Runs</h2>\n<details{}><summary>{} runs, in the order in which they ended</summary>\n{}</details>\n{command}",
        if analysis.failures.is_empty() { "" } else { " open=\"open\"" },
        records.len(),
        table(&["run", "began", "result", "digest", "key", "host"], &rows)
    )
}
