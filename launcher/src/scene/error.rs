//! Why a valid job file cannot be simulated.

/// A problem with a field of the job that shows only once meshes are there.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}{}", help.as_ref().map(|h| format!("\n  help: {h}")).unwrap_or_default())]
pub struct SceneError {
    /// The field, such as `soft_bodies[2].shape.mesh.file`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl SceneError {
    /// A problem with a field.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), help: None }
    }

    /// With a remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
