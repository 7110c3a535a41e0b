//! What the engine does with a card in a step, and what it does where the card fails: the processor goes through the step's intervals
//! again for the card's bodies, with what was given to the card, and goes on from there.

use std::collections::BTreeMap;
use std::time::Instant;

use rankzero_comm::Fabric;
use rankzero_epoch::Epoch;
use rankzero_gpu::{Beat, GpuError};
use rayon::prelude::*;

use super::board::Kind;
use super::card::CardCrew;
use super::contacts::{Contacts, Remote, Surfaces, take_remote};
use super::crew::muster;
use super::epoch::Renewed;
use super::own::Part;
use super::step::orders;
use super::{Engine, EngineError};

/// How far a step has come when the card fails.
#[derive(Clone, Copy, Debug)]
enum Reached {
    /// Bodies have been claimed, no more.
    Start,
    /// This rank's other bodies were advanced in an interval.
    Advanced(u32),
    /// Contacts of the interval were worked out, too.
    Pushed(u32),
    /// The end of the last interval.
    End,
}

impl<F: Fabric> Engine<F> {
    /// Gives the card those bodies that it computes in this step.
    pub(super) fn claim_for_card(&mut self) {
        if let Some(card) = &mut self.card {
            let colliders = &self.rigids.colliders;
            card.claim(&mut self.own, &self.slots, &mut self.contacts, &self.reaches, &self.scene, colliders);
        }
    }

    /// The states on the board have become others than the card's.
    pub(super) fn forget_card_states(&mut self) {
        if let Some(card) = &mut self.card {
            card.forget_states();
        }
    }

    /// Has this rank give signs of life while it waits for the card.
    pub(super) fn beat_for_card(&mut self) {
        let pulse = self.link.pulse();
        if let Some(card) = &mut self.card {
            card.set_beat(&Beat::new(move || pulse.beat()));
        }
    }

    /// Has the card begin with its bodies.
    pub(super) fn start_card(&mut self) -> Result<(), EngineError> {
        self.free_halo(0)?;
        let Some(card) = &mut self.card else { return Ok(()) };
        let start = Instant::now();
        let outcome = card.start(self.step, &orders!(self));
        self.time.wait_for_card(start);
        if let Err(error) = outcome {
            self.do_without_card(error, Reached::Start)?;
            self.own.iter_mut().filter(|own| own.part == Part::OnCard).for_each(|own| own.part = Part::Free);
            muster(&self.own, |part| part == Part::Free, self.isa.lanes(), &mut self.order, &mut self.free);
        }
        Ok(())
    }

    /// Waits until the halo of an interval's exchange may be written again, where the card is about to do so.
    fn free_halo(&mut self, interval: u32) -> Result<(), EngineError> {
        if self.card.as_ref().is_some_and(|card| card.coupled().shows()) {
            let exchange = self.exchange(interval);
            self.link.settle(Kind::Halo, exchange, self.step)?;
        }
        Ok(())
    }

    /// Waits until the card has put the surfaces of its bodies that others look at, and takes those that rigid bodies may touch. This rank's other
    /// bodies have been advanced.
    pub(super) fn show_card(&mut self, interval: u32) -> Result<(), EngineError> {
        let exchange = self.exchange(interval);
        let Some(card) = &mut self.card else { return Ok(()) };
        let start = Instant::now();
        let outcome = card.show();
        self.time.wait_for_card(start);
        match outcome {
            Ok(beside_rigids) => {
                for body in beside_rigids {
                    let (at, topology) = (self.board.halo_of(body, exchange), self.scene.topology(body));
                    let surface = self.remote.entry(body).or_default();
                    take_remote(&self.board.halo.memory, at, interval == 0, topology, self.isa, surface);
                }
                Ok(())
            }
            Err(error) => self.do_without_card(error, Reached::Advanced(interval)),
        }
    }

