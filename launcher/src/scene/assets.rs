//! Meshes of a job: read, mended and cooked once, then the same bytes on every rank.

use std::path::Path;

use rankzero_job::{Job, RigidShape, SoftBodies, SoftShape, Tetrahedra};
use rankzero_mesh::{CookedMesh, MeshError, MeshFile, SurfaceMesh, TetMesh, primitives};
use rankzero_physx::cook::{Cache, CacheKey, Tetrahedralizer, cook_surface, cook_tets};

use super::error::SceneError;

/// Everything that a job takes from meshes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assets {
    /// Per group of soft bodies its mesh, metres, body frame.
    pub soft: Vec<CookedMesh>,
    /// Per group of rigid bodies the points of its convex file, metres; empty for other shapes.
    pub convex: Vec<Vec<[f32; 3]>>,
    /// Per triangle mesh of the environment its surface, metres, own frame.
    pub surfaces: Vec<SurfaceMesh>,
}

impl Assets {
    /// Reads and cooks what `job` names; `open` turns a path of the job into one that can be opened.
    ///
    /// # Errors
    /// [`SceneError`] naming the field whose mesh cannot be used, and why.
    pub fn load(job: &Job, cache: &Cache) -> Result<Self, SceneError> {
        let soft = job.soft_bodies.iter().enumerate().map(|(i, group)| {
            soft_mesh(group, cache).map_err(|e| {
                e.at(&format!("soft_bodies[{i}].shape{}", if group.shape.file().is_some() { ".mesh.file" } else { "" }))
            })
        });
        let convex = job.rigid_bodies.iter().enumerate().map(|(i, group)| match &group.shape {
            RigidShape::Convex(convex) => {
                points_of(&convex.file, convex.scale).map_err(|e| e.at(&format!("rigid_bodies[{i}].shape.convex.file")))
            }
            _ => Ok(Vec::new()),
        });
        let surfaces = job.environment.triangle_meshes.iter().enumerate().map(|(i, mesh)| {
            surface_of(&mesh.file, mesh.scale).map_err(|e| e.at(&format!("environment.triangle_meshes[{i}].file")))
        });
        Ok(Self {
            soft: soft.collect::<Result<_, _>>()?,
            convex: convex.collect::<Result<_, _>>()?,
            surfaces: surfaces.collect::<Result<_, _>>()?,
        })
    }

    /// The assets as bytes, to be given to another rank.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut all: Vec<CookedMesh> = self.soft.clone();
        all.extend(self.convex.iter().map(|points| carried(points, &[])));
        all.extend(self.surfaces.iter().map(|s| carried(&s.points, &s.triangles)));
        let mut out = Vec::new();
        for count in [self.soft.len(), self.convex.len(), self.surfaces.len()] {
            out.extend((count as u64).to_le_bytes());
        }
        for mesh in all {
            let bytes = mesh.to_bytes();
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend(bytes);
        }
        out
    }

    /// The inverse of [`Assets::to_bytes`]; `None` where the bytes are not whole.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut number = || -> Option<u64> {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            rest = tail;
            Some(u64::from_le_bytes(*head))
        };
        let counts = [number()?, number()?, number()?];
        let mut next = || -> Option<CookedMesh> {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            let (mesh, tail) = tail.split_at_checked(usize::try_from(u64::from_le_bytes(*head)).ok()?)?;
            rest = tail;
            CookedMesh::from_bytes(mesh).ok()
        };
        let mut assets = Assets::default();
        for _ in 0..counts[0] {
            assets.soft.push(next()?);
        }
        for _ in 0..counts[1] {
            assets.convex.push(next()?.tets.points);
        }
        for _ in 0..counts[2] {
            let mesh = next()?;
            let triangles = mesh.tets.tets.iter().map(|t| [t[0], t[1], t[2]]).collect();
            assets.surfaces.push(SurfaceMesh { points: mesh.tets.points, triangles });
        }
        Some(assets)
    }

    /// What was repaired in the meshes, with the field that names each.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let soft = self.soft.iter().enumerate();
        soft.flat_map(|(i, mesh)| mesh.notes.iter().map(move |note| format!("soft_bodies[{i}].shape: {note}")))
    }
}

/// Points and triangles in the form of the one mesh that has a codec.
fn carried(points: &[[f32; 3]], triangles: &[[u32; 3]]) -> CookedMesh {
    let tets = triangles.iter().map(|t| [t[0], t[1], t[2], t[2]]).collect();
    CookedMesh { tets: TetMesh { points: points.to_vec(), tets }, skin: None, notes: Vec::new() }
}

