//! The meshes of a frame: many bodies joined into one set of flat arrays.
//!
//! Invariant M-1: every point array has one entry a point (three numbers for positions and velocities), and
//! every cell names existing points only. [`Mesh::append_body`] keeps it; [`Mesh::check`] proves it, since the
//! fields are open.

use crate::FrameError;

/// What a body is, for colouring and for camera framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Kind {
    /// A deformable body.
    #[default]
    Soft = 0,
    /// A rigid body, dynamic or kinematic.
    Rigid = 1,
    /// A part of the environment that never moves.
    Static = 2,
}

/// What is constant over one body of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BodyLook {
    /// The body's global id.
    pub body: u32,
    /// What the body is.
    pub kind: Kind,
    /// Its colour, sRGB; see [`candy`] for a default.
    pub colour: [u8; 3],
    /// The rank that owned it when the frame was written.
    pub rank: u32,
    /// The batch it belongs to.
    pub batch: u32,
}

/// Bodies of one part of a frame, with cells of `N` corners: triangles ([`Surface`]) or tetrahedra ([`Volume`]).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh<const N: usize> {
    /// Positions, m, `[x, y, z]` a point, `3·points` numbers.
    pub points: Vec<f32>,
    /// Velocities, m/s, `3·points` numbers.
    pub velocity: Vec<f32>,
    /// Corners of each cell as indices of points. Triangles are anticlockwise seen from outside.
    pub cells: Vec<[u32; N]>,
    /// Global body id of each point.
    pub body: Vec<u32>,
    /// [`Kind`] of each point as a number.
    pub kind: Vec<u8>,
    /// sRGB colour of each point.
    pub colour: Vec<[u8; 3]>,
    /// Owning rank of each point.
    pub rank: Vec<u32>,
    /// Batch of each point.
    pub batch: Vec<u32>,
}

/// Surfaces: triangles.
pub type Surface = Mesh<3>;

/// Volumes: tetrahedra, positively oriented.
pub type Volume = Mesh<4>;

impl<const N: usize> Mesh<N> {
    /// An empty mesh.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of points.
    pub fn point_count(&self) -> usize {
        self.points.len() / 3
    }

    /// Appends one body. `points` (m) and `velocity` (m/s) are `3·n` numbers; an empty `velocity` stands for
    /// rest; `cells` index the body's own points from 0.
    ///
    /// # Errors
    /// [`FrameError::Mesh`] where lengths disagree, a cell names a point that does not exist, or the mesh
    /// would exceed 2³¹ − 1 points. The mesh is unchanged then.
    pub fn append_body(
        &mut self,
        look: &BodyLook,
        points: &[f32],
        velocity: &[f32],
        cells: &[[u32; N]],
    ) -> Result<(), FrameError> {
        let fail = |what: String| Err(FrameError::Mesh { what: format!("body {}: {what}", look.body) });
        if !points.len().is_multiple_of(3) {
            return fail(format!("{} coordinates are not three a point", points.len()));
        }
        let added = points.len() / 3;
        if !velocity.is_empty() && velocity.len() != points.len() {
            return fail(format!("{} velocity numbers for {added} points", velocity.len()));
        }
        if let Some(cell) = cells.iter().find(|cell| cell.iter().any(|&p| p as usize >= added)) {
            return fail(format!("cell {cell:?} names a point beyond its {added} points"));
        }
        let first = self.point_count();
        let total = first + added;
        if total > i32::MAX as usize {
            return fail(format!("it would be point {total} of one file, which holds 2147483647"));
        }
        self.points.extend_from_slice(points);
        if velocity.is_empty() {
            self.velocity.resize(total * 3, 0.0);
        } else {
            self.velocity.extend_from_slice(velocity);
        }
        // `first` fits: the total was checked above.
        self.cells.extend(cells.iter().map(|cell| cell.map(|p| p + first as u32)));
        self.body.resize(total, look.body);
        self.kind.resize(total, look.kind as u8);
        self.colour.resize(total, look.colour);
        self.rank.resize(total, look.rank);
        self.batch.resize(total, look.batch);
        Ok(())
    }

    /// Empties the mesh and keeps its memory for the next frame.
    pub fn clear(&mut self) {
        self.points.clear();
        self.velocity.clear();
        self.cells.clear();
        self.body.clear();
        self.kind.clear();
        self.colour.clear();
        self.rank.clear();
        self.batch.clear();
    }

    /// Proves M-1 and that VTK's 32-bit indices suffice.
    ///
    /// # Errors
    /// [`FrameError::Mesh`] with the array at fault.
    pub fn check(&self) -> Result<(), FrameError> {
        let fail = |what: String| Err(FrameError::Mesh { what });
        if !self.points.len().is_multiple_of(3) {
            return fail(format!("{} coordinates are not three a point", self.points.len()));
        }
        let points = self.point_count();
        let lengths = [
            ("velocity", self.velocity.len() / 3),
            ("body", self.body.len()),
            ("kind", self.kind.len()),
            ("colour", self.colour.len()),
            ("rank", self.rank.len()),
            ("batch", self.batch.len()),
        ];
        if let Some((name, length)) = lengths.iter().find(|(_, length)| *length != points) {
            return fail(format!("`{name}` holds {length} entries for {points} points"));
        }
        if self.velocity.len() != self.points.len() {
            return fail(format!("{} velocity numbers for {points} points", self.velocity.len()));
        }
        let indices = self.cells.len().saturating_mul(N);
        if points.max(indices) > i32::MAX as usize {
            return fail(format!("{points} points and {indices} corners exceed the 2147483647 of one file"));
        }
        if let Some(cell) = self.cells.iter().find(|cell| cell.iter().any(|&p| p as usize >= points)) {
            return fail(format!("cell {cell:?} names a point beyond {points} points"));
        }
        Ok(())
    }
}

/// A pleasant sRGB colour for body `id`: neighbouring ids differ clearly.
pub fn candy(id: u32) -> [u8; 3] {
    const PALETTE: [[u8; 3]; 10] = [
        [0xf4, 0x5b, 0x69], // raspberry
        [0xff, 0x9f, 0x43], // apricot
        [0xff, 0xd1, 0x5c], // lemon
        [0x8e, 0xd0, 0x6c], // apple
        [0x2f, 0xc4, 0xb2], // mint
        [0x4a, 0xa8, 0xff], // sky
        [0x6c, 0x6f, 0xf2], // blueberry
        [0xb0, 0x6b, 0xe8], // grape
        [0xf7, 0x7f, 0xc4], // bubblegum
        [0xf2, 0xe8, 0xdc], // cream
    ];
    // A multiplicative hash, so that ids in sequence do not walk through the palette in order.
    let mixed = id.wrapping_add(1).wrapping_mul(0x9e37_79b1) >> 16;
    PALETTE[mixed as usize % PALETTE.len()]
}
