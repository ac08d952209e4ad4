//! The middle-level intermediate representation (MIR): one function as a control-flow graph of basic blocks
//! whose instructions are those of BPF, over virtual registers.
//!
//! ```text
//! b0:
//!     v11 = r1
//!     v12 = load 8 [v11 + 16] arg prot
//!     if v12 & 4 then b1 else b2
//! b1 cold:
//!     r0 = -1
//!     exit
//! b2:
//!     r0 = 0
//!     exit
//! ```
//!
//! The text form is parsed and printed by [`text`]; `krsic build -Z print-after=PASS` prints it, and the
//! tests of passes are written in it. [`lower`] lowers `decision` to this form, the passes of [`passes`] transform
//! it, and `bpf` assigns machine registers and encodes it.
//!
//! The graph is acyclic: every edge leads from a block to a later one, because the generated programs have no
//! loops (the functions of `rt`, which have some, are not in this form). Each forward dataflow
//! analysis is therefore one pass over the blocks in order, each backward one a pass in reverse order,
//! without a fixed-point iteration. The form is not SSA: arithmetic changes its destination in place as the
//! machine does, and a join of values is a register that several blocks write. Most registers have one
//! definition, and the passes check for that where they need it; [`passes::rename_live_ranges`] restores it
//! where duplicated blocks have added definitions. Block parameters would have to be lowered to parallel
//! moves again, each of which costs an instruction on a two-address machine with eleven registers, and jump
//! threading, the pass that changes the graph most, would have to repair them.
//!
//! Invariants, checked by [`verify`]: edges lead to later blocks that exist; virtual registers are below
//! [`Body::next`] and are written on every path before they are read; the frame pointer is not written; calls
//! have at most 5 arguments, and accesses a width of the machine; the cold region does not begin at the
//! entry. Since edges lead to later blocks, it has no edges to the blocks before it.
//!
//! Not checked: until register allocation, the registers below [`FIRST_VIRTUAL`] hold only the context,
//! arguments and results of calls, the result of the function, and the frame pointer; blocks from
//! [`Body::cold_start`] on are cold.
//!
//! Absent: kernel field offsets and sizes, which a loader fills in; an instruction that needs one names the
//! field.

pub mod analysis;
pub mod lower;
pub mod passes;
pub mod text;
pub mod verify;

use crate::access::Access;
use crate::relocation::RelocationKind;

/// A register: `r0` to `r10` of the machine below [`FIRST_VIRTUAL`], virtual registers from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u32);

/// Number of the first virtual register.
pub const FIRST_VIRTUAL: u32 = 11;

/// The frame pointer `r10`, which is read-only.
pub const FRAME_POINTER: Reg = Reg(10);

impl Reg {
    /// Returns true for `r0` to `r10`.
    #[must_use]
    pub fn is_machine(self) -> bool {
        self.0 < FIRST_VIRTUAL
    }
}

/// Number of a block: an index into [`Body::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// The second operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The value of a register.
    Reg(Reg),
    /// An immediate, sign-extended in 64-bit operations.
    Imm(i32),
}

