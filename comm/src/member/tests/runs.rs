//! Whole changes of view.

use super::net::{Net, settings};
use crate::Rank;
use crate::member::{Event, Membership, Message, Notice, Settings, Status, View};

#[test]
fn nothing_happens_while_all_are_well() {
    for size in [1, 2, 3, 4, 8] {
        let mut net = Net::new(size);
        net.run(3000);
        let all: Vec<u32> = (0..size).collect();
        net.all_steady(&all, &all);
        assert_eq!(net.notices, []);
    }
}

#[test]
fn the_next_rank_follows_a_master_that_is_proven_dead() {
    for size in [2, 3, 4, 8] {
        let mut net = Net::new(size);
        net.run(100);
        net.kill(0);
        let rest: Vec<u32> = (1..size).collect();
        rest.iter().for_each(|rank| net.proof(0, *rank));
        net.run(10);
        net.all_steady(&rest, &rest);
    }
}

#[test]
fn a_proof_that_one_member_has_is_enough() {
    let mut net = Net::new(8);
    net.run(100);
    net.kill(5);
    net.proof(5, 7);
    net.run(15);
    net.all_steady(&[0, 1, 2, 3, 4, 6, 7], &[0, 1, 2, 3, 4, 6, 7]);
}

#[test]
fn a_silent_master_is_followed_without_a_proof() {
    for size in [3, 4, 8] {
        let mut net = Net::new(size);
        net.run(100);
        net.kill(0);
        net.run(700);
        let rest: Vec<u32> = (1..size).collect();
        net.all_steady(&rest, &rest);
    }
}

#[test]
fn all_but_one_may_die_if_that_is_proven() {
    let mut net = Net::new(4);
    net.run(100);
    for dead in [0, 1, 3] {
        net.kill(dead);
        net.proof(dead, 2);
    }
    net.run(10);
    net.all_steady(&[2], &[2]);
}

#[test]
fn several_deaths_during_a_change_are_coped_with() {
    let mut net = Net::new(8);
    net.run(100);
    net.kill(0);
    (1..8).for_each(|rank| net.proof(0, rank));
    net.run(2);
    net.kill(1);
    net.kill(4);
    for rank in [2, 3, 5, 6, 7] {
        net.proof(1, rank);
        net.proof(4, rank);
    }
    net.run(1200);
    net.all_steady(&[2, 3, 5, 6, 7], &[2, 3, 5, 6, 7]);
}

#[test]
fn of_two_halves_that_of_the_master_goes_on_and_the_other_is_excluded_later() {
    let mut net = Net::new(4);
    net.run(100);
    net.split(&[0, 1], &[2, 3]);
    net.run(1500);
    net.all_steady(&[0, 1], &[0, 1]);
    assert_eq!([net.status(2), net.status(3)], [Status::NoQuorum, Status::NoQuorum]);
    net.cut.clear();
    net.run(300);
    net.all_steady(&[0, 1], &[0, 1]);
    for rank in [2, 3] {
        assert!(matches!(net.status(rank), Status::Excluded { .. }), "{:?}", net.status(rank));
    }
}

#[test]
fn the_greater_part_goes_on_without_the_master() {
    let mut net = Net::new(5);
    net.run(100);
    net.split(&[0, 1], &[2, 3, 4]);
    net.run(1500);
    net.all_steady(&[2, 3, 4], &[2, 3, 4]);
    assert_eq!(net.status(0), Status::NoQuorum);
    net.cut.clear();
    net.run(300);
    net.all_steady(&[2, 3, 4], &[2, 3, 4]);
    for rank in [0, 1] {
        assert!(matches!(net.status(rank), Status::Excluded { .. }), "{:?}", net.status(rank));
    }
}

#[test]
fn a_part_without_a_quorum_goes_on_if_told_so() {
    let mut net = Net::with(4, &Settings { continue_without_quorum: true, ..settings() });
    net.run(100);
    net.split(&[0, 1, 2], &[3]);
    net.run(1500);
    net.all_steady(&[0, 1, 2], &[0, 1, 2]);
    net.all_steady(&[3], &[3]);
}

