//! What the user may set.

use std::net::IpAddr;
use std::time::Duration;

use crate::transport::Unavailable;

/// Settings of the rung. [`Options::from_env`] reads them from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A device, or one port of it: `mlx5_0`, `mlx5_0:1`. `RANKZERO_VERBS_DEVICE`.
    pub device: Option<String>,
    /// Address of a peer: only the port that leads there serves. `RANKZERO_VERBS_TOWARDS`.
    pub towards: Option<IpAddr>,
    /// Most rails; 0: as many as there are. `RANKZERO_VERBS_RAILS`.
    pub rails: usize,
    /// Writes of more bytes spread over the rails. `RANKZERO_VERBS_STRIPE_BYTES`.
    pub stripe_bytes: usize,
    /// Work requests towards one peer and rail that may be under way, 8 to 8192. `RANKZERO_VERBS_SENDS`.
    pub sends: u32,
    /// Notifications of one peer that may wait to be taken, 8 to 8192. `RANKZERO_VERBS_RECEIVES`.
    pub receives: u32,
    /// Writes of at most so many bytes are copied into the work request. `RANKZERO_VERBS_INLINE_BYTES`.
    pub inline_bytes: u32,
    /// Acknowledgement timeout, 4.096 µs · 2^timeout, 1 to 31. `RANKZERO_VERBS_TIMEOUT`.
    pub timeout: u8,
    /// How often a packet without acknowledgement is sent again, 0 to 6. Not 7: some drivers take that for "for ever", and a
    /// dead peer would never be seen. `RANKZERO_VERBS_RETRIES`.
    pub retries: u8,
    /// How long a peer may take from its offer to its connection. `RANKZERO_VERBS_CONNECT_SECONDS`.
    pub connect_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            device: None,
            towards: None,
            rails: 0,
            stripe_bytes: 1 << 20,
            sends: 256,
            receives: 512,
            inline_bytes: 220,
            timeout: 14,
            retries: 6,
            connect_within: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// The defaults, changed by what the environment says.
    ///
    /// # Errors
    /// Which variable cannot be used, and what it may be.
    pub fn from_env() -> Result<Options, Unavailable> {
        Options::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Result<Options, Unavailable> {
        let default = Options::default();
        let seconds = default.connect_within.as_secs();
        let towards = get("RANKZERO_VERBS_TOWARDS").map(|text| {
            let refuse = |_| Unavailable::new(format!("RANKZERO_VERBS_TOWARDS={text} is no IP address"));
            text.parse::<IpAddr>().map_err(refuse)
        });
        let number = |name, default: u64, least, most| number(&get, name, default, least, most);
        Ok(Options {
            device: get("RANKZERO_VERBS_DEVICE").filter(|device| !device.is_empty()),
            towards: towards.transpose()?,
            rails: number("RANKZERO_VERBS_RAILS", 0, 0, 8)? as usize,
            stripe_bytes: number("RANKZERO_VERBS_STRIPE_BYTES", default.stripe_bytes as u64, 4096, 1 << 40)? as usize,
            sends: number("RANKZERO_VERBS_SENDS", default.sends.into(), 8, 8192)? as u32,
            receives: number("RANKZERO_VERBS_RECEIVES", default.receives.into(), 8, 8192)? as u32,
            inline_bytes: number("RANKZERO_VERBS_INLINE_BYTES", default.inline_bytes.into(), 0, 1024)? as u32,
            timeout: number("RANKZERO_VERBS_TIMEOUT", default.timeout.into(), 1, 31)? as u8,
            retries: number("RANKZERO_VERBS_RETRIES", default.retries.into(), 0, 6)? as u8,
            connect_within: Duration::from_secs(number("RANKZERO_VERBS_CONNECT_SECONDS", seconds, 1, 3600)?),
        })
    }
}

fn number(
    get: impl Fn(&str) -> Option<String>,
    name: &str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, Unavailable> {
    let Some(text) = get(name) else { return Ok(default) };
    match text.trim().parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(Unavailable::new(format!("{name}={text} is not a number from {least} to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_changes_defaults() {
        assert_eq!(Options::from_lookup(|_| None), Ok(Options::default()));
        let set = |name: &str| match name {
            "RANKZERO_VERBS_DEVICE" => Some("mlx5_0:1".into()),
            "RANKZERO_VERBS_TIMEOUT" => Some("16".into()),
            "RANKZERO_VERBS_TOWARDS" => Some("10.0.0.1".into()),
            _ => None,
        };
        let options = Options::from_lookup(set).expect("valid");
        assert_eq!((options.device.as_deref(), options.timeout), (Some("mlx5_0:1"), 16));
        assert_eq!(options.towards, Some(IpAddr::from([10, 0, 0, 1])));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value) in [("RANKZERO_VERBS_RETRIES", "7"), ("RANKZERO_VERBS_TOWARDS", "node7")] {
            let Unavailable(reason) =
                Options::from_lookup(|of| (of == name).then(|| value.into())).expect_err("refused");
            assert!(reason.contains(name) && reason.contains(value), "{reason}");
        }
    }
}
