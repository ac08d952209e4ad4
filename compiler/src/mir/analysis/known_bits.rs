//! Known bits of a value (tristate numbers).
//!
//! ```text
//! 0000xxxx    value 0, mask 0xf     after `&= 0xf`
//! 1111xxxx    value 0xf0, mask 0xf  after `|= 0xf0`
//! ```
//!
//! The verifier has the same representation (`kernel/bpf/tnum.c`; Vishwanathan and others, *Sound, precise,
//! and fast abstract interpretation with tristate numbers*, 2022).
//!
//! Invariant: no bit is set in both words.
//!
//! Absent: bounds, and facts from branches. Every verifier derives the bits that follow from instructions
//! alone, so that the operations which are removed because of them give it no further information.

use crate::isa::{alu, jmp};

/// The known bits of a 64-bit value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// Bits that are known to be one.
    value: u64,
    /// Bits that are unknown.
    mask: u64,
}

const SIGN: u64 = 1 << 63;

impl Bits {
    /// A value of which no bit is known.
    pub const UNKNOWN: Bits = Bits { value: 0, mask: u64::MAX };

    /// A value of which all bits are known.
    pub fn constant(value: u64) -> Bits {
        Bits { value, mask: 0 }
    }

    /// A value of that many low bits, with zeros above.
    pub fn low(bits: u32) -> Bits {
        Bits { value: 0, mask: u64::MAX.checked_shr(64 - bits).unwrap_or(0) }
    }

    /// The value, if all bits are known.
    pub fn number(self) -> Option<u64> {
        (self.mask == 0).then_some(self.value)
    }

    /// Bits that can be one.
    pub fn ones(self) -> u64 {
        self.value | self.mask
    }

    /// The known bits of a value that is one of two.
    pub fn or_else(self, other: Bits) -> Bits {
        let mask = self.mask | other.mask | self.value ^ other.value;
        Bits { value: self.value & !mask, mask }
    }

    /// Returns true if the mask clears no bit that can be one.
    pub fn kept_by(self, mask: Bits) -> bool {
        self.ones() & !mask.value == 0
    }

    /// The bits that are known to be one.
    pub fn only_ones(self) -> Bits {
        Bits::constant(self.value)
    }

    /// The upper half, if it is known.
    pub fn upper(self) -> Option<u32> {
        (self.mask >> 32 == 0).then_some((self.value >> 32) as u32)
    }

    /// The low half, zero-extended.
    pub fn half(self) -> Bits {
        let half = u64::from(u32::MAX);
        Bits { value: self.value & half, mask: self.mask & half }
    }

    /// The low bits, converted from network byte order.
    pub fn swapped(self, bits: u32) -> Bits {
        let swap = |word: u64| word.swap_bytes().checked_shr(64 - bits).unwrap_or(0);
        let low = u64::MAX >> (64 - bits);
        Bits { value: swap(self.value & low), mask: swap(self.mask & low) }
    }

    /// The result of an operation of `isa::alu`, of the low halves unless it is `wide`.
    pub fn computed(op: u8, wide: bool, left: Bits, right: Bits) -> Bits {
        if wide {
            return whole(op, left, right, 64);
        }
        let left = match op {
            // The sign is that of the half.
            alu::ARSH => left.half().extended(),
            _ => left.half(),
        };
        whole(op, left, right.half(), 32).half()
    }

    /// The low half, sign-extended.
    fn extended(self) -> Bits {
        let extend = |word: u64| i64::from((word as u32).cast_signed()).cast_unsigned();
        Bits { value: extend(self.value), mask: extend(self.mask) }
    }

    /// The result of a comparison of `isa::jmp`, if it is known.
    pub fn holds(op: u8, wide: bool, left: Bits, right: Bits) -> Option<bool> {
        let signed = matches!(op, jmp::JSGT | jmp::JSGE | jmp::JSLT | jmp::JSLE);
        let seen = |bits: Bits| match (wide, signed) {
            (true, _) => bits,
            // Shifted to the upper half, 32-bit numbers keep their order, and bit 63 is their sign.
            (false, true) => bits.shifted(|word| word << 32),
            (false, false) => bits.half(),
        };
        let (left, right) = (seen(left), seen(right));
        let (less, more) = if signed { (left.signed(), right.signed()) } else { (left.ends(), right.ends()) };
        let below = |(_, most): (i128, i128), (least, _): (i128, i128)| (most < least).then_some(true);
        let up_to = |(_, most): (i128, i128), (least, _): (i128, i128)| (most <= least).then_some(true);
        let not = |other: Option<bool>| other.map(|holds| !holds);
        match op {
            jmp::JEQ | jmp::JNE => {
                let differ = (left.value ^ right.value) & !(left.mask | right.mask) != 0;
                let same = left.mask | right.mask == 0 && !differ;
                (differ || same).then_some(same == (op == jmp::JEQ))
            }
            jmp::JSET if left.value & right.value != 0 => Some(true),
            jmp::JSET => (left.ones() & right.ones() == 0).then_some(false),
            jmp::JLT | jmp::JSLT => below(less, more).or(not(up_to(more, less))),
            jmp::JLE | jmp::JSLE => up_to(less, more).or(not(below(more, less))),
            jmp::JGT | jmp::JSGT => below(more, less).or(not(up_to(less, more))),
            jmp::JGE | jmp::JSGE => up_to(more, less).or(not(below(less, more))),
            _ => None,
        }
    }

