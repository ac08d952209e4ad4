//! BPF code before it has registers: blocks of instructions over virtual registers.
//!
//! ```text
//! b0:
//!   v11 = r1
//!   v12 = load 8 [v11 + 16]
//!   if v12 & 4 then b1 else b3
//! ```
//!
//! Invariants: blocks stand in the order of the final code and jumps lead to later blocks only; the registers below
//! [`VIRTUAL`] are the machine's own, used only for the context, the arguments and results of calls, the
//! result of the program and the frame; arithmetic changes its destination in place, as the machine does.

use super::RelocationKind;
use crate::access::Access;

/// A register; the numbers below [`VIRTUAL`] are the machine's `r0` to `r10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct V(pub u32);

/// The first virtual register.
pub const VIRTUAL: u32 = 11;

/// The machine's frame pointer.
pub const FRAME: V = V(10);

impl V {
    /// It is one of the machine's own.
    #[must_use]
    pub fn is_machine(self) -> bool {
        self.0 < VIRTUAL
    }
}

/// Index into [`Code::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct B(pub u32);

/// A second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Src {
    /// A register.
    Reg(V),
    /// An immediate, sign-extended in 64-bit operations.
    Imm(i32),
}

/// An instruction. `wide` is a 64-bit operation; a 32-bit one clears the upper half of its destination.
#[derive(Clone, Debug, PartialEq)]
pub enum Inst {
    /// `dst = src`
    Mov {
        /// To.
        dst: V,
        /// From.
        src: Src,
        /// 64 bits.
        wide: bool,
        /// What a loader puts into the immediate.
        reloc: Option<RelocationKind>,
    },
    /// `dst = value`
    Wide {
        /// To.
        dst: V,
        /// Any 64 bits.
        value: u64,
    },
    /// `dst =` the address of a map or of a counter
    Address {
        /// To.
        dst: V,
        /// Which.
        of: RelocationKind,
    },
    /// `dst op= src`
    Alu {
        /// `insn::alu`
        op: u8,
        /// 64 bits.
        wide: bool,
        /// Changed in place.
        dst: V,
        /// The other operand; not used by `NEG`.
        src: Src,
        /// What a loader puts into the immediate.
        reloc: Option<RelocationKind>,
    },
    /// `dst =` its low bits from the network's byte order, without sign
    Swap {
        /// Changed in place.
        dst: V,
        /// 16, 32 or 64.
        bits: i32,
    },
    /// `dst = *(size *)(base + offset)`
    Load {
        /// To.
        dst: V,
        /// Address.
        base: V,
        /// Added to it.
        offset: i16,
        /// 1, 2, 4 or 8.
        bytes: u32,
        /// What a loader puts into the offset.
        reloc: Option<RelocationKind>,
        /// It reads the hook's argument of this name.
        argument: Option<String>,
    },
    /// `dst =` a copy of the field, zero where it cannot be read. Stands for a call until it is known which ways have it.
    Copy {
        /// To.
        dst: V,
        /// Address of a struct.
        base: V,
        /// The field.
        access: Access,
        /// 1, 2, 4 or 8.
        bytes: u32,
        /// Kernels differ in that: as many as this one has.
        uneven: bool,
        /// Of 8 bytes of the frame that nothing else is in meanwhile.
        scratch: i16,
    },
    /// `*(size *)(base + offset) = src`
    Store {
        /// Address.
        base: V,
        /// Added to it.
        offset: i16,
        /// What.
        src: Src,
        /// 1, 2, 4 or 8.
        bytes: u32,
    },
    /// `lock *(u64 *)(base + 0) += src`
    AtomicAdd {
        /// Address.
        base: V,
        /// What is added.
        src: V,
    },
    /// Calls a helper: `r1` to `rN` are its arguments, `r0` its result; `r1` to `r5` are lost.
    Call {
        /// `super::helper`
        helper: u32,
        /// How many.
        args: u8,
    },
    /// Calls a function of the object, like a helper.
    Invoke {
        /// Its name.
        function: &'static str,
        /// How many.
        args: u8,
    },
    /// Keeps a register in the frame, while registers are given out.
    Spill {
        /// Of the frame; it has no offset yet.
        slot: u32,
        /// What.
        src: V,
    },
    /// Takes it back.
    Reload {
        /// To.
        dst: V,
        /// Of the frame.
        slot: u32,
    },
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// There.
    Jump(B),
    /// One way or the other.
    Branch {
        /// `insn::jmp`
        op: u8,
        /// 64 bits.
        wide: bool,
        /// Left.
        left: V,
        /// Right.
        right: Src,
        /// Where it holds.
        then: B,
        /// Where not.
        otherwise: B,
    },
    /// The program ends; its result is in `r0`.
    Exit,
}

/// A straight run of instructions.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// In order, each with the source it is for.
    pub insts: Vec<(Inst, krs_grammar::ast::Span)>,
    /// What follows.
    pub end: End,
    /// The source that the end is for.
    pub end_span: krs_grammar::ast::Span,
    /// It seldom runs: it records.
    pub cold: bool,
    /// It calls something that takes longer than all around it.
    pub dear: bool,
}

/// A program.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// In the order of the final code.
    pub blocks: Vec<Block>,
    /// The next register that nothing uses.
    pub next: u32,
    /// Bytes of the frame that buffers take.
    pub frame_bytes: u32,
    /// The blocks from here on are cold and lead to each other only.
    pub sunk: u32,
}

impl Inst {
    /// The register that it writes.
    #[must_use]
    pub fn def(&self) -> Option<V> {
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
            Inst::Call { .. } | Inst::Invoke { .. } => Some(V(0)),
        }
    }

    /// The registers that it reads.
    pub fn uses(&self, mut each: impl FnMut(V)) {
        let mut src = |src: &Src| {
            if let Src::Reg(reg) = src {
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
            Inst::Call { args, .. } | Inst::Invoke { args, .. } => (1..=u32::from(*args)).for_each(|arg| each(V(arg))),
        }
    }

    /// Replaces registers.
    pub fn rename(&mut self, mut to: impl FnMut(V) -> V) {
        let src = |src: &mut Src, to: &mut dyn FnMut(V) -> V| {
            if let Src::Reg(reg) = src {
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

impl End {
    /// Replaces registers.
    pub fn rename(&mut self, mut to: impl FnMut(V) -> V) {
        if let End::Branch { left, right, .. } = self {
            *left = to(*left);
            if let Src::Reg(right) = right {
                *right = to(*right);
            }
        }
    }

    /// The registers that it reads.
    pub fn uses(&self, mut each: impl FnMut(V)) {
        match self {
            End::Jump(_) => {}
            End::Branch { left, right, .. } => {
                each(*left);
                if let Src::Reg(right) = right {
                    each(*right);
                }
            }
            End::Exit => each(V(0)),
        }
    }

    /// Where it leads.
    pub fn targets(&self) -> impl Iterator<Item = B> {
        let (first, second) = match self {
            End::Jump(to) => (Some(*to), None),
            End::Branch { then, otherwise, .. } => (Some(*then), Some(*otherwise)),
            End::Exit => (None, None),
        };
        first.into_iter().chain(second)
    }
}