/// What is wrong with a mesh, before the field is known.
struct Trouble(String, Option<String>);

impl Trouble {
    fn at(self, path: &str) -> SceneError {
        SceneError { path: path.to_owned(), message: self.0, help: self.1 }
    }
}

fn trouble(error: MeshError) -> Trouble {
    let relative = "mesh paths are relative to the directory of the job file";
    let help = matches!(error, MeshError::Io { .. }).then(|| relative.to_owned());
    Trouble(error.to_string(), help)
}

fn soft_mesh(group: &SoftBodies, cache: &Cache) -> Result<CookedMesh, Trouble> {
    let plain = |tets: Result<TetMesh, MeshError>| {
        Ok(CookedMesh { tets: tets.map_err(trouble)?, skin: None, notes: Vec::new() })
    };
    let edge = group.shape.edge_m().unwrap_or(0.0);
    match &group.shape {
        SoftShape::Box(b) => {
            let cells = b.cells.unwrap_or_else(|| b.size_m.map(|s| ((s / edge).round() as u32).max(1)));
            plain(primitives::boxed(b.size_m, cells))
        }
        SoftShape::Sphere(s) => plain(primitives::sphere(s.radius_m, edge)),
        SoftShape::Torus(t) => plain(primitives::torus(t.major_m, t.minor_m, edge)),
        SoftShape::Capsule(c) => plain(primitives::capsule(c.radius_m, c.half_height_m, edge)),
        SoftShape::Mesh(mesh) => {
            let (bytes, format) = rankzero_mesh::read_bytes(&mesh.file).map_err(trouble)?;
            let how = match &mesh.tetrahedra {
                Tetrahedra::Conforming => Tetrahedralizer::Conforming,
                Tetrahedra::Voxel(v) => Tetrahedralizer::Voxel { resolution: v.resolution },
            };
            let name = mesh.file.display().to_string();
            let mut parameters = mesh.scale.to_le_bytes().to_vec();
            parameters.extend(mesh.file.extension().unwrap_or_default().as_encoded_bytes());
            cache.get_or_cook(CacheKey::new(&bytes, Some(how), &parameters), || {
                match rankzero_mesh::parse(&bytes, format, &name).map_err(trouble)? {
                    MeshFile::Surface(mut surface) => {
                        surface.scale(mesh.scale);
                        cook_surface(surface, how).map_err(|e| Trouble(format!("{name}: {e}"), None))
                    }
                    MeshFile::Tet(mut tets) => {
                        tets.scale(mesh.scale);
                        cook_tets(tets).map_err(|e| Trouble(format!("{name}: {e}"), None))
                    }
                }
            })
        }
    }
}

fn points_of(file: &Path, scale: f32) -> Result<Vec<[f32; 3]>, Trouble> {
    let mut points = match rankzero_mesh::read(file).map_err(trouble)? {
        MeshFile::Surface(surface) => surface.points,
        MeshFile::Tet(tets) => tets.points,
    };
    points.iter_mut().flatten().for_each(|c| *c *= scale);
    Ok(points)
}

fn surface_of(file: &Path, scale: f32) -> Result<SurfaceMesh, Trouble> {
    match rankzero_mesh::read(file).map_err(trouble)? {
        MeshFile::Surface(mut surface) => {
            surface.scale(scale);
            Ok(surface)
        }
        MeshFile::Tet(mut tets) => {
            tets.scale(scale);
            let triangles = tets.boundary();
            Ok(SurfaceMesh { points: tets.points, triangles })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_survive_the_wire_and_torn_bytes_are_noticed() {
        let soft = vec![CookedMesh {
            tets: primitives::boxed([1.0; 3], [1; 3]).unwrap(),
            skin: None,
            notes: vec!["mended".into()],
        }];
        let surfaces = vec![SurfaceMesh { points: vec![[0.0; 3], [1.0; 3], [2.0; 3]], triangles: vec![[0, 1, 2]] }];
        let assets = Assets { soft, convex: vec![vec![], vec![[1.0, 2.0, 3.0]]], surfaces };
        let bytes = assets.to_bytes();
        assert_eq!(Assets::from_bytes(&bytes), Some(assets));
        for cut in [0, 7, 30, bytes.len() - 1] {
            assert_eq!(Assets::from_bytes(&bytes[..cut]), None);
        }
    }
}
