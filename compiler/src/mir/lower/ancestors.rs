//! Conditions on a task's ancestors.
//!
//! ```text
//! krs_any_3(task, slot)          walks up until krs_predicate_3 holds for an ancestor
//! krs_predicate_3(task, slot)    the condition, compiled for one ancestor
//! ```
//!
//! The condition of an ancestor query becomes a global function, built like a program. Global functions take
//! no kernel pointers on 5.10, so the function gets the address of the task as a scalar and copies every
//! field with `bpf_probe_read_kernel`. It returns whether the condition is *known* to hold; a null pointer
//! makes it unknown. `rt::ancestors` has the walk that calls it for each ancestor.
//!
//! Texts of the condition use regions of the scratch memory that the program has claimed; the function finds
//! it by its slot number.

use krs_grammar::ast::Span;

use super::builder::{Builder, Target, ValueKey};
use crate::helper;
use crate::hir::walk::texts_in_cond;
use crate::hir::{Cond, Value, ValueKind};
use crate::isa::jmp;
use crate::limits;
use crate::limits::TooLarge;
use crate::mir::{Body, FRAME_POINTER, Inst, Operand, Reg, Terminator};
use crate::relocation::RelocationKind;
use crate::rt;
pub(super) use crate::rt::ancestors::UNREADABLE;
use crate::rt::ancestors::{HOLDS, MORE, Names, names};

/// The lowered condition of a query: a function of a task and the slot of the scratch memory.
pub struct Predicate {
    /// The names of the query's functions.
    pub names: &'static Names,
    /// The value of the condition that the walk looks for.
    pub sense: bool,
    /// Body of the condition's function.
    pub body: Body,
    /// The first test of the query.
    pub span: Span,
}

/// A condition on ancestors for which functions were generated.
#[derive(PartialEq)]
pub(super) struct AncestorQuery {
    cond: Cond,
    /// The value of the condition that the walk looks for.
    sense: bool,
    /// The regions of its texts in the scratch memory.
    regions: Vec<usize>,
}

/// The context of an ancestor predicate under construction.
#[derive(Clone, Copy)]
pub(super) struct AncestorContext {
    /// The address of the ancestor, a scalar.
    pub(super) task: Reg,
    /// The register of the `UNREADABLE` flag; none in predicates without texts.
    pub(super) unreadable: Option<Reg>,
    /// The target of the current test for values that cannot be read.
    pub(super) unknown: Target,
}

