//! Hosts of a test: network namespaces with an interface each, joined by bridges in one of its own, all named after the test's process and
//! gone with the test. Nothing of the machine's own network is touched.
#![allow(dead_code)]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The namespaces.
pub struct Network {
    switch: String,
    hosts: Vec<String>,
}

impl Network {
    /// `count` hosts that reach each other and nobody else; nothing, and a loud line, where the system does not permit that.
    pub fn new(count: u32, what: &str) -> Option<Network> {
        Network::in_parts(count, count, what)
    }

    /// The same, with the hosts from `first` on behind a cable of its own, which [`Network::cable`] cuts and mends.
    pub fn in_parts(count: u32, first: u32, what: &str) -> Option<Network> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let stem = format!("rzt{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let mut network = Network { switch: format!("{stem}-s"), hosts: Vec::new() };
        let switch = network.switch.clone();
        let made = ip(&format!("netns add {switch}"))
            && ip(&format!("-n {switch} link add br0 type bridge"))
            && ip(&format!("-n {switch} link add br1 type bridge"))
            && ip(&format!("-n {switch} link add t0 type veth peer name t1"))
            && ip(&format!("-n {switch} link set t0 master br0 up"))
            && ip(&format!("-n {switch} link set t1 master br1 up"))
            && ip(&format!("-n {switch} link set br0 up"))
            && ip(&format!("-n {switch} link set br1 up"));
        let made = made && (0..count).all(|host| network.add(&stem, host, if host < first { "br0" } else { "br1" }));
        if !made {
            eprintln!("SKIPPED: network namespaces are not permitted, so {what} NOT TESTED here");
        }
        made.then_some(network)
    }

    fn add(&mut self, stem: &str, host: u32, bridge: &str) -> bool {
        let (switch, name) = (self.switch.clone(), format!("{stem}-{host}"));
        self.hosts.push(name.clone());
        ip(&format!("netns add {name}"))
            && ip(&format!("-n {switch} link add v{host} type veth peer name eth0 netns {name}"))
            && ip(&format!("-n {switch} link set v{host} master {bridge} up"))
            && ip(&format!("-n {name} address add 10.99.0.{}/24 dev eth0", host + 1))
            && ip(&format!("-n {name} link set eth0 up"))
            && ip(&format!("-n {name} link set lo up"))
    }

    /// A command that runs `program` on a host.
    pub fn on(&self, host: usize, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.hosts[host], program]);
        command
    }

    /// Plugs a host in, or out.
    pub fn plug(&self, host: usize, into: bool) {
        let word = if into { "up" } else { "down" };
        assert!(ip(&format!("-n {} link set v{host} {word}", self.switch)), "{word}");
    }

    /// Mends, or cuts, the cable between the parts. Within each, nothing changes.
    pub fn cable(&self, whole: bool) {
        let word = if whole { "up" } else { "down" };
        assert!(ip(&format!("-n {} link set t0 {word}", self.switch)), "{word}");
    }

    /// Lets two hosts of one part reach all others, but not each other; whether the system can do that.
    pub fn part(&self, pair: [usize; 2]) -> bool {
        pair.iter().all(|host| ip(&format!("-n {} link set v{host} type bridge_slave isolated on", self.switch)))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in self.hosts.iter().chain([&self.switch]) {
            ip(&format!("netns delete {name}"));
        }
    }
}

/// Runs `ip`; whether it went well.
fn ip(words: &str) -> bool {
    let status = Command::new("ip").args(words.split(' ')).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
