//! Lowers programs to an object: declares types, converts symbolic relocations to CO-RE relocations, encodes
//! the manifest.

use krsi_abi::manifest::Manifest;
use krsi_abi::modes::{MODES_SECTION, Modes};

use super::layout::{Declared, Types};
use super::{Address, CoreRelocation, CoreRelocationKind, Line, Object, Program, btf_ext};
use crate::bpf;
use crate::btf::{Builder, Def, Linkage, Member, Param, SectionVar, TypeId};
use crate::data::{Data, MapKind};
use crate::relocation::{Relocation, RelocationKind, Section};
use crate::rt::{Checked, Function};
use crate::source::Sources;

/// The symbol of the state section.
pub const STATE_SYMBOL: &str = "krs_state";

/// The symbol of the modes section.
pub const MODES_SYMBOL: &str = "krs_modes";

/// The section of all functions.
pub const FUNCTIONS_SECTION: &str = ".text";

/// Size in bytes of a map definition in `.maps`: at most five members of 8 bytes.
pub const MAP_BYTES: u32 = 40;

/// An additional member in the definitions of program arrays: libbpf rejects an object with an unknown member
/// and prints its name. Otherwise libbpf would attach every program of a hook, including the tail-called ones,
/// which deny because an earlier program has denied.
pub const PARTS_MEMBER: &str = "filled_by_krsi";

/// The section of a hook's programs.
#[must_use]
pub fn section(hook: &str) -> String {
    format!("lsm/{hook}")
}

/// Lowers a policy's code and manifest to an object.
#[must_use]
pub fn lower(code: bpf::Code, manifest: &Manifest, sources: &Sources) -> Object {
    let mut types = Types::default();
    let relocations = code.programs.iter().flat_map(|program| &program.relocations);
    for relocation in relocations.chain(code.functions.iter().flat_map(|function| &function.relocations)) {
        match &relocation.kind {
            RelocationKind::FieldOffset(access)
            | RelocationKind::FieldSize(access)
            | RelocationKind::FieldExists(access)
            | RelocationKind::FieldShiftLeft(access)
            | RelocationKind::FieldShiftRight(access) => types.field(access),
            RelocationKind::EnumValueExists { name, value } => types.enumerator(name, value, None),
            RelocationKind::EnumValue { name, value, local } => types.enumerator(name, value, Some(*local)),
            RelocationKind::Map(_)
            | RelocationKind::Constant(..)
            | RelocationKind::State(_)
            | RelocationKind::Function(_)
            | RelocationKind::EffectiveAction(_)
            | RelocationKind::Lost(_) => {}
        }
    }
    let mut btf = Builder::new();
    let declared = types.declare(&mut btf);

    let int = btf.int("int", 4, true);
    let word = btf.int("unsigned long long", 8, false);
    let context = btf.ptr(word);
    let prototype = btf.add(Def::FuncProto { ret: int, params: &[Param { name: "ctx", ty: context }] });

    let mut programs = Vec::with_capacity(code.programs.len() + code.functions.len());
    for program in &code.programs {
        let function = btf.add(Def::Func { name: &program.name, proto: prototype, linkage: Linkage::Global });
        let section = section(&program.hook);
        let before = programs.last().filter(|before: &&Program| before.section == section);
        let mut made = Program {
            name: program.name.clone(),
            start: before.map_or(0, |before| before.start + before.insns.len() as u32),
            section,
            insns: program.insns.clone(),
            addresses: Vec::new(),
            core: Vec::new(),
            lines: lines(program, sources),
            function,
            linkage: Linkage::Global,
        };
        relocate(&mut made, &program.relocations, &declared);
        programs.push(made);
    }
    let mut start = 0;
    for function in &code.functions {
        let params: Vec<Param<'_>> =
            ["a", "b", "c", "d", "e"][..function.params as usize].iter().map(|name| Param { name, ty: word }).collect();
        let prototype = btf.add(Def::FuncProto { ret: word, params: &params });
        let linkage = match function.checked {
            Checked::Once => Linkage::Global,
            Checked::EachCall => Linkage::Static,
        };
        let id = btf.add(Def::Func { name: function.name, proto: prototype, linkage });
        let mut made = Program {
            name: function.name.to_owned(),
            section: FUNCTIONS_SECTION.to_owned(),
            start,
            insns: function.insns.clone(),
            addresses: Vec::new(),
            core: Vec::new(),
            lines: notes(function),
            function: id,
            linkage,
        };
        relocate(&mut made, &function.relocations, &declared);
        start += function.insns.len() as u32;
        programs.push(made);
    }
    let modes = if manifest.rules.is_empty() { Vec::new() } else { Modes::first(manifest).value(manifest) };
    declare_data(&mut btf, int, &code.data, modes.len() as u32);
    // The license is data in a separate section, which loaders read without BTF.
    let btf_ext = btf_ext::write(&programs, &mut btf);
    Object {
        programs,
        maps: code.data.maps,
        constants: code.data.constants,
        state: code.data.state,
        modes,
        manifest: manifest.to_bytes(),
        types: declared.text,
        btf: btf.finish(),
        btf_ext,
    }
}

