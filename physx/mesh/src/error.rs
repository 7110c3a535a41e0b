//! What can go wrong with a mesh. Each message says what happened, where, and what to do about it.

use std::path::PathBuf;

/// An error of reading, making or mending a mesh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    /// The file could not be read at all.
    #[error("cannot read mesh {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// The file that was asked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is larger than [`crate::MAX_FILE_BYTES`].
    #[error("{name}: {bytes} bytes is over the limit of {limit}; simplify the mesh or convert it to a binary format")]
    FileTooLarge {
        /// Name of the input.
        name: String,
        /// Its size in bytes.
        bytes: u64,
        /// The largest size that is accepted, in bytes.
        limit: u64,
    },
    /// The name does not tell the format.
    #[error("{name}: unknown mesh format; name the file *.obj, *.stl, *.ply, *.msh, *.vtk or *.vtu")]
    UnknownFormat {
        /// Name of the input.
        name: String,
    },
    /// The content does not follow its format.
    #[error("{name}{}: {what}; {remedy}", place(*.line))]
    Parse {
        /// Name of the input.
        name: String,
        /// Line where reading stopped, counted from 1, where the format has lines.
        line: Option<usize>,
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A sound file of a kind that is not read here.
    #[error("{name}: {what} is not supported; {remedy}")]
    Unsupported {
        /// Name of the input.
        name: String,
        /// The part that is not supported.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The mesh has no element.
    #[error("the mesh is empty: {what}; export the body with its geometry")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// A coordinate is NaN or infinite.
    #[error("point {point} has a coordinate that is not finite ({value:?}); repair or re-export the mesh")]
    NotFinite {
        /// Index of the first such point.
        point: usize,
        /// Its coordinates.
        value: [f32; 3],
    },
    /// The mesh is so large or so far away that `f32` arithmetic overflows or loses the shape.
    #[error("the mesh spans {extent:e} around coordinates of {reach:e}: {what}; rescale and recentre it")]
    BadExtent {
        /// Longest side of the bounding box.
        extent: f64,
        /// Largest absolute coordinate.
        reach: f64,
        /// Which limit this exceeds.
        what: &'static str,
    },
    /// An element names a point that does not exist.
    #[error("{element} {index} refers to point {point}, but there are {points} points; re-export the mesh")]
    IndexOutOfRange {
        /// `"triangle"` or `"tetrahedron"`.
        element: &'static str,
        /// Index of the element.
        index: usize,
        /// The point that it names.
        point: u32,
        /// The number of points.
        points: usize,
    },
    /// The mesh exceeds a size limit.
    #[error("{count} {what} are over the limit of {limit}; simplify the mesh or choose a longer edge")]
    TooMany {
        /// Of what there are too many.
        what: &'static str,
        /// How many.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// Three or more triangles meet in an edge, or three or more tetrahedra in a face.
    #[error(
        "{uses} {element}s share the {part} between points {points:?}: not a closed solid; \
         remove inner or doubled faces (in Blender: Select > All by Trait > Non Manifold)"
    )]
    NonManifold {
        /// `"triangle"` or `"tetrahedron"`.
        element: &'static str,
        /// `"edge"` or `"face"`.
        part: &'static str,
        /// How many elements share it.
        uses: usize,
        /// The points of the edge or face.
        points: Vec<u32>,
    },
    /// The triangles cannot be oriented consistently (a Möbius strip).
    #[error("the surface has one side only (a Möbius band) at triangle {triangle}; it bounds no volume: rebuild it")]
    NotOrientable {
        /// The triangle at which the contradiction shows.
        triangle: usize,
    },
    /// The surface has a hole too large to be filled by guessing.
    #[error("the surface is open: {what}; close it (in Blender: Mesh > Clean Up > Fill Holes) and try again")]
    Open {
        /// The hole and the limit that it exceeds.
        what: String,
    },
    /// Triangles pass through one another.
    #[error(
        "the surface intersects itself: {pairs} pair(s), first triangles {first:?} near {at:?}; \
         run a union/remesh (in Blender: Remesh modifier) or cook from a tetrahedral mesh"
    )]
    SelfIntersection {
        /// How many pairs were found before the search stopped.
        pairs: usize,
        /// The first pair, as indices into the mended surface.
        first: [u32; 2],
        /// A point of the first of them.
        at: [f32; 3],
    },
    /// The mesh encloses nothing.
    #[error("the mesh encloses no volume ({volume:e} for an extent of {extent:e}); a soft body needs a closed solid")]
    NoVolume {
        /// The signed volume, in units of the mesh.
        volume: f64,
        /// Longest side of the bounding box.
        extent: f64,
    },
    /// A tetrahedron is flat.
    #[error(
        "tetrahedron {tet} is flat (volume {volume:e}, longest edge {edge:e}); \
         remesh with better quality (in Gmsh: Mesh.Optimize = 1)"
    )]
    FlatTet {
        /// Index of the tetrahedron.
        tet: usize,
        /// Its signed volume.
        volume: f64,
        /// Its longest edge.
        edge: f64,
    },
    /// A parameter of a primitive is out of range.
    #[error("{shape}: {what}; {remedy}")]
    BadSize {
        /// Which primitive.
        shape: &'static str,
        /// Which parameter is wrong, and its value.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A serialized mesh is torn, foreign or of another version.
    #[error("not a valid cooked mesh: {what}; delete it and cook again")]
    Corrupt {
        /// What does not fit.
        what: String,
    },
}

/// `", line 12"`, or nothing for formats without lines.
fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}
