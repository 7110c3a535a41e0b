//! The bodies of this rank that touch others and that a card computes, interval by interval.
//!
//! The card is to this rank like another rank: surfaces go to and fro where a body on it touches one of another rank, or one that sleeps. Those
//! that other ranks look at the card writes into the board's halo, from which they are sent. What dynamic rigid bodies do to its bodies the processor works out from their surfaces.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rankzero_gpu::{Beat, GpuError, Lent};
use rankzero_gpu_solver::{Actor, Cast, Colliders, Coupled, Ended, Home, Kernels, Meeting, PushedBy, Residents};
use rankzero_soft::pair::Pushes;
use rankzero_soft::reach::Reach;

use crate::engine::contacts::{Contacts, RigidPair, SoftPair, Surfaces};
use crate::engine::crew::Orders;
use crate::engine::own::{Own, Part, Pusher};
use crate::scene::Scene;

/// What was given to the card in an interval.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Whose surfaces.
    bodies: Vec<u32>,
    /// These, one after the other.
    words: Vec<f32>,
    /// What rigid bodies do: the number of the contact among the rank's, and its pushes.
    pub pushes: Vec<(u32, Pushes)>,
}

impl Given {
    /// Each body with its surface; `len` tells the words of a body's.
    pub fn surfaces(&self, len: impl Fn(u32) -> usize) -> impl Iterator<Item = (u32, &[f32])> {
        let mut at = 0;
        self.bodies.iter().map(move |&body| {
            let surface = &self.words[at..at + len(body)];
            at += surface.len();
            (body, surface)
        })
    }
}

/// Coupled bodies on a card.
#[derive(Debug)]
pub struct CoupledCrew {
    coupled: Coupled,
    cast: Cast,
    /// Bodies by seat: those that move, then the guests.
    bodies: Vec<u32>,
    /// Seats by body, `u32::MAX` where it has none.
    seats: Vec<u32>,
    /// Numbers of the card's pairs among the rank's, in order.
    pairs: Vec<u32>,
    /// Its contacts with rigid bodies: their numbers among the rank's, and the mover, in the order in which they push.
    rigids: Vec<(u32, usize)>,
    /// So many movers, the first ones, are shown to others.
    shown: usize,
    /// Intervals of a step.
    intervals: u32,
    /// Whether the card may be at one in which it shows surfaces to others.
    public: bool,
    /// Guests whose surfaces the card still needs.
    needed: Vec<u32>,
    /// By interval what was given.
    given: Vec<Given>,
}

