//! Encodes the object as an ELF file, with the layout that clang emits for libbpf.

use std::collections::BTreeMap;

use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::write::{Object as File, Relocation, SectionId, StandardSegment, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use super::lower::{FUNCTIONS_SECTION, MAP_BYTES, MODES_SYMBOL, STATE_SYMBOL};
use super::{Address, Object};
use crate::btf::Linkage;
use crate::relocation::Section;

/// The license of the programs. The kernel restricts LSM programs and some helpers to GPL-compatible licenses.
const LICENSE: &[u8] = b"GPL\0";

/// Encodes the object. Equal objects yield equal bytes.
///
/// # Panics
/// Never: the writer fails only for unknown names and sizes beyond the format.
#[must_use]
pub fn to_elf(object: &Object) -> Vec<u8> {
    let mut file = File::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let add = |file: &mut File<'_>, name: &str, kind| {
        file.add_section(file.segment_name(StandardSegment::Data).to_vec(), name.as_bytes().to_vec(), kind)
    };
    let symbol = |file: &mut File<'_>, name: &str, value: u64, size: u64, kind, section| {
        file.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value,
            size,
            kind,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    };

    let mut maps: BTreeMap<&str, SymbolId> = BTreeMap::new();
    if !object.maps.is_empty() {
        let section = add(&mut file, ".maps", SectionKind::Data);
        file.append_section_data(section, &vec![0; MAP_BYTES as usize * object.maps.len()], 8);
        for (index, map) in object.maps.iter().enumerate() {
            let offset = u64::from(MAP_BYTES) * index as u64;
            let id = symbol(&mut file, &map.name, offset, u64::from(MAP_BYTES), SymbolKind::Data, section);
            maps.insert(&map.name, id);
        }
    }
    let constants = Section::ALL.map(|of| {
        let bytes = object.constants.bytes(of);
        (!bytes.is_empty()).then(|| {
            let section = add(&mut file, of.name(), SectionKind::ReadOnlyData);
            file.append_section_data(section, bytes, 8);
            symbol(&mut file, of.symbol(), 0, bytes.len() as u64, SymbolKind::Data, section)
        })
    });
    let state = (object.state > 0).then(|| {
        let section = add(&mut file, krsi_abi::STATE_SECTION, SectionKind::UninitializedData);
        file.append_section_bss(section, u64::from(object.state), 8);
        symbol(&mut file, STATE_SYMBOL, 0, u64::from(object.state), SymbolKind::Data, section)
    });
    let modes = (!object.modes.is_empty()).then(|| {
        let section = add(&mut file, krsi_abi::modes::MODES_SECTION, SectionKind::Data);
        file.append_section_data(section, &object.modes, 8);
        symbol(&mut file, MODES_SYMBOL, 0, object.modes.len() as u64, SymbolKind::Data, section)
    });
    // Function symbols must exist before a program refers to them.
    let mut sections: Vec<SectionId> = Vec::with_capacity(object.programs.len());
    let mut functions: BTreeMap<&str, SymbolId> = BTreeMap::new();
    for (index, program) in object.programs.iter().enumerate() {
        let section = match index.checked_sub(1) {
            Some(before) if object.programs[before].section == program.section => sections[before],
            _ => add(&mut file, &program.section, SectionKind::Text),
        };
        let code: Vec<u8> = program.insns.iter().flat_map(|insn| insn.to_bytes()).collect();
        let at = file.append_section_data(section, &code, 8);
        let id = symbol(&mut file, &program.name, at, code.len() as u64, SymbolKind::Text, section);
        if program.linkage == Linkage::Static {
            file.symbol_mut(id).scope = SymbolScope::Compilation;
        }
        if program.section == FUNCTIONS_SECTION {
            functions.insert(&program.name, id);
        }
        sections.push(section);
    }
    for (program, section) in object.programs.iter().zip(sections) {
        for (slot, address) in &program.addresses {
            let data = |symbol: Option<SymbolId>| symbol.expect("every symbol of a program is in the object");
            let (symbol, r_type) = match address {
                Address::Map(name) => (data(maps.get(name.as_str()).copied()), R_BPF_64_64),
                Address::Constants(of) => (data(constants[*of as usize]), R_BPF_64_64),
                Address::State => (data(state), R_BPF_64_64),
                Address::Modes => (data(modes), R_BPF_64_64),
                Address::Function(name) => (data(functions.get(name).copied()), R_BPF_64_32),
            };
            let relocation = Relocation {
                offset: u64::from(program.start + *slot) * 8,
                symbol,
                // BPF relocations have no addend: the offset into the data is in the instruction.
                addend: 0,
                flags: RelocationFlags::Elf { r_type },
            };
            file.add_relocation(section, relocation).expect("the architecture has this relocation");
        }
    }
    let license = add(&mut file, "license", SectionKind::Data);
    file.append_section_data(license, LICENSE, 1);
    symbol(&mut file, "_license", 0, LICENSE.len() as u64, SymbolKind::Data, license);
    let manifest = add(&mut file, krsi_abi::MANIFEST_SECTION, SectionKind::ReadOnlyData);
    file.append_section_data(manifest, &object.manifest, 8);
    for (name, bytes) in [(".BTF", &object.btf), (".BTF.ext", &object.btf_ext)] {
        let section = add(&mut file, name, SectionKind::Other);
        file.append_section_data(section, bytes, 4);
    }
    file.write().expect("names and sizes are within the format")
}
