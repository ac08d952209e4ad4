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

/// The most words of a key.
pub const WORDS_MAX: usize = 3;

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
