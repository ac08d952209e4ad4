//! Stack depth: the stack that a program and the functions it calls use together, as the verifier computes
//! it.
//!
//! ```text
//! file_open 392 bytes  ->  krs_match 64  ->  krs_match_step 24      416 + 64 + 32 = 512
//! ```
//!
//! Source: `check_max_stack_depth_subprog` in `kernel/bpf/verifier.c`, which limits a chain of calls to 512
//! bytes and 8 frames. It rounds frames up to 32 bytes and, since 6.9, to 16 if the JIT is used; the larger
//! sum counts here. A frame extends to the deepest offset that an instruction names.
//!
//! Absent: the reduction of frames, which `driver` attempts by disabling optimisations.

use std::collections::BTreeMap;

use super::Code;
use crate::isa::{Insn, SRC_REG, alu, class, mode};
use crate::limits::{CALL_FRAMES_MAX, STACK_BYTES_MAX, TooLarge};
use crate::relocation::{Relocation, RelocationKind};

/// The granularity to which the verifier rounds a frame.
const ROUNDED: u32 = 32;
const FRAME: u8 = 10;

/// A call that exceeds the stack depth of the kernel.
#[derive(Debug, PartialEq)]
pub struct TooDeep {
    /// The program, as an index into [`Code::programs`].
    pub program: usize,
    /// The slot of the call instruction.
    pub slot: u32,
    /// The limit that is exceeded, and the depth.
    pub why: TooLarge,
}

/// The stack depth of a function with everything that it calls.
#[derive(Clone, Copy, Default)]
struct Depth {
    bytes: u32,
    frames: u32,
}

/// Returns the deepest call of each program that exceeds a limit.
pub fn too_deep(code: &Code) -> Vec<TooDeep> {
    let mut known = BTreeMap::new();
    let mut found = Vec::new();
    for (program, of) in code.programs.iter().enumerate() {
        let own = frame_bytes(&of.insns);
        let deepest = calls(&of.relocations)
            .map(|(slot, name)| (slot, below(own, depth(code, name, &mut known))))
            .max_by_key(|(slot, depth)| (depth.bytes, depth.frames, std::cmp::Reverse(*slot)));
        if let Some((slot, Depth { bytes, frames })) = deepest {
            if bytes > STACK_BYTES_MAX {
                found.push(TooDeep { program, slot, why: TooLarge::Stack(bytes) });
            } else if frames > CALL_FRAMES_MAX {
                found.push(TooDeep { program, slot, why: TooLarge::Calls(frames) });
            }
        }
    }
    found
}

fn depth<'c>(code: &'c Code, name: &'c str, known: &mut BTreeMap<&'c str, Depth>) -> Depth {
    if let Some(depth) = known.get(name) {
        return *depth;
    }
    let Some(function) = code.functions.iter().find(|function| function.name == name) else {
        return Depth::default();
    };
    let called =
        calls(&function.relocations).map(|(_, name)| depth(code, name, known)).fold(Depth::default(), |most, depth| {
            Depth { bytes: most.bytes.max(depth.bytes), frames: most.frames.max(depth.frames) }
        });
    let all = below(frame_bytes(&function.insns), called);
    known.insert(name, all);
    all
}

/// Adds a frame of `own` bytes to the depth of its callees.
fn below(own: u32, called: Depth) -> Depth {
    Depth { bytes: own.max(1).next_multiple_of(ROUNDED) + called.bytes, frames: called.frames + 1 }
}

fn calls(relocations: &[Relocation]) -> impl Iterator<Item = (u32, &'static str)> {
    relocations.iter().filter_map(|relocation| match relocation.kind {
        RelocationKind::Function(name) => Some((relocation.slot, name)),
        _ => None,
    })
}

/// Returns the size of a frame, from the offsets that instructions use.
fn frame_bytes(insns: &[Insn]) -> u32 {
    let mut most = 0;
    for (at, insn) in insns.iter().enumerate() {
        let reached = match insn.code & 7 {
            class::LDX if insn.src == FRAME => -i32::from(insn.off),
            class::ST | class::STX if insn.dst == FRAME && insn.code & 0xe0 == mode::MEM => -i32::from(insn.off),
            // `r2 = r10; r2 += -24`
            class::ALU64
                if insn.code == class::ALU64 | alu::ADD
                    && at > 0
                    && insns[at - 1].code == class::ALU64 | alu::MOV | SRC_REG
                    && (insns[at - 1].dst, insns[at - 1].src) == (insn.dst, FRAME) =>
            {
                -insn.imm
            }
            _ => 0,
        };
        most = most.max(reached);
    }
    most.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::*;
    use crate::rt::{Checked, Function};

    fn store(offset: i16) -> Insn {
        Insn { code: class::STX | mode::MEM | 0x18, dst: FRAME, off: offset, ..Insn::default() }
    }

    fn call(name: &'static str) -> Relocation {
        Relocation { slot: 0, kind: RelocationKind::Function(name) }
    }

    fn function(name: &'static str, offset: i16, calls: Option<&'static str>) -> Function {
        let relocations = calls.map(call).into_iter().collect();
        let insns = vec![store(offset)];
        Function { name, checked: Checked::Once, params: 0, insns, relocations, notes: Vec::new() }
    }

    fn code(offset: i16, functions: Vec<Function>) -> Code {
        let program = Program {
            name: "file_open".into(),
            hook: "file_open".into(),
            insns: vec![store(offset)],
            relocations: vec![call(functions[0].name)],
            lines: Vec::new(),
            arguments: Vec::new(),
        };
        Code { programs: vec![program], functions, ..Code::default() }
    }

    #[test]
    fn frames_are_added_along_calls() {
        let functions = || vec![function("a", -64, Some("b")), function("b", -16, None)];
        assert_eq!(too_deep(&code(-416, functions())), []);
        let found = too_deep(&code(-424, functions()));
        assert_eq!(found, [TooDeep { program: 0, slot: 0, why: TooLarge::Stack(544) }]);
    }

    #[test]
    fn the_address_of_a_slot_counts_towards_the_frame() {
        let mov = Insn { code: class::ALU64 | alu::MOV | SRC_REG, dst: 2, src: FRAME, ..Insn::default() };
        let add = Insn { code: class::ALU64 | alu::ADD, dst: 2, imm: -72, ..Insn::default() };
        assert_eq!(frame_bytes(&[store(-8), mov, add]), 72);
        assert_eq!(frame_bytes(&[store(-8), add]), 8);
    }

    #[test]
    fn a_chain_of_calls_has_at_most_eight_frames() {
        const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let chain = |most: usize| {
            (0..most).map(|at| function(NAMES[at], -8, (at + 1 < most).then(|| NAMES[at + 1]))).collect::<Vec<_>>()
        };
        assert_eq!(too_deep(&code(-8, chain(7))), []);
        assert_eq!(too_deep(&code(-8, chain(8)))[0].why, TooLarge::Calls(9));
    }
}