    /// Has the card work out an interval's contacts. All surfaces are known.
    pub(super) fn card_contacts(&mut self, interval: u32) -> Result<(), EngineError> {
        if interval + 1 < self.scene.rule.intervals() {
            self.free_halo(interval + 1)?;
        }
        let Some(mut card) = self.card.take() else { return Ok(()) };
        let start = Instant::now();
        let surfaces = self.surfaces();
        let mut outcome = card.contacts(interval, &surfaces, &self.contacts.pairs);
        if interval == 0 && !self.link.is_alone() {
            outcome = outcome.and_then(|()| card.near(&mut self.contacts.pairs));
        }
        self.card = Some(card);
        self.time.wait_for_card(start);
        outcome.or_else(|error| self.do_without_card(error, Reached::Advanced(interval)))
    }

    /// Tells the card what rigid bodies do to its bodies. All contacts have been worked out.
    pub(super) fn push_card(&mut self, interval: u32) -> Result<(), EngineError> {
        let Some(card) = &mut self.card else { return Ok(()) };
        let start = Instant::now();
        let outcome = card.push_rigids(interval, &self.contacts.rigids[..self.contacts.rigid_count]);
        self.time.wait_for_card(start);
        outcome.or_else(|error| self.do_without_card(error, Reached::Pushed(interval)))
    }

    /// Takes the card's bodies back; where it has failed in this step the processor computes what it had.
    pub(super) fn finish_card(&mut self) -> Result<(), EngineError> {
        if let Some(card) = &mut self.card {
            let start = Instant::now();
            let outcome = card.finish(self.step, &orders!(self), &self.slots);
            self.time.wait_for_card(start);
            match outcome {
                Ok(blown) => return self.blown(blown),
                Err(error) => self.do_without_card(error, Reached::End)?,
            }
        }
        muster(&self.own, |part| part == Part::OnCard, self.isa.lanes(), &mut self.order, &mut self.free);
        self.run_free(0..self.free.len())
    }

    /// Has the card renew the copies of those of this rank's bodies whose states it has, for an epoch at the state as it is. Returns for each body
    /// what it did.
    pub(super) fn renew_on_card(&mut self, epoch: Epoch) -> Result<Vec<Renewed>, EngineError> {
        let mut renewed = vec![Renewed::Not; self.own.len()];
        let Some(card) = &mut self.card else { return Ok(renewed) };
        let slots: Vec<usize> = (0..self.own.len()).filter(|&slot| card.has(self.own[slot].id, self.step)).collect();
        let body = |&slot: &usize| {
            let id = self.own[slot].id;
            (id, self.copies.is_fresh(epoch, self.batch_of[id as usize]))
        };
        let bodies: Vec<(u32, bool)> = slots.iter().map(body).collect();
        match card.renew(self.step, &self.board, u64::from(epoch.index), &bodies) {
            Ok(ranges) => slots.into_iter().zip(ranges).for_each(|(slot, r)| renewed[slot] = Renewed::Ranges(r)),
            Err(error) => {
                slots.into_iter().for_each(|slot| renewed[slot] = Renewed::InPart);
                if let Some(mut card) = self.card.take() {
                    let rests = card.comes_to_rest_after(&error);
                    self.leave_card(card, error, rests)?;
                }
            }
        }
        Ok(renewed)
    }

