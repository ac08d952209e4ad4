//! The object as an ELF file, as clang would lay it out for libbpf.

use object::elf::R_BPF_64_64;
use object::write::{Object as File, Relocation, StandardSegment, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use super::lower::LOST_SYMBOL;
use super::{Object, Symbol as Address};

/// The kernel lets only programs under a compatible license use what LSM programs need.
const LICENSE: &[u8] = b"GPL\0";

/// Writes the file. Same object, same bytes.
///
/// # Panics
/// Never: the writer only refuses names that are not there and sizes beyond the format.
#[must_use]
pub fn to_elf(object: &Object) -> Vec<u8> {
    let mut file = File::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let add = |file: &mut File<'_>, name: &str, kind| {
        file.add_section(file.segment_name(StandardSegment::Data).to_vec(), name.as_bytes().to_vec(), kind)
    };
    let symbol = |file: &mut File<'_>, name: &str, size: u64, kind, section| {
        file.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value: 0,
            size,
            kind,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    };

    let mut data: Option<(SymbolId, SymbolId)> = None;
    if object.events {
        let maps = add(&mut file, ".maps", SectionKind::Data);
        file.append_section_data(maps, &[0; 16], 8);
        let events = symbol(&mut file, krsi_abi::EVENTS_MAP, 16, SymbolKind::Data, maps);
        let bss = add(&mut file, krsi_abi::LOST_SECTION, SectionKind::UninitializedData);
        let bytes = 8 * u64::from(object.counters);
        file.append_section_bss(bss, bytes, 8);
        let lost = symbol(&mut file, LOST_SYMBOL, bytes, SymbolKind::Data, bss);
        data = Some((events, lost));
    }
    for program in &object.programs {
        let section = add(&mut file, &program.section, SectionKind::Text);
        let code: Vec<u8> = program.insns.iter().flat_map(|insn| insn.to_bytes()).collect();
        file.append_section_data(section, &code, 8);
        symbol(&mut file, &program.hook, code.len() as u64, SymbolKind::Text, section);
        for (slot, address) in &program.symbols {
            let Some((events, lost)) = data else { unreachable!("programs that record have a ring buffer") };
            let symbol = match address {
                Address::Events => events,
                Address::Lost(_) => lost,
            };
            let relocation = Relocation {
                offset: u64::from(*slot) * 8,
                symbol,
                // The format has no addend: a counter's offset stands in the instruction.
                addend: 0,
                flags: RelocationFlags::Elf { r_type: R_BPF_64_64 },
            };
            file.add_relocation(section, relocation).expect("the architecture has this relocation");
        }
    }
    let license = add(&mut file, "license", SectionKind::Data);
    file.append_section_data(license, LICENSE, 1);
    symbol(&mut file, "_license", LICENSE.len() as u64, SymbolKind::Data, license);
    let manifest = add(&mut file, krsi_abi::MANIFEST_SECTION, SectionKind::ReadOnlyData);
    file.append_section_data(manifest, &object.manifest, 8);
    for (name, bytes) in [(".BTF", &object.btf), (".BTF.ext", &object.btf_ext)] {
        let section = add(&mut file, name, SectionKind::Other);
        file.append_section_data(section, bytes, 4);
    }
    file.write().expect("names and sizes are within the format")
}
