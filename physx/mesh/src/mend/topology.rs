//! Who shares which edge: the half-edges of a triangle mesh, sorted so that equal edges lie together.

/// One side of a triangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HalfEdge {
    /// Its two points, the smaller first.
    pub key: (u32, u32),
    /// The triangle.
    pub triangle: u32,
    /// Which of its corners the side starts from.
    pub corner: u8,
    /// Whether the triangle runs along it from the larger to the smaller point.
    pub reversed: bool,
}

/// All half-edges, sorted by edge and then by triangle.
pub(super) fn half_edges(triangles: &[[u32; 3]]) -> Vec<HalfEdge> {
    let mut edges = Vec::with_capacity(triangles.len() * 3);
    for (triangle, t) in (0..).zip(triangles) {
        for corner in 0..3u8 {
            let (a, b) = (t[corner as usize], t[(corner as usize + 1) % 3]);
            edges.push(HalfEdge { key: (a.min(b), a.max(b)), triangle, corner, reversed: a > b });
        }
    }
    edges.sort_unstable();
    edges
}

/// The groups of half-edges that lie on the same edge.
pub(super) fn by_edge(edges: &[HalfEdge]) -> impl Iterator<Item = &[HalfEdge]> {
    edges.chunk_by(|a, b| a.key == b.key)
}

/// Sets with union: which elements hang together.
pub(super) struct Sets {
    parent: Vec<u32>,
}

impl Sets {
    pub fn new(count: usize) -> Self {
        Self { parent: (0..count as u32).collect() }
    }

    pub fn find(&mut self, mut i: u32) -> u32 {
        while self.parent[i as usize] != i {
            let up = self.parent[self.parent[i as usize] as usize];
            self.parent[i as usize] = up;
            i = up;
        }
        i
    }

    /// Joins two sets; the smaller number stands for both.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }

    /// The number of each element's set, counted from 0 in order of first appearance, and how many there are.
    pub fn label(&mut self) -> (Vec<u32>, usize) {
        let mut labels = vec![u32::MAX; self.parent.len()];
        let mut count = 0;
        for i in 0..self.parent.len() as u32 {
            let root = self.find(i) as usize;
            if labels[root] == u32::MAX {
                labels[root] = count;
                count += 1;
            }
            labels[i as usize] = labels[root];
        }
        (labels, count as usize)
    }
}
