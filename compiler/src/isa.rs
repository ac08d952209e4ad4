//! The instruction encoding: one slot of 8 bytes, and the numbers in it. Source: RFC 9669,
//! `include/uapi/linux/bpf.h`.

/// One instruction slot of 8 bytes (RFC 9669, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Insn {
    /// Class, operation and source of the second operand; or class, mode and size.
    pub code: u8,
    /// Destination register, 0 to 10.
    pub dst: u8,
    /// Source register, or the kind of a 64-bit immediate or call (`pseudo`).
    pub src: u8,
    /// Offset of a load, store or jump.
    pub off: i16,
    /// Immediate operand, sign-extended in 64-bit operations.
    pub imm: i32,
}

impl Insn {
    /// Encodes the slot in little-endian byte order.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let [o0, o1] = self.off.to_le_bytes();
        let [i0, i1, i2, i3] = self.imm.to_le_bytes();
        [self.code, self.src << 4 | self.dst, o0, o1, i0, i1, i2, i3]
    }
}

/// Instruction classes, the low three bits of the code.
#[expect(missing_docs, reason = "the names are those of RFC 9669")]
pub mod class {
    pub const LD: u8 = 0;
    pub const LDX: u8 = 1;
    pub const ST: u8 = 2;
    pub const STX: u8 = 3;
    pub const ALU: u8 = 4;
    pub const JMP: u8 = 5;
    pub const JMP32: u8 = 6;
    pub const ALU64: u8 = 7;
}

/// Operations of arithmetic classes, the high four bits.
#[expect(missing_docs, reason = "the names are those of RFC 9669")]
pub mod alu {
    pub const ADD: u8 = 0x00;
    pub const SUB: u8 = 0x10;
    pub const MUL: u8 = 0x20;
    pub const DIV: u8 = 0x30;
    pub const OR: u8 = 0x40;
    pub const AND: u8 = 0x50;
    pub const LSH: u8 = 0x60;
    pub const RSH: u8 = 0x70;
    pub const NEG: u8 = 0x80;
    pub const MOD: u8 = 0x90;
    pub const XOR: u8 = 0xa0;
    pub const MOV: u8 = 0xb0;
    pub const ARSH: u8 = 0xc0;
    pub const END: u8 = 0xd0;

    /// The assignment operator of an operation: `+=`.
    #[must_use]
    pub fn operator(op: u8) -> &'static str {
        match op {
            ADD => "+=",
            SUB => "-=",
            MUL => "*=",
            DIV => "/=",
            OR => "|=",
            AND => "&=",
            LSH => "<<=",
            RSH => ">>=",
            MOD => "%=",
            XOR => "^=",
            ARSH => "s>>=",
            _ => "=",
        }
    }
}

/// Operations of jump classes, the high four bits.
#[expect(missing_docs, reason = "the names are those of RFC 9669")]
pub mod jmp {
    pub const JA: u8 = 0x00;
    pub const JEQ: u8 = 0x10;
    pub const JGT: u8 = 0x20;
    pub const JGE: u8 = 0x30;
    pub const JSET: u8 = 0x40;
    pub const JNE: u8 = 0x50;
    pub const JSGT: u8 = 0x60;
    pub const JSGE: u8 = 0x70;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    pub const JLT: u8 = 0xa0;
    pub const JLE: u8 = 0xb0;
    pub const JSLT: u8 = 0xc0;
    pub const JSLE: u8 = 0xd0;

    /// The comparison that holds if and only if another does not.
    #[must_use]
    pub fn inverse(op: u8) -> Option<u8> {
        Some(match op {
            JEQ => JNE,
            JNE => JEQ,
            JGT => JLE,
            JLE => JGT,
            JGE => JLT,
            JLT => JGE,
            JSGT => JSLE,
            JSLE => JSGT,
            JSGE => JSLT,
            JSLT => JSGE,
            // The instruction set has no jump for "none of these bits".
            _ => return None,
        })
    }

    /// The operator of a comparison: `s<`.
    #[must_use]
    pub fn comparison(op: u8) -> &'static str {
        match op {
            JEQ => "==",
            JNE => "!=",
            JGT => ">",
            JGE => ">=",
            JLT => "<",
            JLE => "<=",
            JSET => "&",
            JSGT => "s>",
            JSGE => "s>=",
            JSLT => "s<",
            _ => "s<=",
        }
    }
}

/// Bit of the code: the second operand is a register, not the immediate.
pub const SRC_REG: u8 = 0x08;

/// Sizes of memory accesses, bits 3 and 4.
#[expect(missing_docs, reason = "the names are those of RFC 9669")]
pub mod size {
    pub const W: u8 = 0x00;
    pub const H: u8 = 0x08;
    pub const B: u8 = 0x10;
    pub const DW: u8 = 0x18;
}

/// Modes of memory accesses, the high three bits.
#[expect(missing_docs, reason = "the names are those of RFC 9669")]
pub mod mode {
    pub const IMM: u8 = 0x00;
    pub const MEM: u8 = 0x60;
    pub const ATOMIC: u8 = 0xc0;
}

/// Values of the source field of a 64-bit immediate load, and of a call.
#[expect(missing_docs, reason = "the names are those of bpf.h")]
pub mod pseudo {
    pub const MAP_FD: u8 = 1;
    pub const MAP_VALUE: u8 = 2;
    /// On a call: a function of this object.
    pub const CALL: u8 = 1;
}
