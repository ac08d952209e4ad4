//! Programs as assembly, in the kernel's own notation, with the source between the lines. A field is
//! printed by its name, since where it lies is known only to the kernel that loads it.

use std::fmt::Write;

use krs_grammar::ast::Span;

use super::insn::{SRC_REG, alu, class, jmp, mode, size};
use super::{Code, Function, Insn, Program, Relocation, RelocationKind, Section, helper};

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
    let symbol = relocation.map(|relocation| symbol(&relocation.kind));
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
                op => format!("{name}{dst} {} {right}", operator(op)),
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
                op => format!("if {name}{dst} {} {right} goto {target}", comparison(op)),
            }
        }
    };
    (text, 1)
}

fn symbol(kind: &RelocationKind) -> String {
    match kind {
        RelocationKind::Map(name) => name.clone(),
        RelocationKind::Constant(Section::Tables, offset) => format!("constants[{offset}]"),
        RelocationKind::Constant(section, offset) => format!("{}[{offset}]", section.words()),
        RelocationKind::State(offset) => format!("state[{offset}]"),
        RelocationKind::Function(name) => (*name).to_owned(),
        RelocationKind::Lost(rule) => format!("krs_lost[{}]", rule.0),
        RelocationKind::Act(rule) => format!("krs_modes[{}]", rule.0),
        RelocationKind::FieldOffset(access) => access.to_string(),
        RelocationKind::FieldSize(access) => format!("size({access})"),
        RelocationKind::FieldExists(access) => format!("exists({access})"),
        RelocationKind::FieldShiftLeft(access) => format!("shift_left({access})"),
        RelocationKind::FieldShiftRight(access) => format!("shift_right({access})"),
        RelocationKind::EnumValueExists { value, .. } => format!("exists({value})"),
        RelocationKind::EnumValue { value, .. } => value.clone(),
    }
}

fn operator(op: u8) -> &'static str {
    match op {
        alu::ADD => "+=",
        alu::SUB => "-=",
        alu::MUL => "*=",
        alu::DIV => "/=",
        alu::OR => "|=",
        alu::AND => "&=",
        alu::LSH => "<<=",
        alu::RSH => ">>=",
        alu::MOD => "%=",
        alu::XOR => "^=",
        alu::ARSH => "s>>=",
        _ => "=",
    }
}

fn comparison(op: u8) -> &'static str {
    match op {
        jmp::JEQ => "==",
        jmp::JNE => "!=",
        jmp::JGT => ">",
        jmp::JGE => ">=",
        jmp::JLT => "<",
        jmp::JLE => "<=",
        jmp::JSET => "&",
        jmp::JSGT => "s>",
        jmp::JSGE => "s>=",
        jmp::JSLT => "s<",
        _ => "s<=",
    }
}
