//! Prints what one rank holds as ranks grow, as the tables of `docs/fabrics.md`: registered segments, queues, connections.
//!
//! The segments are those of `launcher/src/engine/board.rs`, whose constants are compared with the ones here.

use rankzero_comm::footprint::{baseline_bytes, queues, ring_bytes, scratch_bytes, sizes, window_bytes};

const RANKS: [u32; 6] = [2, 8, 64, 256, 1024, 4096];
const HEADER_WORDS: u64 = 64;
const REACH_WORDS: u64 = 11;
const WRENCH_WORDS: u64 = 8;
const DIGEST_WORDS: u64 = 8;
const WRENCHES_MAX: u64 = 1 << 20;
const WRENCHES_OF_A_RANK: u64 = 1 << 14;

/// What the board is laid out for.
struct Scene {
    bodies: u64,
    nodes: u64,
    /// Nodes on surfaces.
    surface: u64,
    rigids: u64,
}

/// The demo; its surfaces are counted as all of its nodes.
const DEMO: Scene = Scene { bodies: 240, nodes: 21_570, surface: 21_570, rigids: 44 };
/// Cubes of 5 × 5 × 5 nodes.
const LARGE: Scene = Scene { bodies: 10_000, nodes: 1_250_000, surface: 980_000, rigids: 0 };
const LARGE_RIGID: Scene = Scene { rigids: 100, ..LARGE };

impl Scene {
    /// Bytes of the segments that hold something for each body.
    fn body_bytes(&self) -> u64 {
        let state = 6 * self.nodes + self.bodies;
        let halo = 2 * 6 * self.surface;
        let reach = 2 * self.bodies * (REACH_WORDS + 1);
        let copies = 2 * state;
        4 * (state + copies + halo + reach + 2 * self.bodies * DIGEST_WORDS)
    }

    /// Bytes of what holds something for each rank.
    fn rank_bytes(&self, ranks: u32) -> u64 {
        let room = (WRENCHES_MAX / u64::from(ranks)).max(WRENCHES_OF_A_RANK);
        let room = (self.rigids * self.bodies).min(room);
        let (headers, wrenches) = (2 * HEADER_WORDS, 2 * (1 + room * WRENCH_WORDS));
        4 * u64::from(ranks) * (headers + wrenches) + scratch_bytes(ranks)
    }
}

/// Bytes of queues as the user-space driver of mlx5 lays them out (rdma-core, `providers/mlx5`: `mlx5_calc_send_wqe`,
/// `mlx5_calc_sq_size`, `mlx5_calc_rq_size`, `mlx5_create_cq`).
fn mlx5_bytes(peers: u64) -> u64 {
    let (sizes, entries) = sizes();
    // Control, and the largest of atomic and memory window segments; inline data behind its length.
    let request = 16 + 176 + (4 + u64::from(sizes.inline_bytes)).next_multiple_of(16);
    let sends = (u64::from(sizes.sends) * request.next_multiple_of(64)).next_power_of_two();
    let receives = u64::from(sizes.receives).next_power_of_two() * 16;
    let completions = (entries + 1).next_power_of_two() * 64;
    peers * (sends + receives) + queues(peers).completion_queues * completions
}

fn mib(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 10.0 { format!("{mib:.1}") } else { format!("{mib:.0}") }
}

fn row(title: &str, cell: impl Fn(u32) -> String) -> String {
    format!("| {title} | {} |\n", RANKS.map(cell).join(" | "))
}

fn head() -> String {
    format!("| ranks | {} |\n|---|{}\n", RANKS.map(|ranks| ranks.to_string()).join(" | "), "---|".repeat(RANKS.len()))
}

fn segments() -> String {
    let total = |scene: &'static Scene| move |ranks| mib(scene.body_bytes() + scene.rank_bytes(ranks));
    head()
        + &row("demo", total(&DEMO))
        + &row("large, no rigid bodies", total(&LARGE))
        + &row("large, 100 rigid bodies", total(&LARGE_RIGID))
}

fn connections() -> String {
    let of = |ranks: u32| queues(u64::from(ranks) - 1);
    head()
        + &row("queue pairs", |ranks| of(ranks).pairs.to_string())
        + &row("send entries", |ranks| of(ranks).sends.to_string())
        + &row("receive entries", |ranks| of(ranks).receives.to_string())
        + &row("completion queues", |ranks| of(ranks).completion_queues.to_string())
        + &row("completion entries", |ranks| of(ranks).completions.to_string())
        + &row("queues on mlx5, locked, MiB", |ranks| mib(mlx5_bytes(of(ranks).pairs)))
        + &row("work requests in preparation, MiB", |ranks| mib(of(ranks).prepared_bytes))
        + &row("TCP sockets", |ranks| of(ranks).pairs.to_string())
        + &row("packets under way over one rung, at most, MiB", |ranks| mib(window_bytes(of(ranks).pairs)))
        + &row("baselines of one rung, at most, MiB", |ranks| mib(baseline_bytes(of(ranks).pairs)))
}

fn main() {
    println!("Segments of one rank, MiB\n\n{}", segments());
    println!("Connections of one rank, one rank a node and one rail\n\n{}", connections());
    println!("A queue of notifications between two ranks of a node: {} bytes", ring_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &str = include_str!("../../launcher/src/engine/board.rs");
    const DOCUMENT: &str = include_str!("../../docs/fabrics.md");

    #[test]
    fn the_document_has_these_tables() {
        assert!(DOCUMENT.contains(&segments()), "now:\n{}", segments());
        assert!(DOCUMENT.contains(&connections()), "now:\n{}", connections());
        assert!(DOCUMENT.contains(&format!("{} bytes", ring_bytes())), "{}", ring_bytes());
    }

    #[test]
    fn the_board_has_these_sizes() {
        for text in [
            format!("HEADER_WORDS: usize = {HEADER_WORDS};"),
            "ENTRY_WORDS: usize = REACH_WORDS + 1;".to_owned(),
            format!("WRENCH_WORDS: usize = {WRENCH_WORDS};"),
            format!("DIGEST_WORDS: usize = {DIGEST_WORDS};"),
            format!("WRENCHES_MAX: usize = 1 << {};", WRENCHES_MAX.trailing_zeros()),
            format!("WRENCHES_OF_A_RANK: usize = 1 << {};", WRENCHES_OF_A_RANK.trailing_zeros()),
            "(WRENCHES_MAX / ranks).max(WRENCHES_OF_A_RANK)".to_owned(),
            "part(2 * (ranks * HEADER_WORDS + bodies * ENTRY_WORDS))".to_owned(),
            "part(2 * halo_at[bodies])".to_owned(),
            "part(2 * ranks * (1 + wrench_room * WRENCH_WORDS))".to_owned(),
            "part(2 * bodies * DIGEST_WORDS)".to_owned(),
            "part(2 * state_at[bodies])".to_owned(),
        ] {
            assert!(BOARD.contains(&text), "the board has no longer: {text}");
        }
    }
}
