//! The text form of a body: a printer, and a parser for tests.
//!
//! ```text
//! frame 24                                bytes of the frame in use, if any
//! flag v13 of v12 != -1                   availability flag of a value that never equals -1
//! b0: v11 = r1                            `w11` and `w1` mark operations of 32 bits
//!     v12 = load 8 [v11 + 16] arg prot    an argument of the hook
//!     v13 = load 4 [v11 + inode.i_mode]   a relocated offset
//!     v13 >>= 3
//!     v14 = 0x1ffff ll                    a 64-bit immediate; `state[8] ll` is an address
//!     if v12 & 4 then b1 else b2
//! b1 cold: store 8 [v14] = v13
//!     call 5/2                            helper 5 with two arguments; `call krs_f/2` is a function
//!     goto b2
//! cold:                                   the cold region, which has no edges to the blocks before it
//! b2 cold: r0 = 0
//!     exit
//! ```
//!
//! Absent: source spans, for which the parser uses line numbers, and the types of fields. The relocations of
//! texts, automata and enumerators are printed and not parsed.

use std::fmt::Write;

use krs_grammar::ast::Span;
use krsi_abi::manifest::RuleId;

use crate::access::{Access, Shape, Step};
use crate::isa::{alu, jmp};
use crate::mir::{Block, BlockId, Body, FIRST_VIRTUAL, Flag, Inst, Operand, Reg, Terminator};
use crate::relocation::{RelocationKind, Section};

/// Operations with an assignment operator.
const OPERATIONS: [u8; 11] =
    [alu::ADD, alu::SUB, alu::MUL, alu::DIV, alu::OR, alu::AND, alu::LSH, alu::RSH, alu::MOD, alu::XOR, alu::ARSH];

/// All comparisons of conditional branches.
pub const COMPARISONS: [u8; 11] =
    [jmp::JEQ, jmp::JNE, jmp::JGT, jmp::JGE, jmp::JLT, jmp::JLE, jmp::JSET, jmp::JSGT, jmp::JSGE, jmp::JSLT, jmp::JSLE];

/// Parses a body. Registers keep their numbers, and `next` is above all of them.
///
/// # Panics
/// On malformed text: the input is part of a test.
#[must_use]
#[track_caller]
pub fn parse(text: &str) -> Body {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut cold_start, mut frame_bytes, mut flags) = (None, 0, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let span = Span { start: number as u32, end: number as u32 + 1, ..Span::default() };
        let mut line = line.trim();
        if line == "cold:" {
            cold_start = Some(blocks.len() as u32);
            continue;
        }
        if let Some(bytes) = line.strip_prefix("frame ") {
            frame_bytes = bytes.parse().expect("a number of bytes");
            continue;
        }
        if let Some(words) = line.strip_prefix("flag ") {
            flags.push(flag(words));
            continue;
        }
        if let Some((head, rest)) = line.split_once(':').filter(|(head, _)| head.starts_with('b')) {
            let mut words = head.split(' ');
            assert_eq!(words.next(), Some(&*format!("b{}", blocks.len())), "blocks are numbered in order");
            let (mut cold, mut expensive) = (false, false);
            words.for_each(|word| match word {
                "cold" => cold = true,
                "expensive" => expensive = true,
                other => panic!("a block cannot be `{other}`"),
            });
            blocks.push(Block {
                insts: Vec::new(),
                terminator: Terminator::Exit,
                terminator_span: span,
                cold,
                expensive,
            });
            line = rest.trim();
        }
        if line.is_empty() {
            continue;
        }
        let block = blocks.last_mut().expect("code begins with `b0:`");
        match end(line) {
            Some(end) => (block.terminator, block.terminator_span) = (end, span),
            None => block.insts.push((inst(line), span)),
        }
    }
    let cold_start = cold_start.unwrap_or(blocks.len() as u32);
    let mut code = Body { blocks, next: FIRST_VIRTUAL, frame_bytes, cold_start, flags };
    let mut next = FIRST_VIRTUAL;
    for block in &mut code.blocks {
        let mut see = |reg: Reg| {
            next = next.max(reg.0 + 1);
            reg
        };
        block.insts.iter_mut().for_each(|(inst, _)| inst.rename(&mut see));
        block.terminator.rename(&mut see);
    }
    code.next = next;
    code
}

/// An availability flag: `v13 of v12` or `v13 of v12 != -1`.
fn flag(words: &str) -> Flag {
    let words: Vec<&str> = words.split_whitespace().collect();
    let reg = |word| register(word).expect("a register").0;
    match words[..] {
        [flag, "of", value] => Flag { flag: reg(flag), value: reg(value), never: None },
        [flag, "of", value, "!=", never] => {
            Flag { flag: reg(flag), value: reg(value), never: number(never).map(|number| number as i32) }
        }
        _ => panic!("a flag, as `v13 of v12`"),
    }
}

