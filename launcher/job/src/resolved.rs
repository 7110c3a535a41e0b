//! A job written out whole, and its fingerprint.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::model::{Job, RigidShape, SoftShape};

/// Sections that say how a job runs, and never what comes out.
const WITHOUT_EFFECT: [&str; 9] =
    ["name", "threads_per_rank", "network", "balance", "fault_tolerance", "metrics", "output", "cost", "slurm"];
/// Fields of a group that never change what comes out.
const WITHOUT_EFFECT_IN_GROUP: [&str; 3] = ["name", "priority", "colour"];

impl Job {
    /// The whole job as a job file, defaults filled in. It parses back to the same job.
    pub fn resolved_yaml(&self) -> String {
        // Through JSON, whose enums are maps of one entry and whose floats are the shortest that read back the same.
        let value = self.to_value();
        serde_yaml::to_string(&value).unwrap_or_else(|error| unreachable!("JSON is YAML: {error}"))
    }

    /// A hash over what determines the result, and nothing else: 32 bytes of BLAKE3.
    ///
    /// Two jobs of the same fingerprint have the same states. Left out are the job's name; `threads_per_rank`, `network`, `balance`,
    /// `fault_tolerance`, `metrics`, `output`, `cost`, `slurm`; the names, priorities and colours of groups; and the *paths* of meshes. Whoever compares
    /// jobs with meshes adds a hash of the content of each of [`Job::mesh_files`]. `steps` counts, however they were given, so a longer
    /// run of one scene has another fingerprint.
    ///
    /// The hash is over canonical JSON: keys sorted, floats shortest, a version in front. It changes between versions of this crate
    /// only with that version number.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut value = self.to_value();
        let mut plain = self.clone();
        plain.time.steps = Some(self.time.step_count());
        plain.time.duration_s = None;
        if let Value::Object(job) = &mut value {
            job.retain(|key, _| !WITHOUT_EFFECT.contains(&key.as_str()));
            job.insert("time".into(), to_value(&plain.time));
            for list in ["soft_bodies", "rigid_bodies"] {
                for group in job.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Value::Object(group) = group {
                        group.retain(|key, _| !WITHOUT_EFFECT_IN_GROUP.contains(&key.as_str()));
                    }
                }
            }
        }
        forget_files(&mut value);
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"rankzero job 2\n");
        hasher.update(value.to_string().as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// The mesh files that the job reads, with the path of the field that names each, in the order of the job. A file named twice is there
    /// twice.
    pub fn mesh_files(&self) -> Vec<(String, &Path)> {
        let mut files = Vec::new();
        for (i, group) in self.soft_bodies.iter().enumerate() {
            if let Some(file) = group.shape.file() {
                files.push((format!("soft_bodies[{i}].shape.mesh.file"), file.as_path()));
            }
        }
        for (i, group) in self.rigid_bodies.iter().enumerate() {
            if let Some(file) = group.shape.file() {
                files.push((format!("rigid_bodies[{i}].shape.convex.file"), file.as_path()));
            }
        }
        for (i, mesh) in self.environment.triangle_meshes.iter().enumerate() {
            files.push((format!("environment.triangle_meshes[{i}].file"), mesh.file.as_path()));
        }
        files
    }

    /// The same job with its mesh files named from `directory`, so that it can be written somewhere else. Absolute names stay.
    /// A job file is UTF-8: bytes of a directory's name that are not become `U+FFFD`.
    pub fn with_files_from(&self, directory: &Path) -> Job {
        let mut job = self.clone();
        let anchor = |file: &mut PathBuf| *file = directory.join(&*file).to_string_lossy().into_owned().into();
        for group in &mut job.soft_bodies {
            if let SoftShape::Mesh(mesh) = &mut group.shape {
                anchor(&mut mesh.file);
            }
        }
        for group in &mut job.rigid_bodies {
            if let RigidShape::Convex(convex) = &mut group.shape {
                anchor(&mut convex.file);
            }
        }
        for mesh in &mut job.environment.triangle_meshes {
            anchor(&mut mesh.file);
        }
        job
    }

    fn to_value(&self) -> Value {
        to_value(self)
    }
}

/// A part of a job as JSON whose floats are the shortest that read back the same: `0.1`, not `0.10000000149011612`.
pub(crate) fn to_value<T: serde::Serialize>(part: &T) -> Value {
    let text = serde_json::to_string(part);
    // Paths are the only part that could fail to serialise, and they come from text.
    text.and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
}

/// Empties every field `file`.
fn forget_files(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_files),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(path) if key == "file" => path.clear(),
                    other => forget_files(other),
                }
            }
        }
        _ => {}
    }
}
