//! Large writes, whose words go by themselves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_comm::mpi::{self, Patience};
use rankzero_comm::packets::Packets;
use rankzero_comm::port::Port;
use rankzero_comm::world::WorldFabric;
use rankzero_comm::{
    Bootstrap, CommError, Endpoint, Event, Fabric, Happening, Limits, Malformed, Put, Rank, Segment, SegmentId,
    Transport, Write,
};

use super::{Outcome, soon, word};

/// Writes of every rank to every other: a burst of many sizes, all under way at once, for several rounds. Words of one round
/// lie where those of the round before lay, and one write is overwritten in part by the next.
pub fn many_sizes_at_once(fabric: &mut WorldFabric) -> Outcome {
    const SIZES: [usize; 9] = [3, 20_000, 0, 8_000, 2_000_000, 1, 70_000, 16_384, 5_000_000];
    const ROUNDS: u32 = 3;
    let (me, size) = (fabric.rank(), fabric.size());
    let total: usize = SIZES.iter().sum();
    let source = Segment::new(total)?;
    // One rank's inbox cannot be mapped twice, so that payloads for it are copied.
    let words = total * size as usize;
    let inbox = if me == Rank(1) { Segment::private(words)? } else { Segment::new(words)? };
    let source_id = fabric.register(Arc::clone(&source))?;
    let inbox_id = fabric.register(Arc::clone(&inbox))?;
    fabric.open(soon())?;
    for round in 0..ROUNDS {
        source.store(0, &(0..total).map(|at| word(me, round, at)).collect::<Vec<_>>());
        let (mut events, mut expected) = (Vec::new(), 0);
        for peer in Rank::all(size).filter(|&peer| peer != me) {
            let base = me.index() * total;
            let mut at = 0;
            for (number, len) in SIZES.into_iter().enumerate() {
                // From the wrong place first, to be overwritten by the write that follows; an edge goes as a small piece.
                let wrong = Put { from: total - len, to: base + at, len };
                let (edge, rest) = (len / 100, len - len / 100);
                let right = [
                    Put { from: at, to: base + at, len: edge },
                    Put { from: at + edge, to: base + at + edge, len: rest },
                ];
                for (half, puts) in [&[wrong][..], &right].into_iter().enumerate() {
                    let notification = 2 * number as u32 + half as u32;
                    let write = Write { source: source_id, target: inbox_id, puts, notification };
                    fabric.write_notify_by(peer, &write, soon(), &mut events)?;
                    expected += 1;
                }
                at += len;
            }
        }
        let mut next = vec![0u32; size as usize];
        let (mut completed, deadline) = (0, soon());
        while completed < expected || next.iter().sum::<u32>() < expected {
            for event in events.drain(..) {
                match event {
                    Event::Arrived { from, notification } if notification == next[from.index()] => {
                        next[from.index()] += 1;
                    }
                    Event::Completed { .. } => completed += 1,
                    other => return Err(format!("{me}: unexpected {other:?}, next are {next:?}").into()),
                }
            }
            if Instant::now() >= deadline {
                return Err(format!("{me}: round {round}: {completed} of {expected} completed, {next:?}").into());
            }
            fabric.poll(Instant::now() + Duration::from_millis(10), &mut events)?;
        }
        let mut got = vec![0u32; total];
        for from in Rank::all(size).filter(|&from| from != me) {
            inbox.load(from.index() * total, &mut got);
            if let Some(at) = (0..total).find(|&at| got[at] != word(from, round, at)) {
                return Err(format!("{me}: word {at} of {from} in round {round} is {:#x}", got[at]).into());
            }
        }
        fabric.barrier(soon())?;
    }
    Ok(())
}

/// Rank 0 makes a large write beyond what rank 1 has registered: that is refused by name, its payload vanishes, no word
/// changes, and large start-up messages, which travel in the same way, still come through.
pub fn a_large_write_beyond_the_segment(fabric: &mut WorldFabric) -> Outcome {
    const LEN: usize = 1_000_000;
    let words = if fabric.rank() == Rank(1) { LEN - 1 } else { LEN };
    let segment = Segment::new(words)?;
    let id = fabric.register(Arc::clone(&segment))?;
    fabric.open(soon())?;
    segment.store(0, &vec![fabric.rank().0 + 7; words]);
    fabric.barrier(soon())?;
    if fabric.rank() == Rank(0) {
        let puts = [Put { from: 0, to: 0, len: LEN }];
        fabric.write_notify(Rank(1), &Write { source: id, target: id, puts: &puts, notification: 1 })?;
    }
    if fabric.rank() == Rank(1) {
        let (mut events, deadline) = (Vec::new(), soon());
        let refusal = loop {
            match fabric.poll(deadline, &mut events) {
                Err(refusal) => break refusal,
                Ok(()) if Instant::now() >= deadline => return Err("nothing was refused".into()),
                Ok(()) => {}
            }
        };
        let expected = Malformed::Range { segment: 1, to: 0, len: LEN as u32, words: LEN - 1 };
        assert!(
            matches!(&refusal, CommError::Malformed { peer: Rank(0), what } if *what == expected),
            "{refusal} instead of {expected}"
        );
        assert!(events.is_empty(), "no event of a refused packet");
    }
    let all = fabric.all_gather(&vec![3; 3_000_000], soon())?;
    assert!(all.iter().all(|bytes| *bytes == vec![3; 3_000_000]));
    let mut now = vec![0; words];
    segment.load(0, &mut now);
    assert!(now.iter().all(|&word| word == fabric.rank().0 + 7), "a word has changed");
    Ok(())
}

