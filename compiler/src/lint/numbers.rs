//! What an integer can be: a union of intervals, and bits that are known.
//!
//! `0..=3 or 7`, with bit 1 one, leaves 2, 3 and 7.
//!
//! Invariant: [`Numbers::possible`] is false only if no integer is left.

/// A set of integers as sorted intervals that do not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(i128, i128)>);

const LOWEST: i128 = i128::MIN / 4;
const HIGHEST: i128 = i128::MAX / 4;

impl Ranges {
    /// These numbers.
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

    /// Numbers that are less than (bit 1), equal to (2) or greater than (4) the limit.
    pub(super) fn ordered(orders: u8, limit: i128) -> Ranges {
        let low = if orders & 1 != 0 { LOWEST } else { limit + i128::from(orders & 2 == 0) };
        let high = if orders & 4 != 0 { HIGHEST } else { limit - i128::from(orders & 2 == 0) };
        match orders {
            5 => Ranges(vec![(LOWEST, limit - 1), (limit + 1, HIGHEST)]),
            0 => Ranges(Vec::new()),
            _ => Ranges::between(low, high),
        }
    }

    /// All other numbers.
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

    /// The numbers, where they are at most `max`.
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

/// So few numbers are tried one by one.
const TRIED_MAX: usize = 256;

/// What an integer can be.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    set: Ranges,
    unsigned: bool,
    ones: u64,
    zeros: u64,
    /// `x & mask` is one of these.
    masks: Vec<(u64, Ranges)>,
    /// At least one of these bits is zero.
    some_zero: Vec<u64>,
}

impl Numbers {
    /// Between two, of a type with or without sign.
    pub(super) fn new(low: i128, high: i128, unsigned: bool) -> Numbers {
        let set = Ranges::between(low, high);
        Numbers { set, unsigned, ones: 0, zeros: 0, masks: Vec::new(), some_zero: Vec::new() }
    }

    /// It is one of these.
    pub(super) fn within(&mut self, set: &Ranges) -> bool {
        self.set = self.set.intersect(set);
        self.possible()
    }

    /// All these bits are ones.
    pub(super) fn all_ones(&mut self, mask: u64) {
        self.ones |= mask;
    }

    /// All these bits are zeros.
    pub(super) fn all_zeros(&mut self, mask: u64) {
        self.zeros |= mask;
    }

    /// Not all these bits are ones.
    pub(super) fn some_zero(&mut self, mask: u64) {
        self.some_zero.push(mask);
    }

    /// What is left under the mask is one of these.
    pub(super) fn masked(&mut self, mask: u64, set: &Ranges) {
        let set = set.intersect(&Ranges::between(0, i128::from(mask)));
        if let [(one, other)] = set.0[..]
            && one == other
        {
            self.ones |= one as u64 & mask;
            self.zeros |= mask & !(one as u64);
        }
        // `x & 4 != 0` leaves nothing but 4.
        if mask.is_power_of_two() && !set.contains(0) {
            self.ones |= mask;
        }
        if mask.is_power_of_two() && !set.contains(i128::from(mask)) {
            self.zeros |= mask;
        }
        self.masks.push((mask, set));
    }

    /// Whether any number is left.
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
        // Two's complement, whatever the width: masks have no bits beyond it.
        let bits = number as u64;
        self.ones & !bits == 0
            && self.zeros & bits == 0
            && self.masks.iter().all(|(mask, set)| set.contains(i128::from(bits & mask)))
            && self.some_zero.iter().all(|mask| mask & !bits != 0)
    }
}
