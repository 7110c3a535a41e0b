//! What all bodies of one mesh, material and set of pinned nodes share, in the words that `form.cuh` reads.

use bytemuck::{Pod, Zeroable};
use rankzero_soft::Topology;
use rankzero_soft::pair::depth_max;
use rankzero_soft::patches::{PATCH, Patch};
use rankzero_soft::topology::Tet;

use crate::implicit;

/// The head, as `FormHead` of `form.cuh`.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct Head {
    nodes: u32,
    surface: u32,
    tets: u32,
    colours: u32,
    mass: u32,
    inverse_mass: u32,
    colour_starts: u32,
    tet_nodes: u32,
    tet_numbers: u32,
    pinned: u32,
    damping: f32,
    friction_static: f32,
    friction_dynamic: f32,
    total_mass: f32,
    implicit: u32,
    triangles: u32,
    patches: u32,
    patch_count: u32,
    around_starts: u32,
    around: u32,
    depth_max: f32,
    padding: [u32; 3],
}
const _: () = assert!(size_of::<Head>() == 96);

/// Words that a block needs for each node: position, predicted position, velocity, inverse mass.
const SWEPT_NODE_WORDS: usize = 10;
/// The same, and seven vectors more: `Vectors` of `implicit_form.cuh`.
const IMPLICIT_NODE_WORDS: usize = SWEPT_NODE_WORDS + 21;
/// `SHARED_WORDS` of `body.cuh`.
const SHARED_WORDS: usize = 32;

/// Threads of a block, at most: more only wait for each other at barriers.
const THREADS_MAX: usize = 256;
/// Threads come in warps of these.
const WARP: usize = 32;

/// A topology as the kernels take it.
#[derive(Clone, Debug)]
pub struct Form {
    words: Vec<u32>,
    nodes: usize,
    surface: usize,
    patches: usize,
    threads: u32,
    implicit: bool,
}

impl Form {
    /// Writes a topology down.
    pub fn new(topology: &Topology) -> Self {
        let material = topology.material;
        let (around_starts, around) = around(topology);
        let mut words = vec![0; size_of::<Head>() / 4];
        let head = Head {
            nodes: topology.layout.nodes as u32,
            surface: topology.layout.surface as u32,
            tets: topology.tets.len() as u32,
            colours: (topology.colours.len() - 1) as u32,
            tet_nodes: array(&mut words, topology.tets.iter().flat_map(|tet| tet.nodes)),
            tet_numbers: array(&mut words, numbers(topology).map(f32::to_bits)),
            mass: array(&mut words, topology.mass.iter().map(|m| m.to_bits())),
            inverse_mass: array(&mut words, topology.inverse_mass.iter().map(|w| w.to_bits())),
            colour_starts: array(&mut words, topology.colours.iter().copied()),
            pinned: u32::from(topology.pinned),
            damping: material.damping,
            friction_static: material.friction.static_,
            friction_dynamic: material.friction.dynamic,
            total_mass: topology.mass.iter().sum(),
            implicit: topology.factor().map_or(0, |factor| implicit::append(&mut words, &factor.parts())),
            triangles: array(&mut words, topology.triangles.iter().flatten().copied()),
            patches: array(&mut words, topology.patches.iter().flat_map(patch)),
            patch_count: topology.patches.len() as u32,
            around_starts: array(&mut words, around_starts),
            around: array(&mut words, around),
            depth_max: depth_max(topology),
            padding: [0; 3],
        };
        words[..size_of::<Head>() / 4].copy_from_slice(bytemuck::cast_slice(&[head]));
        let widest = topology.colours.windows(2).map(|run| (run[1] - run[0]) as usize).max().unwrap_or(1);
        let threads = widest.next_multiple_of(WARP).min(THREADS_MAX) as u32;
        Self {
            words,
            nodes: topology.layout.nodes,
            surface: topology.layout.surface,
            patches: topology.patches.len(),
            threads,
            implicit: topology.is_implicit(),
        }
    }

    /// The words that lie in device memory, from a multiple of 16 bytes on.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Whether its substeps are solved implicitly.
    pub fn is_implicit(&self) -> bool {
        self.implicit
    }

    /// Nodes, those of the surface first.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }

    /// Nodes of the surface.
    pub(crate) fn surface(&self) -> usize {
        self.surface
    }

    /// Patches of the surface.
    pub(crate) fn patches(&self) -> usize {
        self.patches
    }

    /// Bytes of memory that the block of a body needs among so many colliders.
    pub fn block_bytes(&self, colliders: usize) -> usize {
        let node = if self.implicit { IMPLICIT_NODE_WORDS } else { SWEPT_NODE_WORDS };
        4 * (node * self.nodes + SHARED_WORDS + colliders.div_ceil(32))
    }

    /// Threads of a body's block: as many as the largest colour has tetrahedra, in whole warps, up to 256.
    pub fn threads(&self) -> u32 {
        self.threads
    }
}

/// Words of device memory for a body that is too large for a block's, a multiple of four; by what the block would need.
pub(crate) fn workspace_words(block_bytes: usize) -> usize {
    block_bytes.div_ceil(16) * 4
}

/// Appends an array, from a multiple of four words on, and gives its place.
pub(crate) fn array(words: &mut Vec<u32>, array: impl IntoIterator<Item = u32>) -> u32 {
    words.resize(words.len().next_multiple_of(4), 0);
    let place = words.len() as u32;
    words.extend(array);
    place
}

/// A patch: how many triangles, their ids, their corners.
fn patch(patch: &Patch) -> impl Iterator<Item = u32> {
    [patch.count as u32].into_iter().chain(patch.ids).chain(patch.nodes.into_iter().flatten())
}

/// For each surface node where its run of triangles begins, and where the last one ends; and those triangles as places in patches, in the
/// patches' order.
fn around(topology: &Topology) -> (Vec<u32>, Vec<u32>) {
    let mut runs = vec![Vec::new(); topology.layout.surface];
    for (index, patch) in topology.patches.iter().enumerate() {
        for lane in 0..patch.count {
            for corner in &patch.nodes {
                runs[corner[lane] as usize].push((index * PATCH + lane) as u32);
            }
        }
    }
    let mut starts = vec![0];
    starts.extend(runs.iter().scan(0, |end, run| {
        *end += run.len() as u32;
        Some(*end)
    }));
    (starts, runs.into_iter().flatten().collect())
}

/// The numbers of all tetrahedra: the first four of each, then the next four of each, then the last.
fn numbers(topology: &Topology) -> impl Iterator<Item = f32> {
    let four = |tet: &Tet, part: usize| {
        let r = tet.inverse_rest;
        match part {
            0 => [r[0][0], r[0][1], r[0][2], r[1][0]],
            1 => [r[1][1], r[1][2], r[2][0], r[2][1]],
            _ => [r[2][2], tet.volume6 * topology.gamma, tet.compliance_deviatoric, tet.compliance_volume],
        }
    };
    (0..3).flat_map(move |part| topology.tets.iter().flat_map(move |tet| four(tet, part)))
}
