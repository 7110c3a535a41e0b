//! Latency and bandwidth of the TCP rung between two processes on loopback, in the clear and encrypted, beside blocking
//! sockets that know every length beforehand, in turns of the same run: `tcp_pingpong [--json] [REPETITIONS]`.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use support::{Figures, Outcome, bytes, hex};

use rankzero_comm::Rank;
use rankzero_comm::port::{Incoming, Lane, Port};
use rankzero_comm::tcp::{Choice, TcpPort};

/// Bytes of a packet, exchanges of a ping-pong, packets of a stream.
const SIZES: [(usize, u32, u32); 8] = [
    (8, 3000, 60_000),
    (64, 3000, 60_000),
    (1024, 3000, 60_000),
    (16 << 10, 2000, 10_000),
    (64 << 10, 1000, 4000),
    (256 << 10, 400, 1500),
    (1 << 20, 120, 400),
    (8 << 20, 16, 50),
];

fn main() -> Outcome<()> {
    let (figures, arguments) = Figures::from_args();
    match &arguments[..] {
        [role, repetitions, address] if role == "second" => second(repetitions.parse()?, address),
        [repetitions] => first(figures, repetitions.parse()?),
        _ => first(figures, 7),
    }
}

/// One kind of connection.
trait Channel {
    fn send(&mut self, words: usize) -> Outcome<()>;
    fn receive(&mut self, words: usize) -> Outcome<()>;
}

struct Ours {
    port: TcpPort,
    peer: Rank,
    arrived: u32,
}

impl Ours {
    fn turn(&mut self) -> Outcome<()> {
        let (mut happened, mut down) = (0, None);
        self.port.progress(&mut |incoming| match incoming {
            Incoming::Packet { .. } => happened += 1,
            Incoming::Down { cause, .. } => down = Some(cause),
            _ => {}
        })?;
        if happened == 0 {
            std::thread::yield_now();
        }
        self.arrived += happened;
        down.map_or(Ok(()), |cause| Err(cause.into()))
    }
}

impl Channel for Ours {
    fn send(&mut self, words: usize) -> Outcome<()> {
        let mut packet = self.port.buffer();
        packet.resize(words, 1);
        self.port.send(self.peer, Lane::Data, packet)?;
        while self.port.unsent().is_some() {
            self.turn()?;
        }
        Ok(())
    }

    fn receive(&mut self, _words: usize) -> Outcome<()> {
        while self.arrived == 0 {
            self.turn()?;
        }
        self.arrived -= 1;
        Ok(())
    }
}

struct Plain {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Plain {
    fn over(stream: TcpStream) -> Outcome<Plain> {
        stream.set_nodelay(true)?;
        Ok(Plain { stream, buffer: vec![1; SIZES[SIZES.len() - 1].0] })
    }
}

impl Channel for Plain {
    fn send(&mut self, words: usize) -> Outcome<()> {
        Ok(self.stream.write_all(&self.buffer[..words * 4])?)
    }

