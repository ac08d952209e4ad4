//! Printing of programs as assembly in the notation of the verifier's log, with the source between the lines.
//! A field is printed by name, since its offset depends on the kernel that loads the program.

use std::fmt::Write;

use krs_grammar::ast::Span;

use super::{Code, Program};
use crate::helper;
use crate::isa::{Insn, SRC_REG, alu, class, jmp, mode, size};
use crate::relocation::Relocation;
use crate::rt::Function;

/// Prints all programs. `quote` gives the place and text of a span: `policy.krs:1:24` and `prot & EXEC`.
pub fn print(code: &Code, quote: &dyn Fn(Span) -> (String, String)) -> String {
    let mut out = String::new();
    for (at, program) in code.programs.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        print_program(&mut out, program, quote);
    }
    for function in &code.functions {
        out.push('\n');
        print_function(&mut out, function);
    }
    out
}

fn print_function(out: &mut String, function: &Function) {
    let _ =
        writeln!(out, "{}:    # {} instructions, {} arguments", function.name, function.insns.len(), function.params);
    let mut notes = function.notes.iter().peekable();
    let mut slot = 0;
    while slot < function.insns.len() {
        while let Some((_, note)) = notes.next_if(|(from, _)| *from as usize <= slot) {
            let _ = writeln!(out, "  ; {note}");
        }
        let (text, slots) =
            instruction(&function.insns, slot, function.insns[slot], relocation(&function.relocations, slot));
        let _ = writeln!(out, "  {slot:4}  {text}");
        slot += slots;
    }
}

fn relocation(relocations: &[Relocation], slot: usize) -> Option<&Relocation> {
    let at = relocations.binary_search_by_key(&(slot as u32), |relocation| relocation.slot).ok()?;
    relocations.get(at)
}

fn print_program(out: &mut String, program: &Program, quote: &dyn Fn(Span) -> (String, String)) {
    let _ = writeln!(out, "{}:    # {} instructions", program.name, program.insns.len());
    let mut lines = program.lines.iter().peekable();
    let mut slot = 0;
    while slot < program.insns.len() {
        while let Some((_, span)) = lines.next_if(|(from, _)| *from as usize <= slot) {
            let (place, text) = quote(*span);
            let _ = writeln!(out, "  ; {place}: {text}");
        }
        let insn = program.insns[slot];
        let argument = program.arguments.iter().find(|argument| argument.instruction as usize == slot);
        let (text, slots) = instruction(&program.insns, slot, insn, relocation(&program.relocations, slot));
        match argument {
            Some(argument) => {
                let _ = writeln!(out, "  {slot:4}  {text:40}# {}", argument.name);
            }
            None => {
                let _ = writeln!(out, "  {slot:4}  {text}");
            }
        }
        slot += slots;
    }
}

