//! Elements of dynamic sets, as text and as keys of the set's map.
//!
//! ```text
//! 443                  a number, or names joined by `|`
//! 10.0.0.0/8           an address or a network
//! 10.0.0.0/8, 443      a tuple, optionally in parentheses
//! /usr/bin/curl        a string, up to the end of the line
//! ```
//!
//! A file has one element per line; `#` begins a comment at the start of a line or after white space. [`parse`]
//! accepts the output of [`show`]. `krsi_abi::set` describes the layout of a key.

use krsi_abi::manifest::{Manifest, Part, Set, Ty};
use krsi_abi::value::{self, NoNetwork};
use krsi_abi::{manifest, set};

use crate::failure::Failure;
use crate::terminal::{escape_bytes, is_unsafe};
use crate::{decode, params};

/// A key of a set's map.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The bytes as the program lays them out, without the prefix length of a trie.
    pub data: Vec<u8>,
    /// Prefix length in bits if the map is a trie, otherwise 0.
    pub bits: u32,
}

/// Returns true if a set's map is an LPM trie.
pub fn is_trie(set: &Set) -> bool {
    set.parts.contains(&Part::Cidr)
}

/// Sizes and places of an element's components in a key, and the number of words; `None` for strings and for
/// types that this build does not know.
fn places(set: &Set) -> Option<(Vec<u32>, usize, Vec<set::Place>)> {
    let bytes = set::dynamic_bytes(&set.parts.iter().map(Part::bytes).collect::<Vec<_>>());
    let (words, places) = set::places(&bytes)?;
    Some((bytes, words, places))
}

/// Size of a key in bytes, without the prefix length of a trie.
pub fn key_bytes(set: &Set) -> usize {
    places(set).map_or(set::TEXT_KEY_BYTES as usize, |(_, words, _)| 8 * words)
}

/// Formats the element type of a set, as written in the policy.
pub fn type_of(manifest: &Manifest, set: &Set) -> String {
    let part = |part: &Part| match part {
        Part::Ip => "ip".to_owned(),
        Part::Cidr => "cidr".to_owned(),
        Part::Str => "str".to_owned(),
        Part::Path => "path".to_owned(),
        Part::Number(Ty::Names { names, .. }) => {
            manifest.names.get(*names as usize).map_or_else(|| "?".to_owned(), |names| names.name.clone())
        }
        Part::Number(Ty::Int { bytes, signed }) => format!("{}{}", if *signed { "i" } else { "u" }, 8 * bytes),
        Part::Number(_) => "?".to_owned(),
    };
    match set.parts.as_slice() {
        [one] => part(one),
        parts => format!("({})", parts.iter().map(part).collect::<Vec<_>>().join(", ")),
    }
}

/// Splits a file into elements with their line numbers, which start at 1.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, value::strip_comment(line).trim()));
    lines.filter(|(_, line)| !line.is_empty())
}