/// An instruction. `wide` marks a 64-bit operation; a 32-bit operation clears the upper half of its
/// destination.
#[derive(Clone, Debug, PartialEq)]
pub enum Inst {
    /// Move or constant: `dst = src`.
    Mov {
        /// Register that is written.
        dst: Reg,
        /// Operand that is moved.
        src: Operand,
        /// True for a 64-bit operation.
        wide: bool,
        /// Relocation that fills in the immediate.
        reloc: Option<RelocationKind>,
    },
    /// Load of a 64-bit immediate: `dst = value ll`.
    Wide {
        /// Register that is written.
        dst: Reg,
        /// All 64 bits of the immediate.
        value: u64,
    },
    /// `dst =` address of a map, a constant or a counter
    Address {
        /// Register that is written.
        dst: Reg,
        /// The symbol whose address is loaded.
        of: RelocationKind,
    },
    /// Arithmetic in place: `dst op= src`.
    Alu {
        /// Operation, one of `isa::alu`.
        op: u8,
        /// True for a 64-bit operation.
        wide: bool,
        /// First operand and destination.
        dst: Reg,
        /// Second operand; ignored by `NEG`.
        src: Operand,
        /// Relocation that fills in the immediate.
        reloc: Option<RelocationKind>,
    },
    /// `dst =` its low bits converted from network byte order, zero-extended
    Swap {
        /// First operand and destination.
        dst: Reg,
        /// Width in bits: 16, 32 or 64.
        bits: i32,
    },
    /// `dst = *(size *)(base + offset)`
    Load {
        /// Register that is written.
        dst: Reg,
        /// Register with the base address.
        base: Reg,
        /// Offset added to the base.
        offset: i16,
        /// Width in bytes: 1, 2, 4 or 8.
        bytes: u32,
        /// Relocation that fills in the offset.
        reloc: Option<RelocationKind>,
        /// Name of the hook argument that is read from the context.
        argument: Option<String>,
    },
    /// `dst =` a field read by `bpf_probe_read_kernel`, zero on a fault. A pseudo-instruction, so that value
    /// numbering treats it like a load; [`passes::expand_reads`] replaces it by the call.
    Copy {
        /// Register that is written.
        dst: Reg,
        /// Address of the struct.
        base: Reg,
        /// The field that is read.
        access: Access,
        /// Width in bytes: 1, 2, 4 or 8.
        bytes: u32,
        /// True where kernels differ in the width: the loader fills it in.
        uneven: bool,
        /// Frame offset of 8 bytes that the call may clobber.
        scratch: i16,
    },
    /// `*(size *)(base + offset) = src`
    Store {
        /// Register with the base address.
        base: Reg,
        /// Offset added to the base.
        offset: i16,
        /// Value that is stored.
        src: Operand,
        /// Width in bytes: 1, 2, 4 or 8.
        bytes: u32,
    },
    /// `lock *(u64 *)(base + 0) += src`
    AtomicAdd {
        /// Register with the base address.
        base: Reg,
        /// Register with the addend.
        src: Reg,
    },
    /// Calls a helper with the arguments `r1` to `rN`; the result is in `r0`, and `r1` to `r5` are clobbered.
    Call {
        /// Number of the helper, one of `helper`.
        helper: u32,
        /// Number of argument registers, at most 5.
        args: u8,
    },
    /// Calls a function of the object with the calling convention of helpers.
    Invoke {
        /// Symbol of the function.
        function: &'static str,
        /// Number of argument registers, at most 5.
        args: u8,
    },
    /// Stores a register to a spill slot. Register allocation inserts it.
    Spill {
        /// Spill slot, which has no frame offset yet.
        slot: u32,
        /// Value that is stored.
        src: Reg,
    },
    /// Loads a register from a spill slot. Register allocation inserts it.
    Reload {
        /// Register that is written.
        dst: Reg,
        /// Spill slot that is read.
        slot: u32,
    },
}

/// The last instruction of a block, which transfers control.
#[derive(Clone, Debug, PartialEq)]
pub enum Terminator {
    /// Unconditional jump to a block.
    Jump(BlockId),
    /// Conditional branch with two successors.
    Branch {
        /// Comparison, one of `isa::jmp`.
        op: u8,
        /// True for a 64-bit operation.
        wide: bool,
        /// Left operand of the comparison.
        left: Reg,
        /// Right operand of the comparison.
        right: Operand,
        /// Successor if the comparison holds.
        then: BlockId,
        /// Successor if it does not hold.
        otherwise: BlockId,
    },
    /// Returns `r0` from the function.
    Exit,
}

/// A basic block: instructions without a branch, and a terminator.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Instructions in order, each with the source text that it implements.
    pub insts: Vec<(Inst, krs_grammar::ast::Span)>,
    /// The terminator of the block.
    pub terminator: Terminator,
    /// Source text that the terminator implements.
    pub terminator_span: krs_grammar::ast::Span,
    /// Rarely executed: records an event, or leads only to such blocks.
    pub cold: bool,
    /// Contains a call or a walk that costs more than the surrounding tests.
    pub expensive: bool,
}

/// The body of a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Basic blocks in topological order; the first one is the entry.
    pub blocks: Vec<Block>,
    /// Number of the next unused register.
    pub next: u32,
    /// Bytes of the frame that are in use: buffers, and spill slots once they have offsets.
    pub frame_bytes: u32,
    /// Index of the first block of the cold region, which has no edges to the blocks before it.
    pub cold_start: u32,
    /// Availability flags of values that only some paths have read; empty after [`passes::resolve_flags`].
    pub flags: Vec<Flag>,
}