fn end(line: &str) -> Option<Terminator> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(match words[..] {
        ["exit"] => Terminator::Exit,
        ["goto", to] => Terminator::Jump(target(to)),
        ["if", left, op, right, "then", then, "else", otherwise] => {
            let (left, wide) = register(left).expect("a test reads a register");
            let op = COMPARISONS.into_iter().find(|known| jmp::comparison(*known) == op).expect("a known comparison");
            Terminator::Branch {
                op,
                wide,
                left,
                right: source(right),
                then: target(then),
                otherwise: target(otherwise),
            }
        }
        _ => return None,
    })
}

fn target(word: &str) -> BlockId {
    BlockId(word.strip_prefix('b').and_then(|number| number.parse().ok()).expect("a block, as `b1`"))
}

/// A register, and true if its name denotes all 64 bits.
fn register(word: &str) -> Option<(Reg, bool)> {
    let number = word.get(1..)?.parse().ok()?;
    match (&word[..1], number) {
        ("r", 0..FIRST_VIRTUAL) | ("v", FIRST_VIRTUAL..) => Some((Reg(number), true)),
        ("w", _) => Some((Reg(number), false)),
        _ => None,
    }
}

fn source(word: &str) -> Operand {
    match register(word) {
        Some((reg, _)) => Operand::Reg(reg),
        None => Operand::Imm(number(word).unwrap_or_else(|| panic!("`{word}` is no register and no number")) as i32),
    }
}

fn number(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => word.parse().ok(),
    }
}

/// `v11 + 16`, `v11 - 8`, `v11` or `v11 + inode.i_mode`.
fn place(text: &str) -> (Reg, i16, Option<RelocationKind>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let base = |word| register(word).expect("an address begins with a register").0;
    match words[..] {
        [reg] => (base(reg), 0, None),
        [reg, "+", offset] => match number(offset) {
            Some(offset) => (base(reg), offset as i16, None),
            None => (base(reg), 0, Some(relocation(offset))),
        },
        [reg, "-", offset] => (base(reg), -(number(offset).expect("an offset") as i16), None),
        _ => panic!("`{text}` is no address"),
    }
}

/// A field by its path, `inode.i_mode`, with a shape that no pass reads.
///
/// # Panics
/// If the path has no dot.
#[must_use]
pub fn access(path: &str) -> Access {
    let (root, steps) = path.split_once('.').expect("a field has a root");
    let shape = Shape::Int { bytes: 4, signed: false };
    let steps = steps.split('.').map(|name| Step::Field { name: name.to_owned(), shape: shape.clone() }).collect();
    Access { is_struct: true, root: root.to_owned(), steps }
}

/// Parses the text of a relocation.
fn relocation(text: &str) -> RelocationKind {
    let index = || text.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')?.parse().ok()).expect("an index");
    let inner = || access(text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).expect("an argument"));
    match text {
        _ if text.starts_with("state[") => RelocationKind::State(index()),
        _ if text.starts_with("constants[") => RelocationKind::Constant(Section::Tables, index()),
        _ if text.starts_with("krs_lost[") => RelocationKind::Lost(RuleId(index())),
        _ if text.starts_with("krs_modes[") => RelocationKind::EffectiveAction(RuleId(index())),
        _ if text.starts_with("size(") => RelocationKind::FieldSize(inner()),
        _ if text.starts_with("exists(") => RelocationKind::FieldExists(inner()),
        _ if text.starts_with("shift_left(") => RelocationKind::FieldShiftLeft(inner()),
        _ if text.starts_with("shift_right(") => RelocationKind::FieldShiftRight(inner()),
        _ if text.contains('.') => RelocationKind::FieldOffset(access(text)),
        _ => RelocationKind::Map(text.to_owned()),
    }
}

/// The operand of a move or an operation, and its relocation.
fn operand(word: &str) -> (Operand, Option<RelocationKind>) {
    match word.contains(['.', '(']) {
        true => (Operand::Imm(0), Some(relocation(word))),
        false => (source(word), None),
    }
}

