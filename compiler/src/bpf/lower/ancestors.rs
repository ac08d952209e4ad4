//! Questions about a task's ancestors.
//!
//! What is asked of one becomes a function, in the same way as a program: it gets the address of a task as a number, since
//! functions take nothing else, and all that it reads is copied from there. It answers whether the ancestor is *known* to be
//! as asked; a null on the way is no such answer. `library::ancestors` calls it for each.
//!
//! Its texts use places in the memory that the program has claimed, which it finds by the number of its slot.

use super::builder::{Builder, Key, Label};
use super::text;
use crate::bpf::encode::TooLarge;
pub(super) use crate::bpf::library::ancestors::UNREADABLE;
use crate::bpf::library::ancestors::{ANSWER, Names, names, walk};
use crate::bpf::{Checked, Function, RelocationKind, helper, library};
use crate::hir::{Cond, Value, ValueKind};
use crate::isa::jmp;
use crate::limits;
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg, Terminator};

/// A question that has functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    cond: Cond,
    /// The answer that is looked for.
    sense: bool,
    /// Where in the memory its texts are.
    regions: Vec<usize>,
}

/// What code that is asked of an ancestor has at hand.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The ancestor, as a number.
    pub(super) ancestor: Reg,
    /// [`UNREADABLE`] where a text could not be read; none where there are no texts.
    pub(super) unreadable: Option<Reg>,
    /// Where the test at hand leads when something cannot be read.
    pub(super) unknown: Label,
}

impl Builder<'_> {
    /// Leads to `then` where some ancestor is known to be so (or, without `sense`, where every one is known not to be).
    pub(super) fn any_ancestor(&mut self, of: &Value, cond: &Cond, sense: bool, then: Label, otherwise: Label) {
        let key = Key::Ancestors { of: Box::new(of.clone()), cond: Box::new(cond.clone()), sense };
        let answer = self.read_once(key, &[], None, |build, answer| build.ask(answer, of, cond, sense, otherwise));
        self.branch(jmp::JSET, true, answer, Operand::Imm(ANSWER), then, otherwise);
    }

    fn ask(&mut self, answer: Reg, of: &Value, cond: &Cond, sense: bool, otherwise: Label) {
        let mut texts = Vec::new();
        text::in_cond(cond, &mut texts);
        let regions = texts
            .iter()
            .map(|of| self.texts.iter().position(|known| known == of).expect("every text of a graph is in its list"));
        let asking = Asking { cond: cond.clone(), sense, regions: regions.collect() };
        let names = self.question(asking);
        let task = self.task_number(of, otherwise);
        let slot = match self.memory.filter(|_| !texts.is_empty()) {
            None => self.constant(0),
            Some(memory) => {
                let (have, failed) = (self.fresh_label(), self.fresh_label());
                self.claim(memory, have, failed);
                self.place(failed);
                self.count_unreadable();
                self.jump(otherwise);
                self.place(have);
                let slot = self.fresh();
                let offset = library::NUMBER;
                self.push(Inst::Load { dst: slot, base: memory, offset, bytes: 8, reloc: None, argument: None });
                slot
            }
        };
        self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(task), wide: true, reloc: None });
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Reg(slot), wide: true, reloc: None });
        self.push(Inst::Invoke { function: if sense { &names.any } else { &names.all }, args: 2 });
        self.push(Inst::Mov { dst: answer, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        let (count, go_on) = (self.fresh_label(), self.fresh_label());
        self.branch(jmp::JSET, true, answer, Operand::Imm(UNREADABLE), count, go_on);
        self.place(count);
        self.count_unreadable();
        self.jump(go_on);
        self.place(go_on);
    }

    /// The address of a task as a number.
    fn task_number(&mut self, task: &Value, unknown: Label) -> Reg {
        if task.kind == ValueKind::Current {
            return self.call(helper::GET_CURRENT_TASK, &[]);
        }
        let pointer = self.pointer(task, unknown);
        self.number(pointer)
    }

    /// The functions of a question, made where they are not there yet.
    fn question(&mut self, asking: Asking) -> &'static Names {
        if let Some(at) = self.code.asked.iter().position(|known| *known == asking) {
            return names(at).expect("only questions that have names are kept");
        }
        let at = self.code.asked.len();
        let Some(own) = names(at) else {
            self.too_large.get_or_insert((TooLarge::Functions(limits::ANCESTOR_CONDS_MAX), self.span));
            return names(0).expect("there are some");
        };
        match self.asked_function(&own.asked, &asking) {
            Ok(function) => {
                self.code.function(&own.asked, |_| function);
                let name: &'static str = if asking.sense { &own.any } else { &own.all };
                self.code.function(name, |_| walk(name, &own.asked, asking.sense));
                self.code.asked.push(asking);
            }
            Err(why) => drop(self.too_large.get_or_insert((why, self.span))),
        }
        own
    }

    fn asked_function(&mut self, name: &'static str, asking: &Asking) -> Result<Function, TooLarge> {
        let optimise = self.optimise;
        let has_texts = !asking.regions.is_empty();
        let mut build = Builder::empty(self.policy, self.hook, optimise, self.code, self.texts.clone(), self.span);
        let (yes, no) = (build.fresh_label(), build.fresh_label());
        build.enter();
        let ancestor = build.copy(Reg(1), true);
        build.untyped.insert(ancestor);
        let unreadable = has_texts.then(|| build.constant(0));
        build.asked = Some(Asked { ancestor, unreadable, unknown: no });
        if has_texts {
            let key = build.scratch();
            build.push(Inst::Store { base: FRAME_POINTER, offset: key, src: Operand::Reg(Reg(2)), bytes: 4 });
            build.push(Inst::Address { dst: Reg(1), of: RelocationKind::Map(library::SCRATCH_MAP.into()) });
            build.frame_address(Reg(2), key);
            build.push(Inst::Call { helper: helper::MAP_LOOKUP_ELEM, args: 2 });
            let memory = build.copy(Reg(0), true);
            build.branch_away(jmp::JEQ, true, memory, Operand::Imm(0), no);
            build.memory = Some(memory);
        }
        build.begin_asked_labels(&asking.cond);
        build.cond(&asking.cond, asking.sense, yes, no);
        for (label, answer) in [(yes, Operand::Imm(ANSWER)), (no, unreadable.map_or(Operand::Imm(0), Operand::Reg))] {
            if build.reached(label) {
                build.place(label);
                build.push(Inst::Mov { dst: Reg(0), src: answer, wide: true, reloc: None });
                build.end(Terminator::Exit);
            }
        }
        if let Some((why, _)) = build.too_large {
            return Err(why);
        }
        let made = super::encoded(name, build.finish(), optimise)?;
        let notes = vec![(0, "what is asked of an ancestor")];
        let (insns, relocations) = (made.insns, made.relocations);
        Ok(Function { name, checked: Checked::Once, params: 2, insns, relocations, notes })
    }
}
