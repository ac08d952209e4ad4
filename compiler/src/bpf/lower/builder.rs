//! Blocks under construction, and what is known at each.
//!
//! What all ways to a block have read is a fact there. Of what is dear to read and only some ways have, a register tells
//! whether a run has it:
//!
//! ```text
//! b0: had = 0; if flags == 5 then b1 else b2
//! b1: path = fetch; had = 1; if path .. then b5 else b2
//! b2: if had != 0 then b4 else b3
//! b3: path = fetch; had = 1
//! b4: ..
//! ```
//!
//! On most ways `had` is a constant when it is tested, and `flow` leads past the test. Where it is not, the value is read again
//! ([`settle`]): the verifier would follow the rest of the program for either answer. Only labels are asked for at run time.

use std::collections::BTreeSet;
use std::rc::Rc;

use krs_grammar::ast::Span;

use crate::bpf::library::automaton::AutomatonAt;
use crate::decision::{Graph, Index, NodeId, Plan};
use crate::hir::{Access, ArgId, Hook, Policy};
use crate::isa::jmp;
use crate::mir::{Block, BlockId, Body, FIRST_VIRTUAL, Flag, Inst, Operand, Reg, Terminator};
use crate::optimise::{Optimisation, Optimise};

/// A place to jump to. Blocks get their number when they are begun, so labels are translated at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u32);

/// Something that a way through the program has found out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fact {
    /// This was read into that register.
    Read(Key, Reg),
    /// The pointer in this register is not null; the length in it is one.
    NotNull(Reg),
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    /// An argument; its low half only where `full` is not set.
    Arg { arg: ArgId, full: bool },
    /// A field behind the pointer in a register, in so many bytes.
    Load { base: Reg, access: Access, bytes: u32 },
    /// A register's value, extended with its sign.
    Extended { of: Reg, bytes: u32 },
    /// A bitfield.
    Bits { base: Reg, access: Access },
    /// `bpf_get_current_pid_tgid`
    PidTgid,
    /// `bpf_get_current_uid_gid`
    UidGid,
    /// The upper half of a register.
    Upper(Reg),
    /// The lower half of a register.
    Lower(Reg),
    /// A register's value without its lowest bits.
    Shifted { of: Reg, bits: u32 },
    /// The current task.
    Current,
    /// `bpf_ktime_get_boot_ns`, for those who test the time.
    Now,
    /// Bytes behind a pointer whose layout is the same on every kernel.
    Raw { base: Reg, offset: i16, bytes: u32 },
    /// So many bytes of an address are in its buffer wherever the address is not null.
    Copied { address: Reg, bytes: i32 },
    /// Half of an address, or a port.
    End { of: Box<crate::hir::Value>, part: u8 },
    /// What is known of a task's ancestors.
    Ancestors { of: Box<crate::hir::Value>, cond: Box<crate::hir::Cond>, sense: bool },
    /// What `first_of` chose.
    FirstOf(Box<crate::hir::Value>),
    /// The task's name is in the frame; bytes of it.
    Comm,
    /// The labels of an object, by its place in the program's list.
    Labels(usize),
    /// The length of a text, by its place in the program's list.
    Text(usize),
    /// The hash of such a text.
    TextHash { text: usize, seed: u32 },
    /// The row of such a text in an automaton.
    TextMatch { text: usize, at: AutomatonAt },
    /// Bytes of the task's name.
    CommBytes { offset: u32, bytes: u32 },
}

/// Facts, newest first; ways that part share what came before.
#[derive(Debug)]
struct Known {
    fact: Fact,
    depth: u32,
    before: Facts,
}

type Facts = Option<Rc<Known>>;

fn depth(facts: &Facts) -> u32 {
    facts.as_ref().map_or(0, |known| known.depth)
}

/// What both ways know: the facts from before they parted.
fn common(mut a: Facts, mut b: Facts) -> Facts {
    while depth(&a) > depth(&b) {
        a = a.and_then(|known| known.before.clone());
    }
    while depth(&b) > depth(&a) {
        b = b.and_then(|known| known.before.clone());
    }
    loop {
        match (&a, &b) {
            (Some(x), Some(y)) if !Rc::ptr_eq(x, y) => {
                let (x, y) = (x.before.clone(), y.before.clone());
                (a, b) = (x, y);
            }
            (Some(_), Some(_)) => return a,
            _ => return None,
        }
    }
}

