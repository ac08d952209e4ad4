//! The textual form of values: integers, names, addresses and networks, in literals, in element files of sets,
//! and on the command line of `krsi`.
//!
//! Addresses are numbers of 128 bits. `10.0.0.1` is `::ffff:10.0.0.1`, as on a dual-stack socket; the prefix
//! length of an IPv4 network is therefore 96 bits more than written.

use std::net::IpAddr;

/// A network: all addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// First address of the network.
    pub low: u128,
    /// Prefix length in bits, out of 128.
    pub bits: u32,
}

/// The reason why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNetwork {
    /// The text does not have the form of a network.
    Malformed,
    /// The prefix is longer than an address.
    TooManyBits {
        /// Number of bits in such an address.
        most: u32,
    },
    /// Bits after the prefix are set; holds the network without them.
    HostBits(Network),
}

/// The prefix of IPv4-mapped addresses, `::ffff:0:0/96`.
const MAPPED: u128 = 0xffff << 32;

impl Network {
    /// The last address of the network.
    #[must_use]
    pub fn high(self) -> u128 {
        self.low | u128::MAX.checked_shr(self.bits).unwrap_or(0)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v4 = self.bits >= 96 && self.low >> 32 == MAPPED >> 32;
        write!(f, "{}", show_address(self.low))?;
        match (v4, self.bits) {
            (_, 128) => Ok(()),
            (true, bits) => write!(f, "/{}", bits - 96),
            (false, bits) => write!(f, "/{bits}"),
        }
    }
}

/// Formats an address: `10.0.0.1` or `2001:db8::1`.
#[must_use]
pub fn show_address(address: u128) -> String {
    std::net::Ipv6Addr::from(address).to_canonical().to_string()
}

/// Parses an IPv4 or IPv6 address.
#[must_use]
pub fn address(text: &str) -> Option<u128> {
    Some(match text.parse().ok()? {
        IpAddr::V4(address) => MAPPED | u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    })
}

/// Parses a network, or an address as a network of one.
///
/// # Errors
/// If the text is neither.
pub fn network(text: &str) -> Result<Network, NoNetwork> {
    let (address_text, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits)),
    };
    let low = address(address_text).ok_or(NoNetwork::Malformed)?;
    let most = if address_text.contains(':') { 128 } else { 32 };
    let bits = match bits {
        None => most,
        Some(bits) if !bits.is_empty() && bits.len() <= 4 && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
            bits.parse().map_err(|_| NoNetwork::Malformed)?
        }
        Some(_) => return Err(NoNetwork::Malformed),
    };
    if bits > most {
        return Err(NoNetwork::TooManyBits { most });
    }
    let bits = 128 - most + bits;
    let network = Network { low: low & !u128::MAX.checked_shr(bits).unwrap_or(0), bits };
    if network.low == low { Ok(network) } else { Err(NoNetwork::HostBits(network)) }
}

/// Parses an integer in krs syntax: `-1`, `0x2a`, `1_000`.
#[must_use]
pub fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(&digits, radix).ok()?);
    Some(if negative { -value } else { value })
}

/// Parses an integer or a member's name; for flags, several of them joined by `|`.
///
/// # Errors
/// The first component that is neither.
pub fn named<'t>(text: &'t str, flags: bool, members: &[(String, i64)]) -> Result<i128, &'t str> {
    let mut all = 0;
    for part in text.split('|').map(str::trim) {
        let value = match members.iter().find(|(name, _)| name == part) {
            Some((_, value)) => i128::from(*value),
            None => integer(part).ok_or(part)?,
        };
        if part.len() != text.trim().len() && !flags {
            return Err(text);
        }
        all |= value;
    }
    Ok(all)
}

/// Removes the comment from a line of an element file: `#` begins one at the start of the line or after white
/// space.
#[must_use]
pub fn strip_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_read_as_they_print() {
        for text in ["10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "::1", "::/0", "0.0.0.0/0"] {
            assert_eq!(network(text).map(|network| network.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(network("10.0.0.0/8"), network("::ffff:10.0.0.0/104"));
        assert_eq!(network("10.0.0.0/33"), Err(NoNetwork::TooManyBits { most: 32 }));
        assert!(matches!(network("10.0.0.1/8"), Err(NoNetwork::HostBits(right)) if right.to_string() == "10.0.0.0/8"));
        for text in ["", "10.0.0", "10.0.0.0/", "10.0.0.0/+8", "a::b::c", "10.0.0.0/8/8"] {
            assert_eq!(network(text), Err(NoNetwork::Malformed), "{text}");
        }
        assert_eq!(network("::/0").map(Network::high), Ok(u128::MAX));
    }

    #[test]
    fn integers_and_names() {
        assert_eq!(integer("0x2a"), Some(42));
        assert_eq!(integer("-1_000"), Some(-1000));
        assert_eq!((integer(""), integer("0x"), integer("--1"), integer("+1")), (None, None, None, None));
        let members = [("READ".to_owned(), 1), ("EXEC".to_owned(), 4)];
        assert_eq!(named("READ | EXEC", true, &members), Ok(5));
        assert_eq!(named("READ|EXEC", false, &members), Err("READ|EXEC"));
        assert_eq!(named("RAED", true, &members), Err("RAED"));
    }
}