impl CoupledCrew {
    /// Puts the forms of a scene on a card.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn new(kernels: &Arc<Kernels>, scene: &Scene) -> Result<Self, GpuError> {
        let has_bodies = |form: usize| scene.bodies.iter().any(|body| body.form as usize == form);
        let forms = scene.forms.iter().enumerate().map(|(index, form)| has_bodies(index).then_some(&*form.topology));
        Ok(Self {
            coupled: Coupled::new(kernels, forms)?,
            cast: Cast::default(),
            bodies: Vec::new(),
            seats: vec![u32::MAX; scene.bodies.len()],
            pairs: Vec::new(),
            rigids: Vec::new(),
            shown: 0,
            intervals: scene.rule.intervals(),
            public: false,
            needed: Vec::new(),
            given: Vec::new(),
        })
    }

    /// Begins anew, with no bodies.
    pub fn clear(&mut self) {
        self.bodies.iter().for_each(|&body| self.seats[body as usize] = u32::MAX);
        self.cast.clear();
        self.bodies.clear();
        self.pairs.clear();
        self.rigids.clear();
        self.shown = 0;
        self.needed.clear();
        self.given.clear();
    }

    /// How many bodies it computes in this step.
    pub fn len(&self) -> usize {
        self.cast.movers.len()
    }

    /// Whether it computes none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was given to the card in an interval.
    pub fn given(&self, interval: u32) -> Option<&Given> {
        self.given.get(interval as usize)
    }

    /// The numbers of its pairs among the rank's.
    pub fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    /// Whether surfaces of its bodies are written where others look at them.
    pub fn shows(&self) -> bool {
        self.shown > 0
    }

    /// Whether the card may be at work on surfaces that others look at, of this step or of one that was broken off.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Takes the coupled bodies that it computes in this step, and notes who takes part.
    pub fn claim(&mut self, own: &mut [Own], slots: &[u32], contacts: &mut Contacts, reaches: &[Reach], scene: &Scene) {
        own.iter_mut().filter(|own| own.part.is_coupled()).for_each(|own| own.part = Part::CoupledOnCard);
        let part = |body: u32| own.get(slots[body as usize] as usize).map(|own| own.part);
        let on_card = |body: u32| part(body) == Some(Part::CoupledOnCard);
        let pairs = &mut contacts.pairs[..contacts.pair_count];
        let mut shown = Vec::new();
        for (index, pair) in pairs.iter_mut().enumerate() {
            let (a, b) = (pair.a, pair.b);
            pair.on_host = !on_card(a) && !on_card(b);
            if !pair.on_host {
                // Until the card has looked.
                pair.near = true;
                self.pairs.push(index as u32);
                // Other ranks look at what touches theirs.
                let looked_at = |(mine, other): &(u32, u32)| on_card(*mine) && part(*other).is_none();
                shown.extend([(a, b), (b, a)].into_iter().filter(looked_at).map(|(mine, _)| mine));
            }
        }
        let meets_rigid = |own: &&Own| own.pushed_by.iter().any(|pusher| matches!(pusher, Pusher::Rigid(_)));
        let on_card_now = own.iter().filter(|own| own.part == Part::CoupledOnCard);
        shown.extend(on_card_now.filter(meets_rigid).map(|own| own.id));
        shown.sort_unstable();
        shown.dedup();
        self.shown = shown.len();
        let movers = own.iter().filter(|own| own.part == Part::CoupledOnCard).map(|own| own.id);
        let others: Vec<u32> = movers.filter(|id| shown.binary_search(id).is_err()).collect();
        self.bodies.extend(shown.into_iter().chain(others));
        let movers = self.bodies.len();
        let pairs = &contacts.pairs[..];
        let mut guests: Vec<u32> =
            self.pairs.iter().flat_map(|&i| [pairs[i as usize].a, pairs[i as usize].b]).collect();
        guests.retain(|&body| !on_card(body));
        guests.sort_unstable();
        guests.dedup();
        self.needed.extend(0..guests.len() as u32);
        self.bodies.extend(guests);
        for (seat, &body) in self.bodies.iter().enumerate() {
            self.seats[body as usize] = seat as u32;
        }
        let meeting = |&pair: &u32| {
            let pair = &pairs[pair as usize];
            Meeting { a: self.seats[pair.a as usize] as usize, b: self.seats[pair.b as usize] as usize }
        };
        self.cast.pairs.extend(self.pairs.iter().map(meeting));
        for seat in 0..self.bodies.len() {
            let body = self.bodies[seat];
            let pushed_by = if seat < movers { self.pushers(seat, &own[slots[body as usize] as usize]) } else { 0..0 };
            let form = scene.bodies[body as usize].form as usize;
            let actor = Actor { form, reach: reaches[body as usize], home: Home::default(), pushed_by };
            if seat < movers { self.cast.movers.push(actor) } else { self.cast.guests.push(actor) }
        }
    }

    /// Notes who pushes a mover; where that is noted.
    fn pushers(&mut self, mover: usize, own: &Own) -> Range<usize> {
        let first = self.cast.pushers.len();
        for pusher in &own.pushed_by {
            match *pusher {
                Pusher::Soft(pair, side) => {
                    if let Ok(pair) = self.pairs.binary_search(&pair) {
                        self.cast.pushers.push(PushedBy { pair, side: usize::from(side) });
                    }
                }
                Pusher::Rigid(contact) => self.rigids.push((contact, mover)),
            }
        }
        first..self.cast.pushers.len()
    }

    /// Bytes of device memory that have to be reserved before the step of the bodies that were claimed.
    pub fn more_bytes(&self, colliders: &Colliders) -> u64 {
        if self.is_empty() { 0 } else { self.coupled.more_bytes(&self.cast, colliders) }
    }

    /// Begins step `step` of the bodies that were claimed; the card computes while this returns.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were.
    pub fn start(
        &mut self,
        colliders: &Colliders,
        orders: &Orders<'_>,
        residents: &mut Residents,
        step: u64,
    ) -> Result<(), GpuError> {
        if self.is_empty() {
            return Ok(());
        }
        for (mover, &body) in self.cast.movers.iter_mut().zip(&self.bodies) {
            mover.home = residents.take(body, step);
        }
        let exchange = step * u64::from(orders.scene.rule.intervals());
        self.cast.odd = exchange % 2 == 1;
        let halo = |&body: &u32| [0, 1].map(|parity| orders.board.halo_of(body, parity).0);
        self.cast.halos.extend(self.bodies[..self.shown].iter().map(halo));
        self.public = self.shows();
        self.coupled.start(&orders.scene.rule, colliders, &self.cast)
    }

    /// Waits until surfaces are where others look at them, in the running interval, and tells those that rigid bodies may touch.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn show(&mut self) -> Result<BTreeSet<u32>, GpuError> {
        if self.shows() {
            self.wait()?;
        }
        Ok(self.beside_rigids().collect())
    }

    /// Gives the card the surfaces that it needs, and has it work out what pairs do. Where no rigid body touches any of its bodies it goes on
    /// to the next interval.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn contacts(&mut self, interval: u32, surfaces: &Surfaces<'_>, pairs: &[SoftPair]) -> Result<(), GpuError> {
        if self.is_empty() {
            return Ok(());
        }
        if interval == 1 {
            self.forget_far(surfaces, pairs);
        }
        let movers = self.len();
        let mut given = Given::default();
        for &guest in &self.needed {
            let body = self.bodies[movers + guest as usize];
            given.bodies.push(body);
            given.words.extend_from_slice(surfaces.of(body).words);
        }
        let mut at = 0;
        let give = |_: usize, words: &mut [f32]| {
            words.copy_from_slice(&given.words[at..at + words.len()]);
            at += words.len();
        };
        let outcome = self.coupled.contacts(interval, &self.needed, give);
        self.given.push(given);
        outcome?;
        // After the last one the step ends, of which nobody reads.
        self.public = self.shows() && interval + 1 < self.intervals;
        if self.rigids.is_empty() { self.coupled.go_on(interval, &[]) } else { Ok(()) }
    }

    /// Tells the card what rigid bodies do to its bodies, and has it go on to the next interval, unless it has.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn push_rigids(&mut self, interval: u32, contacts: &[RigidPair]) -> Result<(), GpuError> {
        let Some(given) = self.given.get_mut(interval as usize).filter(|_| !self.rigids.is_empty()) else {
            return Ok(());
        };
        let pushes = |&(contact, _): &(u32, usize)| (contact, contacts[contact as usize].contact.pushes.clone());
        given.pushes.extend(self.rigids.iter().map(pushes));
        let by_mover: Vec<(usize, &Pushes)> =
            self.rigids.iter().zip(&given.pushes).map(|((_, mover), (_, pushes))| (*mover, pushes)).collect();
        self.coupled.go_on(interval, &by_mover)
    }

    /// The bodies that may touch rigid ones.
    pub fn beside_rigids(&self) -> impl Iterator<Item = u32> {
        self.rigids.iter().map(|&(_, mover)| self.bodies[mover])
    }

    /// Forgets the guests that nobody on the card may touch, and those that do not move.
    fn forget_far(&mut self, surfaces: &Surfaces<'_>, pairs: &[SoftPair]) {
        let (bodies, movers) = (&self.bodies, self.cast.movers.len());
        let mut near: Vec<u32> =
            self.pairs.iter().map(|&i| &pairs[i as usize]).filter(|pair| pair.near).flat_map(|p| [p.a, p.b]).collect();
        near.sort_unstable();
        self.needed.retain(|&guest| {
            let body = bodies[movers + guest as usize];
            near.binary_search(&body).is_ok() && !surfaces.is_still(body)
        });
    }

    /// Notes which of its pairs may touch in the step, where others than the card take part, after the first interval's contacts were begun.
    /// Waits for that.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn near(&mut self, pairs: &mut [SoftPair]) -> Result<(), GpuError> {
        if self.cast.guests.is_empty() {
            return Ok(());
        }
        let numbers = &self.pairs;
        self.coupled.near(|pair, near| pairs[numbers[pair] as usize].near = near)
    }

    /// Waits for the step's end, and changes nothing.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn wait(&mut self) -> Result<(), GpuError> {
        self.coupled.wait()?;
        self.public = false;
        Ok(())
    }

    /// Waits for the step's end, and shows what its bodies have come to.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn finish(&mut self) -> Result<Ended<'_>, GpuError> {
        // Work of a step that was broken off counts for nothing.
        if self.is_empty() { Ok(Ended::none()) } else { self.coupled.finish() }
    }

    /// Has `beat` called while the card is waited for.
    pub fn set_beat(&mut self, beat: Beat) {
        self.coupled.set_beat(beat);
    }

    /// Has waits for the card given up after `limit`.
    pub fn give_up_after(&mut self, limit: Duration) {
        self.coupled.give_up_after(limit);
    }

    /// Has homes of these in the steps to come, and shows others surfaces in `halo`.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn share(&mut self, residents: &Residents, halo: Option<&Arc<Lent>>) -> Result<(), GpuError> {
        self.coupled.share(residents, halo)
    }

    /// Its bodies.
    pub fn movers(&self) -> &[u32] {
        &self.bodies[..self.len()]
    }
}
