//! Pattern matching: runs an automaton over a text, as `automaton::Automaton::row` does in the compiler.
//!
//! ```text
//! krs_match(slot, region, length, classes, state)    the row that the automaton accepts, 0 if none
//! ```
//!
//! `classes` is the offset in the section of automata at which the class of each byte is found. Words and
//! states are indexes from the start of that section, so a single bound, its end, covers the states of all
//! automata.
//!
//! A byte takes about 14 instructions. The verifier follows every byte of a chunk, but checks a chunk only
//! once, because `krs_match_step` is a global function. Its result has the state in the lower half and, in
//! the upper half, the row of the gate that was passed, if any.
//!
//! Absent: the construction of automata, which `crate::automaton` has.

use super::{Asm, FP, Function, R, Target, alu, jmp, size};
use crate::automaton::{Automaton, DEFAULT, FINAL, ROW, SUFFIX};
use crate::data::Data;
use crate::relocation::{RelocationKind, Section};

/// Matches a text against an automaton.
pub const MATCH: &str = "krs_match";
/// Processes a chunk of the text.
pub(super) const STEP: &str = "krs_match_step";

/// Bytes per call of a step, and the unroll factor of its loop.
const CHUNK: i32 = 64;
const UNROLLED: i16 = 4;
/// The bound of a text's length.
const END: i32 = 4096;

/// Targets from this value on are rows, offset by it; smaller ones are states.
const FOUND: i32 = (FINAL >> 8) as i32;

/// An automaton in the constants, by its offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AutomatonAt {
    /// Offset of the classes of bytes.
    pub classes: u32,
    /// Index of the word of the initial state.
    pub start: u32,
}

impl Data {
    /// Adds an automaton to its section, unless an identical one exists.
    pub fn automaton(&mut self, automaton: &Automaton) -> AutomatonAt {
        let bytes = |first: u32| -> Vec<u8> {
            let word = |word: &u32| if word & FINAL == 0 { word + (first << 8) } else { *word };
            automaton
                .classes
                .iter()
                .copied()
                .chain(automaton.words.iter().flat_map(|each| word(each).to_le_bytes()))
                .collect()
        };
        let first = |classes: u32| (classes + automaton.classes.len() as u32) / 4;
        let at = self.constants.share_placed(Section::Automata, &bytes(0), |at| bytes(first(at)));
        AutomatonAt { classes: at, start: first(at) + automaton.start }
    }

    /// Returns the index of the last word that can be read.
    fn last_word(&self) -> i32 {
        self.constants.end(Section::Automata) / 4 - 1
    }
}

const TEXT: R = R(6);
const CLASSES: R = R(7);
const STATE: R = R(8);
const COUNT: R = R(9);
const CONSTANTS: R = R(0);
const LEFT: R = R(4);
const CLASS: R = R(2);
const WHOSE: R = R(3);
const WORD: R = R(1);

/// Stack offset of the row of the last gate.
const GATE_AT: i16 = -24;

/// Emits `WORD =` the address of a transition and `WHOSE =` its owner; jumps to `out` if it is out of bounds.
fn load_transition(asm: &mut Asm, class: Option<R>, last: i32, out: Target) {
    asm.mov(WORD, STATE);
    if let Some(class) = class {
        asm.alu(alu::ADD, WORD, class);
    }
    asm.jump(jmp::JGT, WORD, last, out);
    asm.alu(alu::LSH, WORD, 2);
    asm.alu(alu::ADD, WORD, CONSTANTS);
    asm.load(size::B, WHOSE, WORD, 0);
}

/// Emits `STATE =` the target of a transition.
fn follow(asm: &mut Asm) {
    asm.load(size::W, STATE, WORD, 0);
    asm.alu(alu::RSH, STATE, 8);
}