/// Something dear that was read somewhere.
#[derive(Debug)]
struct Dear {
    key: Key,
    /// Where it is wherever it has been read.
    values: Vec<Reg>,
    /// [`HAD`] where it has been read, [`FAILED`] where it cannot be, else 0.
    had: Reg,
    /// Some place asks.
    asked: bool,
}

/// A set of those, a bit for each of the first in the list; the others are read again.
type Reads = u64;

const HAD: i32 = 1;
const FAILED: i32 = 2;

#[derive(Clone, Debug, Default)]
struct LabelState {
    block: Option<BlockId>,
    /// Facts of the ways seen so far; `None` while there is none.
    facts: Option<Facts>,
    /// What is dear and read on one of them.
    some: Reads,
}

/// A program under construction.
pub(super) struct Builder<'p> {
    pub(super) policy: &'p Policy,
    /// What all programs share.
    pub(super) code: &'p mut crate::bpf::Code,
    pub(super) hook: &'p Hook,
    pub(super) optimise: Optimise,
    /// What can be searched in.
    pub(super) indexes: &'p [Index],
    pub(super) found: super::index::Found,
    pub(super) span: Span,
    /// What is made seldom runs.
    pub(super) cold: bool,
    /// It calls something that takes longer than all around it.
    pub(super) dear: bool,
    /// The rule that asks.
    pub(super) rule: crate::hir::RuleId,
    /// What rules do, by the question for their modes.
    pub(super) acts: std::collections::BTreeMap<NodeId, Reg>,
    /// The answer that the node at hand is behind.
    pub(super) act: Option<Reg>,
    /// The texts that this program looks at, each with a place of its own.
    pub(super) texts: Vec<&'p crate::hir::Value>,
    /// The memory for them; 0 until it is claimed.
    pub(super) memory: Option<Reg>,
    pub(super) context: Reg,
    /// This is no program, but what one asks of each ancestor.
    pub(super) asked: Option<super::ancestors::Asked>,
    /// Paths that begin by loads.
    pub(super) near_calls: usize,
    /// Why a function that it needs cannot be made.
    pub(super) too_large: Option<(crate::bpf::encode::TooLarge, Span)>,
    /// Registers whose pointers are numbers on kernels without a typed task.
    pub(super) untyped: BTreeSet<Reg>,
    /// Registers whose pointers are numbers, or pointers to something else, to some verifier.
    pub(super) numbers: BTreeSet<Reg>,
    /// Registers that point to a `struct sockaddr` as the kernel's types say.
    pub(super) direct: BTreeSet<Reg>,
    labels: Vec<LabelState>,
    nodes: Vec<Label>,
    blocks: Vec<Block>,
    insts: Vec<(Inst, Span)>,
    current: Option<Facts>,
    dear_reads: Vec<Dear>,
    /// What has been read on some way to here.
    some: Reads,
    next: u32,
    verdict: Option<Reg>,
    frame_bytes: u32,
    comm_buffer: Option<i16>,
    scratch: Option<i16>,
    /// The address that is copied first, and its buffer.
    first_address: Option<(Reg, i16)>,
    /// That of all others.
    address_buffer: Option<i16>,
    key_buffer: Option<i16>,
    pub(super) object_labels: super::labels::Labels,
}

