//! The encoding of set elements as keys: 64-bit words, compared from the first to the last.
//!
//! ```text
//! u16                 1 word
//! (u32, u16)          1 word: the second column in the upper half
//! cidr                2 words: the halves of an address, the upper one first
//! (cidr, u16)         3 words: the port, then the address
//! (u64, u64, u64)     3 words
//! ```
//!
//! An address occupies the last two words alone; other columns share words, and none spans two words.
//!
//! A dynamic set is a map whose keys consist of these words:
//!
//! ```text
//! u16                 hash   1 word: the number, sign-extended
//! ip, (u32, u16)      hash   words in native byte order
//! cidr, (cidr, u16)   trie   u32 prefix length in bits, then the words; an address in network byte order
//! str, path           hash   256 bytes: the text, zero-padded
//! ```

/// Maximum number of words in a key.
pub const WORDS_MAX: usize = 3;

/// Maximum capacity of a dynamic set. The kernel allocates a table with that many buckets.
pub const ELEMENTS_MAX: u32 = 1_000_000;

/// Size in bytes of a key that is a text.
pub const TEXT_KEY_BYTES: u32 = 256;

/// Length of the longest text in a dynamic set: the key ends with a NUL.
pub const TEXT_BYTES_MAX: u32 = TEXT_KEY_BYTES - 1;

/// The name of the map of a dynamic set.
#[must_use]
pub fn map_name(set: &str) -> String {
    format!("krs_set_{set}")
}

/// Sizes in bytes of the columns of a dynamic set, as [`places`] expects them: a single number takes a whole
/// word.
#[must_use]
pub fn dynamic_bytes(columns: &[u32]) -> Vec<u32> {
    match columns {
        [bytes] if *bytes < 16 => vec![8],
        _ => columns.to_vec(),
    }
}

/// The place of a column within a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the word; for an address, of its upper half.
    pub word: usize,
    /// Number of bits that the column is shifted left by.
    pub shift: u32,
}

/// The number of words in a key, and the place of each column. `bytes` has the size of each column: 1, 2, 4, 8,
/// or 16 for an address, of which there can be one. Returns `None` if the key would be too long.
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

/// Encodes an element as a key. Each column is given as a number, of which the low bytes count.
#[must_use]
pub fn key(bytes: &[u32], places: &[Place], words: usize, columns: impl IntoIterator<Item = u128>) -> [u64; WORDS_MAX] {
    let mut key = [0; WORDS_MAX];
    debug_assert!(words <= WORDS_MAX, "a key has room for its words");
    for ((bytes, place), column) in bytes.iter().zip(places).zip(columns) {
        if *bytes == 16 {
            key[place.word] = (column >> 64) as u64;
            key[place.word + 1] = column as u64;
        } else {
            key[place.word] |= ((column as u64) & (u64::MAX >> (64 - 8 * bytes))) << place.shift;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_into_keys() {
        let words = |bytes: &[u32]| places(bytes).map(|(words, _)| words);
        assert_eq!(words(&[2]), Some(1));
        assert_eq!(words(&[4, 2]), Some(1));
        assert_eq!(words(&[4, 8]), Some(2));
        assert_eq!(words(&[16]), Some(2));
        assert_eq!(words(&[16, 2]), Some(3));
        assert_eq!((words(&[16, 16]), words(&[16, 8, 1]), words(&[8, 8, 8, 1])), (None, None, None));
        let (words, places) = places(&[16, 2]).expect("the columns fit");
        assert_eq!(key(&[16, 2], &places, words, [1u128 << 64 | 5, 443]), [443, 1, 5]);
    }
}