/// Parses an element of a set.
pub fn parse(manifest: &Manifest, set: &Set, text: &str) -> Result<Key, Failure> {
    let invalid = || Failure::usage(format!("`{}` is not a valid element of `{}`", text.escape_debug(), set.name));
    if let [Part::Str | Part::Path] = set.parts.as_slice() {
        return self::text(set, text).map_err(|help| invalid().help(help));
    }
    let Some((bytes, words, places)) = places(set) else {
        return Err(invalid().help("use a `krsi` at least as new as the `krsic` that built the policy"));
    };
    let inner = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let pieces: Vec<&str> =
        if set.parts.len() == 1 { vec![text.trim()] } else { inner.split(',').map(str::trim).collect() };
    if pieces.len() != set.parts.len() {
        let ty = type_of(manifest, set);
        return Err(invalid().help(format!("an element is a {ty}: {} values separated by `,`", set.parts.len())));
    }
    let mut values = Vec::with_capacity(pieces.len());
    let mut prefix = 128;
    for (part, piece) in set.parts.iter().zip(pieces) {
        values.push(match part {
            Part::Number(ty) => params::number(manifest, ty, piece, &format!("element of `{}`", set.name))? as u128,
            Part::Ip => {
                value::address(piece).ok_or_else(|| invalid().help("write an address: `10.0.0.1` or `2001:db8::1`"))?
            }
            _ => {
                let network = value::network(piece).map_err(|why| {
                    invalid().help(match why {
                        NoNetwork::Malformed => "write a network or an address: `10.0.0.0/8`, `2001:db8::1`".to_owned(),
                        NoNetwork::TooManyBits { most } => format!("the prefix length is 0 to {most}"),
                        NoNetwork::HostBits(right) => {
                            format!("the address has host bits set; did you mean `{right}`?")
                        }
                    })
                })?;
                prefix = network.bits;
                network.low
            }
        });
    }
    let key = set::key(&bytes, &places, words, values);
    let trie = is_trie(set);
    let data = key[..words]
        .iter()
        .enumerate()
        .flat_map(|(at, word)| if trie && at + 2 >= words { word.to_be_bytes() } else { word.to_ne_bytes() })
        .collect();
    Ok(Key { data, bits: if trie { 64 * (words as u32 - 2) + prefix } else { 0 } })
}

fn text(set: &Set, text: &str) -> Result<Key, String> {
    let bytes = text.as_bytes();
    let most = set::TEXT_BYTES_MAX as usize;
    if bytes.is_empty() {
        return Err("an element cannot be empty".into());
    }
    if bytes.contains(&0) {
        return Err("an element cannot contain NUL bytes, since a string ends at the first".into());
    }
    if bytes.len() > most {
        return Err(format!("it has {} bytes; an element of a dynamic set has at most {most}", bytes.len()));
    }
    if set.parts == [Part::Path] {
        let odd = |part: &str| matches!(part, "" | "." | "..");
        if !text.starts_with('/') || text.len() > 1 && text[1..].split('/').any(odd) {
            return Err("write an absolute path without `//`, `.`, `..` or a trailing `/`".into());
        }
    }
    let mut data = bytes.to_vec();
    data.resize(set::TEXT_KEY_BYTES as usize, 0);
    Ok(Key { data, bits: 0 })
}

/// Sort key of an element, in the natural order of numbers, addresses and strings.
pub fn sort_key(set: &Set, key: &Key) -> (Vec<u64>, u32) {
    let text = matches!(set.parts[..], [Part::Str | Part::Path]);
    let signed = matches!(set.parts[..], [Part::Number(Ty::Int { signed: true, .. })]);
    let count = key.data.len() / 8;
    let word = |(at, bytes): (usize, &[u8])| {
        let bytes = bytes.try_into().unwrap_or_default();
        let big = text || is_trie(set) && at + 2 >= count;
        let word = if big { u64::from_be_bytes(bytes) } else { u64::from_ne_bytes(bytes) };
        if signed { word ^ 1 << 63 } else { word }
    };
    (key.data.chunks_exact(8).enumerate().map(word).collect(), key.bits)
}

