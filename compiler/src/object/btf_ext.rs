//! The `.BTF.ext` section, which assigns functions, source lines and CO-RE relocations to instructions. Source:
//! `Documentation/bpf/btf.rst`, section 4.

use super::Program;
use crate::btf::Builder;

const MAGIC: u16 = 0xeb9f;
const HEADER_BYTES: u32 = 32;
const FUNCTION_BYTES: u32 = 8;
const LINE_BYTES: u32 = 16;
const CORE_BYTES: u32 = 16;
const SLOT_BYTES: u32 = 8;

/// Encodes the section; its strings are added to `btf`.
#[must_use]
pub fn write(programs: &[Program], btf: &mut Builder) -> Vec<u8> {
    let mut functions = FUNCTION_BYTES.to_le_bytes().to_vec();
    let mut lines = LINE_BYTES.to_le_bytes().to_vec();
    let mut core = CORE_BYTES.to_le_bytes().to_vec();
    let put =
        |out: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    // The tables are grouped by section, because programs of one hook share a section, as do functions.
    for group in programs.chunk_by(|a, b| a.section == b.section) {
        let section = btf.string(&group[0].section);
        put(&mut functions, &[section, group.len() as u32]);
        for program in group {
            put(&mut functions, &[program.start * SLOT_BYTES, program.function.0]);
        }
        let count: usize = group.iter().map(|program| program.lines.len()).sum();
        if count > 0 {
            put(&mut lines, &[section, count as u32]);
            for (program, line) in
                group.iter().flat_map(|program| program.lines.iter().map(move |line| (program, line)))
            {
                // The line takes the upper 22 bits, the column the lower 10.
                let place = line.line.min((1 << 22) - 1) << 10 | line.column.min((1 << 10) - 1);
                let (file, text) = (btf.string(&line.file.replace('\0', "")), btf.string(&line.text.replace('\0', "")));
                put(&mut lines, &[(program.start + line.slot) * SLOT_BYTES, file, text, place]);
            }
        }
        let count: usize = group.iter().map(|program| program.core.len()).sum();
        if count > 0 {
            put(&mut core, &[section, count as u32]);
            for (program, relocation) in
                group.iter().flat_map(|program| program.core.iter().map(move |relocation| (program, relocation)))
            {
                let spec = btf.string(&relocation.spec);
                put(
                    &mut core,
                    &[(program.start + relocation.slot) * SLOT_BYTES, relocation.ty.0, spec, relocation.kind as u32],
                );
            }
        }
    }
    // libbpf rejects a table that has a record size but no records.
    for table in [&mut functions, &mut lines, &mut core] {
        if table.len() == size_of::<u32>() {
            table.clear();
        }
    }
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[1, 0]);
    let (functions_bytes, lines_bytes, core_bytes) = (functions.len() as u32, lines.len() as u32, core.len() as u32);
    put(
        &mut out,
        &[HEADER_BYTES, 0, functions_bytes, functions_bytes, lines_bytes, functions_bytes + lines_bytes, core_bytes],
    );
    out.extend(functions);
    out.extend(lines);
    out.extend(core);
    out
}
