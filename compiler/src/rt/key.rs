//! Texts as map keys: the text, padded with zeros to a fixed size.
//!
//! ```text
//! krs_key(slot, region, length)    writes the key to the start of the slot's work area
//! ```
//!
//! Two texts have the same key only if they are equal, so a lookup needs no further comparison.

use krsi_abi::set::{TEXT_BYTES_MAX, TEXT_KEY_BYTES};

use super::{Asm, Function, R, WORK, alu, helper, jmp, size};

/// The name of `krs_key(slot, region, length)`.
pub const KEY: &str = "krs_key";

/// Generates the function, which copies a text of at most [`TEXT_BYTES_MAX`] bytes.
pub(super) fn key(last: i16) -> Function {
    const MEMORY: R = R(6);
    const REGION: R = R(7);
    const LENGTH: R = R(8);
    let mut asm = Asm::default();
    let done = asm.target();
    asm.note("the text");
    asm.jump(jmp::JGT, R(2), i32::from(last), done);
    asm.jump(jmp::JGT, R(3), TEXT_BYTES_MAX.cast_signed(), done);
    asm.mov(REGION, R(2));
    asm.mov(LENGTH, R(3));
    asm.slot(-4, done);
    asm.mov(MEMORY, R(0));
    asm.note("zeros, then the text over them");
    for at in (0..TEXT_KEY_BYTES as i16).step_by(8) {
        asm.store(size::DW, MEMORY, WORK + at, 0);
    }
    asm.sum(R(1), MEMORY, i32::from(WORK));
    asm.mov(R(2), LENGTH);
    asm.mov(R(3), MEMORY);
    asm.alu(alu::ADD, R(3), REGION);
    asm.call(helper::PROBE_READ_KERNEL);
    asm.bind(done);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(KEY, 3)
}
