//! Whole texts, eight bytes at a time: hashes and comparisons.
//!
//! ```text
//! krs_hash(slot, region, length, seed)       the 64-bit hash of the text in a region
//! krs_same(slot, region, length, constant)   1 if the text equals the one at this offset of the constant texts
//! krs_equal(slot, region, length, other)     1 if it equals the text of the same length in another region
//! ```
//!
//! The hash only selects a candidate. It is not cryptographic, and callers choose paths, so the candidate is
//! always compared byte by byte. [`hash`] computes the hash in the compiler and must agree with the function.
//!
//! Absent: patterns, which `automaton` has.

use super::{Asm, Function, R, Target, alu, jmp, size};
use crate::data::Data;
use crate::limits::TEXT_READ_BYTES;
use crate::relocation::{RelocationKind, Section};

/// Computes the hash of a text.
pub const HASH: &str = "krs_hash";
/// Compares a text with a constant.
pub const SAME: &str = "krs_same";
/// Compares the texts of two regions.
pub const EQUAL: &str = "krs_equal";

/// The multiplier of the hash: odd, without a pattern.
const MULTIPLIER: u64 = 0xd6e8_feb8_6659_fd93;

/// The maximum length of a text.
const LENGTH_MAX: i32 = 4095;

/// Returns the hash of a text.
#[must_use]
pub fn hash(text: &[u8], seed: u32) -> u64 {
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(MULTIPLIER);
        hash ^ hash >> 32
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut hash = words.iter().fold(u64::from(seed), |hash, word| mix(hash, u64::from_le_bytes(*word)));
    if !rest.is_empty() {
        // The last bytes are at the top of their word.
        let mut word = [0u8; 8];
        word[8 - rest.len()..].copy_from_slice(rest);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    mix(hash, text.len() as u64)
}

const TEXT: R = R(6);
const LENGTH: R = R(7);
const OTHER: R = R(8);
const AT: R = R(9);

/// Emits the checks of the first three arguments: `TEXT` points to the text, `OTHER` holds the fourth
/// argument.
fn begin(asm: &mut Asm, last: i16, failed: Target) {
    asm.note("the text");
    asm.jump(jmp::JGT, R(2), i32::from(last), failed);
    asm.jump(jmp::JGT, R(3), LENGTH_MAX, failed);
    asm.mov(TEXT, R(2));
    asm.mov(LENGTH, R(3));
    asm.mov(OTHER, R(4));
    asm.slot(-4, failed);
    asm.alu(alu::ADD, TEXT, R(0));
    asm.mov(AT, 0);
}

/// Emits `dst =` the word at offset `AT` of `base`.
fn word(asm: &mut Asm, dst: R, base: R) {
    asm.mov(R(1), base);
    asm.alu(alu::ADD, R(1), AT);
    asm.load(size::DW, dst, R(1), 0);
}

/// Emits a loop that runs `each` for every whole word, and `rest` for a partial one, with the number of its
/// unused bits in `r3`. Both may leave the loop; otherwise control continues after it.
fn for_each_word(asm: &mut Asm, each: impl Fn(&mut Asm), rest: impl Fn(&mut Asm)) {
    let (again, tail, done) = (asm.target(), asm.target(), asm.target());
    asm.bind(again);
    asm.sum(R(2), AT, 8);
    asm.jump(jmp::JGT, R(2), LENGTH, tail);
    each(asm);
    asm.alu(alu::ADD, AT, 8);
    asm.jump(jmp::JLT, AT, LENGTH_MAX + 1, again);
    asm.bind(tail);
    asm.note("the last, partial word");
    asm.jump(jmp::JGE, AT, LENGTH, done);
    asm.mov(R(3), AT);
    asm.alu(alu::ADD, R(3), 8);
    asm.alu(alu::SUB, R(3), LENGTH);
    asm.alu(alu::LSH, R(3), 3);
    rest(asm);
    asm.bind(done);
}

/// Generates the function `krs_hash(slot, region, length, seed)`.
pub(super) fn hash_function(last: i16) -> Function {
    const BY: R = R(5);
    let mut asm = Asm::default();
    let failed = asm.target();
    let mix = |asm: &mut Asm, word: R| {
        asm.alu(alu::XOR, OTHER, word);
        asm.alu(alu::MUL, OTHER, BY);
        asm.mov(R(2), OTHER);
        asm.alu(alu::RSH, R(2), 32);
        asm.alu(alu::XOR, OTHER, R(2));
    };
    begin(&mut asm, last, failed);
    asm.wide(BY, MULTIPLIER);
    for_each_word(
        &mut asm,
        |asm| {
            word(asm, R(2), TEXT);
            mix(asm, R(2));
        },
        |asm| {
            word(asm, R(2), TEXT);
            asm.alu(alu::LSH, R(2), R(3));
            mix(asm, R(2));
        },
    );
    mix(&mut asm, LENGTH);
    asm.mov(R(0), OTHER);
    asm.exit();
    asm.bind(failed);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(HASH, 4)
}

/// Generates the function `krs_same(slot, region, length, constant)`.
pub(super) fn same_function(data: &mut Data, last: i16) -> Function {
    let end = data.constants.pad(Section::Texts, TEXT_READ_BYTES);
    let mut asm = Asm::default();
    let no = asm.target();
    asm.jump(jmp::JGT, R(4), end, no);
    begin(&mut asm, last, no);
    asm.address(R(1), RelocationKind::Constant(Section::Texts, 0));
    asm.alu(alu::ADD, OTHER, R(1));
    compare(asm, no, SAME)
}

/// Generates the function `krs_equal(slot, region, length, other)`.
pub(super) fn equal_function(last: i16) -> Function {
    let mut asm = Asm::default();
    let no = asm.target();
    asm.jump(jmp::JGT, R(4), i32::from(last), no);
    begin(&mut asm, last, no);
    // `r0` still holds the address of the slot.
    asm.alu(alu::ADD, OTHER, R(0));
    compare(asm, no, EQUAL)
}

/// Emits a comparison of the bytes at `TEXT` and at `OTHER`.
fn compare(mut asm: Asm, no: Target, name: &'static str) -> Function {
    for_each_word(
        &mut asm,
        |asm| {
            word(asm, R(2), TEXT);
            word(asm, R(4), OTHER);
            asm.jump(jmp::JNE, R(2), R(4), no);
        },
        |asm| {
            word(asm, R(2), TEXT);
            word(asm, R(4), OTHER);
            asm.alu(alu::XOR, R(2), R(4));
            asm.alu(alu::LSH, R(2), R(3));
            asm.jump(jmp::JNE, R(2), 0, no);
        },
    );
    asm.mov(R(0), 1);
    asm.exit();
    asm.bind(no);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(name, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_texts_have_different_hashes() {
        for seed in [0, 1] {
            let mut seen = std::collections::HashSet::new();
            for text in ["", "a", "\0", "a\0", "abcdefgh", "abcdefg", "abcdefghi", "abcdefgh\0", "ihgfedcba"] {
                assert!(seen.insert(hash(text.as_bytes(), seed)), "{text:?}");
            }
        }
    }
}
