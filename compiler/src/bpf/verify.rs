//! The invariants of `bpf`, as code. A failure is a bug of the compiler.

use super::insn::{class, jmp, mode, size};
use super::{Code, Program, RelocationKind};

/// Checks every program.
///
/// # Panics
/// When an invariant does not hold.
pub fn verify(code: &Code) {
    for program in &code.programs {
        verify_program(program);
    }
}

fn verify_program(program: &Program) {
    let hook = &program.name;
    let slots = program.insns.len();
    let mut begins = vec![false; slots + 1];
    let mut at = 0;
    while at < slots {
        begins[at] = true;
        at += if program.insns[at].code == class::LD | size::DW | mode::IMM { 2 } else { 1 };
    }
    assert_eq!(at, slots, "{hook}: the last instruction is cut off");
    let last = program.insns.last().map(|insn| insn.code);
    assert_eq!(last, Some(class::JMP | jmp::EXIT), "{hook}: the program runs off its end");
    for (at, insn) in program.insns.iter().enumerate().filter(|(at, _)| begins[*at]) {
        assert!(insn.dst <= 10 && insn.src <= 10, "{hook} {at}: no such register");
        let jumps =
            matches!(insn.code & 7, class::JMP | class::JMP32) && !matches!(insn.code & 0xf0, jmp::CALL | jmp::EXIT);
        if jumps {
            assert!(insn.off >= 0, "{hook} {at}: a jump leads back");
            let target = at + 1 + insn.off as usize;
            assert!(target < slots && begins[target], "{hook} {at}: a jump leads nowhere");
        }
    }
    let mut before = None;
    for relocation in &program.relocations {
        let slot = relocation.slot as usize;
        assert!(before < Some(slot) && begins[slot], "{hook}: relocations are out of order");
        before = Some(slot);
        let kind = program.insns[slot].code & 7;
        let fits = match relocation.kind {
            RelocationKind::Map(_)
            | RelocationKind::Constant(..)
            | RelocationKind::State(_)
            | RelocationKind::Act(_)
            | RelocationKind::Lost(_) => kind == class::LD,
            RelocationKind::Function(_) => kind == class::JMP,
            RelocationKind::FieldOffset(_) => matches!(kind, class::LDX | class::ALU64),
            _ => matches!(kind, class::ALU | class::ALU64),
        };
        assert!(fits, "{hook} {slot}: a relocation on an instruction that cannot take it");
    }
    assert!(program.lines.first().is_some_and(|(slot, _)| *slot == 0), "{hook}: the first line is missing");
}
