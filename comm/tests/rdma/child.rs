//! A rank in a process of its own: it does what the lines of its standard input say, and answers each with a line.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rankzero_comm::{Put, Rank, Transport};

use super::Node;

/// What starts a line of an answer, as the test harness prints lines too.
const MARK: &str = "rank: ";

/// The process of another rank; killed when dropped.
pub struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Its rank.
    pub rank: u32,
}

impl Child {
    /// Starts rank `rank` of `size` with a segment of `words`.
    pub fn start(rank: u32, size: u32, words: usize) -> Child {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "the_other_rank", "--ignored", "--nocapture"])
            .env("RANKZERO_TEST_RANK", format!("{rank} {size} {words}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        let input = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        Child { process, input, output, rank }
    }

    /// Gives it something to do.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the child listens");
    }

    /// Its next answer.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).expect("the child speaks") > 0 {
            // The harness starts a line that it ends only after the test.
            if let Some((_, answer)) = line.split_once(MARK) {
                return answer.trim_end().to_owned();
            }
            line.clear();
        }
        panic!("rank {} has ended", self.rank);
    }

    /// Gives it something to do and waits for the answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear()
    }

    /// Connects it with `node`, and waits until both are up.
    pub fn join(&mut self, node: &mut Node, me: u32) {
        let mine = node.verbs.offer(Rank(self.rank)).expect("an offer");
        let theirs = unhex(&self.ask(&format!("offer {me}")));
        assert_eq!(self.ask(&format!("connect {me} {}", hex(&mine))), "ok");
        node.verbs.connect(Rank(self.rank), &theirs).expect("a connection");
        self.tell(&format!("up {me}"));
        node.wait_up(self.rank);
        assert_eq!(self.hear(), "up");
    }

    /// Connects it with another child.
    pub fn join_child(&mut self, other: &mut Child) {
        let mine = self.ask(&format!("offer {}", other.rank));
        let theirs = other.ask(&format!("offer {}", self.rank));
        assert_eq!(self.ask(&format!("connect {} {theirs}", other.rank)), "ok");
        assert_eq!(other.ask(&format!("connect {} {mine}", self.rank)), "ok");
        self.tell(&format!("up {}", other.rank));
        other.tell(&format!("up {}", self.rank));
        assert_eq!((self.hear().as_str(), other.hear().as_str()), ("up", "up"));
    }

    /// Sends its process a signal.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().expect("kill").success());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lives as the rank that the environment says.
pub fn serve() {
    let role = std::env::var("RANKZERO_TEST_RANK").expect("started by a test");
    let numbers: Vec<u32> = role.split(' ').map(|word| word.parse().expect("a number")).collect();
    let mut node = Node::new(numbers[0], numbers[1], numbers[2] as usize);
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        let answer = obey(&mut node, &words);
        println!("{MARK}{answer}");
    }
}

fn obey(node: &mut Node, words: &[&str]) -> String {
    let number = |at: usize| words[at].parse::<u32>().expect("a number");
    let size = |at: usize| words[at].parse::<usize>().expect("a number");
    match words[0] {
        "offer" => node.verbs.offer(Rank(number(1))).map_or_else(|why| format!("no: {why}"), |bytes| hex(&bytes)),
        "connect" => match node.verbs.connect(Rank(number(1)), &unhex(words[2])) {
            Ok(()) => "ok".into(),
            Err(why) => format!("no: {why}"),
        },
        "up" => {
            node.wait_up(number(1));
            "up".into()
        }
        "fill" => {
            node.fill(size(1), size(2), number(3));
            "ok".into()
        }
        "holds" => node.holds(size(1), size(2), number(3)).to_string(),
        // write PEER FROM TO LEN NOTIFICATION
        "write" => {
            node.write(number(1), &[Put { from: size(2), to: size(3), len: size(4) }], number(5));
            node.flush();
            "ok".into()
        }
        // next NOTIFICATION: the next one is this
        "next" => {
            let (_, got) = node.next();
            if got == number(1) { "ok".into() } else { got.to_string() }
        }
        // swap AT LEN: trades neighbouring pairs of words
        "swap" => {
            for at in (size(1)..size(1) + size(2)).step_by(4) {
                let mut words = [0; 4];
                node.segment.load(at, &mut words);
                words.rotate_left(2);
                node.segment.store(at, &words);
            }
            "ok".into()
        }
        // take COUNT: this many notifications, which count up from 0
        "take" => {
            for expected in 0..number(1) {
                let (_, got) = node.next();
                if got != expected {
                    return format!("{got} instead of {expected}");
                }
            }
            "ok".into()
        }
        // echo PEER COUNT: answers every notification with the same
        "echo" => {
            for _ in 0..number(2) {
                let (from, notification) = node.next();
                assert_eq!(from, Rank(number(1)));
                node.write(number(1), &[], notification);
            }
            node.flush();
            "ok".into()
        }
        // flood PEER WORDS: writes until it breaks
        "flood" => {
            let put = Put { from: 0, to: 0, len: size(2) };
            let start = Instant::now();
            node.until("the end", |node| {
                // What fails now is reported by the next progress.
                let _ = node.try_write(number(1), &[put], 7);
                !node.broken.is_empty()
            });
            node.posted = node.delivered;
            format!("broken {} after {} ms", node.broken.remove(0).1, start.elapsed().as_millis())
        }
        "forget" => {
            node.arrived.clear();
            "ok".into()
        }
        "pause" => {
            std::thread::sleep(Duration::from_millis(number(1).into()));
            "ok".into()
        }
        "close" => {
            node.close(number(1));
            "ok".into()
        }
        other => panic!("{other}?"),
    }
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of text.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16);
    (0..text.len() / 2).map(|at| digits(2 * at).unwrap_or_else(|_| panic!("not hexadecimal: {text}"))).collect()
}
