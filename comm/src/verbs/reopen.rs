//! A lost device may come back, under the same name or another.

use super::rung::Verbs;
use crate::transport::Unavailable;

impl Verbs {
    /// Opens what serves now, once every device was lost and let go of.
    ///
    /// # Errors
    /// Why none serves; the lost ones are left as they were.
    pub(super) fn reopen(&mut self) -> Result<(), Unavailable> {
        let in_use = self.connections.iter().flatten().any(|connection| !connection.lanes.is_empty());
        if in_use || self.devices.iter().any(|device| device.open.is_some()) {
            return Ok(());
        }
        let mut fresh = Verbs::open(self.me, self.connections.len() as u32, self.options.clone())?;
        for segment in &self.segments {
            for open in fresh.devices.iter_mut().filter_map(|device| device.open.as_mut()) {
                open.register(segment)
                    .map_err(|error| Unavailable::new(format!("memory is not registered: {error}")))?;
            }
        }
        // Connections without lanes are ends of stories; nothing of them names a port.
        self.connections.iter_mut().for_each(|slot| *slot = None);
        std::mem::swap(&mut self.devices, &mut fresh.devices);
        std::mem::swap(&mut self.ports, &mut fresh.ports);
        self.most_words = fresh.most_words;
        tracing::info!("an RDMA device is back");
        Ok(())
    }
}
