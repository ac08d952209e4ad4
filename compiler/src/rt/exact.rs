//! Perfect hash tables: hash, displace and compare (CHD; Belazzougui, Botelho and Dietzfelbinger, 2009).
//!
//! ```text
//! hash     64 bits, of all words of the key
//! bucket   from the lower half of the hash; has a displacement
//! slot     from the hash mixed with the displacement; has the only candidate row, which is compared whole
//! ```
//!
//! The displacements are chosen so that no two keys share a slot. An unused slot holds the key of another
//! slot, which is never looked up there. A lookup needs neither a loop nor a probe sequence, so the verifier
//! follows a single path through it.
//!
//! [`Exact::slot`] and the code that `mir::lower::exact` generates must compute the same slot.
//!
//! Absent: ranges, which `find` has.

use crate::limits::{EXACT_KEY_WORDS_MAX, EXACT_KEYS_MAX};

/// The words of a key; unused ones are 0.
pub type Words = [u64; EXACT_KEY_WORDS_MAX];

/// The multiplier of displacements: odd, and positive as an immediate.
pub const SPREAD: u32 = 0x5bd1_e995;

/// A perfect hash table: the parameters of its hash function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact {
    /// The number of words of a key.
    pub words: usize,
    /// The multiplier of the hash, odd.
    pub multiplier: u64,
    /// The displacement of each bucket.
    pub displacements: Vec<u16>,
    /// The number of slots.
    pub slots: u32,
}

impl Exact {
    /// Builds a table of distinct keys.
    ///
    /// # Panics
    /// If no multiplier separates the keys, which does not happen for distinct keys.
    #[must_use]
    pub fn build(keys: &[Words], words: usize) -> Exact {
        debug_assert!(!keys.is_empty() && keys.len() <= EXACT_KEYS_MAX, "tables are bounded");
        // Odd numbers without a pattern: odd multiples of the fractional part of the golden ratio.
        let multipliers = (0u64..).map(|attempt| 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(2 * attempt + 1) | 1).take(64);
        for multiplier in multipliers {
            if let Some(displacements) = displace(keys, words, multiplier) {
                return Exact { words, multiplier, displacements, slots: slots(keys.len()) };
            }
        }
        unreachable!("one of 64 multipliers separates {} distinct keys", keys.len())
    }

    /// Returns the only slot that can hold a key.
    #[must_use]
    pub fn slot(&self, key: &Words) -> u32 {
        let hash = hash(key, self.words, self.multiplier);
        let bucket = reduce(hash as u32, self.displacements.len() as u32);
        slot(hash, self.displacements[bucket as usize], self.multiplier, self.slots)
    }
}

/// Returns the number of slots for a number of keys: one sixteenth more.
fn slots(keys: usize) -> u32 {
    (keys + keys / 16 + 1) as u32
}

/// Maps 32 bits to a number below `of` by a multiplication (Lemire's reduction).
fn reduce(bits: u32, of: u32) -> u32 {
    ((u64::from(bits) * u64::from(of)) >> 32) as u32
}

fn hash(key: &Words, words: usize, multiplier: u64) -> u64 {
    let mut hash = 0u64;
    for word in &key[..words] {
        hash = (hash ^ word).wrapping_mul(multiplier);
        hash ^= hash >> 32;
    }
    hash
}

fn slot(hash: u64, displacement: u16, multiplier: u64, slots: u32) -> u32 {
    let moved = hash ^ u64::from(displacement).wrapping_mul(u64::from(SPREAD));
    reduce((moved.wrapping_mul(multiplier) >> 32) as u32, slots)
}

/// Returns the displacements for a multiplier, if it separates the keys.
fn displace(keys: &[Words], words: usize, multiplier: u64) -> Option<Vec<u16>> {
    let slots = slots(keys.len());
    let buckets = keys.len().div_ceil(3) as u32;
    let hashes: Vec<u64> = keys.iter().map(|key| hash(key, words, multiplier)).collect();
    let mut starts = vec![0u32; buckets as usize + 1];
    hashes.iter().for_each(|hash| starts[reduce(*hash as u32, buckets) as usize + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let (mut members, mut next) = (vec![0u64; keys.len()], starts.clone());
    for hash in &hashes {
        let next = &mut next[reduce(*hash as u32, buckets) as usize];
        members[*next as usize] = *hash;
        *next += 1;
    }
    let bucket = |at: u32| &members[starts[at as usize] as usize..starts[at as usize + 1] as usize];
    // The fullest buckets come first, while most slots are free.
    let mut order: Vec<u32> = (0..buckets).filter(|at| !bucket(*at).is_empty()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(bucket(*at).len()));
    let mut taken = vec![false; slots as usize];
    let mut displacements = vec![0u16; buckets as usize];
    let mut places = Vec::new();
    'bucket: for at in order {
        for displacement in 0..=u16::MAX {
            places.clear();
            let fits = bucket(at).iter().all(|hash| {
                let slot = slot(*hash, displacement, multiplier, slots);
                let free = !taken[slot as usize] && !places.contains(&slot);
                places.push(slot);
                free
            });
            if fits {
                places.iter().for_each(|slot| taken[*slot as usize] = true);
                displacements[at as usize] = displacement;
                continue 'bucket;
            }
        }
        return None;
    }
    Some(displacements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_share_a_slot() {
        for (count, words) in [(1, 1), (2, 1), (33, 2), (1000, 1), (20_000, 4)] {
            let keys: Vec<Words> = (0..count).map(|at| [at * 7 + 3, at % 97, at << 32, u64::MAX - at]).collect();
            let table = Exact::build(&keys, words);
            let mut slots: Vec<u32> = keys.iter().map(|key| table.slot(key)).collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), count as usize);
            assert!(slots.last().is_some_and(|last| *last < table.slots));
            assert!(table.slots as usize <= keys.len() + keys.len() / 16 + 1);
        }
    }

    #[test]
    fn random_and_regular_keys_fit() {
        let mut state = 1u64;
        let random = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            [state, 0, 0, 0]
        });
        let table = Exact::build(&random.take(5000).collect::<Vec<_>>(), 1);
        assert_eq!(table.displacements.len(), 5000usize.div_ceil(3));
        let high: Vec<Words> = (0..5000).map(|at| [at << 48, 0, 0, 0]).collect();
        assert_eq!(Exact::build(&high, 1).slots, 5313);
    }
}
