//! What the kernels of intervals and contacts take, as `seat.cuh`, `interval.cuh` and `contact.cu` have it, and how much memory things need.
//! Pointers are addresses in device memory.

use bytemuck::{Pod, Zeroable};
use rankzero_soft::patches::PATCH;

use crate::collider::ColliderTable;
use crate::form::Form;
use crate::resident::Place;
use crate::rule::Rule;

/// A body whose surface is shown on the card.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Seat {
    pub form: u64,
    pub surface: u64,
    pub shell: u64,
    pub velocity: [f32; 3],
    pub spread: f32,
}

/// Two of them that may touch.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Pair {
    pub seats: [u32; 2],
    pub margin: f32,
    pub padding: u32,
    pub memory: u64,
}

/// A body that the card computes.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Mover {
    pub place: Place,
    pub halo: [u64; 2],
    pub kept: u64,
    pub seat: u32,
    pub pushers: u32,
    pub pusher_count: u32,
    pub padding: u32,
}

/// The parameter of the kernels of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Interval {
    pub form: u64,
    pub blocks: u64,
    pub movers: u64,
    pub seats: u64,
    pub pairs: u64,
    pub pushers: u64,
    pub given: u64,
    pub colliders: ColliderTable,
    pub workspace: u64,
    pub workspace_words: u64,
    pub rule: Rule,
    pub interval: u32,
    pub odd: u32,
}

/// The parameter of the kernel that takes guests' surfaces.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Guests {
    pub blocks: u64,
    pub places: u64,
    pub seats: u64,
    pub words: u64,
    pub first: u32,
    pub padding: u32,
}

/// The parameter of the kernels of contacts.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Contacts {
    pub pairs: u64,
    pub seats: u64,
    pub near: u64,
    pub rule: Rule,
}

const _: () = assert!(size_of::<Seat>() == 40);
const _: () = assert!(size_of::<Pair>() == 24);
const _: () = assert!(size_of::<Mover>() == 72);
const _: () = assert!(size_of::<Interval>() == 192);
const _: () = assert!(size_of::<Guests>() == 40);
const _: () = assert!(size_of::<Contacts>() == 96);

/// Words of a record.
pub(super) const fn words_of<T>() -> usize {
    size_of::<T>() / 4
}

/// Words of a surface: positions and displacements.
pub(super) fn surface_words(form: &Form) -> usize {
    6 * form.surface()
}

/// Words of what is worked out about a surface: positions of before and normals, `ShownHead`, for each patch a ball and eight faces.
pub(super) fn shell_words(form: &Form) -> usize {
    6 * form.surface() + 10 + (4 + 20 * PATCH) * form.patches()
}

/// Words of a body's working copy between intervals.
pub(super) fn kept_words(form: &Form) -> usize {
    4 + 9 * form.nodes()
}

/// Words of what a pair keeps: the head; for each node its watch of six candidates, what it touches, and room for pushes.
pub(super) fn pair_words(a: &Form, b: &Form) -> usize {
    let side = |own: usize, other: usize| (2 + 3 * 6) * own + 16 * own + 4 * (own + 3 * other);
    6 + side(a.surface(), b.surface()) + side(b.surface(), a.surface())
}
