//! Rules for newer kernels: whether one is active.
//!
//! The answer is known when the program is loaded, and the verifier leaves the other way out, with what it reads: a
//! switch among the constants, which `krsi` turns off, and CO-RE's own answers, for other loaders.

use super::builder::{Builder, Label};
use crate::bpf::{RelocationKind, Section};
use crate::hir::RuleId;
use crate::hir::since::Part;
use crate::isa::jmp;
use crate::mir::{Inst, Operand};

impl Builder<'_> {
    /// Leads to `then` where all is there that the rule needs.
    pub(super) fn guard(&mut self, rule: RuleId, then: Label, otherwise: Label) {
        let policy = self.policy;
        let Some(since) = &policy.rules[rule.0 as usize].since else {
            return self.jump(then);
        };
        let offset = 8 * (policy.params.len() as u32 + since.switch);
        let base = self.fresh();
        self.push(Inst::Address { dst: base, of: RelocationKind::Constant(Section::Tables, offset) });
        let on = self.fresh();
        self.push(Inst::Load { dst: on, base, offset: 0, bytes: 8, reloc: None, argument: None });
        self.branch_away(jmp::JEQ, true, on, Operand::Imm(0), otherwise);
        for part in &since.needs {
            let reloc = match part {
                Part::Field(access) => RelocationKind::FieldExists(access.clone()),
                Part::Enumerator { of, name } => {
                    RelocationKind::EnumValueExists { name: of.clone(), value: name.clone() }
                }
                // A program of a hook that is not there is not loaded; and arguments are no business of CO-RE's.
                Part::Hook(_) | Part::Argument { .. } => continue,
            };
            let there = self.fresh();
            self.push(Inst::Mov { dst: there, src: Operand::Imm(1), wide: true, reloc: Some(reloc) });
            self.branch_away(jmp::JEQ, true, there, Operand::Imm(0), otherwise);
        }
        self.jump(then);
    }
}
