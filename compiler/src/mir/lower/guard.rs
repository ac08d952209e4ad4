//! Guards of rules with `@since`: the tests that decide whether such a rule is active.
//!
//! Every test is constant once the program is loaded: a switch in `.rodata`, which `krsi` turns off, and
//! CO-RE existence relocations for other loaders. The verifier therefore removes the inactive branch together
//! with its reads, and a kernel may lack what they name.
//!
//! Absent: the list of what a rule needs, which `hir::since` computes.

use super::builder::{Builder, Target};
use crate::hir::RuleId;
use crate::hir::since::Feature;
use crate::isa::jmp;
use crate::mir::{Inst, Operand};
use crate::relocation::{RelocationKind, Section};

impl Builder<'_> {
    /// Branches to `then` if the kernel has everything that the rule needs.
    pub(super) fn guard(&mut self, rule: RuleId, then: Target, otherwise: Target) {
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
        for feature in &since.needs {
            let reloc = match feature {
                Feature::Field(access) => RelocationKind::FieldExists(access.clone()),
                Feature::Enumerator { of, name } => {
                    RelocationKind::EnumValueExists { name: of.clone(), value: name.clone() }
                }
                // The program of a missing hook is not loaded, and CO-RE does not cover arguments.
                Feature::Hook(_) | Feature::Argument { .. } => continue,
            };
            let present = self.fresh();
            self.push(Inst::Mov { dst: present, src: Operand::Imm(1), wide: true, reloc: Some(reloc) });
            self.branch_away(jmp::JEQ, true, present, Operand::Imm(0), otherwise);
        }
        self.jump(then);
    }
}