/// Inserts local values where loaders insert those of the kernel, and records the relocations.
fn relocate(made: &mut Program, relocations: &[Relocation], declared: &Declared) {
    for Relocation { slot, kind } in relocations {
        let insn = &mut made.insns[*slot as usize];
        let mut core = |ty, spec, kind, text| made.core.push(CoreRelocation { slot: *slot, ty, spec, kind, text });
        let mut address = |target| made.addresses.push((*slot, target));
        match kind {
            RelocationKind::Map(name) => address(Address::Map(name.clone())),
            RelocationKind::Function(name) => address(Address::Function(name)),
            RelocationKind::Constant(section, offset) => {
                insn.imm = offset.cast_signed();
                address(Address::Constants(*section));
            }
            RelocationKind::State(offset) => {
                insn.imm = offset.cast_signed();
                address(Address::State);
            }
            RelocationKind::Lost(rule) => {
                insn.imm = (8 * rule.0).cast_signed();
                address(Address::State);
            }
            RelocationKind::EffectiveAction(rule) => {
                insn.imm = rule.0.cast_signed();
                address(Address::Modes);
            }
            RelocationKind::FieldOffset(access) => {
                let local = declared.local(access);
                if insn.code & 7 == crate::isa::class::LDX {
                    insn.off = local.offset as i16;
                } else {
                    insn.imm = local.offset.cast_signed();
                }
                core(local.ty, local.spec, CoreRelocationKind::FieldByteOffset, format!("byte offset of {access}"));
            }
            RelocationKind::FieldSize(access) => {
                let local = declared.local(access);
                // The instruction already contains the size in the declared types.
                core(local.ty, local.spec, CoreRelocationKind::FieldByteSize, format!("size of {access}"));
            }
            RelocationKind::FieldExists(access) => {
                let local = declared.local(access);
                insn.imm = 1;
                core(local.ty, local.spec, CoreRelocationKind::FieldExists, format!("existence of {access}"));
            }
            RelocationKind::FieldShiftLeft(access) => {
                let local = declared.local(access);
                insn.imm = 64 - local.bits.cast_signed();
                core(local.ty, local.spec, CoreRelocationKind::FieldLeftShift, format!("left shift of {access}"));
            }
            RelocationKind::FieldShiftRight(access) => {
                let local = declared.local(access);
                insn.imm = 64 - local.bits.cast_signed();
                core(local.ty, local.spec, CoreRelocationKind::FieldRightShift, format!("right shift of {access}"));
            }
            RelocationKind::EnumValueExists { name, value } => {
                let (ty, spec) = declared.enumerator(name, value);
                insn.imm = 1;
                core(ty, spec, CoreRelocationKind::EnumValueExists, format!("existence of {value}"));
            }
            RelocationKind::EnumValue { name, value, local } => {
                let (ty, spec) = declared.enumerator(name, value);
                insn.imm = *local as i32;
                core(ty, spec, CoreRelocationKind::EnumValue, format!("value of {value}"));
            }
        }
    }
}

/// Declares maps in the form that libbpf expects, with numbers as array lengths, and the data sections.
fn declare_data(btf: &mut Builder, int: TypeId, data: &Data, modes_bytes: u32) {
    let member = |name, ty, bit_offset| Member { name, ty, bit_offset, bitfield_bits: 0 };
    let mut vars = Vec::with_capacity(data.maps.len());
    for (index, map) in data.maps.iter().enumerate() {
        let numbers = [
            ("type", map.kind.number()),
            ("key_size", map.key),
            ("value_size", map.value),
            ("max_entries", map.entries),
            ("map_flags", map.kind.flags()),
            (PARTS_MEMBER, u32::from(map.kind == MapKind::ProgArray)),
        ];
        let mut members = Vec::with_capacity(numbers.len());
        for (name, number) in numbers {
            // Zero members are omitted: a ring buffer has no key or value size, and 5.10 rejects one that is
            // given as 0.
            if number != 0 {
                let array = btf.array(int, number);
                let pointer = btf.ptr(array);
                members.push(member(name, pointer, 64 * members.len() as u32));
            }
        }
        let bytes = 8 * members.len() as u32;
        let definition = btf.add(Def::Struct { name: "", bytes, members: &members });
        let ty = btf.add(Def::Var { name: &map.name, ty: definition, linkage: Linkage::Global });
        vars.push(SectionVar { ty, offset: MAP_BYTES * index as u32, bytes });
    }
    if !vars.is_empty() {
        btf.add(Def::Datasec { name: ".maps", bytes: MAP_BYTES * vars.len() as u32, vars: &vars });
    }
    let byte = btf.int("unsigned char", 1, false);
    let constants = Section::ALL.map(|of| (of.name(), of.symbol(), data.constants.bytes(of).len() as u32));
    let changing = [(krsi_abi::STATE_SECTION, STATE_SYMBOL, data.state), (MODES_SECTION, MODES_SYMBOL, modes_bytes)];
    for (section, name, bytes) in constants.into_iter().chain(changing) {
        if bytes > 0 {
            let array = btf.array(byte, bytes);
            let ty = btf.add(Def::Var { name, ty: array, linkage: Linkage::Global });
            btf.add(Def::Datasec { name: section, bytes, vars: &[SectionVar { ty, offset: 0, bytes }] });
        }
    }
}

/// Line information of a function, with the compiler's comments in place of source text. The kernel rejects a
/// program unless each function has a record at its first instruction (`check_btf_line` in
/// `kernel/bpf/verifier.c`).
fn notes(function: &Function) -> Vec<Line> {
    let line = |slot: u32, text: &str| Line {
        slot,
        file: format!("krsic:{}", function.name),
        text: text.to_owned(),
        line: slot + 1,
        column: 1,
    };
    let first = function.notes.first().is_none_or(|(slot, _)| *slot > 0).then(|| line(0, function.name));
    first.into_iter().chain(function.notes.iter().map(|(slot, text)| line(*slot, text))).collect()
}

fn lines(program: &bpf::Program, sources: &Sources) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::with_capacity(program.lines.len());
    for (slot, span) in &program.lines {
        let (line, column) = sources.position(*span);
        let text = sources.line(span.file, line).trim().to_owned();
        lines.push(Line { slot: *slot, file: sources.name(span.file).to_owned(), text, line, column });
    }
    lines
}
