//! Blocks under construction, and the expressions that are available in each.
//!
//! An expression that every path to a block has evaluated is available there and is not evaluated again.
//! Available expressions are kept in a persistent list per path; at a join the intersection is the longest
//! common suffix of the lists, which holds the expressions available at the immediate dominator. Blocks are
//! emitted in topological order and there are no loops, so one pass suffices.
//!
//! An expensive expression, such as a helper call or a path walk, is also reused where it is only *partially*
//! available (partial redundancy elimination). An availability flag records at run time whether the path
//! taken has evaluated it:
//!
//! ```text
//! b0: flag = 0; if flags == 5 then b1 else b2
//! b1: path = fetch; flag = 1; if path .. then b5 else b2
//! b2: if flag != 0 then b4 else b3
//! b3: path = fetch; flag = 1
//! b4: ..
//! ```
//!
//! On most paths the flag is constant where it is tested, and jump threading removes the test. The pass
//! `resolve_flags` replaces the remaining tests by a second evaluation: a run-time test would make the
//! verifier explore the rest of the program once for each outcome. Only label lookups keep a run-time test.
//!
//! Absent: machine registers and spill slots, which `regalloc` assigns, and offsets of kernel fields, which
//! CO-RE relocates.

use std::collections::BTreeSet;
use std::rc::Rc;

use krs_grammar::ast::Span;

use super::{Lowered, Module, Predicate};
use crate::decision::{Graph, Index, NodeId, Plan, Role};
use crate::hir::{Access, ArgId, Hook, Policy};
use crate::isa::jmp;
use crate::limits::TooLarge;
use crate::mir::{Block, BlockId, Body, FIRST_VIRTUAL, Flag, Inst, Operand, Reg, Terminator};
use crate::optimise::{Optimisation, Optimise};
use crate::rt::automaton::AutomatonAt;

/// A jump target. Blocks get their number when they are begun, so targets are resolved by
/// [`Builder::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target(u32);

/// A fact that holds on every path to the current point.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fact {
    /// The value is available in this register.
    Available(ValueKey, Reg),
    /// The register holds a non-null pointer, or a valid text length.
    NotNull(Reg),
}

/// The key under which a value is found among the available expressions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ValueKey {
    /// A hook argument; without `full`, the bits above its own width are undefined.
    Arg { arg: ArgId, full: bool },
    /// A field read through the pointer in `base`.
    Load { base: Reg, access: Access, bytes: u32 },
    /// The sign extension of the low `bytes` of a register.
    Extended { of: Reg, bytes: u32 },
    /// A bitfield, extracted from its storage.
    Bits { base: Reg, access: Access },
    /// The result of `bpf_get_current_pid_tgid`.
    PidTgid,
    /// The result of `bpf_get_current_uid_gid`.
    UidGid,
    /// The upper 32 bits of a register.
    Upper(Reg),
    /// The lower 32 bits of a register.
    Lower(Reg),
    /// A register shifted right by `bits`.
    Shifted { of: Reg, bits: u32 },
    /// The pointer to the current task.
    Current,
    /// The result of `bpf_ktime_get_boot_ns`, as `now`.
    Now,
    /// Bytes at a constant offset from a pointer, in a layout that is the same on every kernel.
    Raw { base: Reg, offset: i16, bytes: u32 },
    /// The first `bytes` of a socket address are in its frame buffer, unless the address is null.
    Copied { address: Reg, bytes: i32 },
    /// One component of an endpoint, such as half of its address or its port.
    Endpoint { of: Box<crate::hir::Value>, component: u8 },
    /// The result of an ancestor walk.
    Ancestors { of: Box<crate::hir::Value>, cond: Box<crate::hir::Cond>, sense: bool },
    /// The alternative that `first_of` selected.
    FirstOf(Box<crate::hir::Value>),
    /// The frame buffer holds the task's `comm`.
    Comm,
    /// The label words of an object, by its index into `Labels::tested`.
    Labels(usize),
    /// The length of a text, by its index into `Builder::texts`.
    Text(usize),
    /// The hash of a text, by the same index.
    TextHash { text: usize, seed: u32 },
    /// The row at which an automaton accepts a text, by the same index.
    TextMatch { text: usize, at: AutomatonAt },
    /// Bytes of the task's `comm`.
    CommBytes { offset: u32, bytes: u32 },
}