    fn receive(&mut self, words: usize) -> Outcome<()> {
        Ok(self.stream.read_exact(&mut self.buffer[..words * 4])?)
    }
}

fn pingpong(channel: &mut dyn Channel, leads: bool, words: usize, exchanges: u32) -> Outcome<f64> {
    let begun = Instant::now();
    for _ in 0..exchanges {
        if leads {
            channel.send(words)?;
        }
        channel.receive(words)?;
        if !leads {
            channel.send(words)?;
        }
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(exchanges) / 2.0 * 1e6)
}

/// In MB/s, until the other side has said that it has everything.
fn stream(channel: &mut dyn Channel, leads: bool, words: usize, packets: u32) -> Outcome<f64> {
    let begun = Instant::now();
    for _ in 0..packets {
        if leads {
            channel.send(words)?;
        } else {
            channel.receive(words)?;
        }
    }
    if leads {
        channel.receive(2)?;
    } else {
        channel.send(2)?;
    }
    Ok(words as f64 * 4e-6 * f64::from(packets) / begun.elapsed().as_secs_f64())
}

/// Half round trips in µs and rates in MB/s of every repetition, by channel: ours, ours encrypted, plain.
fn measure(channels: &mut [&mut dyn Channel; 3], leads: bool, size: (usize, u32, u32)) -> Outcome<[f64; 6]> {
    let (words, exchanges, packets) = (size.0 / 4, size.1, size.2);
    let mut figures = [0.0; 6];
    for (at, channel) in channels.iter_mut().enumerate() {
        pingpong(*channel, leads, words, exchanges / 10)?;
        figures[at] = pingpong(*channel, leads, words, exchanges)?;
    }
    for (at, channel) in channels.iter_mut().enumerate() {
        figures[3 + at] = stream(*channel, leads, words, packets)?;
    }
    Ok(figures)
}

fn open(rank: u32, sealed: bool) -> Outcome<(TcpPort, String)> {
    let mut port = TcpPort::open_on(Rank(rank), 2, 0..=0, [7; 32], &Choice::parse("127.0.0.0/8"))
        .map_err(|reason| reason.to_string())?;
    if sealed {
        port.seal();
    }
    let offer = port.offer(Rank(1 - rank)).map_err(|reason| reason.to_string())?;
    Ok((port, hex(&offer)))
}

fn connect(mut port: TcpPort, line: &str) -> Outcome<Ours> {
    let peer = Rank(1 - port.rank().0);
    port.connect(peer, &bytes(line)?).map_err(|reason| reason.to_string())?;
    let mut ours = Ours { port, peer, arrived: 0 };
    while !ours.port.carries_messages(peer) {
        ours.turn()?;
    }
    Ok(ours)
}

fn second(repetitions: usize, address: &str) -> Outcome<()> {
    let mut pair = Vec::new();
    for sealed in [false, true] {
        let (port, offer) = open(1, sealed)?;
        println!("{offer}");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        pair.push(connect(port, &line)?);
    }
    let [ours, sealed] = &mut pair[..] else { return Err("two ports".into()) };
    let mut plain = Plain::over(TcpStream::connect(address)?)?;
    for size in SIZES {
        for _ in 0..repetitions {
            measure(&mut [ours, sealed, &mut plain], false, size)?;
        }
    }
    Ok(())
}

fn first(figures: Figures, repetitions: usize) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["second", &repetitions.to_string(), &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output of the child")?);
    let mut pair = Vec::new();
    for sealed in [false, true] {
        let (port, offer) = open(0, sealed)?;
        let mut line = String::new();
        lines.read_line(&mut line)?;
        writeln!(child.stdin.as_ref().ok_or("no input of the child")?, "{offer}")?;
        pair.push(connect(port, &line)?);
    }
    let [ours, sealed] = &mut pair[..] else { return Err("two ports".into()) };
    let mut plain = Plain::over(listener.accept()?.0)?;
    figures.say(&format!("{}; {repetitions} repetitions", ours.port.describe(Rank(1))));
    for size in SIZES {
        let mut all = Vec::new();
        for _ in 0..repetitions {
            all.push(measure(&mut [ours, sealed, &mut plain], true, size)?);
        }
        let pairs = |one: usize, other: usize| all.iter().map(|six| (six[one], six[other])).collect::<Vec<_>>();
        let name = support::size(size.0);
        figures.paired(&format!("tcp, {name}, half round trip"), "us", &pairs(0, 2), "sockets");
        figures.paired(&format!("tcp, {name}, stream"), "MB/s", &pairs(3, 5), "sockets");
        figures.paired(&format!("tcp encrypted, {name}, half round trip"), "us", &pairs(1, 0), "in the clear");
        figures.paired(&format!("tcp encrypted, {name}, stream"), "MB/s", &pairs(4, 3), "in the clear");
    }
    child.wait()?;
    Ok(())
}