/// Formats an element as text.
pub fn show(manifest: &Manifest, set: &Set, key: &Key) -> String {
    let Some((_, words, places)) = places(set) else {
        let end = key.data.iter().position(|byte| *byte == 0).unwrap_or(key.data.len());
        // Only text that is unsafe to print is escaped; other text must stay parseable.
        return match std::str::from_utf8(&key.data[..end]) {
            Ok(text) if !text.chars().any(is_unsafe) => text.to_owned(),
            _ => escape_bytes(&key.data[..end]),
        };
    };
    let trie = is_trie(set);
    let word = |at: usize| {
        let bytes = key.data.get(8 * at..8 * at + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        if trie && at + 2 >= words { u64::from_be_bytes(bytes) } else { u64::from_ne_bytes(bytes) }
    };
    let part = |(part, place): (&Part, &set::Place)| match part {
        Part::Number(ty) => number(manifest, ty, word(place.word) >> place.shift),
        _ => {
            let low = u128::from(word(place.word)) << 64 | u128::from(word(place.word + 1));
            let bits = if *part == Part::Cidr { key.bits.saturating_sub(64 * (words as u32 - 2)) } else { 128 };
            value::Network { low, bits }.to_string()
        }
    };
    set.parts.iter().zip(&places).map(part).collect::<Vec<_>>().join(", ")
}

fn number(manifest: &Manifest, ty: &Ty, word: u64) -> String {
    let bits = 8 * ty.bytes();
    let signed = matches!(ty, Ty::Int { signed: true, .. } | Ty::Names { signed: true, .. });
    let up = 64 - bits;
    let value = if signed { (word << up).cast_signed() >> up } else { ((word << up) >> up).cast_signed() };
    match ty {
        manifest::Ty::Names { names, .. } => match manifest.names.get(*names as usize) {
            Some(names) => decode::name(names, value, bits, signed),
            None => value.to_string(),
        },
        _ if signed => value.to_string(),
        _ => value.cast_unsigned().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use krsi_abi::manifest::Names;

    fn manifest() -> Manifest {
        let prot = Names { name: "Prot".into(), flags: true, members: vec![("READ".into(), 1), ("EXEC".into(), 4)] };
        Manifest { names: vec![prot], ..Manifest::default() }
    }

    fn int(bytes: u32, signed: bool) -> Part {
        Part::Number(Ty::Int { bytes, signed })
    }

    fn set(parts: Vec<Part>) -> Set {
        Set { name: "s".into(), parts, max: 10 }
    }

    #[test]
    fn elements_print_as_they_read() {
        let manifest = manifest();
        let prot = Part::Number(Ty::Names { names: 0, bytes: 8, signed: false });
        for (parts, texts) in [
            (vec![int(2, false)], &["0", "443", "65535"][..]),
            (vec![int(4, true)], &["-1", "-2147483648", "7"]),
            (vec![int(8, false)], &["18446744073709551615"]),
            (vec![prot.clone()], &["READ|EXEC", "0x100"]),
            (vec![Part::Ip], &["10.0.0.1", "2001:db8::1"]),
            (vec![Part::Cidr], &["10.0.0.0/8", "2001:db8::/32", "::/0", "0.0.0.0/0", "10.1.2.3"]),
            (vec![Part::Cidr, int(2, false)], &["10.0.0.0/8, 443", "::1, 80"]),
            (vec![int(4, true), int(2, false), prot], &["-5, 17, READ"]),
            (vec![Part::Str], &["bash", "a b", "x, y"]),
            (vec![Part::Path], &["/", "/usr/bin/curl"]),
        ] {
            let set = set(parts);
            for text in texts {
                let key = parse(&manifest, &set, text).unwrap_or_else(|why| panic!("{text}: {why}"));
                assert_eq!(key.data.len(), key_bytes(&set), "{text}");
                assert_eq!(show(&manifest, &set, &key), *text);
            }
        }
    }

    #[test]
    fn invalid_elements() {
        let manifest = manifest();
        let long = format!("/{}", "x".repeat(255));
        for (parts, text, expected) in [
            (vec![int(2, false)], "65536", "the range is 0 to 65535"),
            (vec![int(2, false)], "http", "write an integer"),
            (vec![Part::Ip], "10.0.0.0/8", "write an address"),
            (vec![Part::Cidr], "10.0.0.1/8", "did you mean `10.0.0.0/8`"),
            (vec![Part::Cidr], "10.0.0.0/33", "length is 0 to 32"),
            (vec![Part::Cidr, int(2, false)], "10.0.0.0/8", "a (cidr, u16): 2 values"),
            (vec![Part::Path], "etc/passwd", "absolute path"),
            (vec![Part::Path], "/etc/", "trailing `/`"),
            (vec![Part::Path], &long, "at most 255"),
            (vec![Part::Str], "", "cannot be empty"),
        ] {
            let why = parse(&manifest, &set(parts), text).expect_err(text).to_string();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    #[test]
    fn files_have_comments() {
        let text = "# all\n10.0.0.1\n\n  ::1  # this one\nwith#hash\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), [(2, "10.0.0.1"), (4, "::1"), (5, "with#hash")]);
    }

    /// The bytes of keys, as described in `krsi_abi::set`.
    #[test]
    fn keys_as_programs_lay_them_out() {
        let manifest = manifest();
        let words = |words: &[u64]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        // The halves of an address are in network byte order, since a trie compares bytes.
        let ten = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0];
        let documentation = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (parts, text, data, bits) in [
            (vec![int(2, false)], "443", words(&[443]), 0),
            // A single number is sign-extended to its word.
            (vec![int(4, true)], "-1", words(&[u64::MAX]), 0),
            (vec![int(4, false), int(2, false)], "(1, 2)", words(&[1 | 2 << 32]), 0),
            (vec![int(4, true), int(2, false)], "-1, 2", words(&[0xffff_ffff | 2 << 32]), 0),
            (vec![int(8, false), int(1, false)], "5,6", words(&[5, 6]), 0),
            (vec![Part::Ip], "10.0.0.1", words(&[0, 0xffff_0a00_0001]), 0),
            (vec![Part::Ip, int(2, false)], "::1, 80", words(&[80, 0, 1]), 0),
            // The prefix of an IPv4 network is 96 bits longer than written.
            (vec![Part::Cidr], "10.0.0.0/8", ten.to_vec(), 104),
            (vec![Part::Cidr], "2001:db8::/32", documentation.to_vec(), 32),
            (vec![Part::Cidr], "::/0", vec![0; 16], 0),
            // The prefix covers all bits of the words before the network.
            (vec![Part::Cidr, int(2, false)], "10.0.0.0/8, 443", [words(&[443]), ten.to_vec()].concat(), 168),
            (vec![int(2, false), Part::Cidr], "443, 10.0.0.0/8", [words(&[443]), ten.to_vec()].concat(), 168),
        ] {
            let key = parse(&manifest, &set(parts), text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((key.data, key.bits), (data, bits), "{text}");
        }
        let text = parse(&manifest, &set(vec![Part::Str]), "bash").expect("it is a string");
        assert_eq!((&text.data[..4], text.data.len(), text.bits), (&b"bash"[..], 256, 0));
        assert!(text.data[4..].iter().all(|byte| *byte == 0), "it is filled up with zeros");
    }

    #[test]
    fn lengths_and_kinds_of_keys() {
        for (parts, bytes, trie) in [
            (vec![int(1, false)], 8, false),
            (vec![int(8, false), int(8, false)], 16, false),
            (vec![Part::Ip], 16, false),
            (vec![Part::Ip, int(4, false)], 24, false),
            (vec![Part::Cidr], 16, true),
            (vec![int(2, false), Part::Cidr], 24, true),
            (vec![Part::Str], 256, false),
            (vec![Part::Path], 256, false),
        ] {
            let set = set(parts);
            assert_eq!((key_bytes(&set), is_trie(&set)), (bytes, trie), "{:?}", set.parts);
        }
    }

    #[test]
    fn types_as_in_the_policy() {
        let prot = Part::Number(Ty::Names { names: 0, bytes: 8, signed: false });
        let unknown = Part::Number(Ty::Names { names: 7, bytes: 8, signed: false });
        for (parts, text) in [
            (vec![Part::Ip], "ip"),
            (vec![Part::Str], "str"),
            (vec![Part::Path], "path"),
            (vec![int(1, true)], "i8"),
            (vec![int(8, false)], "u64"),
            (vec![prot, Part::Cidr], "(Prot, cidr)"),
            (vec![unknown, Part::Number(Ty::Bool)], "(?, ?)"),
        ] {
            assert_eq!(type_of(&manifest(), &set(parts)), text);
        }
    }

    /// Elements in ascending order.
    #[test]
    fn elements_are_sorted() {
        let manifest = manifest();
        for (parts, sorted) in [
            (vec![int(2, false)], &["2", "10", "256", "65535"][..]),
            (vec![int(4, true)], &["-300", "-2", "0", "1", "256"]),
            (vec![Part::Ip], &["::1", "9.0.0.0", "10.0.0.1", "10.0.1.0", "2001:db8::1"]),
            (vec![Part::Cidr], &["::/0", "9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.1"]),
            (vec![int(2, false), Part::Cidr], &["1, 10.0.0.0/8", "2, 9.0.0.0/8", "256, ::/0"]),
            (vec![Part::Str], &["a", "a b", "aa", "b"]),
        ] {
            let set = set(parts);
            let keys: Vec<Key> = sorted.iter().map(|text| parse(&manifest, &set, text).expect(text)).collect();
            assert!(keys.is_sorted_by(|a, b| sort_key(&set, a) < sort_key(&set, b)), "{sorted:?}");
        }
    }

    #[test]
    fn elements_written_by_other_tools() {
        let manifest = manifest();
        // A string with control characters.
        let mut data = b"a\x1b[2J\"".to_vec();
        data.resize(256, 0);
        assert_eq!(show(&manifest, &set(vec![Part::Str]), &Key { data, bits: 0 }), "a\\u{1b}[2J\\\"");
        assert_eq!(show(&manifest, &set(vec![Part::Path]), &Key { data: vec![b'x'; 256], bits: 0 }), "x".repeat(256));
        let signed = Part::Number(Ty::Names { names: 7, bytes: 4, signed: true });
        let key = Key { data: (-5i64).to_ne_bytes().to_vec(), bits: 0 };
        assert_eq!(show(&manifest, &set(vec![signed]), &key), "-5");
        assert_eq!(show(&manifest, &set(vec![int(1, true)]), &key), "-5");
        assert_eq!(show(&manifest, &set(vec![int(1, false)]), &key), "251");
        // The prefix ends within the words before the address.
        let key = Key { data: vec![0; 24], bits: 8 };
        assert_eq!(show(&manifest, &set(vec![int(2, false), Part::Cidr]), &key), "0, ::/0");
    }

    #[test]
    fn more_invalid_elements() {
        let manifest = manifest();
        let pair = || vec![int(2, false), int(2, false)];
        for (parts, text, expected) in [
            (pair(), "1", "an element is a (u16, u16): 2 values"),
            (pair(), "1, 2, 3", "2 values"),
            (pair(), "(1, 2", "write an integer"),
            (vec![Part::Cidr], "10.0.0.0/x", "write a network or an address"),
            (vec![Part::Cidr], "::/129", "length is 0 to 128"),
            (vec![Part::Path], "/a/./b", "without"),
            (vec![Part::Path], "/a/../b", "without"),
            (vec![Part::Path], "/a//b", "without"),
            (vec![Part::Path], "//", "without"),
            (vec![Part::Str], "a\0b", "cannot contain NUL bytes"),
            (vec![Part::Ip, Part::Ip], "::1, ::1", "a `krsi` at least as new"),
        ] {
            let failure = parse(&manifest, &set(parts), text).expect_err(text);
            assert!(failure.help[0].contains(expected) || failure.to_string().contains(expected), "{text}: {failure}");
            assert!(failure.message.starts_with('`'), "{text}: {failure}");
        }
        assert!(parse(&manifest, &set(vec![Part::Str]), &"x".repeat(255)).is_ok());
        // A string is not checked as a path, although it may look like one.
        assert!(parse(&manifest, &set(vec![Part::Str]), "a//").is_ok());
        assert!(parse(&manifest, &set(vec![Part::Path]), "/a/.b/..c").is_ok());
    }
}