/// One rank's end of two, without a ladder.
struct End {
    rung: Packets<mpi::MpiPort>,
    me: Rank,
    happenings: VecDeque<Happening>,
}

impl End {
    /// The next happening that `pick` takes; what comes before it is dropped.
    fn next<R>(&mut self, what: &str, pick: impl Fn(&Happening) -> Option<R>) -> Result<R, String> {
        let deadline = soon();
        while Instant::now() < deadline {
            let mut came = Vec::new();
            self.rung.progress(&mut came).map_err(|error| error.to_string())?;
            self.happenings.extend(came);
            while let Some(happening) = self.happenings.pop_front() {
                if let Some(found) = pick(&happening) {
                    return Ok(found);
                }
            }
        }
        Err(format!("{}: {what} did not come", self.me))
    }

    fn say(&mut self, words: &[u32]) -> Outcome {
        Ok(self.rung.send_message(Rank(1 - self.me.0), words)?)
    }

    fn hear(&mut self, what: &str) -> Result<Vec<u32>, String> {
        self.next(what, |happening| match happening {
            Happening::Message { words, .. } => Some(words.clone()),
            _ => None,
        })
    }

    fn close(&mut self) {
        let mut left = Vec::new();
        self.rung.close(Rank(1 - self.me.0), &mut left);
        self.happenings.extend(left);
    }

    fn connect(&mut self) -> Outcome {
        let peer = Rank(1 - self.me.0);
        let mine = self.rung.offer(peer).map_err(|why| why.0)?;
        self.say(&mine.iter().map(|&byte| u32::from(byte)).collect::<Vec<_>>())?;
        let theirs: Vec<u8> = self.hear("an offer")?.iter().map(|&word| word as u8).collect();
        self.rung.connect(peer, &theirs).map_err(|why| why.0)?;
        self.say(&[])?;
        self.hear("the peer's connection").map(drop).map_err(Into::into)
    }
}

/// Rank 1 closes the connection as soon as the first words of a large write are seen: from then on none of its segment changes,
/// while the payload goes on to come. A new connection then works, and the old payload does not disturb it.
pub fn a_connection_is_closed_under_way() -> Outcome {
    const LEN: usize = 4 << 20;
    let port = mpi::start(Patience::SHARED_CORE, soon())?;
    let me = port.rank();
    let mut end = End { rung: Packets::new(port, Limits::default()), me, happenings: VecDeque::new() };
    let segment = Segment::new(LEN)?;
    // A segment gets its id from a fabric, which there is none of here.
    let id = rankzero_comm::local::hub(1)?.remove(0).register(Arc::clone(&segment))?;
    end.rung.register(id, &Segment::new(1)?)?;
    end.rung.register(id, &segment)?;
    let mut caught = 0;
    for round in 1..=10u32 {
        end.connect()?;
        if me == Rank(0) {
            send(&mut end, &segment, id, round)?;
        } else if receive(&mut end, &segment, id, round)? {
            caught += 1;
        }
    }
    if me == Rank(1) {
        println!("{caught} of 10 payloads were under way when the connection was closed");
        // Through shared memory a payload may come in one call, so that none can be caught.
        let over_tcp = std::env::var("OMPI_MCA_btl").is_ok_and(|ways| ways.starts_with("tcp"));
        assert!(caught > 0 || !over_tcp, "no payload was caught under way");
    }
    // Long enough for the peer to hear the last words.
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        end.rung.progress(&mut Vec::new())?;
    }
    println!("{me}: closing ok");
    Ok(())
}

fn send(end: &mut End, segment: &Segment, id: SegmentId, round: u32) -> Outcome {
    segment.store(0, &vec![round; segment.len()]);
    let puts = [Put { from: 0, to: 0, len: segment.len() }];
    end.rung.post(Rank(1), &Write { source: id, target: id, puts: &puts, notification: round })?;
    end.hear("the peer's close")?;
    // The old payload is on its way still: it leaves among the packets of the new connection.
    end.close();
    end.connect()?;
    segment.store(0, &[round + 100; 50_000]);
    let puts = [Put { from: 0, to: 0, len: 50_000 }];
    end.rung.post(Rank(1), &Write { source: id, target: id, puts: &puts, notification: round + 100 })?;
    end.next("the delivery", |happening| matches!(happening, Happening::Delivered { .. }).then_some(()))?;
    end.say(&[])
}

/// Whether the payload was under way at the close.
fn receive(end: &mut End, segment: &Segment, id: SegmentId, round: u32) -> Result<bool, Box<dyn std::error::Error>> {
    segment.store(0, &vec![0; segment.len()]);
    let contents = || {
        let mut words = vec![0; segment.len()];
        segment.load(0, &mut words);
        words
    };
    let (mut first, mut left, deadline) = ([0], Vec::new(), soon());
    while first[0] == 0 && Instant::now() < deadline {
        end.rung.progress(&mut left)?;
        segment.load(0, &mut first);
    }
    end.happenings.extend(left);
    end.close();
    let before = contents();
    let under_way = before[0] == round && before[segment.len() - 1] == 0;
    end.say(&[])?;
    end.connect()?;
    end.next("the small write", |happening| match happening {
        Happening::Arrived { notification, .. } => (*notification == round + 100).then_some(()),
        _ => None,
    })?;
    let after = contents();
    assert!(after[..50_000].iter().all(|&word| word == round + 100), "the new connection's words");
    assert!(after[50_000..] == before[50_000..], "the old payload was written after the close");
    assert_eq!(id.index(), 1);
    // Until then the acknowledgement must not be lost with the connection.
    end.hear("the word of the delivery")?;
    Ok(under_way)
}