fn inst(line: &str) -> Inst {
    if let Some((head, rest)) = line.split_once(" [")
        && let Some((at, tail)) = rest.split_once(']')
    {
        let (base, offset, reloc) = place(at);
        let head: Vec<&str> = head.split_whitespace().collect();
        let tail: Vec<&str> = tail.split_whitespace().collect();
        let dst = || register(head[0]).expect("a destination").0;
        let bytes = |word: &str| word.parse().expect("a number of bytes");
        return match (&head[..], &tail[..]) {
            (["store", size], ["=", src]) => Inst::Store { base, offset, src: source(src), bytes: bytes(size) },
            (["atomic"], ["+=", src]) => Inst::AtomicAdd { base, src: register(src).expect("a register").0 },
            ([_, "=", "load", size], []) => {
                Inst::Load { dst: dst(), base, offset, bytes: bytes(size), reloc, argument: None }
            }
            ([_, "=", "load", size], ["arg", name]) => {
                let argument = Some((*name).to_owned());
                Inst::Load { dst: dst(), base, offset, bytes: bytes(size), reloc, argument }
            }
            ([_, "=", "copy", size], [uneven @ .., "scratch", scratch]) => {
                let Some(RelocationKind::FieldOffset(access)) = reloc else { panic!("`{line}` copies no field") };
                let scratch = scratch.parse().expect("an offset");
                Inst::Copy { dst: dst(), base, access, bytes: bytes(size), uneven: *uneven == ["uneven"], scratch }
            }
            _ => panic!("`{line}` is no instruction"),
        };
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let slot = |word: &str| word.parse().expect("a slot");
    match words[..] {
        ["call", what] => {
            let (name, args) = what.split_once('/').expect("a call tells how many arguments it has");
            let args = args.parse().expect("a number of arguments");
            match name.parse() {
                Ok(helper) => Inst::Call { helper, args },
                Err(_) => Inst::Invoke { function: name.to_owned().leak(), args },
            }
        }
        ["spill", to, "=", src] => Inst::Spill { slot: slot(to), src: register(src).expect("a register").0 },
        [dst, operator_, ref rest @ ..] => {
            let (dst, wide) = register(dst).unwrap_or_else(|| panic!("`{line}` is no instruction"));
            match (operator_, rest) {
                ("=", ["reload", from]) => Inst::Reload { dst, slot: slot(from) },
                ("=", [value, "ll"]) => match number(value) {
                    Some(value) => Inst::Wide { dst, value: value.cast_unsigned() },
                    None => Inst::Address { dst, of: relocation(value) },
                },
                ("=", [order, _]) if order.starts_with("be") => {
                    Inst::Swap { dst, bits: order[2..].parse().expect("a number of bits") }
                }
                ("=", [negated]) if negated.starts_with('-') && register(&negated[1..]).is_some() => {
                    Inst::Alu { op: alu::NEG, wide, dst, src: Operand::Imm(0), reloc: None }
                }
                ("=", [value]) => {
                    let (src, reloc) = operand(value);
                    Inst::Mov { dst, src, wide, reloc }
                }
                (_, [value]) => {
                    let op = OPERATIONS.into_iter().find(|op| alu::operator(*op) == operator_);
                    let op = op.unwrap_or_else(|| panic!("`{line}` has no known operator"));
                    let (src, reloc) = operand(value);
                    Inst::Alu { op, wide, dst, src, reloc }
                }
                _ => panic!("`{line}` is no instruction"),
            }
        }
        _ => panic!("`{line}` is no instruction"),
    }
}

/// Prints a body in the form that [`parse`] reads.
#[must_use]
pub fn print(code: &Body) -> String {
    let mut out = String::new();
    if code.frame_bytes > 0 {
        let _ = writeln!(out, "frame {}", code.frame_bytes);
    }
    for Flag { flag, value, never } in &code.flags {
        let never = never.map_or(String::new(), |never| format!(" != {never}"));
        let _ = writeln!(out, "flag {} of {}{never}", name(*flag, true), name(*value, true));
    }
    for (at, block) in code.blocks.iter().enumerate() {
        if at == code.cold_start as usize {
            out.push_str("cold:\n");
        }
        let (cold, expensive) =
            (if block.cold { " cold" } else { "" }, if block.expensive { " expensive" } else { "" });
        let _ = writeln!(out, "b{at}{cold}{expensive}:");
        for (inst, _) in &block.insts {
            let _ = writeln!(out, "    {}", instruction(inst));
        }
        let _ = match &block.terminator {
            Terminator::Exit => writeln!(out, "    exit"),
            Terminator::Jump(to) => writeln!(out, "    goto b{}", to.0),
            Terminator::Branch { op, wide, left, right, then, otherwise } => {
                let (left, right) = (name(*left, *wide), operand_name(*right, *wide));
                writeln!(out, "    if {left} {} {right} then b{} else b{}", jmp::comparison(*op), then.0, otherwise.0)
            }
        };
    }
    out
}

fn name(reg: Reg, wide: bool) -> String {
    let prefix = match wide {
        false => 'w',
        true if reg.is_machine() => 'r',
        true => 'v',
    };
    format!("{prefix}{}", reg.0)
}

fn operand_name(src: Operand, wide: bool) -> String {
    match src {
        Operand::Reg(reg) => name(reg, wide),
        Operand::Imm(imm) => imm.to_string(),
    }
}

fn place_name(base: Reg, offset: i16, reloc: Option<&RelocationKind>) -> String {
    let base = name(base, true);
    match reloc {
        Some(kind) => format!("[{base} + {}]", kind),
        None if offset == 0 => format!("[{base}]"),
        None if offset < 0 => format!("[{base} - {}]", -i32::from(offset)),
        None => format!("[{base} + {offset}]"),
    }
}

/// Prints an instruction in the form that [`parse`] reads.
#[must_use]
pub fn instruction(inst: &Inst) -> String {
    let reg = |reg: &Reg| name(*reg, true);
    match inst {
        Inst::Mov { dst, src, wide, reloc } => {
            let right = reloc.as_ref().map_or_else(|| operand_name(*src, *wide), ToString::to_string);
            format!("{} = {right}", name(*dst, *wide))
        }
        Inst::Wide { dst, value } => format!("{} = {value:#x} ll", reg(dst)),
        Inst::Address { dst, of } => format!("{} = {} ll", reg(dst), of),
        Inst::Alu { op: alu::NEG, wide, dst, .. } => format!("{0} = -{0}", name(*dst, *wide)),
        Inst::Alu { op, wide, dst, src, reloc } => {
            let right = reloc.as_ref().map_or_else(|| operand_name(*src, *wide), ToString::to_string);
            format!("{} {} {right}", name(*dst, *wide), alu::operator(*op))
        }
        Inst::Swap { dst, bits } => format!("{0} = be{bits} {0}", reg(dst)),
        Inst::Load { dst, base, offset, bytes, reloc, argument } => {
            let argument = argument.as_ref().map_or(String::new(), |name| format!(" arg {name}"));
            format!("{} = load {bytes} {}{argument}", reg(dst), place_name(*base, *offset, reloc.as_ref()))
        }
        Inst::Copy { dst, base, access, bytes, uneven, scratch } => {
            let uneven = if *uneven { " uneven" } else { "" };
            format!("{} = copy {bytes} [{} + {access}]{uneven} scratch {scratch}", reg(dst), reg(base))
        }
        Inst::Store { base, offset, src, bytes } => {
            format!("store {bytes} {} = {}", place_name(*base, *offset, None), operand_name(*src, true))
        }
        Inst::AtomicAdd { base, src } => format!("atomic [{}] += {}", reg(base), reg(src)),
        Inst::Call { helper, args } => format!("call {helper}/{args}"),
        Inst::Invoke { function, args } => format!("call {function}/{args}"),
        Inst::Spill { slot, src } => format!("spill {slot} = {}", reg(src)),
        Inst::Reload { dst, slot } => format!("{} = reload {slot}", reg(dst)),
    }
}

#[cfg(test)]
#[test]
fn the_parser_reads_each_form_that_the_printer_writes() {
    let text = "\
frame 24
flag v13 of v12
flag v14 of v12 != -1
b0 expensive:
    v11 = r1
    v12 = load 8 [v11 + 16] arg prot
    v13 = load 4 [v11 + inode.i_mode]
    v13 = load 2 [r10 - 8]
    v13 = copy 4 [v11 + inode.i_uid] uneven scratch -16
    v13 = copy 1 [v11 + inode.i_uid] scratch -16
    w13 = w12
    w13 s>>= 3
    v13 += v12
    v13 = -v13
    w13 = -w13
    v13 = be16 v13
    v14 = 0x1ffff ll
    v14 = state[8] ll
    v14 = events ll
    v14 = inode.i_mode
    v14 >>= shift_right(inode.i_mode)
    if v12 & 4 then b1 else b2
b1 cold:
    store 8 [v14] = v13
    store 1 [v14 + 7] = -1
    atomic [v14] += v13
    r1 = 3
    call 5/1
    call krs_f/0
    spill 3 = r0
    r2 = reload 3
    if w12 s<= w13 then b2 else b2
cold:
b2:
    goto b3
b3:
    exit
";
    let code = parse(text);
    assert_eq!(print(&code), text);
    assert_eq!(code.next, 15);
    assert_eq!(code.cold_start, 2);
}
