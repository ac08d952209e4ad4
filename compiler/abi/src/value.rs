//! Values as people write them: integers, names, addresses and networks, for the lines of a set's file, for what
//! `krsi` is given on its command line, and for literals.
//!
//! Addresses are numbers of 128 bits. `10.0.0.1` is `::ffff:10.0.0.1`, as a socket that speaks both would say; a
//! network of IPv4 has 96 bits more than it is written with.

use std::net::IpAddr;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// The first address.
    pub low: u128,
    /// How many bits all share, of 128.
    pub bits: u32,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNetwork {
    /// It is nothing like one.
    Malformed,
    /// More bits than an address has.
    TooManyBits {
        /// That an address has.
        most: u32,
    },
    /// Bits behind the prefix are set; this is the network without them.
    HostBits(Network),
}

/// Where IPv4 lies among the addresses.
const MAPPED: u128 = 0xffff << 32;

impl Network {
    /// The last address.
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

/// `10.0.0.1` or `2001:db8::1`
#[must_use]
pub fn show_address(address: u128) -> String {
    std::net::Ipv6Addr::from(address).to_canonical().to_string()
}

/// Reads an address.
#[must_use]
pub fn address(text: &str) -> Option<u128> {
    Some(match text.parse().ok()? {
        IpAddr::V4(address) => MAPPED | u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    })
}

/// Reads an address, which is a network of one, or a network.
///
/// # Errors
/// Where it is neither.
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

/// Reads an integer as krs writes it: `-1`, `0x2a`, `1_000`.
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

/// Reads names of members, joined by `|` where they are flags, or an integer.
///
/// # Errors
/// The part that is neither.
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

/// A line of a file of elements without its comment: `#` begins one at the beginning of a line and behind white space.
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