/// A persistent list of facts, newest first. Paths share the facts from before they diverge.
#[derive(Debug)]
struct FactNode {
    fact: Fact,
    depth: u32,
    before: FactList,
}

type FactList = Option<Rc<FactNode>>;

fn depth(facts: &FactList) -> u32 {
    facts.as_ref().map_or(0, |known| known.depth)
}

/// The longest common suffix: the facts from before two paths diverged.
fn common_suffix(mut a: FactList, mut b: FactList) -> FactList {
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

/// An expensive read that occurs in the program.
#[derive(Debug)]
struct ExpensiveRead {
    key: ValueKey,
    /// The registers that hold its results.
    values: Vec<Reg>,
    /// The flag: [`AVAILABLE`] after a read, [`FAILED`] after a read that faulted, otherwise 0.
    flag: Reg,
    /// Some block tests the flag.
    tested: bool,
}

/// A set of expensive reads, a bit for each of the first 64. Later ones get no flag and are read again.
type ReadSet = u64;

const AVAILABLE: i32 = 1;
const FAILED: i32 = 2;

#[derive(Clone, Debug, Default)]
struct TargetState {
    block: Option<BlockId>,
    /// The intersection of the facts of the predecessors seen so far; `None` if there are none.
    facts: Option<FactList>,
    /// Expensive reads that are available on some predecessor.
    partial: ReadSet,
}

/// A program under construction, block by block.
pub(super) struct Builder<'p> {
    pub(super) policy: &'p Policy,
    /// The data and the ancestor queries that all functions share.
    pub(super) module: &'p mut Module,
    /// Functions that were lowered for the conditions of ancestor queries.
    pub(super) predicates: Vec<Predicate>,
    pub(super) hook: &'p Hook,
    pub(super) optimise: Optimise,
    /// The indexes that the decision graph searches.
    pub(super) indexes: &'p [Index],
    pub(super) index_state: super::index::IndexState,
    pub(super) span: Span,
    /// The current block is cold.
    pub(super) cold: bool,
    /// The current block contains a call that costs more than everything around it.
    pub(super) expensive: bool,
    /// The target of the current node for values that exist and cannot be read, if it is not that of unknown ones.
    pub(super) unreadable: Option<Target>,
    /// The manner in which the program evaluates its rules.
    pub(super) role: Role,
    /// The event under construction is of an undecided rule.
    pub(super) undecided: bool,
    /// The rule to which unreadable values are attributed.
    pub(super) rule: crate::hir::RuleId,
    /// The registers that hold effective actions, by the mode node that read them.
    pub(super) actions: std::collections::BTreeMap<NodeId, Reg>,
    /// The effective action that dominates the current node.
    pub(super) action: Option<Reg>,
    /// The texts that the program reads. The index of a text selects its region in the scratch memory.
    pub(super) texts: Vec<&'p crate::hir::Value>,
    /// The address of the scratch memory; 0 at run time until a slot is claimed.
    pub(super) memory: Option<Reg>,
    pub(super) context: Reg,
    /// The context of an ancestor predicate; `None` in a program.
    pub(super) ancestor: Option<super::ancestors::AncestorContext>,
    /// The number of calls to `krs_path_near` so far.
    pub(super) near_calls: usize,
    /// The reason why a function that the program calls cannot be generated.
    pub(super) too_large: Option<(TooLarge, Span)>,
    /// Registers with pointers that are scalars to the verifier on kernels without
    /// `bpf_get_current_task_btf`.
    pub(super) untyped: BTreeSet<Reg>,
    /// Registers with pointers that some verifier takes for scalars, or for pointers to another type.
    pub(super) scalars: BTreeSet<Reg>,
    /// Registers that BTF types as pointers to `struct sockaddr`, which programs may load from.
    pub(super) direct: BTreeSet<Reg>,
    targets: Vec<TargetState>,
    node_targets: Vec<Target>,
    blocks: Vec<Block>,
    insts: Vec<(Inst, Span)>,
    current: Option<FactList>,
    expensive_reads: Vec<ExpensiveRead>,
    /// Expensive reads that are available on some path to the current point.
    partial: ReadSet,
    next: u32,
    verdict: Option<Reg>,
    frame_bytes: u32,
    comm_buffer: Option<i16>,
    scratch: Option<i16>,
    /// The socket address that is copied first, with its buffer.
    first_address: Option<(Reg, i16)>,
    /// The buffer that all other socket addresses share.
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
        module: &'p mut Module,
    ) -> Builder<'p> {
        let span = graph.first(policy).map_or_else(Span::default, |rule| rule.span);
        let texts = super::text::texts(policy, plan, graph);
        let mut builder = Builder::empty(policy, &policy.hooks[graph.hook.index()], optimise, module, texts, span);
        builder.indexes = &plan.indexes;
        builder.role = graph.part.role;
        builder.node_targets = graph.nodes.iter().map(|_| builder.fresh_target()).collect();
        let entry = builder.node_targets[0];
        builder.targets[entry.0 as usize].facts = Some(None);
        builder.bind(entry);
        let context = builder.context;
        builder.push(Inst::Mov { dst: context, src: Operand::Reg(Reg(1)), wide: true, reloc: None });
        if !builder.texts.is_empty() {
            let memory = builder.fresh();
            builder.push(Inst::Mov { dst: memory, src: Operand::Imm(0), wide: true, reloc: None });
            builder.memory = Some(memory);
        }
        builder
    }

    /// Creates a builder without blocks and targets.
    pub(super) fn empty(
        policy: &'p Policy,
        hook: &'p Hook,
        optimise: Optimise,
        module: &'p mut Module,
        texts: Vec<&'p crate::hir::Value>,
        span: Span,
    ) -> Builder<'p> {
        Builder {
            policy,
            module,
            predicates: Vec::new(),
            hook,
            optimise,
            indexes: &[],
            index_state: super::index::IndexState::default(),
            span,
            cold: false,
            expensive: false,
            rule: crate::hir::RuleId(0),
            actions: std::collections::BTreeMap::new(),
            action: None,
            texts,
            memory: None,
            ancestor: None,
            near_calls: 0,
            too_large: None,
            context: Reg(FIRST_VIRTUAL),
            untyped: BTreeSet::new(),
            scalars: BTreeSet::new(),
            direct: BTreeSet::new(),
            targets: Vec::new(),
            node_targets: Vec::new(),
            blocks: Vec::new(),
            insts: Vec::new(),
            current: None,
            expensive_reads: Vec::new(),
            unreadable: None,
            role: Role::Decide,
            undecided: false,
            partial: 0,
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

    /// Begins the entry block of a function.
    pub(super) fn enter(&mut self) {
        let entry = self.fresh_target();
        self.targets[entry.0 as usize].facts = Some(None);
        self.bind(entry);
    }

    /// Returns the target of a node.
    pub(super) fn target(&self, node: NodeId) -> Target {
        self.node_targets[node.index()]
    }

    /// Begins the block of a node; returns false if the node turned out unreachable.
    pub(super) fn begin(&mut self, node: usize) -> bool {
        let target = self.node_targets[node];
        if node == 0 {
            return true;
        }
        if self.targets[target.0 as usize].facts.is_none() {
            return false;
        }
        self.bind(target);
        true
    }

    /// Creates a new jump target.
    pub(super) fn fresh_target(&mut self) -> Target {
        self.targets.push(TargetState::default());
        Target(self.targets.len() as u32 - 1)
    }

    /// Begins a block and binds the target to it. The block before must have ended.
    pub(super) fn bind(&mut self, target: Target) {
        debug_assert!(self.current.is_none(), "the block before has not ended");
        let state = &mut self.targets[target.0 as usize];
        state.block = Some(BlockId(self.blocks.len() as u32));
        self.current = Some(state.facts.clone().flatten());
        self.partial = state.partial;
    }

    /// Returns true if some jump leads to the target.
    pub(super) fn is_reachable(&self, target: Target) -> bool {
        self.targets[target.0 as usize].facts.is_some()
    }

    /// Allocates a new virtual register.
    pub(super) fn fresh(&mut self) -> Reg {
        self.next += 1;
        Reg(self.next - 1)
    }

    /// Returns the register of the verdict, for exits that are reached with different verdicts.
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

    /// Appends an instruction to the current block.
    pub(super) fn push(&mut self, inst: Inst) {
        self.insts.push((inst, self.span));
    }

    /// Adds a fact that holds from here on.
    pub(super) fn add_fact(&mut self, fact: Fact) {
        if !self.optimise.does(Optimisation::AvailableValues) {
            return;
        }
        let before = self.current.take().flatten();
        self.current = Some(Some(Rc::new(FactNode { fact, depth: depth(&before) + 1, before })));
    }

    /// Returns the register in which a value is available.
    pub(super) fn available(&self, key: &ValueKey) -> Option<Reg> {
        let mut at = self.current.as_ref().and_then(Option::as_ref);
        while let Some(known) = at {
            if let Fact::Available(found, reg) = &known.fact
                && found == key
            {
                return Some(*reg);
            }
            at = known.before.as_ref();
        }
        None
    }

    /// Returns true if the pointer is known to be non-null.
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

    /// Evaluates an expensive read at most once on every path, unless the pass `resolve_flags` drops its flag. The
    /// results go into `own`, or into a new register if that is empty; the first of them is returned. With
    /// `fails`, `read` leaves 0 in `r0` if the read succeeded.
    pub(super) fn read_once(
        &mut self,
        key: ValueKey,
        own: &[Reg],
        fails: Option<Target>,
        read: impl FnOnce(&mut Self, Reg),
    ) -> Reg {
        if let Some(value) = self.available(&key) {
            return value;
        }
        let known = self.expensive_reads.iter().position(|known| known.key == key);
        let at = known.unwrap_or_else(|| {
            let values = if own.is_empty() { vec![self.fresh()] } else { own.to_vec() };
            let flag = self.fresh();
            self.expensive_reads.push(ExpensiveRead { key: key.clone(), values, flag, tested: false });
            self.expensive_reads.len() - 1
        });
        let ExpensiveRead { ref values, flag, .. } = self.expensive_reads[at];
        let value = values[0];
        let enabled = self.optimise.does(Optimisation::Pre) && self.optimise.does(Optimisation::AvailableValues);
        let bit: ReadSet = if enabled { 1u64.checked_shl(at as u32).unwrap_or(0) } else { 0 };
        let join = (self.partial & bit != 0).then(|| {
            self.expensive_reads[at].tested = true;
            let (join, fetch) = (self.fresh_target(), self.fresh_target());
            match fails {
                None => self.branch(jmp::JNE, true, flag, Operand::Imm(0), join, fetch),
                Some(unknown) => {
                    self.branch_away(jmp::JEQ, true, flag, Operand::Imm(AVAILABLE), join);
                    self.branch(jmp::JEQ, true, flag, Operand::Imm(FAILED), unknown, fetch);
                }
            }
            self.bind(fetch);
            join
        });
        read(self, value);
        self.partial |= bit;
        let set = |build: &mut Self, now| {
            if bit != 0 {
                build.push(Inst::Mov { dst: flag, src: Operand::Imm(now), wide: true, reloc: None });
            }
        };
        if let Some(unknown) = fails {
            set(self, FAILED);
            self.branch_away(jmp::JNE, true, Reg(0), Operand::Imm(0), unknown);
        }
        set(self, AVAILABLE);
        if let Some(join) = join {
            self.jump(join);
            self.bind(join);
        }
        self.add_fact(Fact::Available(key, value));
        value
    }

    fn add_edge(&mut self, to: Target) {
        let facts = self.current.clone().flatten();
        let state = &mut self.targets[to.0 as usize];
        debug_assert!(state.block.is_none(), "jumps go forward");
        state.partial |= self.partial;
        state.facts = Some(match state.facts.take() {
            None => facts,
            Some(known) => common_suffix(known, facts),
        });
    }

    /// Ends the current block with a terminator.
    pub(super) fn end(&mut self, end: Terminator) {
        let insts = std::mem::take(&mut self.insts);
        self.blocks.push(Block {
            insts,
            terminator: end,
            terminator_span: self.span,
            cold: self.cold,
            expensive: self.expensive,
        });
        self.current = None;
    }

    /// Ends the current block with a jump.
    pub(super) fn jump(&mut self, to: Target) {
        self.add_edge(to);
        self.end(Terminator::Jump(BlockId(to.0)));
    }

    /// Ends the current block with a conditional branch.
    pub(super) fn branch(&mut self, op: u8, wide: bool, left: Reg, right: Operand, then: Target, otherwise: Target) {
        self.add_edge(then);
        self.add_edge(otherwise);
        self.end(Terminator::Branch { op, wide, left, right, then: BlockId(then.0), otherwise: BlockId(otherwise.0) });
    }

    /// Branches to `then`, and begins a new block for the fall-through.
    pub(super) fn branch_away(&mut self, op: u8, wide: bool, left: Reg, right: Operand, then: Target) {
        let here = self.fresh_target();
        self.branch(op, wide, left, right, then, here);
        self.bind(here);
    }

    /// Returns the frame offset of 16 bytes for the task's `comm`.
    pub(super) fn comm_buffer(&mut self) -> i16 {
        frame_space(&mut self.frame_bytes, &mut self.comm_buffer, 16)
    }

    /// Returns the frame offset of 24 bytes for a socket address. The first address has a buffer that no
    /// other one uses, so its copy stays available.
    pub(super) fn address_buffer(&mut self, address: Reg) -> i16 {
        match self.first_address {
            Some((first, buffer)) if first == address => buffer,
            Some(_) => frame_space(&mut self.frame_bytes, &mut self.address_buffer, 24),
            None => {
                let buffer = frame_space(&mut self.frame_bytes, &mut None, 24);
                self.first_address = Some((address, buffer));
                buffer
            }
        }
    }

    /// Returns true if the copy of an address stays in its buffer.
    pub(super) fn keeps_copy(&self, address: Reg) -> bool {
        self.first_address.is_some_and(|(first, _)| first == address)
    }

    /// Returns the frame offset of 32 bytes for a map key.
    pub(super) fn key_buffer(&mut self) -> i16 {
        frame_space(&mut self.frame_bytes, &mut self.key_buffer, 32)
    }

    /// Returns the frame offset of 8 bytes of short-lived scratch space.
    pub(super) fn scratch(&mut self) -> i16 {
        frame_space(&mut self.frame_bytes, &mut self.scratch, 8)
    }

    /// Resolves targets to block numbers.
    pub(super) fn finish(mut self) -> Lowered {
        let resolve = |target: &mut BlockId| {
            *target = self.targets[target.0 as usize].block.expect("every target that is jumped to is bound");
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
        // All flags are clear at the entry. The values are initialised as well, since the verifier rejects a
        // read of an uninitialised register; no path uses these zeros.
        let tested = self.expensive_reads.iter().filter(|read| read.tested);
        let zeros = tested.flat_map(|read| read.values.iter().chain([&read.flag]));
        let zeros = zeros.map(|dst| {
            (Inst::Mov { dst: *dst, src: Operand::Imm(0), wide: true, reloc: None }, self.blocks[0].terminator_span)
        });
        let zeros: Vec<_> = zeros.collect();
        self.blocks[0].insts.splice(0..0, zeros);
        // A flag that is never tested is removed.
        let untested: BTreeSet<Reg> =
            self.expensive_reads.iter().filter(|read| !read.tested).map(|read| read.flag).collect();
        for block in &mut self.blocks {
            block.insts.retain(|(inst, _)| inst.def().is_none_or(|dst| !untested.contains(&dst)));
        }
        let cold_start = self.blocks.len() as u32;
        let tested = self.expensive_reads.iter().filter(|read| read.tested);
        let flags = tested.map(|ExpensiveRead { key, values, flag, .. }| {
            // Each label is a byte of 0 or 1, so no word of labels equals -1.
            let never = matches!(key, ValueKey::Labels(_)).then_some(-1);
            Flag { flag: *flag, value: values[0], never }
        });
        let flags = flags.collect();
        let body = Body { blocks: self.blocks, next: self.next, frame_bytes: self.frame_bytes, cold_start, flags };
        Lowered { body, predicates: self.predicates }
    }
}

/// Allocates frame space at a multiple of 8, unless `at` already has an offset.
fn frame_space(frame_bytes: &mut u32, at: &mut Option<i16>, bytes: u32) -> i16 {
    *at.get_or_insert_with(|| {
        *frame_bytes = frame_bytes.next_multiple_of(8) + bytes;
        -(*frame_bytes as i16)
    })
}