impl Builder<'_> {
    /// Branches to `then` if some ancestor is known to meet the condition or, without `sense`, if every
    /// ancestor is known not to meet it. With `more`, also if no visited ancestor decides it and there are more.
    pub(super) fn any_ancestor(
        &mut self,
        of: &Value,
        cond: &Cond,
        more: bool,
        sense: bool,
        then: Target,
        otherwise: Target,
    ) {
        let key = ValueKey::Ancestors { of: Box::new(of.clone()), cond: Box::new(cond.clone()), sense };
        let answer =
            self.read_once(key, &[], None, |build, answer| build.walk_ancestors(answer, of, cond, sense, otherwise));
        let holds = Operand::Imm(if more { HOLDS | MORE } else { HOLDS });
        match self.unreadable.filter(|unreadable| *unreadable != otherwise) {
            None => self.branch(jmp::JSET, true, answer, holds, then, otherwise),
            Some(unreadable) => {
                self.branch_away(jmp::JSET, true, answer, holds, then);
                self.branch(jmp::JSET, true, answer, Operand::Imm(UNREADABLE), unreadable, otherwise);
            }
        }
    }

    fn walk_ancestors(&mut self, answer: Reg, of: &Value, cond: &Cond, sense: bool, otherwise: Target) {
        let mut texts = Vec::new();
        texts_in_cond(cond, &mut texts);
        let regions = texts
            .iter()
            .map(|of| self.texts.iter().position(|known| known == of).expect("every text of a graph is in its list"));
        let query = AncestorQuery { cond: cond.clone(), sense, regions: regions.collect() };
        let names = self.query_functions(query);
        let task = self.task_number(of, otherwise);
        let (count, done) = (self.fresh_target(), self.fresh_target());
        let slot = match self.memory.filter(|_| !texts.is_empty()) {
            None => self.constant(0),
            Some(memory) => {
                let (have, failed) = (self.fresh_target(), self.fresh_target());
                self.claim(memory, have, failed);
                self.bind(failed);
                let none = Operand::Imm(UNREADABLE | MORE);
                self.push(Inst::Mov { dst: answer, src: none, wide: true, reloc: None });
                self.jump(count);
                self.bind(have);
                let slot = self.fresh();
                let offset = rt::NUMBER;
                self.push(Inst::Load { dst: slot, base: memory, offset, bytes: 8, reloc: None, argument: None });
                slot
            }
        };
        self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(task), wide: true, reloc: None });
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Reg(slot), wide: true, reloc: None });
        self.push(Inst::Invoke { function: if sense { &names.any } else { &names.all }, args: 2 });
        self.push(Inst::Mov { dst: answer, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        self.branch(jmp::JSET, true, answer, Operand::Imm(UNREADABLE), count, done);
        self.bind(count);
        self.count_unreadable();
        self.jump(done);
        self.bind(done);
    }

    /// Returns the address of a task as a scalar.
    fn task_number(&mut self, task: &Value, unknown: Target) -> Reg {
        if task.kind == ValueKind::Current {
            return self.call(helper::GET_CURRENT_TASK, &[]);
        }
        let pointer = self.pointer(task, unknown);
        self.scalar_of(pointer)
    }

    /// Returns the names of the functions for a query, whose condition is lowered at its first use.
    fn query_functions(&mut self, query: AncestorQuery) -> &'static Names {
        if let Some(at) = self.module.ancestor_queries.iter().position(|known| *known == query) {
            return names(at).expect("every kept query has names");
        }
        let Some(own) = names(self.module.ancestor_queries.len()) else {
            self.too_large.get_or_insert((TooLarge::Functions(limits::ANCESTOR_CONDS_MAX), self.span));
            return names(0).expect("the list of names is not empty");
        };
        if let Some(body) = self.predicate(&query) {
            self.predicates.push(Predicate { names: own, sense: query.sense, body, span: self.span });
            self.module.ancestor_queries.push(query);
        }
        own
    }

    /// Lowers the condition of a query; `None` if it exceeds a limit.
    fn predicate(&mut self, query: &AncestorQuery) -> Option<Body> {
        let optimise = self.optimise;
        let has_texts = !query.regions.is_empty();
        let mut build = Builder::empty(self.policy, self.hook, optimise, self.module, self.texts.clone(), self.span);
        let (yes, no) = (build.fresh_target(), build.fresh_target());
        build.enter();
        let task = build.copy(Reg(1), true);
        build.untyped.insert(task);
        let unreadable = has_texts.then(|| build.constant(0));
        build.ancestor = Some(AncestorContext { task, unreadable, unknown: no });
        if has_texts {
            let key = build.scratch();
            build.push(Inst::Store { base: FRAME_POINTER, offset: key, src: Operand::Reg(Reg(2)), bytes: 4 });
            build.push(Inst::Address { dst: Reg(1), of: RelocationKind::Map(rt::SCRATCH_MAP.into()) });
            build.frame_address(Reg(2), key);
            build.push(Inst::Call { helper: helper::MAP_LOOKUP_ELEM, args: 2 });
            let memory = build.copy(Reg(0), true);
            build.branch_away(jmp::JEQ, true, memory, Operand::Imm(0), no);
            build.memory = Some(memory);
        }
        build.begin_ancestor_labels(&query.cond);
        build.cond(&query.cond, query.sense, yes, no);
        for (label, answer) in [(yes, Operand::Imm(HOLDS)), (no, unreadable.map_or(Operand::Imm(0), Operand::Reg))] {
            if build.is_reachable(label) {
                build.bind(label);
                build.push(Inst::Mov { dst: Reg(0), src: answer, wide: true, reloc: None });
                build.end(Terminator::Exit);
            }
        }
        if let Some((why, _)) = build.too_large {
            self.too_large.get_or_insert((why, self.span));
            return None;
        }
        Some(build.finish().body)
    }
}
