//! Programs to an object: declares types, turns relocations by name into CO-RE's, writes the manifest.

use krsi_abi::manifest::Manifest;

use super::layout::Types;
use super::{Core, CoreKind, Line, Object, Program, Symbol, btf_ext};
use crate::bpf::{self, RelocationKind};
use crate::btf::{Builder, Def, Linkage, Member, Param, SectionVar, TypeId};
use crate::source::Sources;

/// Name of the counters of lost events.
pub const LOST_SYMBOL: &str = "krs_lost";

/// `BPF_MAP_TYPE_RINGBUF`
const RINGBUF: u32 = 27;

/// Makes the object.
#[must_use]
pub fn lower(code: &bpf::Code, manifest: &Manifest, sources: &Sources) -> Object {
    let mut types = Types::default();
    for relocation in code.programs.iter().flat_map(|program| &program.relocations) {
        match &relocation.kind {
            RelocationKind::FieldOffset(access)
            | RelocationKind::FieldExists(access)
            | RelocationKind::FieldShiftLeft(access)
            | RelocationKind::FieldShiftRight(access) => types.field(access),
            RelocationKind::EnumValueExists { name, value } => types.enumerator(name, value, None),
            RelocationKind::EnumValue { name, value, local } => types.enumerator(name, value, Some(*local)),
            RelocationKind::Events | RelocationKind::Lost(_) => {}
        }
    }
    let mut btf = Builder::new();
    let declared = types.declare(&mut btf);

    let events = manifest.rules.iter().any(|rule| rule.audit.is_some());
    let counters = if events { manifest.rules.len() as u32 } else { 0 };
    let int = btf.int("int", 4, true);
    let word = btf.int("unsigned long long", 8, false);
    let context = btf.ptr(word);
    let prototype = btf.add(Def::FuncProto { ret: int, params: &[Param { name: "ctx", ty: context }] });

    let mut programs = Vec::with_capacity(code.programs.len());
    for (program, described) in code.programs.iter().zip(&manifest.programs) {
        let function = btf.add(Def::Func { name: &program.hook, proto: prototype, linkage: Linkage::Global });
        let mut made = Program {
            hook: program.hook.clone(),
            section: described.section.clone(),
            insns: program.insns.clone(),
            symbols: Vec::new(),
            core: Vec::new(),
            lines: lines(program, sources),
            function,
        };
        for relocation in &program.relocations {
            let insn = &mut made.insns[relocation.slot as usize];
            let mut core = |ty, spec, kind, text| made.core.push(Core { slot: relocation.slot, ty, spec, kind, text });
            match &relocation.kind {
                RelocationKind::Events => made.symbols.push((relocation.slot, Symbol::Events)),
                RelocationKind::Lost(rule) => {
                    insn.imm = (8 * rule.0).cast_signed();
                    made.symbols.push((relocation.slot, Symbol::Lost(rule.0)));
                }
                RelocationKind::FieldOffset(access) => {
                    let local = declared.local(access);
                    if insn.code & 7 == bpf::insn::class::LDX {
                        insn.off = local.offset as i16;
                    } else {
                        insn.imm = local.offset.cast_signed();
                    }
                    core(local.ty, local.spec, CoreKind::FieldByteOffset, format!("byte offset of {access}"));
                }
                RelocationKind::FieldExists(access) => {
                    let local = declared.local(access);
                    insn.imm = 1;
                    core(local.ty, local.spec, CoreKind::FieldExists, format!("existence of {access}"));
                }
                RelocationKind::FieldShiftLeft(access) => {
                    let local = declared.local(access);
                    insn.imm = 64 - local.bits.cast_signed();
                    core(local.ty, local.spec, CoreKind::FieldLeftShift, format!("left shift of {access}"));
                }
                RelocationKind::FieldShiftRight(access) => {
                    let local = declared.local(access);
                    insn.imm = 64 - local.bits.cast_signed();
                    core(local.ty, local.spec, CoreKind::FieldRightShift, format!("right shift of {access}"));
                }
                RelocationKind::EnumValueExists { name, value } => {
                    let (ty, spec) = declared.enumerator(name, value);
                    insn.imm = 1;
                    core(ty, spec, CoreKind::EnumValueExists, format!("existence of {value}"));
                }
                RelocationKind::EnumValue { name, value, local } => {
                    let (ty, spec) = declared.enumerator(name, value);
                    insn.imm = *local as i32;
                    core(ty, spec, CoreKind::EnumValue, format!("value of {value}"));
                }
            }
        }
        programs.push(made);
    }
    if events {
        declare_maps(&mut btf, int, counters);
    }
    // The license is data in a section of its own; loaders read it from there without BTF.
    let btf_ext = btf_ext::write(&programs, &mut btf);
    Object {
        programs,
        events,
        counters,
        manifest: manifest.to_bytes(),
        types: declared.text,
        btf: btf.finish(),
        btf_ext,
    }
}

/// The ring buffer as libbpf wants maps declared, where numbers are lengths of arrays; and the counters.
fn declare_maps(btf: &mut Builder, int: TypeId, counters: u32) {
    let mut number = |value: u32| {
        let array = btf.array(int, value);
        btf.ptr(array)
    };
    let (kind, room) = (number(RINGBUF), number(krsi_abi::EVENTS_BYTES));
    let member = |name, ty, bit_offset| Member { name, ty, bit_offset, bitfield_bits: 0 };
    let definition = btf.add(Def::Struct {
        name: "",
        bytes: 16,
        members: &[member("type", kind, 0), member("max_entries", room, 64)],
    });
    let map = btf.add(Def::Var { name: krsi_abi::EVENTS_MAP, ty: definition, linkage: Linkage::Global });
    btf.add(Def::Datasec { name: ".maps", bytes: 16, vars: &[SectionVar { ty: map, offset: 0, bytes: 16 }] });
    let counter = btf.int("unsigned long", 8, false);
    let array = btf.array(counter, counters);
    let lost = btf.add(Def::Var { name: LOST_SYMBOL, ty: array, linkage: Linkage::Global });
    let bytes = 8 * counters;
    btf.add(Def::Datasec { name: krsi_abi::LOST_SECTION, bytes, vars: &[SectionVar { ty: lost, offset: 0, bytes }] });
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