    /// The least and the greatest unsigned value.
    fn ends(self) -> (i128, i128) {
        (self.value.into(), self.ones().into())
    }

    /// The least and the greatest signed value.
    fn signed(self) -> (i128, i128) {
        let sign = self.mask & SIGN;
        ((self.value | sign).cast_signed().into(), (self.ones() ^ sign).cast_signed().into())
    }

    /// A value that has no more bits than the given maximum.
    fn up_to(most: u64) -> Bits {
        Bits::low(64 - most.leading_zeros())
    }

    fn shifted(self, by: impl Fn(u64) -> u64) -> Bits {
        Bits { value: by(self.value), mask: by(self.mask) }
    }
}

/// The result of an operation whose shift counts are taken modulo `bits`.
fn whole(op: u8, left: Bits, right: Bits, bits: u32) -> Bits {
    match op {
        alu::MOV => right,
        alu::ADD => {
            // Bits that a carry from an unknown bit can reach.
            let (least, unknown) = (left.value.wrapping_add(right.value), left.mask.wrapping_add(right.mask));
            let mask = least.wrapping_add(unknown) ^ least | left.mask | right.mask;
            Bits { value: least & !mask, mask }
        }
        alu::SUB => {
            let least = left.value.wrapping_sub(right.value);
            let mask = least.wrapping_add(left.mask) ^ least.wrapping_sub(right.mask) | left.mask | right.mask;
            Bits { value: least & !mask, mask }
        }
        alu::NEG => whole(alu::SUB, Bits::constant(0), left, bits),
        alu::AND => {
            let value = left.value & right.value;
            Bits { value, mask: left.ones() & right.ones() & !value }
        }
        alu::OR => {
            let value = left.value | right.value;
            Bits { value, mask: (left.mask | right.mask) & !value }
        }
        alu::XOR => {
            let mask = left.mask | right.mask;
            Bits { value: (left.value ^ right.value) & !mask, mask }
        }
        alu::LSH | alu::RSH | alu::ARSH => {
            let Some(by) = right.number().map(|by| by as u32 & (bits - 1)) else { return Bits::UNKNOWN };
            match op {
                alu::LSH => left.shifted(|word| word << by),
                alu::RSH => left.shifted(|word| word >> by),
                _ => left.shifted(|word| (word.cast_signed() >> by).cast_unsigned()),
            }
        }
        alu::MUL => match left.ones().checked_mul(right.ones()) {
            Some(most) => Bits::up_to(most),
            None => Bits::UNKNOWN,
        },
        alu::DIV => Bits::up_to(left.ones()),
        alu::MOD => match right.number() {
            Some(by) if by > 0 => Bits::up_to(left.ones().min(by - 1)),
            _ => Bits::up_to(left.ones()),
        },
        _ => Bits::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use crate::mir::text::COMPARISONS;
    use proptest::prelude::*;

    use super::*;
    use crate::isa::Insn;
    use crate::isa::{SRC_REG, class};
    use crate::simulate::machine::{arithmetic, taken};

    /// A number, and known bits that agree with it.
    fn number() -> impl Strategy<Value = (u64, Bits)> {
        let number = prop_oneof![any::<u64>(), 0..70u64, any::<i8>().prop_map(|near| i64::from(near) as u64)];
        let mask = prop_oneof![Just(0), Just(0xff), Just(0xffff), Just(0xffff_ffff), Just(u64::MAX), any::<u64>()];
        (number, mask).prop_map(|(number, mask)| (number, Bits { value: number & !mask, mask }))
    }

    fn can_be(bits: Bits, number: u64) -> bool {
        bits.value & bits.mask == 0 && number & !bits.mask == bits.value
    }

    proptest! {
        #[test]
        fn results_are_what_the_machine_computes((a, left) in number(), (b, right) in number(), wide in any::<bool>()) {
            for op in (0..=0xc0).step_by(0x10) {
                let insn = Insn { code: class::ALU64 | op | SRC_REG, ..Insn::default() };
                let result = arithmetic(insn, a, b, wide).expect("5.10 knows it");
                let known = Bits::computed(op, wide, left, right);
                prop_assert!(can_be(known, result), "{op:#x} {left:x?} {right:x?} {known:x?}");
            }
            for bits in [16, 32, 64] {
                let insn = Insn { code: class::ALU | alu::END | SRC_REG, imm: bits, ..Insn::default() };
                let result = arithmetic(insn, a, 0, false).expect("5.10 knows it");
                prop_assert!(can_be(left.swapped(bits.cast_unsigned()), result));
            }
            let either = left.or_else(right);
            prop_assert!(can_be(either, a) && can_be(either, b));
        }

        #[test]
        fn answers_are_those_of_the_machine((a, left) in number(), (b, right) in number(), wide in any::<bool>()) {
            for op in (0x10..=0xd0).step_by(0x10).filter(|op| ![jmp::CALL, jmp::EXIT].contains(op)) {
                if let Some(holds) = Bits::holds(op, wide, left, right) {
                    prop_assert_eq!(taken(op, wide, a, b), Some(holds), "{:#x} {:x?} {:x?}", op, left, right);
                }
                let whole = Bits::holds(op, wide, Bits::constant(a), Bits::constant(b));
                prop_assert_eq!(whole, taken(op, wide, a, b), "constants are decided");
            }
        }
    }

    #[test]
    fn what_a_load_leaves_out_is_known() {
        let byte = Bits::low(8);
        let masked = Bits::computed(alu::AND, true, byte, Bits::constant(0xff));
        assert_eq!(masked, byte);
        let shifted = Bits::computed(alu::LSH, true, byte, Bits::constant(8));
        assert_eq!(Bits::holds(jmp::JEQ, true, shifted, Bits::constant(1)), Some(false));
        let mapped = Bits::computed(alu::OR, true, Bits::low(32), Bits::constant(0xffff << 32));
        assert_eq!(Bits::holds(jmp::JEQ, true, mapped, Bits::constant(1)), Some(false));
        assert_eq!(Bits::holds(jmp::JLT, true, byte, Bits::constant(256)), Some(true));
        assert_eq!(Bits::holds(jmp::JLT, true, byte, Bits::constant(255)), None);
    }

    /// All values in which the bits at `places` are zero, one or unknown, and the others zero.
    fn all_known(places: [u32; 3]) -> Vec<Bits> {
        let digits = |number: u32| [number % 3, number / 3 % 3, number / 9];
        let known = |number| {
            digits(number).iter().zip(places).fold(Bits::constant(0), |bits, (digit, place)| Bits {
                value: bits.value | u64::from(*digit == 1) << place,
                mask: bits.mask | u64::from(*digit == 2) << place,
            })
        };
        (0..27).map(known).collect()
    }

    /// All numbers that agree with the known bits.
    fn numbers(bits: Bits) -> Vec<u64> {
        let mut all = vec![bits.value];
        for place in (0..64).filter(|place| bits.mask >> place & 1 != 0) {
            all.extend(all.clone().iter().map(|number| number | 1 << place));
        }
        all
    }

    /// Low bits, the sign bits of both widths, and bits at the boundary of the halves.
    const PLACES: [[u32; 3]; 5] = [[0, 1, 2], [0, 31, 63], [30, 31, 32], [61, 62, 63], [1, 15, 33]];

    /// The result of each operation without a separate test is exact: it has the bits that all possible
    /// results have in common.
    #[test]
    fn results_are_exact() {
        for (places, wide) in PLACES.into_iter().flat_map(|places| [(places, true), (places, false)]) {
            let all = all_known(places);
            for (left, right) in all.iter().flat_map(|left| all.iter().map(move |right| (*left, *right))) {
                for op in [alu::MOV, alu::ADD, alu::SUB, alu::NEG, alu::AND, alu::OR, alu::XOR] {
                    let insn = Insn { code: class::ALU64 | op | SRC_REG, ..Insn::default() };
                    let results =
                        numbers(left).into_iter().flat_map(|a| numbers(right).into_iter().map(move |b| (a, b)));
                    let results = results.map(|(a, b)| arithmetic(insn, a, b, wide).expect("5.10 knows it"));
                    let exact = results.map(Bits::constant).reduce(Bits::or_else).expect("there is a number");
                    assert_eq!(Bits::computed(op, wide, left, right), exact, "{op:#x} {wide} {left:x?} {right:x?}");
                }
            }
        }
    }

    #[test]
    fn shifts_by_known_amounts_are_exact() {
        for (places, wide) in PLACES.into_iter().flat_map(|places| [(places, true), (places, false)]) {
            for (left, by) in
                all_known(places).iter().flat_map(|left| [0, 1, 8, 31, 32, 33, 63, 64].map(|by| (*left, by)))
            {
                for op in [alu::LSH, alu::RSH, alu::ARSH] {
                    let insn = Insn { code: class::ALU64 | op | SRC_REG, ..Insn::default() };
                    let results =
                        numbers(left).into_iter().map(|a| arithmetic(insn, a, by, wide).expect("5.10 knows it"));
                    let exact = results.map(Bits::constant).reduce(Bits::or_else).expect("there is a number");
                    assert_eq!(
                        Bits::computed(op, wide, left, Bits::constant(by)),
                        exact,
                        "{op:#x} {wide} {left:x?} {by}"
                    );
                }
            }
        }
        // After a shift by an unknown count no bit is known, except that a 32-bit shift clears the upper
        // half.
        assert_eq!(Bits::computed(alu::LSH, true, Bits::constant(1), Bits::low(1)), Bits::UNKNOWN);
        assert_eq!(Bits::computed(alu::RSH, false, Bits::constant(1), Bits::low(1)), Bits::low(32));
    }

    #[test]
    fn swaps_are_exact() {
        for (left, bits) in
            PLACES.into_iter().flat_map(all_known).flat_map(|left| [16, 32, 64].map(|bits| (left, bits)))
        {
            let insn = Insn { code: class::ALU | alu::END | SRC_REG, imm: bits, ..Insn::default() };
            let results = numbers(left).into_iter().map(|a| arithmetic(insn, a, 0, false).expect("5.10 knows it"));
            let exact = results.map(Bits::constant).reduce(Bits::or_else).expect("there is a number");
            assert_eq!(left.swapped(bits.cast_unsigned()), exact, "{left:x?} {bits}");
        }
    }

    #[test]
    fn answers_are_exact() {
        for (places, wide) in PLACES.into_iter().flat_map(|places| [(places, true), (places, false)]) {
            let all = all_known(places);
            for (left, right) in all.iter().flat_map(|left| all.iter().map(move |right| (*left, *right))) {
                for op in COMPARISONS {
                    let answers =
                        numbers(left).into_iter().flat_map(|a| numbers(right).into_iter().map(move |b| (a, b)));
                    let mut answers = answers.map(|(a, b)| taken(op, wide, a, b));
                    let first = answers.next().expect("there is a number");
                    let exact = first.filter(|_| answers.all(|other| other == first));
                    assert_eq!(Bits::holds(op, wide, left, right), exact, "{op:#x} {wide} {left:x?} {right:x?}");
                }
            }
        }
        assert_eq!(Bits::holds(jmp::JA, true, Bits::constant(0), Bits::constant(0)), None);
    }

    /// Products, quotients and remainders are known up to the highest bit that they can have.
    #[test]
    fn products_and_quotients_are_bounded() {
        let (byte, three) = (Bits::low(8), Bits::constant(3));
        for (op, left, right, result) in [
            (alu::MUL, byte, three, Bits::low(10)),
            (alu::MUL, Bits::constant(0x80), Bits::constant(2), Bits::low(9)),
            (alu::MUL, Bits::constant(0), byte, Bits::constant(0)),
            (alu::MUL, Bits::constant(1 << 32), Bits::constant(1 << 32), Bits::UNKNOWN),
            // A division by zero yields 0, and its remainder is the dividend.
            (alu::DIV, byte, Bits::UNKNOWN, byte),
            (alu::MOD, byte, Bits::constant(0), byte),
            (alu::MOD, byte, Bits::UNKNOWN, byte),
            (alu::MOD, byte, three, Bits::low(2)),
            (alu::MOD, byte, Bits::constant(1), Bits::constant(0)),
            (alu::MOD, Bits::low(1), Bits::constant(8), Bits::low(1)),
            // A code that is not an operation.
            (0xf0, byte, byte, Bits::UNKNOWN),
        ] {
            assert_eq!(Bits::computed(op, true, left, right), result, "{op:#x} {left:x?} {right:x?}");
        }
    }

    #[test]
    fn parts_of_a_number_are_told() {
        let number = Bits { value: 0x1_0000_00f0, mask: 0xf };
        assert_eq!((number.ones(), number.number()), (0x1_0000_00ff, None));
        assert_eq!(number.half(), Bits { value: 0xf0, mask: 0xf });
        assert_eq!(number.only_ones(), Bits::constant(0x1_0000_00f0));
        assert_eq!(number.upper(), Some(1));
        assert_eq!(Bits::low(33).upper(), None);
        assert_eq!(Bits::low(32).upper(), Some(0));
        assert_eq!(Bits::constant(7).number(), Some(7));
        assert_eq!((Bits::low(64), Bits::low(0)), (Bits::UNKNOWN, Bits::constant(0)));
        // A mask keeps the bits that are known to be one in it.
        assert!(number.kept_by(Bits::constant(0x1_0000_00ff)));
        assert!(!number.kept_by(Bits::constant(0x1_0000_00fe)));
        assert!(!number.kept_by(Bits::constant(0xff)));
        assert!(!number.kept_by(Bits::UNKNOWN));
    }
}
