//! How an element of a set becomes a key: words of 64 bits, which compare from the first to the last.
//!
//! ```text
//! u16                 1 word
//! (u32, u16)          1 word: the second part above the first
//! cidr                2 words: the halves of an address, the upper one first
//! (cidr, u16)         3 words: the port, then the address
//! (u64, u64, u64)     3 words
//! ```
//!
//! An address has the last two words to itself; other parts share words, none across two.
//!
//! A set that changes while its policy is loaded is a map, whose keys are these words:
//!
//! ```text
//! u16                 hash   1 word, the number extended to it, with its sign
//! ip, (u32, u16)      hash   words in the machine's byte order
//! cidr, (cidr, u16)   trie   u32 bits that count, then the words; those of the address in the network's byte order
//! str, path           hash   256 bytes: the text, filled up with zeros
//! ```

/// The most words of a key.
pub const WORDS_MAX: usize = 3;

/// The most elements that a set which changes can be given room for. The kernel makes a table of buckets for so many.
pub const ELEMENTS_MAX: u32 = 1_000_000;

/// Bytes of a key that is a text.
pub const TEXT_KEY_BYTES: u32 = 256;

/// The longest text that can be an element of a set which changes: a key ends in a zero.
pub const TEXT_BYTES_MAX: u32 = TEXT_KEY_BYTES - 1;

/// The map of a set which changes, by the set's name.
#[must_use]
pub fn map_name(set: &str) -> String {
    format!("krs_set_{set}")
}

/// Bytes of each part of an element of a set which changes, as [`places`] takes them: a number alone has the whole word.
#[must_use]
pub fn dynamic_bytes(parts: &[u32]) -> Vec<u32> {
    match parts {
        [bytes] if *bytes < 16 => vec![8],
        _ => parts.to_vec(),
    }
}

/// Where a part of an element goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The word; of an address, the word of its upper half.
    pub word: usize,
    /// By how many bits it is shifted there.
    pub shift: u32,
}

/// Words of a key and the place of each part, given the bytes of each: 1, 2, 4, 8, or 16 for an address, of which there
/// can be one. `None` where there is not so much room.
#[must_use]
pub fn places(bytes: &[u32]) -> Option<(usize, Vec<Place>)> {
    let mut places = vec![Place { word: 0, shift: 0 }; bytes.len()];
    let addresses = bytes.iter().filter(|bytes| **bytes == 16).count();
    let (mut words, mut used) = (0, 64);
    for (place, bytes) in places.iter_mut().zip(bytes) {
        if *bytes < 16 {
            if used + 8 * bytes > 64 {
                (words, used) = (words + 1, 0);
            }
            *place = Place { word: words - 1, shift: used };
            used += 8 * bytes;
        }
    }
    for (place, _) in places.iter_mut().zip(bytes).filter(|(_, bytes)| **bytes == 16) {
        *place = Place { word: words, shift: 0 };
    }
    let all = words + 2 * addresses;
    (addresses <= 1 && all > 0 && all <= WORDS_MAX).then_some((all, places))
}

/// The key of an element; each part as a number, of which as many bytes count as it has.
#[must_use]
pub fn key(bytes: &[u32], places: &[Place], words: usize, parts: impl IntoIterator<Item = u128>) -> [u64; WORDS_MAX] {
    let mut key = [0; WORDS_MAX];
    debug_assert!(words <= WORDS_MAX, "a key has room for its words");
    for ((bytes, place), part) in bytes.iter().zip(places).zip(parts) {
        if *bytes == 16 {
            key[place.word] = (part >> 64) as u64;
            key[place.word + 1] = part as u64;
        } else {
            key[place.word] |= ((part as u64) & (u64::MAX >> (64 - 8 * bytes))) << place.shift;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_room() {
        let words = |bytes: &[u32]| places(bytes).map(|(words, _)| words);
        assert_eq!(words(&[2]), Some(1));
        assert_eq!(words(&[4, 2]), Some(1));
        assert_eq!(words(&[4, 8]), Some(2));
        assert_eq!(words(&[16]), Some(2));
        assert_eq!(words(&[16, 2]), Some(3));
        assert_eq!((words(&[16, 16]), words(&[16, 8, 1]), words(&[8, 8, 8, 1])), (None, None, None));
        let (words, places) = places(&[16, 2]).expect("it fits");
        assert_eq!(key(&[16, 2], &places, words, [1u128 << 64 | 5, 443]), [443, 1, 5]);
    }
}