    /// The surfaces that contacts look at.
    pub(super) fn surfaces(&self) -> Surfaces<'_> {
        Surfaces {
            own: &self.own,
            members: self.crew.members(),
            slots: &self.slots,
            remote: &self.remote,
            past: None,
            scene: &self.scene,
            isa: self.isa,
        }
    }

    /// Lends the card the board's copies, before there is any hurry. One that is refused is used no more.
    pub(super) fn lend_copies(&mut self) {
        let Some(mut card) = self.card.take() else { return };
        match card.lend_copies(&self.board) {
            Ok(()) => self.card = Some(card),
            Err(error) => self.without_card(&error),
        }
    }

    /// Goes on without the card, whose coupled bodies become the processor's: it goes through all that the step has behind it. A card that
    /// has too little memory for the step is used again in the next one.
    fn do_without_card(&mut self, error: GpuError, reached: Reached) -> Result<(), EngineError> {
        let Some(mut card) = self.card.take() else { return Ok(()) };
        if matches!((&error, reached), (GpuError::Memory(_), Reached::Start)) {
            self.take_over(&card, reached);
            if !std::mem::replace(&mut self.card_was_full, true) {
                let (me, step) = (self.rank(), self.step);
                tracing::warn!("{me} computes step {step} on the processor, and others like it: {error}");
            }
            card.clear();
            self.card = Some(card);
            return Ok(());
        }
        let rests = card.comes_to_rest_after(&error);
        // Others are not to wait for what comes to nothing.
        if rests || !self.is_public(&card) {
            self.take_over(&card, reached);
        }
        self.leave_card(card, error, rests)
    }

    /// Whether a card may be at work on what others read.
    fn is_public(&self, card: &CardCrew) -> bool {
        card.is_public() && !self.link.is_alone()
    }

    /// Uses a card no more, which has come to rest or not.
    fn leave_card(&mut self, card: CardCrew, error: GpuError, rests: bool) -> Result<(), EngineError> {
        if !rests {
            let (me, step, public) = (self.rank(), self.step, self.is_public(&card));
            // The driver may wait for the device where memory is given back.
            std::mem::forget(card);
            if public {
                return Err(EngineError::CardHangs { me, step, source: error });
            }
        }
        self.without_card(&error);
        Ok(())
    }

    fn without_card(&mut self, error: &GpuError) {
        self.board.states.leave_card(self.own.iter().map(|own| own.id));
        tracing::warn!("{} computes on the processor from step {} on: {error}", self.rank(), self.step);
    }

    fn take_over(&mut self, card: &CardCrew, reached: Reached) {
        let first = self.teams.len();
        let mut teams = Vec::new();
        let on_card = |part| part == Part::CoupledOnCard;
        muster(&self.own, on_card, self.isa.lanes(), &mut self.order, &mut teams);
        self.teams.extend(teams);
        self.assign_teams(first);
        for &pair in card.coupled().pairs() {
            self.contacts.pairs[pair as usize].on_host = true;
        }
        let (advanced, pushed) = match reached {
            Reached::Start => (0, 0),
            Reached::Advanced(interval) => (interval + 1, interval),
            Reached::Pushed(interval) => (interval + 1, interval + 1),
            Reached::End => (self.scene.rule.intervals(), self.scene.rule.intervals()),
        };
        let mut past = BTreeMap::new();
        for interval in 0..advanced {
            self.advance(first, interval);
            if interval < pushed {
                self.recall(card, interval, &mut past);
                self.push_again(card.coupled().pairs(), &past, interval == 0);
            }
            if interval + 1 < advanced || matches!(reached, Reached::End) {
                self.settle(first, interval);
            }
        }
    }

    /// Brings back what the card was given in an interval.
    fn recall(&mut self, card: &CardCrew, interval: u32, past: &mut BTreeMap<u32, Remote>) {
        let Some(given) = card.coupled().given(interval) else { return };
        for (body, surface) in given.surfaces(|body| self.scene.layout(body).halo_words()) {
            let remote: &mut Remote = past.entry(body).or_default();
            remote.surface.clear();
            remote.surface.extend_from_slice(surface);
            remote.shell.update(interval == 0, surface, self.scene.topology(body), self.isa);
        }
        for (contact, pushes) in &given.pushes {
            self.contacts.rigids[*contact as usize].contact.pushes.clone_from(pushes);
        }
    }

    /// Computes the contacts of some pairs in an interval that lies behind.
    fn push_again(&mut self, pairs: &[u32], past: &BTreeMap<u32, Remote>, first: bool) {
        let mut contacts = std::mem::take(&mut self.contacts);
        let Contacts { pairs: all, work, .. } = &mut contacts;
        let surfaces = Surfaces { past: Some(past), ..self.surfaces() };
        let (reaches, law, pulse) = (&self.reaches, &self.scene.law, self.link.pulse());
        let again = all.par_iter_mut().enumerate().filter(|(index, _)| pairs.binary_search(&(*index as u32)).is_ok());
        again.for_each(|(_, pair)| {
            pulse.beat();
            let work = &mut *work.own();
            if first {
                pair.find(&surfaces, reaches, work);
            }
            pair.push(&surfaces, law, work);
        });
        self.contacts = contacts;
    }
}
