//! The invariants of programs that the documentation of [`super`] lists, as code. A failure is a bug of the
//! compiler.
//!
//! Absent: functions, the set of instructions, and the values that programs return; the kernel's verifier
//! checks those.

use super::{Code, Program};
use crate::isa::{class, jmp, mode, size};
use crate::relocation::RelocationKind;

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
            | RelocationKind::EffectiveAction(_)
            | RelocationKind::Lost(_) => kind == class::LD,
            RelocationKind::Function(_) => kind == class::JMP,
            RelocationKind::FieldOffset(_) => matches!(kind, class::LDX | class::ALU64),
            _ => matches!(kind, class::ALU | class::ALU64),
        };
        assert!(fits, "{hook} {slot}: a relocation on an instruction that cannot take it");
    }
    assert!(program.lines.first().is_some_and(|(slot, _)| *slot == 0), "{hook}: the first line is missing");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Insn;
    use crate::isa::alu;
    use crate::mir::text::access;
    use crate::relocation::{Relocation, Section};

    const EXIT: Insn = Insn { code: class::JMP | jmp::EXIT, dst: 0, src: 0, off: 0, imm: 0 };
    const MOV: Insn = Insn { code: class::ALU64 | alu::MOV, ..EXIT };
    const WIDE: Insn = Insn { code: class::LD | size::DW | mode::IMM, ..EXIT };
    const HIGH: Insn = Insn { code: 0, ..EXIT };
    const CALL: Insn = Insn { code: class::JMP | jmp::CALL, ..EXIT };
    const LOAD: Insn = Insn { code: class::LDX | size::W | mode::MEM, ..EXIT };

    fn jump(code: u8, off: i16) -> Insn {
        Insn { code, off, ..EXIT }
    }

    /// The reason why a program is refused.
    fn refused(insns: &[Insn], relocations: Vec<(u32, RelocationKind)>, lines: &[u32]) -> Option<String> {
        let program = Program {
            name: "p".into(),
            hook: "p".into(),
            insns: insns.into(),
            relocations: relocations.into_iter().map(|(slot, kind)| Relocation { slot, kind }).collect(),
            lines: lines.iter().map(|slot| (*slot, Default::default())).collect(),
            arguments: Vec::new(),
        };
        let code = Code { programs: vec![program], ..Code::default() };
        let why = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| verify(&code))).err()?;
        Some(why.downcast_ref::<String>().expect("assertions have a message").clone())
    }

    #[track_caller]
    fn refuses(insns: &[Insn], why: &str) {
        let found = refused(insns, vec![], &[0]).expect("it is refused");
        assert!(found.contains(why), "{found}");
    }

    #[test]
    fn whole_programs_are_accepted() {
        for insns in [
            &[EXIT][..],
            &[MOV, EXIT],
            &[WIDE, HIGH, EXIT],
            &[jump(class::JMP | jmp::JA, 0), EXIT],
            &[jump(class::JMP | jmp::JEQ, 2), WIDE, HIGH, EXIT],
            &[jump(class::JMP32 | jmp::JEQ, 1), MOV, EXIT],
            // The offset of a call is not a distance.
            &[Insn { off: -1, ..CALL }, EXIT],
            &[Insn { dst: 10, src: 10, ..MOV }, EXIT],
        ] {
            assert_eq!(refused(insns, vec![], &[0]), None, "{insns:?}");
        }
    }

    #[test]
    fn programs_that_break_an_invariant_are_refused() {
        refuses(&[], "runs off its end");
        refuses(&[MOV], "runs off its end");
        refuses(&[EXIT, WIDE], "cut off");
        refuses(&[Insn { dst: 11, ..MOV }, EXIT], "no such register");
        refuses(&[Insn { src: 11, ..MOV }, EXIT], "no such register");
        refuses(&[MOV, jump(class::JMP | jmp::JA, -2), EXIT], "leads back");
        refuses(&[MOV, jump(class::JMP32 | jmp::JEQ, -1), EXIT], "leads back");
        refuses(&[jump(class::JMP | jmp::JA, 1), EXIT], "leads nowhere");
        // A jump into the second slot of an instruction.
        refuses(&[jump(class::JMP | jmp::JEQ, 1), WIDE, HIGH, EXIT], "leads nowhere");
        let found = refused(&[EXIT], vec![], &[]).expect("it is refused");
        assert!(found.contains("first line"), "{found}");
        let found = refused(&[MOV, EXIT], vec![], &[1]).expect("it is refused");
        assert!(found.contains("first line"), "{found}");
    }

    #[test]
    fn a_relocation_stands_on_an_instruction_of_its_kind() {
        use RelocationKind::{
            Constant, EffectiveAction, FieldExists, FieldOffset, FieldSize, Function, Lost, Map, State,
        };
        let rule = krsi_abi::manifest::RuleId(0);
        let field = || access("inode.i_mode");
        let alu = Insn { code: class::ALU | alu::MOV, ..EXIT };
        for (kind, fit, others) in [
            (Map("m".into()), vec![WIDE], vec![LOAD, MOV, CALL]),
            (Constant(Section::Tables, 0), vec![WIDE], vec![LOAD, MOV, CALL]),
            (State(0), vec![WIDE], vec![LOAD, MOV, CALL]),
            (EffectiveAction(rule), vec![WIDE], vec![LOAD, MOV, CALL]),
            (Lost(rule), vec![WIDE], vec![LOAD, MOV, CALL]),
            (Function("f"), vec![CALL], vec![WIDE, LOAD, MOV]),
            (FieldOffset(field()), vec![LOAD, MOV], vec![WIDE, CALL, alu]),
            (FieldSize(field()), vec![MOV, alu], vec![WIDE, LOAD, CALL]),
            (FieldExists(field()), vec![MOV, alu], vec![WIDE, LOAD, CALL]),
        ] {
            // A wide load needs its second slot.
            let on = |insn: Insn| {
                let insns = if insn == WIDE { vec![WIDE, HIGH, EXIT] } else { vec![insn, EXIT] };
                refused(&insns, vec![(0, kind.clone())], &[0])
            };
            fit.into_iter().for_each(|insn| assert_eq!(on(insn), None, "{kind:?} on {insn:?}"));
            for insn in others {
                let found = on(insn).expect("it is refused");
                assert!(found.contains("cannot take it"), "{kind:?} on {insn:?}: {found}");
            }
        }
    }

    #[test]
    fn relocations_ascend_and_stand_at_first_slots() {
        let state = RelocationKind::State;
        let insns = [WIDE, HIGH, WIDE, HIGH, EXIT];
        assert_eq!(refused(&insns, vec![(0, state(0)), (2, state(8))], &[0]), None);
        for relocations in [vec![(2, state(0)), (0, state(8))], vec![(0, state(0)), (0, state(8))], vec![(1, state(0))]]
        {
            let found = refused(&insns, relocations, &[0]).expect("it is refused");
            assert!(found.contains("out of order"), "{found}");
        }
    }
}