fn instruction(insns: &[Insn], slot: usize, insn: Insn, relocation: Option<&Relocation>) -> (String, usize) {
    let Insn { code, dst, src, off, imm } = insn;
    let symbol = relocation.map(|relocation| relocation.kind.to_string());
    let sized = match code & 0x18 {
        size::B => "u8",
        size::H => "u16",
        size::W => "u32",
        _ => "u64",
    };
    let place = |base: u8, off: i16| match &symbol {
        Some(symbol) => format!("r{base} + {symbol}"),
        None if off < 0 => format!("r{base} - {}", -i32::from(off)),
        None => format!("r{base} + {off}"),
    };
    let text = match code & 7 {
        class::LD => {
            let high = insns.get(slot + 1).map_or(0, |insn| insn.imm);
            let value = u64::from(imm.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32;
            let text = match symbol {
                Some(symbol) => format!("r{dst} = {symbol} ll"),
                None => format!("r{dst} = {value:#x} ll"),
            };
            return (text, 2);
        }
        class::LDX => format!("r{dst} = *({sized} *)({})", place(src, off)),
        class::ST => format!("*({sized} *)({}) = {imm}", place(dst, off)),
        class::STX if code & 0xe0 == mode::ATOMIC => {
            format!("lock *({sized} *)({}) += r{src}", place(dst, off))
        }
        class::STX => format!("*({sized} *)({}) = r{src}", place(dst, off)),
        class @ (class::ALU | class::ALU64) => {
            let name = if class == class::ALU64 { 'r' } else { 'w' };
            let right = match &symbol {
                Some(symbol) => symbol.clone(),
                None if code & SRC_REG != 0 => format!("{name}{src}"),
                None => imm.to_string(),
            };
            match code & 0xf0 {
                alu::NEG => format!("{name}{dst} = -{name}{dst}"),
                alu::END => format!("r{dst} = be{imm} r{dst}"),
                op => format!("{name}{dst} {} {right}", alu::operator(op)),
            }
        }
        class => {
            let name = if class == class::JMP { 'r' } else { 'w' };
            let right = if code & SRC_REG != 0 { format!("{name}{src}") } else { format!("{imm:#x}") };
            let target = slot as i64 + 1 + i64::from(off);
            match code & 0xf0 {
                jmp::EXIT => "exit".to_owned(),
                jmp::CALL => match &symbol {
                    Some(function) => format!("call {function}"),
                    None => format!("call {}", helper::name(imm.cast_unsigned())),
                },
                jmp::JA => format!("goto {target}"),
                op => format!("if {name}{dst} {} {right} goto {target}", jmp::comparison(op)),
            }
        }
    };
    (text, 1)
}

#[cfg(test)]
mod tests {
    use krsi_abi::manifest::{ArgumentLoad, RuleId};

    use super::*;
    use crate::access::{Access, Step};
    use crate::mir::text::access;
    use crate::relocation::{RelocationKind, Section};
    use crate::rt::Checked;

    fn of(insns: Vec<Insn>, relocations: Vec<(u32, RelocationKind)>) -> Program {
        Program {
            name: "file_open.1".into(),
            hook: "file_open".into(),
            insns,
            relocations: relocations.into_iter().map(|(slot, kind)| Relocation { slot, kind }).collect(),
            lines: Vec::new(),
            arguments: Vec::new(),
        }
    }

    fn printed(program: Program) -> String {
        print(&Code { programs: vec![program], ..Code::default() }, &|_| ("p.krs:1".into(), "uid == 0".into()))
    }

    fn one(insn: Insn, relocation: Option<RelocationKind>) -> String {
        let text = printed(of(vec![insn], relocation.map(|kind| (0, kind)).into_iter().collect()));
        text.lines().nth(1).expect("a line for the instruction").trim_start().trim_start_matches("0  ").to_owned()
    }

    /// The codes are written as numbers, from RFC 9669.
    #[test]
    fn instructions() {
        let insn = |code, dst, src, off, imm| Insn { code, dst, src, off, imm };
        for (insn, text) in [
            (insn(0x07, 2, 0, 0, 5), "r2 += 5"),
            (insn(0x1f, 2, 3, 0, 0), "r2 -= r3"),
            (insn(0x24, 2, 0, 0, -5), "w2 *= -5"),
            (insn(0x3c, 2, 3, 0, 0), "w2 /= w3"),
            (insn(0x47, 2, 0, 0, 5), "r2 |= 5"),
            (insn(0x57, 2, 0, 0, 5), "r2 &= 5"),
            (insn(0x67, 2, 0, 0, 5), "r2 <<= 5"),
            (insn(0x77, 2, 0, 0, 5), "r2 >>= 5"),
            (insn(0x87, 2, 0, 0, 0), "r2 = -r2"),
            (insn(0x84, 2, 0, 0, 0), "w2 = -w2"),
            (insn(0x97, 2, 0, 0, 5), "r2 %= 5"),
            (insn(0xa7, 2, 0, 0, 5), "r2 ^= 5"),
            (insn(0xb7, 2, 0, 0, 5), "r2 = 5"),
            (insn(0xbf, 2, 10, 0, 0), "r2 = r10"),
            (insn(0xc7, 2, 0, 0, 5), "r2 s>>= 5"),
            (insn(0xdc, 2, 0, 0, 16), "r2 = be16 r2"),
            (insn(0x61, 2, 1, 8, 0), "r2 = *(u32 *)(r1 + 8)"),
            (insn(0x69, 2, 1, 0, 0), "r2 = *(u16 *)(r1 + 0)"),
            (insn(0x71, 2, 10, -8, 0), "r2 = *(u8 *)(r10 - 8)"),
            (insn(0x79, 2, 1, 8, 0), "r2 = *(u64 *)(r1 + 8)"),
            (insn(0x62, 10, 0, -8, 7), "*(u32 *)(r10 - 8) = 7"),
            (insn(0x7b, 10, 3, -8, 0), "*(u64 *)(r10 - 8) = r3"),
            (insn(0xdb, 6, 1, 0, 0), "lock *(u64 *)(r6 + 0) += r1"),
            (insn(0x15, 1, 0, 2, 16), "if r1 == 0x10 goto 3"),
            (insn(0x2d, 1, 2, 2, 0), "if r1 > r2 goto 3"),
            (insn(0x36, 1, 0, 2, -1), "if w1 >= 0xffffffff goto 3"),
            (insn(0x4e, 1, 2, 2, 0), "if w1 & w2 goto 3"),
            (insn(0x55, 1, 0, 0, 0), "if r1 != 0x0 goto 1"),
            (insn(0x65, 1, 0, 0, 0), "if r1 s> 0x0 goto 1"),
            (insn(0x75, 1, 0, 0, 0), "if r1 s>= 0x0 goto 1"),
            (insn(0xa5, 1, 0, 0, 0), "if r1 < 0x0 goto 1"),
            (insn(0xb5, 1, 0, 0, 0), "if r1 <= 0x0 goto 1"),
            (insn(0xc5, 1, 0, 0, 0), "if r1 s< 0x0 goto 1"),
            (insn(0xd5, 1, 0, 0, 0), "if r1 s<= 0x0 goto 1"),
            (insn(0x05, 0, 0, 4, 0), "goto 5"),
            (insn(0x85, 0, 0, 0, 113), "call probe_read_kernel"),
            (insn(0x85, 0, 0, 0, 999), "call ?"),
            (insn(0x95, 0, 0, 0, 0), "exit"),
        ] {
            assert_eq!(one(insn, None), text);
        }
    }

    #[test]
    fn relocations_are_printed_by_name() {
        let field = || access("inode.i_mode");
        let index = Access { steps: vec![Step::Index(2)], ..field() };
        let wide = Insn { code: 0x18, dst: 2, ..Insn::default() };
        let mov = Insn { code: 0xb7, dst: 2, ..Insn::default() };
        let load = Insn { code: 0x61, dst: 2, src: 1, ..Insn::default() };
        let call = Insn { code: 0x85, ..Insn::default() };
        let value = || "PROT".to_owned();
        for (insn, kind, text) in [
            (wide, RelocationKind::Map("events".into()), "r2 = events ll"),
            (wide, RelocationKind::Constant(Section::Tables, 8), "r2 = constants[8] ll"),
            (wide, RelocationKind::Constant(Section::Texts, 8), "r2 = texts[8] ll"),
            (wide, RelocationKind::State(16), "r2 = state[16] ll"),
            (wide, RelocationKind::Lost(RuleId(3)), "r2 = krs_lost[3] ll"),
            (wide, RelocationKind::EffectiveAction(RuleId(3)), "r2 = krs_modes[3] ll"),
            (call, RelocationKind::Function("krs_same"), "call krs_same"),
            (load, RelocationKind::FieldOffset(field()), "r2 = *(u32 *)(r1 + inode.i_mode)"),
            (load, RelocationKind::FieldOffset(index), "r2 = *(u32 *)(r1 + inode[2])"),
            (mov, RelocationKind::FieldSize(field()), "r2 = size(inode.i_mode)"),
            (mov, RelocationKind::FieldExists(field()), "r2 = exists(inode.i_mode)"),
            (mov, RelocationKind::FieldShiftLeft(field()), "r2 = shift_left(inode.i_mode)"),
            (mov, RelocationKind::FieldShiftRight(field()), "r2 = shift_right(inode.i_mode)"),
            (mov, RelocationKind::EnumValueExists { name: "e".into(), value: value() }, "r2 = exists(PROT)"),
            (mov, RelocationKind::EnumValue { name: "e".into(), value: value(), local: 7 }, "r2 = PROT"),
        ] {
            assert_eq!(one(insn, Some(kind)), text);
        }
    }

    #[test]
    fn a_program_is_printed_with_its_source() {
        let exit = Insn { code: 0x95, ..Insn::default() };
        let wide = Insn { code: 0x18, dst: 2, imm: -1, ..Insn::default() };
        let load = Insn { code: 0x79, dst: 2, src: 1, off: 16, ..Insn::default() };
        let mut program = of(vec![wide, Insn { imm: 1, ..Insn::default() }, load, exit], vec![]);
        program.lines = vec![(0, Span::default()), (3, Span::default())];
        program.arguments = vec![ArgumentLoad { instruction: 2, name: "prot".into(), slot: 2 }];
        let function = Function {
            name: "krs_same",
            checked: Checked::Once,
            params: 2,
            insns: vec![wide, Insn::default(), exit],
            relocations: vec![Relocation { slot: 0, kind: RelocationKind::State(8) }],
            notes: vec![(0, "begin"), (2, "end")],
        };
        let second = Program { name: "second".into(), ..of(vec![exit], vec![]) };
        let code = Code { programs: vec![program, second], functions: vec![function], ..Code::default() };
        let text = print(&code, &|_| ("p.krs:1".into(), "uid == 0".into()));
        assert_eq!(
            text,
            "\
file_open.1:    # 4 instructions
  ; p.krs:1: uid == 0
     0  r2 = 0x1ffffffff ll
     2  r2 = *(u64 *)(r1 + 16)                  # prot
  ; p.krs:1: uid == 0
     3  exit

second:    # 1 instructions
     0  exit

krs_same:    # 3 instructions, 2 arguments
  ; begin
     0  r2 = state[8] ll
  ; end
     2  exit
"
        );
    }
}