impl<'p> Builder<'p> {
    pub(super) fn new(
        policy: &'p Policy,
        plan: &'p Plan,
        graph: &'p Graph,
        optimise: Optimise,
        code: &'p mut crate::bpf::Code,
    ) -> Builder<'p> {
        let span = graph.first(policy).map_or_else(Span::default, |rule| rule.span);
        let texts = super::text::texts(policy, plan, graph);
        let mut builder = Builder::empty(policy, &policy.hooks[graph.hook.index()], optimise, code, texts, span);
        builder.indexes = &plan.indexes;
        builder.nodes = graph.nodes.iter().map(|_| builder.fresh_label()).collect();
        let entry = builder.nodes[0];
        builder.labels[entry.0 as usize].facts = Some(None);
        builder.place(entry);
        let context = builder.context;
        builder.push(Inst::Mov { dst: context, src: Operand::Reg(Reg(1)), wide: true, reloc: None });
        if !builder.texts.is_empty() {
            let memory = builder.fresh();
            builder.push(Inst::Mov { dst: memory, src: Operand::Imm(0), wide: true, reloc: None });
            builder.memory = Some(memory);
        }
        builder
    }

    /// Without blocks and labels.
    pub(super) fn empty(
        policy: &'p Policy,
        hook: &'p Hook,
        optimise: Optimise,
        code: &'p mut crate::bpf::Code,
        texts: Vec<&'p crate::hir::Value>,
        span: Span,
    ) -> Builder<'p> {
        Builder {
            policy,
            code,
            hook,
            optimise,
            indexes: &[],
            found: super::index::Found::default(),
            span,
            cold: false,
            dear: false,
            rule: crate::hir::RuleId(0),
            acts: std::collections::BTreeMap::new(),
            act: None,
            texts,
            memory: None,
            asked: None,
            near_calls: 0,
            too_large: None,
            context: Reg(FIRST_VIRTUAL),
            untyped: BTreeSet::new(),
            numbers: BTreeSet::new(),
            direct: BTreeSet::new(),
            labels: Vec::new(),
            nodes: Vec::new(),
            blocks: Vec::new(),
            insts: Vec::new(),
            current: None,
            dear_reads: Vec::new(),
            some: 0,
            next: FIRST_VIRTUAL + 1,
            verdict: None,
            frame_bytes: 0,
            comm_buffer: None,
            scratch: None,
            first_address: None,
            address_buffer: None,
            key_buffer: None,
            object_labels: super::labels::Labels::default(),
        }
    }

    /// Begins the first block.
    pub(super) fn enter(&mut self) {
        let entry = self.fresh_label();
        self.labels[entry.0 as usize].facts = Some(None);
        self.place(entry);
    }

    /// The label of a node.
    pub(super) fn label(&self, node: NodeId) -> Label {
        self.nodes[node.index()]
    }

    /// Begins the block of a node; false where nothing leads to it after all.
    pub(super) fn begin(&mut self, node: usize) -> bool {
        let label = self.nodes[node];
        if node == 0 {
            return true;
        }
        if self.labels[label.0 as usize].facts.is_none() {
            return false;
        }
        self.place(label);
        true
    }

    /// A new label.
    pub(super) fn fresh_label(&mut self) -> Label {
        self.labels.push(LabelState::default());
        Label(self.labels.len() as u32 - 1)
    }

    /// Begins a block here; the one before has ended.
    pub(super) fn place(&mut self, label: Label) {
        debug_assert!(self.current.is_none(), "a block begins inside another");
        let state = &mut self.labels[label.0 as usize];
        state.block = Some(BlockId(self.blocks.len() as u32));
        self.current = Some(state.facts.clone().flatten());
        self.some = state.some;
    }

    /// Whether anything leads to a label.
    pub(super) fn reached(&self, label: Label) -> bool {
        self.labels[label.0 as usize].facts.is_some()
    }

    /// A new register.
    pub(super) fn fresh(&mut self) -> Reg {
        self.next += 1;
        Reg(self.next - 1)
    }

    /// The register that holds the verdict where several reach one exit.
    pub(super) fn verdict(&mut self) -> Reg {
        match self.verdict {
            Some(verdict) => verdict,
            None => {
                let verdict = self.fresh();
                self.verdict = Some(verdict);
                verdict
            }
        }
    }

    /// Adds an instruction.
    pub(super) fn push(&mut self, inst: Inst) {
        self.insts.push((inst, self.span));
    }

    /// Remembers something on the way from here on.
    pub(super) fn know(&mut self, fact: Fact) {
        if !self.optimise.does(Optimisation::Reuse) {
            return;
        }
        let before = self.current.take().flatten();
        self.current = Some(Some(Rc::new(Known { fact, depth: depth(&before) + 1, before })));
    }

    /// The register that something was read into.
    pub(super) fn read(&self, key: &Key) -> Option<Reg> {
        let mut at = self.current.as_ref().and_then(Option::as_ref);
        while let Some(known) = at {
            if let Fact::Read(found, reg) = &known.fact
                && found == key
            {
                return Some(*reg);
            }
            at = known.before.as_ref();
        }
        None
    }

    /// Whether a pointer was found not to be null.
    pub(super) fn not_null(&self, of: Reg) -> bool {
        let mut at = self.current.as_ref().and_then(Option::as_ref);
        while let Some(known) = at {
            if known.fact == Fact::NotNull(of) {
                return true;
            }
            at = known.before.as_ref();
        }
        false
    }

    /// Reads what is dear, once on every way: into registers of the caller's or, where there are none, into one of its own,
    /// the first of which is the result. With `fails`, `r0` is 0 behind `read` where it could be read.
    pub(super) fn read_once(
        &mut self,
        key: Key,
        own: &[Reg],
        fails: Option<Label>,
        read: impl FnOnce(&mut Self, Reg),
    ) -> Reg {
        if let Some(value) = self.read(&key) {
            return value;
        }
        let known = self.dear_reads.iter().position(|dear| dear.key == key);
        let at = known.unwrap_or_else(|| {
            let values = if own.is_empty() { vec![self.fresh()] } else { own.to_vec() };
            let had = self.fresh();
            self.dear_reads.push(Dear { key: key.clone(), values, had, asked: false });
            self.dear_reads.len() - 1
        });
        let Dear { ref values, had, .. } = self.dear_reads[at];
        let value = values[0];
        let does = self.optimise.does(Optimisation::Tried) && self.optimise.does(Optimisation::Reuse);
        let bit: Reads = if does { 1u64.checked_shl(at as u32).unwrap_or(0) } else { 0 };
        let join = (self.some & bit != 0).then(|| {
            self.dear_reads[at].asked = true;
            let (join, fetch) = (self.fresh_label(), self.fresh_label());
            match fails {
                None => self.branch(jmp::JNE, true, had, Operand::Imm(0), join, fetch),
                Some(unknown) => {
                    self.branch_away(jmp::JEQ, true, had, Operand::Imm(HAD), join);
                    self.branch(jmp::JEQ, true, had, Operand::Imm(FAILED), unknown, fetch);
                }
            }
            self.place(fetch);
            join
        });
        read(self, value);
        self.some |= bit;
        let set = |build: &mut Self, now| {
            if bit != 0 {
                build.push(Inst::Mov { dst: had, src: Operand::Imm(now), wide: true, reloc: None });
            }
        };
        if let Some(unknown) = fails {
            set(self, FAILED);
            self.branch_away(jmp::JNE, true, Reg(0), Operand::Imm(0), unknown);
        }
        set(self, HAD);
        if let Some(join) = join {
            self.jump(join);
            self.place(join);
        }
        self.know(Fact::Read(key, value));
        value
    }

    fn lead(&mut self, to: Label) {
        let facts = self.current.clone().flatten();
        let state = &mut self.labels[to.0 as usize];
        debug_assert!(state.block.is_none(), "a jump leads back");
        state.some |= self.some;
        state.facts = Some(match state.facts.take() {
            None => facts,
            Some(known) => common(known, facts),
        });
    }

    /// Ends the block.
    pub(super) fn end(&mut self, end: Terminator) {
        let insts = std::mem::take(&mut self.insts);
        self.blocks.push(Block {
            insts,
            terminator: end,
            terminator_span: self.span,
            cold: self.cold,
            dear: self.dear,
        });
        self.current = None;
    }

    /// Ends the block with a jump.
    pub(super) fn jump(&mut self, to: Label) {
        self.lead(to);
        self.end(Terminator::Jump(BlockId(to.0)));
    }

    /// Ends the block with a branch. The facts that hold on `then` alone are `fact`.
    pub(super) fn branch(&mut self, op: u8, wide: bool, left: Reg, right: Operand, then: Label, otherwise: Label) {
        self.lead(then);
        self.lead(otherwise);
        self.end(Terminator::Branch { op, wide, left, right, then: BlockId(then.0), otherwise: BlockId(otherwise.0) });
    }

    /// Like `branch`, and goes on in a new block where the branch is not taken.
    pub(super) fn branch_away(&mut self, op: u8, wide: bool, left: Reg, right: Operand, then: Label) {
        let here = self.fresh_label();
        self.branch(op, wide, left, right, then, here);
        self.place(here);
    }

    /// Offset of 16 bytes of the frame for the task's name.
    pub(super) fn comm_buffer(&mut self) -> i16 {
        room(&mut self.frame_bytes, &mut self.comm_buffer, 16)
    }

    /// Offset of 24 bytes of the frame for an address. The first one has them for itself, so that it need not be copied again.
    pub(super) fn address_buffer(&mut self, address: Reg) -> i16 {
        match self.first_address {
            Some((first, buffer)) if first == address => buffer,
            Some(_) => room(&mut self.frame_bytes, &mut self.address_buffer, 24),
            None => {
                let buffer = room(&mut self.frame_bytes, &mut None, 24);
                self.first_address = Some((address, buffer));
                buffer
            }
        }
    }

    /// Whether what is copied of an address stays in its buffer.
    pub(super) fn keeps(&self, address: Reg) -> bool {
        self.first_address.is_some_and(|(first, _)| first == address)
    }

    /// Offset of 32 bytes of the frame for a key of a map.
    pub(super) fn key_buffer(&mut self) -> i16 {
        room(&mut self.frame_bytes, &mut self.key_buffer, 32)
    }

    /// Offset of 8 bytes of the frame that nothing keeps.
    pub(super) fn scratch(&mut self) -> i16 {
        room(&mut self.frame_bytes, &mut self.scratch, 8)
    }

    /// Turns labels into blocks.
    pub(super) fn finish(mut self) -> Body {
        let resolve = |label: &mut BlockId| {
            *label = self.labels[label.0 as usize].block.expect("every label that is jumped to is placed");
        };
        for block in &mut self.blocks {
            match &mut block.terminator {
                Terminator::Jump(to) => resolve(to),
                Terminator::Branch { then, otherwise, .. } => {
                    resolve(then);
                    resolve(otherwise);
                }
                Terminator::Exit => {}
            }
        }
        // In the beginning nothing has been read. (What is where that is is never looked at.)
        let asked = self.dear_reads.iter().filter(|dear| dear.asked);
        let zeros = asked.flat_map(|dear| dear.values.iter().chain([&dear.had]));
        let zeros = zeros.map(|dst| {
            (Inst::Mov { dst: *dst, src: Operand::Imm(0), wide: true, reloc: None }, self.blocks[0].terminator_span)
        });
        let zeros: Vec<_> = zeros.collect();
        self.blocks[0].insts.splice(0..0, zeros);
        // What nobody asks for needs no register that tells.
        let told: BTreeSet<Reg> = self.dear_reads.iter().filter(|dear| !dear.asked).map(|dear| dear.had).collect();
        for block in &mut self.blocks {
            block.insts.retain(|(inst, _)| inst.def().is_none_or(|dst| !told.contains(&dst)));
        }
        let sunk = self.blocks.len() as u32;
        let asked = self.dear_reads.iter().filter(|dear| dear.asked);
        let flags = asked.map(|Dear { key, values, had, .. }| {
            // No byte of labels is more than 1.
            let never = matches!(key, Key::Labels(_)).then_some(-1);
            Flag { flag: *had, value: values[0], never }
        });
        let flags = flags.collect();
        Body { blocks: self.blocks, next: self.next, frame_bytes: self.frame_bytes, sunk, flags }
    }
}

/// Offset of so many bytes of the frame, a multiple of 8; where they are is decided once.
fn room(frame_bytes: &mut u32, at: &mut Option<i16>, bytes: u32) -> i16 {
    *at.get_or_insert_with(|| {
        *frame_bytes = frame_bytes.next_multiple_of(8) + bytes;
        -(*frame_bytes as i16)
    })
}
