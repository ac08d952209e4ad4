//! Liveness: for each value the ranges of positions between its definitions and its uses.
//!
//! ```text
//! position   2i: instruction i reads     2i + 1: it writes
//! v12  |------|        |-----|           a hole: the value is dead
//! v13                   |-----|
//! ```
//!
//! Edges only lead forward, so one backward pass is exact. Two values whose ranges meet at `2i | 2i+1` can
//! share a register.
//!
//! Absent: machine registers; register allocation computes where they are reserved.

use std::collections::BTreeMap;

use crate::mir::{Body, Inst, Terminator};

/// A range of positions, both ends included.
pub type Range = (u32, u32);

/// A kind of numbered value: registers or spill slots.
pub trait Values {
    /// Calls `each` with the values that an instruction reads.
    fn uses(&self, inst: &Inst, each: &mut dyn FnMut(u32));
    /// The value that an instruction defines.
    fn def(&self, inst: &Inst) -> Option<u32>;
    /// Calls `each` with the values that a terminator reads.
    fn end_uses(&self, end: &Terminator, each: &mut dyn FnMut(u32));
}

/// The result of the analysis.
#[derive(Default)]
pub struct Liveness {
    /// For each value, its live ranges, ascending and disjoint.
    pub ranges: BTreeMap<u32, Vec<Range>>,
    /// For each block, the values that are live at its entry, ascending.
    pub live_in: Vec<Vec<u32>>,
}

/// Computes the live ranges of all values.
pub fn liveness(code: &Body, values: &impl Values) -> Liveness {
    let mut found = Liveness { ranges: BTreeMap::new(), live_in: vec![Vec::new(); code.blocks.len()] };
    // For each value that is live in the current block, the end of its range.
    let mut needed: BTreeMap<u32, u32> = BTreeMap::new();
    let mut at: u32 = code.blocks.iter().map(|block| block.insts.len() as u32 + 1).sum();
    for (index, block) in code.blocks.iter().enumerate().rev() {
        needed.clear();
        for to in block.terminator.targets() {
            for value in &found.live_in[to.0 as usize] {
                needed.insert(*value, 2 * at + 1);
            }
        }
        values.end_uses(&block.terminator, &mut |value| {
            needed.entry(value).or_insert(2 * at);
        });
        for (inst, _) in block.insts.iter().rev() {
            at -= 1;
            if let Some(value) = values.def(inst) {
                let write = 2 * at + 1;
                let end = needed.remove(&value).unwrap_or(write);
                add(&mut found.ranges, value, (write, end));
            }
            values.uses(inst, &mut |value| {
                needed.entry(value).or_insert(2 * at);
            });
        }
        at -= 1;
        // `at` is now the terminator of the block before; this block begins at the next position.
        let begin = 2 * at + 2;
        for (value, end) in &needed {
            add(&mut found.ranges, *value, (begin, *end));
        }
        found.live_in[index] = needed.keys().copied().collect();
    }
    found.ranges.values_mut().for_each(|ranges| ranges.reverse());
    found
}

/// Adds a range that begins before all others.
fn add(ranges: &mut BTreeMap<u32, Vec<Range>>, value: u32, range: Range) {
    let known = ranges.entry(value).or_default();
    match known.last_mut() {
        Some(last) if last.0 <= range.1 + 1 => {
            last.0 = range.0;
            last.1 = last.1.max(range.1);
        }
        _ => known.push(range),
    }
}

/// A register or slot that holds different values at different positions.
#[derive(Clone, Default)]
pub struct Place {
    /// Ends of the occupied ranges, by their beginnings.
    taken: BTreeMap<u32, u32>,
}

impl Place {
    /// Returns true if it is unoccupied during all of the ranges.
    pub fn is_free(&self, ranges: &[Range]) -> bool {
        ranges
            .iter()
            .all(|(start, end)| self.taken.range(..=*end).next_back().is_none_or(|(_, taken_end)| taken_end < start))
    }

    /// Occupies it during the ranges, in which it must be free.
    pub fn take(&mut self, ranges: &[Range]) {
        self.taken.extend(ranges.iter().copied());
    }
}

/// The virtual registers, by number.
pub struct VirtualRegisters;

impl Values for VirtualRegisters {
    fn uses(&self, inst: &Inst, each: &mut dyn FnMut(u32)) {
        inst.uses(|reg| {
            if !reg.is_machine() {
                each(reg.0);
            }
        });
    }

    fn def(&self, inst: &Inst) -> Option<u32> {
        inst.def().filter(|reg| !reg.is_machine()).map(|reg| reg.0)
    }

    fn end_uses(&self, end: &Terminator, each: &mut dyn FnMut(u32)) {
        end.uses(|reg| {
            if !reg.is_machine() {
                each(reg.0);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mir::text::parse;

    #[test]
    fn a_place_is_free_between_ranges() {
        let mut place = Place::default();
        place.take(&[(3, 5), (11, 14)]);
        assert!(place.is_free(&[(0, 2), (6, 10), (15, 20)]));
        assert!(!place.is_free(&[(0, 2), (5, 6)]));
        assert!(!place.is_free(&[(0, 20)]));
        assert!(!place.is_free(&[(12, 12)]));
    }

    /// Positions: block 0 begins at 0; its instructions are 1, 2 and 3, its end is 4; block 1 has 5 and the
    /// end 6, block 2 the end 7.
    #[test]
    fn ranges_end_at_reads_and_have_holes() {
        let code = parse(
            "b0: v11 = r1
                 v12 = load 8 [v11]
                 v13 = v12
                 if v13 == 0 then b1 else b2
             b1: v12 = load 8 [v11 + 8]
                 if v12 == 0 then b2 else b2
             b2: exit",
        );
        let found = liveness(&code, &VirtualRegisters);
        let wanted = [(11, vec![(3, 10)]), (12, vec![(5, 6), (11, 12)]), (13, vec![(7, 8)])];
        assert_eq!(found.ranges, BTreeMap::from(wanted));
        assert_eq!(found.live_in, [vec![], vec![11], vec![]]);
    }

    #[test]
    fn a_value_that_nothing_reads_has_its_write() {
        let code = parse("b0: v11 = r1\nexit");
        assert_eq!(liveness(&code, &VirtualRegisters).ranges, BTreeMap::from([(11, vec![(3, 3)])]));
    }

    /// A value is live through a block that does not name it, and up to the latest of its reads.
    #[test]
    fn a_value_lives_through_blocks() {
        let code = parse(
            "b0: v11 = r1
                 if v11 == 0 then b1 else b2
             b1: r2 = 1
                 goto b3
             b2: r2 = 2
                 goto b3
             b3: r0 = v11
                 exit",
        );
        let found = liveness(&code, &VirtualRegisters);
        // The write is instruction 1, the last read instruction 7.
        assert_eq!(found.ranges, BTreeMap::from([(11, vec![(3, 14)])]));
        assert_eq!(found.live_in, [vec![], vec![11], vec![11], vec![11]]);
    }
}
