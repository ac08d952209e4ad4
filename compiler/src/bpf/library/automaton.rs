//! Runs automata over texts: what `automaton::Automaton::row` does, on the kernel.
//!
//! ```text
//! krs_match(slot, region, length, classes, state)    the row of what fits a text, 0 where nothing does
//! ```
//!
//! `classes` is where the section of automata has the class of each byte; words and states are counted from its beginning, so
//! that nothing but its end bounds a state.
//!
//! A byte takes some 14 instructions. The verifier follows each byte of a chunk, but a chunk only once: it is a function
//! of its own. What it gives back has the state in the lower half, and in the upper one the row of the gate that was passed,
//! if one was.

use super::{Asm, FP, Label, R, alu, jmp, size};
use crate::automaton::{Automaton, DEFAULT, FINAL, ROW, SUFFIX};
use crate::bpf::{Code, Function, RelocationKind, Section};

/// Runs an automaton over a text.
pub const MATCH: &str = "krs_match";
/// Over some bytes of it.
pub(super) const STEP: &str = "krs_match_step";

/// Bytes that a step takes, and how many of them stand one after the other in its loop.
const CHUNK: i32 = 64;
const UNROLLED: i16 = 4;
/// The longest text, and then some.
const END: i32 = 4096;

/// A state, or with this a row, once its word is shifted.
const FOUND: i32 = (FINAL >> 8) as i32;

/// An automaton in the constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AutomatonAt {
    /// Where the classes of bytes are.
    pub classes: u32,
    /// The word of the state that a text begins with.
    pub start: u32,
}

impl Code {
    /// Puts an automaton into its section, if the very same is not there yet.
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

    /// The last word that can be asked.
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

/// Where a step has the row of the last gate.
const GATE_AT: i16 = -24;

/// `WORD =` the address of a word, `WHOSE =` whose it is; to `out` where there is none.
fn ask(asm: &mut Asm, class: Option<R>, last: i32, out: Label) {
    asm.mov(WORD, STATE);
    if let Some(class) = class {
        asm.alu(alu::ADD, WORD, class);
    }
    asm.jump(jmp::JGT, WORD, last, out);
    asm.alu(alu::LSH, WORD, 2);
    asm.alu(alu::ADD, WORD, CONSTANTS);
    asm.load(size::B, WHOSE, WORD, 0);
}

/// `STATE =` where a word leads.
fn go(asm: &mut Asm) {
    asm.load(size::W, STATE, WORD, 0);
    asm.alu(alu::RSH, STATE, 8);
}

/// `krs_match_step(slot, at, length, classes, state)`: the state behind up to [`CHUNK`] bytes at `at` in the slot.
pub(super) fn step(code: &Code, last: i16) -> Function {
    let last_word = code.last_word();
    // A gate has another word behind its first.
    let last_state = last_word - i32::from(ROW);
    let mut asm = Asm::default();
    let (dead, again, done) = (asm.label(), asm.label(), asm.label());
    asm.note("the text and the automaton");
    asm.jump(jmp::JGT, R(2), i32::from(last) + END, dead);
    asm.jump(jmp::JGT, R(4), code.constants.end(Section::Automata) - 256, dead);
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
    asm.place(again);
    for byte in 0..UNROLLED {
        asm.note("one byte; a row is beyond all states");
        let (take, falls) = (asm.label(), asm.label());
        asm.jump(jmp::JSLE, LEFT, i32::from(byte), done);
        asm.load(size::B, CLASS, TEXT, byte);
        asm.mov(WORD, CLASSES);
        asm.alu(alu::ADD, WORD, CLASS);
        asm.load(size::B, CLASS, WORD, 0);
        ask(&mut asm, Some(CLASS), last_word, done);
        asm.jump(jmp::JEQ, WHOSE, CLASS, take);
        asm.note("no move of its own");
        ask(&mut asm, None, last_state, done);
        asm.jump(jmp::JEQ, WHOSE, 0, take);
        asm.jump(jmp::JNE, WHOSE, i32::from(SUFFIX), falls);
        asm.load(size::W, WHOSE, WORD, 4 * i16::from(ROW));
        asm.alu(alu::RSH, WHOSE, 8);
        asm.store(size::DW, FP, GATE_AT, WHOSE);
        go(&mut asm);
        ask(&mut asm, Some(CLASS), last_word, dead);
        asm.jump(jmp::JEQ, WHOSE, CLASS, take);
        ask(&mut asm, None, last_word, dead);
        asm.jump(jmp::JEQ, WHOSE, 0, take);
        asm.place(falls);
        asm.jump(jmp::JNE, WHOSE, i32::from(DEFAULT), dead);
        go(&mut asm);
        ask(&mut asm, Some(CLASS), last_word, dead);
        asm.jump(jmp::JEQ, WHOSE, CLASS, take);
        ask(&mut asm, None, last_word, dead);
        asm.jump(jmp::JNE, WHOSE, 0, dead);
        asm.place(take);
        go(&mut asm);
    }
    asm.alu(alu::ADD, TEXT, i32::from(UNROLLED));
    asm.alu(alu::ADD, LEFT, -i32::from(UNROLLED));
    asm.alu(alu::ADD, COUNT, i32::from(UNROLLED));
    asm.jump(jmp::JLT, COUNT, CHUNK, again);
    asm.place(done);
    asm.load(size::DW, R(0), FP, GATE_AT);
    asm.alu(alu::LSH, R(0), 32);
    asm.alu(alu::OR, R(0), STATE);
    asm.exit();
    asm.place(dead);
    asm.mov(R(0), FOUND);
    asm.exit();
    asm.finish(STEP, 5)
}

/// `krs_match(slot, region, length, classes, state)`
pub(super) fn run(code: &Code) -> Function {
    const AT: R = R(6);
    const LEFT: R = R(7);
    const CHUNKS: R = R(9);
    const GATE_ROW: R = R(5);
    let last_word = code.last_word();
    let mut asm = Asm::default();
    let [found, own, none, again, done] = [(); 5].map(|()| asm.label());
    asm.store(size::DW, FP, -8, R(1));
    asm.store(size::DW, FP, -16, R(4));
    asm.mov(AT, R(2));
    asm.mov(LEFT, R(3));
    asm.mov(STATE, R(5));
    asm.mov(CHUNKS, END / CHUNK);
    asm.place(again);
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
    asm.place(done);
    asm.note("the row of a text that ends here");
    asm.mov(STATE, R(0));
    asm.mov(CLASS, i32::from(ROW));
    asm.address(CONSTANTS, RelocationKind::Constant(Section::Automata, 0));
    ask(&mut asm, Some(CLASS), last_word, none);
    asm.jump(jmp::JNE, WHOSE, CLASS, none);
    go(&mut asm);
    asm.mov(R(0), STATE);
    asm.place(found);
    asm.note("behind a gate it is the gate's");
    asm.alu(alu::ADD, R(0), -FOUND);
    asm.jump(jmp::JEQ, R(0), 0, none);
    asm.jump(jmp::JEQ, GATE_ROW, 0, own);
    asm.mov(R(0), GATE_ROW);
    asm.alu(alu::ADD, R(0), -FOUND);
    asm.place(own);
    asm.exit();
    asm.place(none);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(MATCH, 5)
}