#[test]
fn one_of_two_waits_for_a_stopped_master_and_goes_on_with_it() {
    let mut net = Net::new(2);
    net.run(100);
    net.paused.insert(Rank(0));
    net.run(1500);
    assert_eq!(net.status(1), Status::NoQuorum);
    net.paused.clear();
    net.run(100);
    net.all_steady(&[0, 1], &[0, 1]);
}

#[test]
fn a_master_that_was_stopped_for_long_is_excluded_when_it_returns() {
    let mut net = Net::new(4);
    net.run(100);
    net.paused.insert(Rank(0));
    net.run(1500);
    net.all_steady(&[1, 2, 3], &[1, 2, 3]);
    net.paused.clear();
    net.run(100);
    assert!(matches!(net.status(0), Status::Excluded { .. }), "{:?}", net.status(0));
    net.all_steady(&[1, 2, 3], &[1, 2, 3]);
}

#[test]
fn a_member_that_was_stopped_for_long_is_excluded_when_it_returns() {
    let mut net = Net::new(3);
    net.run(100);
    net.paused.insert(Rank(2));
    net.run(1000);
    net.all_steady(&[0, 1], &[0, 1]);
    net.paused.clear();
    net.run(100);
    assert!(matches!(net.status(2), Status::Excluded { .. }), "{:?}", net.status(2));
    assert!(net.ranks[&Rank(0)].dead().contains(&Rank(2)), "it has said that it knows");
}

#[test]
fn a_short_stop_changes_nothing() {
    let mut net = Net::new(4);
    net.run(100);
    net.paused.extend([Rank(0), Rank(2)]);
    net.run(150);
    net.paused.clear();
    net.run(1000);
    net.all_steady(&[0, 1, 2, 3], &[0, 1, 2, 3]);
    assert_eq!(net.notices, []);
}

#[test]
fn who_was_itself_not_there_accuses_nobody() {
    let mut net = Net::new(3);
    net.run(100);
    // All stand still, as on a machine that was suspended.
    net.paused.extend([Rank(0), Rank(1), Rank(2)]);
    net.run(5000);
    net.paused.clear();
    net.run(1000);
    net.all_steady(&[0, 1, 2], &[0, 1, 2]);
    assert!(!net.noticed(|notice| matches!(notice, Notice::Suspected { .. })), "{:?}", net.notices);
}

#[test]
fn a_lost_confirm_is_made_good_by_heartbeats() {
    let mut net = Net::new(4);
    net.run(100);
    net.kill(0);
    net.loses = |message| matches!(message, Message::Confirm { .. });
    (1..4).for_each(|rank| net.proof(0, rank));
    net.run(60);
    net.all_steady(&[1, 2, 3], &[1, 2, 3]);
}

#[test]
fn a_rank_that_alone_does_not_see_the_master_disturbs_nobody() {
    let mut net = Net::new(4);
    net.run(100);
    net.split(&[0], &[3]);
    net.run(1000);
    net.all_steady(&[0, 1, 2], &[0, 1, 2]);
    assert!(net.noticed(|notice| *notice == Notice::Suspected { peer: Rank(0), silent_ms: 200 }));
    assert!(!net.notices.iter().any(|(rank, notice)| *rank == Rank(3) && matches!(notice, Notice::Standing { .. })));
}

#[test]
fn a_hung_member_is_left_out() {
    let mut net = Net::new(3);
    net.run(100);
    net.computing.remove(&Rank(1));
    net.run(1200);
    net.all_steady(&[0, 2], &[0, 2]);
    assert!(net.noticed(|notice| *notice == Notice::Hung { peer: Rank(1) }));
    assert!(matches!(net.status(1), Status::Excluded { .. }));
}

#[test]
fn a_hung_master_is_followed_by_the_next() {
    let mut net = Net::new(3);
    net.run(100);
    net.computing.remove(&Rank(0));
    net.run(1300);
    net.all_steady(&[1, 2], &[1, 2]);
    assert!(matches!(net.status(0), Status::Excluded { .. }));
}