/// A register that is 1 on the paths that have read a value, and 0 on the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The register of the flag.
    pub flag: Reg,
    /// The register of the value.
    pub value: Reg,
    /// A number that the value never equals, if one is known.
    pub never: Option<i32>,
}

impl Inst {
    /// The register that the instruction writes.
    #[must_use]
    pub fn def(&self) -> Option<Reg> {
        match self {
            Inst::Mov { dst, .. }
            | Inst::Wide { dst, .. }
            | Inst::Address { dst, .. }
            | Inst::Alu { dst, .. }
            | Inst::Swap { dst, .. }
            | Inst::Load { dst, .. }
            | Inst::Copy { dst, .. }
            | Inst::Reload { dst, .. } => Some(*dst),
            Inst::Store { .. } | Inst::AtomicAdd { .. } | Inst::Spill { .. } => None,
            Inst::Call { .. } | Inst::Invoke { .. } => Some(Reg(0)),
        }
    }

    /// Calls `each` with the registers that are read.
    pub fn uses(&self, mut each: impl FnMut(Reg)) {
        let mut src = |src: &Operand| {
            if let Operand::Reg(reg) = src {
                each(*reg);
            }
        };
        match self {
            Inst::Mov { src: from, .. } => src(from),
            Inst::Wide { .. } | Inst::Address { .. } | Inst::Reload { .. } => {}
            Inst::Spill { src, .. } => each(*src),
            Inst::Alu { dst, src: from, .. } => {
                src(from);
                each(*dst);
            }
            Inst::Swap { dst, .. } => each(*dst),
            Inst::Load { base, .. } | Inst::Copy { base, .. } => each(*base),
            Inst::Store { base, src: from, .. } => {
                src(from);
                each(*base);
            }
            Inst::AtomicAdd { base, src } => {
                each(*base);
                each(*src);
            }
            Inst::Call { args, .. } | Inst::Invoke { args, .. } => {
                (1..=u32::from(*args)).for_each(|arg| each(Reg(arg)))
            }
        }
    }

    /// Renames the registers that are read and written.
    pub fn rename(&mut self, mut to: impl FnMut(Reg) -> Reg) {
        let src = |src: &mut Operand, to: &mut dyn FnMut(Reg) -> Reg| {
            if let Operand::Reg(reg) = src {
                *reg = to(*reg);
            }
        };
        match self {
            Inst::Mov { dst, src: from, .. } | Inst::Alu { dst, src: from, .. } => {
                src(from, &mut to);
                *dst = to(*dst);
            }
            Inst::Wide { dst, .. } | Inst::Address { dst, .. } | Inst::Swap { dst, .. } => *dst = to(*dst),
            Inst::Load { dst, base, .. } | Inst::Copy { dst, base, .. } => {
                *base = to(*base);
                *dst = to(*dst);
            }
            Inst::Store { base, src: from, .. } => {
                src(from, &mut to);
                *base = to(*base);
            }
            Inst::AtomicAdd { base, src } => {
                *base = to(*base);
                *src = to(*src);
            }
            Inst::Spill { src, .. } => *src = to(*src),
            Inst::Reload { dst, .. } => *dst = to(*dst),
            Inst::Call { .. } | Inst::Invoke { .. } => {}
        }
    }
}

impl Terminator {
    /// Renames the registers that are read and written.
    pub fn rename(&mut self, mut to: impl FnMut(Reg) -> Reg) {
        if let Terminator::Branch { left, right, .. } = self {
            *left = to(*left);
            if let Operand::Reg(right) = right {
                *right = to(*right);
            }
        }
    }

    /// Calls `each` with the registers that are read.
    pub fn uses(&self, mut each: impl FnMut(Reg)) {
        match self {
            Terminator::Jump(_) => {}
            Terminator::Branch { left, right, .. } => {
                each(*left);
                if let Operand::Reg(right) = right {
                    each(*right);
                }
            }
            Terminator::Exit => each(Reg(0)),
        }
    }

    /// The successors of the block.
    pub fn targets(&self) -> impl Iterator<Item = BlockId> {
        let (first, second) = match self {
            Terminator::Jump(to) => (Some(*to), None),
            Terminator::Branch { then, otherwise, .. } => (Some(*then), Some(*otherwise)),
            Terminator::Exit => (None, None),
        };
        first.into_iter().chain(second)
    }
}
