//! Which rank computes which batch.

use rankzero_comm::Rank;

use crate::scene::Scene;

/// The owner of each batch and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    batches: Vec<Rank>,
    bodies: Vec<Rank>,
}

impl Ownership {
    /// From the rank of each batch.
    ///
    /// # Panics
    /// If there is not one rank a batch.
    pub fn new(scene: &Scene, batches: Vec<Rank>) -> Self {
        assert_eq!(batches.len(), scene.batches.len(), "one owner a batch");
        let mut bodies = vec![Rank(0); scene.bodies.len()];
        for (batch, members) in scene.batches.iter().enumerate() {
            for &body in members {
                bodies[body as usize] = batches[batch];
            }
        }
        Self { batches, bodies }
    }

    /// Owner of each batch.
    pub fn batches(&self) -> &[Rank] {
        &self.batches
    }

    /// The owner of a body.
    pub fn of(&self, body: u32) -> Rank {
        self.bodies[body as usize]
    }

    /// The bodies of a rank, ascending.
    pub fn bodies_of(&self, rank: Rank) -> impl Iterator<Item = u32> {
        (0..self.bodies.len() as u32).filter(move |&b| self.bodies[b as usize] == rank)
    }

    /// Gives a batch to a rank.
    pub fn assign(&mut self, scene: &Scene, batch: u32, to: Rank) {
        self.batches[batch as usize] = to;
        for &body in &scene.batches[batch as usize] {
            self.bodies[body as usize] = to;
        }
    }
}