/// Generates the function `krs_match_step(slot, at, length, classes, state)`, which returns the state after
/// up to [`CHUNK`] bytes at offset `at` of the slot.
pub(super) fn step(data: &Data, last: i16) -> Function {
    let last_word = data.last_word();
    // The state of a gate has one more word.
    let last_state = last_word - i32::from(ROW);
    let mut asm = Asm::default();
    let (dead, again, done) = (asm.target(), asm.target(), asm.target());
    asm.note("the text and the automaton");
    asm.jump(jmp::JGT, R(2), i32::from(last) + END, dead);
    asm.jump(jmp::JGT, R(4), data.constants.end(Section::Automata) - 256, dead);
    asm.store(size::DW, FP, -16, R(3));
    asm.mov(TEXT, R(2));
    asm.mov(CLASSES, R(4));
    asm.mov(STATE, R(5));
    asm.alu(alu::LSH, STATE, 32);
    asm.alu(alu::RSH, STATE, 32);
    asm.alu(alu::RSH, R(5), 32);
    asm.store(size::DW, FP, GATE_AT, R(5));
    asm.slot(-4, dead);
    asm.alu(alu::ADD, TEXT, R(0));
    asm.address(CONSTANTS, RelocationKind::Constant(Section::Automata, 0));
    asm.alu(alu::ADD, CLASSES, CONSTANTS);
    asm.mov(COUNT, 0);
    asm.load(size::DW, LEFT, FP, -16);
    asm.bind(again);
    for byte in 0..UNROLLED {
        asm.note("one byte; a row is greater than any state");
        let (take, default_transition) = (asm.target(), asm.target());
        asm.jump(jmp::JSLE, LEFT, i32::from(byte), done);
        asm.load(size::B, CLASS, TEXT, byte);
        asm.mov(WORD, CLASSES);
        asm.alu(alu::ADD, WORD, CLASS);
        asm.load(size::B, CLASS, WORD, 0);
        load_transition(&mut asm, Some(CLASS), last_word, done);
        asm.jump(jmp::JEQ, WHOSE, CLASS, take);
        asm.note("no transition on this class");
        load_transition(&mut asm, None, last_state, done);
        asm.jump(jmp::JEQ, WHOSE, 0, take);
        asm.jump(jmp::JNE, WHOSE, i32::from(SUFFIX), default_transition);
        asm.load(size::W, WHOSE, WORD, 4 * i16::from(ROW));
        asm.alu(alu::RSH, WHOSE, 8);
        asm.store(size::DW, FP, GATE_AT, WHOSE);
        follow(&mut asm);
        load_transition(&mut asm, Some(CLASS), last_word, dead);
        asm.jump(jmp::JEQ, WHOSE, CLASS, take);
        load_transition(&mut asm, None, last_word, dead);
        asm.jump(jmp::JEQ, WHOSE, 0, take);
        asm.bind(default_transition);
        asm.jump(jmp::JNE, WHOSE, i32::from(DEFAULT), dead);
        follow(&mut asm);
        load_transition(&mut asm, Some(CLASS), last_word, dead);
        asm.jump(jmp::JEQ, WHOSE, CLASS, take);
        load_transition(&mut asm, None, last_word, dead);
        asm.jump(jmp::JNE, WHOSE, 0, dead);
        asm.bind(take);
        follow(&mut asm);
    }
    asm.alu(alu::ADD, TEXT, i32::from(UNROLLED));
    asm.alu(alu::ADD, LEFT, -i32::from(UNROLLED));
    asm.alu(alu::ADD, COUNT, i32::from(UNROLLED));
    asm.jump(jmp::JLT, COUNT, CHUNK, again);
    asm.bind(done);
    asm.load(size::DW, R(0), FP, GATE_AT);
    asm.alu(alu::LSH, R(0), 32);
    asm.alu(alu::OR, R(0), STATE);
    asm.exit();
    asm.bind(dead);
    asm.mov(R(0), FOUND);
    asm.exit();
    asm.finish(STEP, 5)
}

/// Generates the function `krs_match(slot, region, length, classes, state)`.
pub(super) fn run(data: &Data) -> Function {
    const AT: R = R(6);
    const LEFT: R = R(7);
    const CHUNKS: R = R(9);
    const GATE_ROW: R = R(5);
    let last_word = data.last_word();
    let mut asm = Asm::default();
    let [found, own, none, again, done] = [(); 5].map(|()| asm.target());
    asm.store(size::DW, FP, -8, R(1));
    asm.store(size::DW, FP, -16, R(4));
    asm.mov(AT, R(2));
    asm.mov(LEFT, R(3));
    asm.mov(STATE, R(5));
    asm.mov(CHUNKS, END / CHUNK);
    asm.bind(again);
    asm.note("chunk by chunk");
    asm.load(size::DW, R(1), FP, -8);
    asm.mov(R(2), AT);
    asm.mov(R(3), LEFT);
    asm.load(size::DW, R(4), FP, -16);
    asm.mov(R(5), STATE);
    asm.invoke(STEP);
    asm.mov(STATE, R(0));
    asm.mov(GATE_ROW, R(0));
    asm.alu(alu::RSH, GATE_ROW, 32);
    asm.alu(alu::LSH, R(0), 32);
    asm.alu(alu::RSH, R(0), 32);
    asm.jump(jmp::JGE, R(0), FOUND, found);
    asm.alu(alu::ADD, AT, CHUNK);
    asm.alu(alu::ADD, LEFT, -CHUNK);
    asm.jump(jmp::JSLE, LEFT, 0, done);
    asm.alu(alu::ADD, CHUNKS, -1);
    asm.jump(jmp::JNE, CHUNKS, 0, again);
    asm.bind(done);
    asm.note("the row that accepts a text ending here");
    asm.mov(STATE, R(0));
    asm.mov(CLASS, i32::from(ROW));
    asm.address(CONSTANTS, RelocationKind::Constant(Section::Automata, 0));
    load_transition(&mut asm, Some(CLASS), last_word, none);
    asm.jump(jmp::JNE, WHOSE, CLASS, none);
    follow(&mut asm);
    asm.mov(R(0), STATE);
    asm.bind(found);
    asm.note("after a gate, the row of the gate");
    asm.alu(alu::ADD, R(0), -FOUND);
    asm.jump(jmp::JEQ, R(0), 0, none);
    asm.jump(jmp::JEQ, GATE_ROW, 0, own);
    asm.mov(R(0), GATE_ROW);
    asm.alu(alu::ADD, R(0), -FOUND);
    asm.bind(own);
    asm.exit();
    asm.bind(none);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(MATCH, 5)
}
