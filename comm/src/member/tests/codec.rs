//! The bytes of messages.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::Rank;
use crate::member::{Doing, MalformedMessage, Message, Term, View};

fn rank() -> impl Strategy<Value = Rank> {
    prop_oneof![0..16_u32, any::<u32>()].prop_map(Rank)
}

fn term() -> impl Strategy<Value = Term> {
    (any::<u32>(), rank()).prop_map(|(round, candidate)| Term { round, candidate })
}

fn ranks() -> impl Strategy<Value = BTreeSet<Rank>> {
    btree_set(rank(), 0..9)
}

fn view() -> impl Strategy<Value = View> {
    (term(), rank(), ranks()).prop_map(|(term, master, others)| View::of(term, master, others))
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![Just(Doing::Computing), (rank(), any::<u32>()).prop_map(|(on, for_ms)| Doing::Waiting { on, for_ms })]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (term(), any::<u64>(), doing()).prop_map(|(term, steps, doing)| Message::Heartbeat { term, steps, doing }),
        (term(), term(), ranks()).prop_map(|(base, promised, dead)| Message::Ask { base, promised, dead }),
        (term(), any::<bool>(), ranks()).prop_map(|(base, yes, dead)| Message::Would { base, yes, dead }),
        (term(), term(), ranks()).prop_map(|(term, base, dead)| Message::Stand { term, base, dead }),
        (term(), view(), vec(view(), 0..4), ranks(), ranks()).prop_map(
            |(term, confirmed, accepted, dead, estranged)| {
                Message::Vote { term, confirmed, accepted, dead, estranged }
            }
        ),
        (term(), term()).prop_map(|(term, promised)| Message::Refuse { term, promised }),
        (view(), ranks(), ranks()).prop_map(|(view, dead, estranged)| Message::Propose { view, dead, estranged }),
        term().prop_map(|term| Message::Accept { term }),
        view().prop_map(|view| Message::Confirm { view }),
        view().prop_map(|view| Message::Excluded { view }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in message()) {
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn a_message_cut_short_or_too_long_is_refused(message in message(), at in any::<prop::sample::Index>()) {
        let mut bytes = message.encode();
        prop_assert!(Message::decode(&bytes[..at.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert_eq!(Message::decode(&bytes), Err(MalformedMessage::Long(1)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200), kind in 0..12_u8) {
        let bytes: Vec<u8> = std::iter::once(kind).chain(bytes).collect();
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}

#[test]
fn lists_that_cannot_be_are_refused_before_anything_is_taken_for_them() {
    let view = [8_u32, 1, 0].map(u32::to_le_bytes).concat();
    let with = |length: u32| [&[8], &view[4..], &length.to_le_bytes()[..], &[0; 4]].concat();
    assert_eq!(Message::decode(&with(65537)), Err(MalformedMessage::List(65537)));
    assert_eq!(Message::decode(&with(65536)), Err(MalformedMessage::Short(17)));
    assert_eq!(Message::decode(&with(0)[..13]), Err(MalformedMessage::Order));
}

#[test]
fn ranks_in_no_order_are_refused() {
    let of = |members: &[u32]| View { term: View::first(1).term, members: members.iter().copied().map(Rank).collect() };
    for members in [&[0, 2, 1][..], &[0, 1, 1], &[1, 0, 1], &[]] {
        assert_eq!(Message::decode(&Message::Confirm { view: of(members) }.encode()), Err(MalformedMessage::Order));
    }
}
