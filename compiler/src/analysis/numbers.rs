//! Abstract domain of integers: a union of intervals, and known bits.
//!
//! `0..=3 or 7` with bit 1 set contains 2, 3 and 7.
//!
//! Invariant: [`Numbers::possible`] is false only if no integer satisfies all constraints.

/// A set of integers: sorted intervals that are not adjacent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(i128, i128)>);

const LOWEST: i128 = i128::MIN / 4;
const HIGHEST: i128 = i128::MAX / 4;

impl Ranges {
    /// Returns the set of the given numbers.
    pub(super) fn of(mut numbers: Vec<i128>) -> Ranges {
        numbers.sort_unstable();
        let mut ranges: Vec<(i128, i128)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, end)) if number <= *end + 1 => *end = number,
                _ => ranges.push((number, number)),
            }
        }
        Ranges(ranges)
    }

    fn between(low: i128, high: i128) -> Ranges {
        Ranges(if low <= high { vec![(low, high)] } else { Vec::new() })
    }

    /// Returns the numbers that are less than (1), equal to (2) or greater than (4) the limit; `orders` is a
    /// bit mask.
    pub(super) fn ordered(orders: u8, limit: i128) -> Ranges {
        let low = if orders & 1 != 0 { LOWEST } else { limit + i128::from(orders & 2 == 0) };
        let high = if orders & 4 != 0 { HIGHEST } else { limit - i128::from(orders & 2 == 0) };
        match orders {
            5 => Ranges(vec![(LOWEST, limit - 1), (limit + 1, HIGHEST)]),
            0 => Ranges(Vec::new()),
            _ => Ranges::between(low, high),
        }
    }

    /// Returns the complement of the set.
    pub(super) fn complement(&self) -> Ranges {
        let mut ranges = Vec::with_capacity(self.0.len() + 1);
        let mut next = LOWEST;
        for &(low, high) in &self.0 {
            if next < low {
                ranges.push((next, low - 1));
            }
            next = high + 1;
        }
        if next <= HIGHEST {
            ranges.push((next, HIGHEST));
        }
        Ranges(ranges)
    }

    fn intersect(&self, other: &Ranges) -> Ranges {
        let mut ranges = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(&&(a, b)), Some(&&(c, d))) = (left.peek(), right.peek()) {
            let (low, high) = (a.max(c), b.min(d));
            if low <= high {
                ranges.push((low, high));
            }
            if b < d {
                left.next()
            } else {
                right.next()
            };
        }
        Ranges(ranges)
    }

    fn contains(&self, number: i128) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&number))
    }

    /// Lists the numbers, if there are at most `max`.
    fn list(&self, max: usize) -> Option<Vec<i128>> {
        let mut numbers = Vec::new();
        for &(low, high) in &self.0 {
            if high - low >= (max - numbers.len()) as i128 {
                return None;
            }
            numbers.extend(low..=high);
        }
        Some(numbers)
    }
}

/// Maximum number of integers that are tested one by one.
const TRIED_MAX: usize = 256;

/// Constraints on an integer.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    set: Ranges,
    unsigned: bool,
    ones: u64,
    zeros: u64,
    /// Constraints `x & mask in set`.
    masks: Vec<(u64, Ranges)>,
    /// Masks with at least one zero bit in `x`.
    some_zero: Vec<u64>,
}

impl Numbers {
    /// Returns the integers between two bounds, of a signed or unsigned type.
    pub(super) fn new(low: i128, high: i128, unsigned: bool) -> Numbers {
        let set = Ranges::between(low, high);
        Numbers { set, unsigned, ones: 0, zeros: 0, masks: Vec::new(), some_zero: Vec::new() }
    }

    /// Adds that the integer is in a set. Returns whether that is possible.
    pub(super) fn within(&mut self, set: &Ranges) -> bool {
        self.set = self.set.intersect(set);
        self.possible()
    }

    /// Adds that all bits of a mask are set.
    pub(super) fn all_ones(&mut self, mask: u64) {
        self.ones |= mask;
    }

    /// Adds that all bits of a mask are clear.
    pub(super) fn all_zeros(&mut self, mask: u64) {
        self.zeros |= mask;
    }

    /// Adds that some bit of a mask is clear.
    pub(super) fn some_zero(&mut self, mask: u64) {
        self.some_zero.push(mask);
    }

    /// Adds that the bits under a mask are in a set.
    pub(super) fn masked(&mut self, mask: u64, set: &Ranges) {
        let set = set.intersect(&Ranges::between(0, i128::from(mask)));
        if let [(one, other)] = set.0[..]
            && one == other
        {
            self.ones |= one as u64 & mask;
            self.zeros |= mask & !(one as u64);
        }
        // `x & 4 != 0` implies `x & 4 == 4`.
        if mask.is_power_of_two() && !set.contains(0) {
            self.ones |= mask;
        }
        if mask.is_power_of_two() && !set.contains(i128::from(mask)) {
            self.zeros |= mask;
        }
        self.masks.push((mask, set));
    }

    /// Returns whether some integer may satisfy all constraints.
    pub(super) fn possible(&self) -> bool {
        if self.set.0.is_empty() || self.ones & self.zeros != 0 {
            return false;
        }
        if self.some_zero.iter().any(|mask| mask & !self.ones == 0) {
            return false;
        }
        if let Some(numbers) = self.set.list(TRIED_MAX) {
            return numbers.into_iter().any(|number| self.fits(number));
        }
        if self.unsigned
            && let (Some((least, _)), Some((_, most))) = (self.set.0.first(), self.set.0.last())
            && (*most < i128::from(self.ones) || *least > i128::from(!self.zeros))
        {
            return false;
        }
        self.masks.iter().all(|(mask, set)| match set.list(TRIED_MAX) {
            Some(numbers) => numbers.into_iter().any(|number| {
                let bits = number as u64;
                bits & !mask == 0 && self.ones & mask & !bits == 0 && self.zeros & bits == 0
            }),
            None => mask & !self.zeros != 0 || set.contains(0),
        })
    }

    fn fits(&self, number: i128) -> bool {
        // Two's complement of any width: masks have no bits beyond it.
        let bits = number as u64;
        self.ones & !bits == 0
            && self.zeros & bits == 0
            && self.masks.iter().all(|(mask, set)| set.contains(i128::from(bits & mask)))
            && self.some_zero.iter().all(|mask| mask & !bits != 0)
    }
}
