//! How ranks reach each other. Nothing here changes the result.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// How ranks reach each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// The path that state takes between ranks. Default `auto`.
    pub fabric: Fabric,
    /// Refuse to run where two nodes do not reach each other by RDMA, rather than fall back. Default no.
    pub require_rdma: bool,
    /// Whether packets over MPI and TCP carry differences, compressed by LZ4, rather than the words themselves. Default `auto`: where
    /// that is faster, by what was measured on the way.
    pub compression: Compression,
    /// Which TCP connections between ranks are encrypted. Default `off`.
    pub tls: Tls,
    /// Time between two heartbeats of a rank, ms; at least 1. Default 1000.
    pub heartbeat_ms: u64,
    /// Silence after which a rank is suspected, ms; above `heartbeat_ms`. Default 5000, five lost heartbeats.
    pub heartbeat_timeout_ms: u64,
    /// How long the master waits for a rank's result of a step, ms; at least 1. Default 5000.
    pub result_timeout_ms: u64,
    /// Time between two replications of changed state, ms; at least 1. Default 100.
    pub sync_interval_ms: u64,
    /// Whether replication sends only what changed. Default yes.
    pub delta_sync: bool,
    /// TCP port of the status page and of metrics on rank 0; 0 turns it off. Default 8080.
    pub http_port: u16,
    /// TCP ports of the control connections; a rank takes the first free one. Default 9001-9010.
    pub control_ports: PortRange,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            fabric: Fabric::Auto,
            require_rdma: false,
            compression: Compression::Auto,
            tls: Tls::Off,
            heartbeat_ms: 1000,
            heartbeat_timeout_ms: 5000,
            result_timeout_ms: 5000,
            sync_interval_ms: 100,
            delta_sync: true,
            http_port: 8080,
            control_ports: PortRange { first: 9001, last: 9010 },
        }
    }
}

/// The path that state takes between ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fabric {
    /// The fastest that passes its self-test, for each pair of ranks.
    #[default]
    Auto,
    /// Within this process only; for a single rank.
    Local,
    /// Shared memory, on one node.
    Shm,
    /// RDMA through libibverbs.
    Verbs,
    /// MPI messages.
    Mpi,
    /// Plain TCP connections.
    Tcp,
}

/// When packets carry differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Where that is faster.
    #[default]
    Auto,
    /// Wherever they are shorter.
    On,
    /// Never.
    Off,
}

/// Which TCP connections between ranks are encrypted and authenticated, by a key of the run that they share: there are no certificates.
/// Shared memory, RDMA and MPI never are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// None. Ranks still prove to each other that they belong to the run.
    #[default]
    Off,
    /// Those that decide who is alive and in command.
    Control,
    /// Those that carry state, too; between nodes nothing but TCP serves then.
    All,
}

/// A range of TCP ports, both ends included. In a job file `9001-9010`, or one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port, 1 to 65535.
    pub first: u16,
    /// Highest port; not below `first`.
    pub last: u16,
}

impl PortRange {
    /// The ports, lowest first.
    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    /// Whether `port` is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortRangeVisitor)
    }
}

struct PortRangeVisitor;

impl Visitor<'_> for PortRangeVisitor {
    type Value = PortRange;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a range of TCP ports such as `9001-9010`, within 1-65535, or one port")
    }

    fn visit_u64<E: de::Error>(self, port: u64) -> Result<PortRange, E> {
        match u16::try_from(port) {
            Ok(port) if port > 0 => Ok(PortRange { first: port, last: port }),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(port), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PortRange, E> {
        let parse = || {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (0 < first && first <= last).then_some(PortRange { first, last })
        };
        parse().ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl JsonSchema for PortRange {
    fn schema_name() -> Cow<'static, str> {
        "PortRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A range of TCP ports, both ends included, or one port.",
            "anyOf": [
                { "type": "string", "pattern": "^ *[0-9]+ *(- *[0-9]+ *)?$" },
                { "type": "integer", "minimum": 1, "maximum": 65535 },
            ],
        })
    }
}