#[test]
fn of_a_cut_pair_the_later_one_is_left_out() {
    let mut net = Net::new(4);
    net.run(100);
    net.waiting.extend([(Rank(1), Rank(2)), (Rank(2), Rank(1)), (Rank(3), Rank(1)), (Rank(0), Rank(3))]);
    net.run(1100);
    net.waiting.clear();
    net.run(200);
    net.all_steady(&[0, 1, 3], &[0, 1, 3]);
    assert!(net.noticed(|notice| *notice == Notice::Cut { a: Rank(2), b: Rank(1) }));
}

#[test]
fn a_newcomer_is_let_in() {
    let mut net = Net::new(2);
    net.run(100);
    let view = net.ranks[&Rank(0)].view().clone();
    net.ranks.insert(Rank(7), Membership::newcomer(Rank(7), view, settings(), net.now));
    net.computing.insert(Rank(7));
    assert_eq!(net.status(7), Status::Changing);
    net.tell(0, Event::Admit { rank: Rank(7) });
    net.run(100);
    net.all_steady(&[0, 1, 7], &[0, 1, 7]);
    net.run(1000);
    net.all_steady(&[0, 1, 7], &[0, 1, 7]);
}

#[test]
fn a_newcomer_waits_until_those_left_out_know_it() {
    let mut net = Net::new(3);
    net.run(100);
    net.split(&[0, 1], &[2]);
    net.run(1000);
    net.all_steady(&[0, 1], &[0, 1]);
    let view = net.ranks[&Rank(0)].view().clone();
    net.ranks.insert(Rank(7), Membership::newcomer(Rank(7), view, settings(), net.now));
    net.computing.insert(Rank(7));
    net.tell(0, Event::Admit { rank: Rank(7) });
    net.run(1000);
    net.all_steady(&[0, 1], &[0, 1]);
    net.cut.clear();
    net.run(200);
    net.all_steady(&[0, 1, 7], &[0, 1, 7]);
}

#[test]
fn who_is_dismissed_goes_and_the_others_go_on() {
    for leaving in 0..3 {
        let mut net = Net::new(3);
        net.run(100);
        net.tell(0, Event::Dismiss { rank: Rank(leaving) });
        net.run(100);
        let rest: Vec<u32> = (0..3).filter(|rank| *rank != leaving).collect();
        net.all_steady(&rest, &rest);
        assert!(matches!(net.status(leaving), Status::Excluded { .. }));
        net.run(1000);
        net.all_steady(&rest, &rest);
    }
}

#[test]
fn doubts_of_a_data_path_hasten_a_suspicion_only() {
    let mut net = Net::new(3);
    net.run(100);
    net.tell(0, Event::Evidence { peer: Rank(2), proof: false });
    net.run(1000);
    assert_eq!(net.notices, []);
    net.kill(2);
    net.tell(0, Event::Evidence { peer: Rank(2), proof: false });
    net.run(60);
    net.all_steady(&[0, 1], &[0, 1]);
}

#[test]
fn two_ranks_that_stand_at_once_come_to_an_end() {
    let mut net = Net::with(5, &Settings { stagger: std::time::Duration::ZERO, ..settings() });
    net.run(100);
    net.kill(0);
    (1..5).for_each(|rank| net.proof(0, rank));
    net.run(1500);
    let master = net.steady(1).map(|members| members[0]);
    let all = net.steady(1).unwrap_or_default();
    assert_eq!(all.len(), 4, "{master:?}");
    net.all_steady(&[1, 2, 3, 4], &all);
}

#[test]
fn a_view_says_who_is_where() {
    let view = View::of(View::first(1).term, Rank(4), [1, 9, 4, 2].map(Rank));
    assert_eq!(view.members, [4, 1, 2, 9].map(Rank));
    let positions = [4, 1, 2, 9, 3].map(|rank| view.position(Rank(rank)));
    assert_eq!(positions, [Some(0), Some(1), Some(2), Some(3), None]);
}
