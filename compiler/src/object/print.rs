//! The printed form of an object, for `--emit object`. [`super`] shows an example.

use std::fmt::Write;

use super::lower::{MODES_SYMBOL, STATE_SYMBOL};
use super::{Address, Object};
use crate::data::MapKind;
use crate::relocation::Section;

/// Returns the printed form.
#[must_use]
pub fn print(object: &Object) -> String {
    let mut out = String::new();
    for program in &object.programs {
        let _ = writeln!(out, "section {}, {}: {} instructions", program.section, program.name, program.insns.len());
        for (slot, address) in &program.addresses {
            let _ = match address {
                Address::Map(name) => writeln!(out, "  address {slot}: {name}"),
                Address::Constants(of) => {
                    writeln!(out, "  address {slot}: {} + {}", of.symbol(), program.insns[*slot as usize].imm)
                }
                Address::State => {
                    writeln!(out, "  address {slot}: {STATE_SYMBOL} + {}", program.insns[*slot as usize].imm)
                }
                Address::Modes => {
                    writeln!(out, "  address {slot}: {MODES_SYMBOL} + {}", program.insns[*slot as usize].imm)
                }
                Address::Function(name) => writeln!(out, "  address {slot}: {name}"),
            };
        }
        for core in &program.core {
            let _ = writeln!(out, "  core {}: {} as type {} {:?}", core.slot, core.text, core.ty.0, core.spec);
        }
        for line in &program.lines {
            let _ = writeln!(out, "  line {}: {}:{}:{}", line.slot, line.file, line.line, line.column);
        }
    }
    if !object.maps.is_empty() {
        let _ = writeln!(out, "section .maps");
    }
    for map in &object.maps {
        let _ = match map.kind {
            MapKind::RingBuf => writeln!(out, "  {}: {} of {} bytes", map.name, map.kind.words(), map.entries),
            kind => writeln!(
                out,
                "  {}: {}, {} bytes to {} bytes, at most {}",
                map.name,
                kind.words(),
                map.key,
                map.value,
                map.entries
            ),
        };
    }
    for section in Section::ALL {
        let bytes = object.constants.bytes(section).len();
        if bytes > 0 {
            let _ = writeln!(out, "section {}: {bytes} bytes", section.name());
        }
    }
    if object.state > 0 {
        let _ = writeln!(out, "section {}: {} bytes", krsi_abi::STATE_SECTION, object.state);
    }
    if !object.modes.is_empty() {
        let _ = writeln!(out, "section {}: {} bytes", krsi_abi::modes::MODES_SECTION, object.modes.len());
    }
    let _ = writeln!(out, "section license: GPL");
    let _ = writeln!(out, "section {}: {} bytes", krsi_abi::MANIFEST_SECTION, object.manifest.len());
    let _ = writeln!(out, "section .BTF: {} bytes", object.btf.len());
    for ty in &object.types {
        let _ = writeln!(out, "  {ty}");
    }
    let _ = writeln!(out, "section .BTF.ext: {} bytes", object.btf_ext.len());
    out
}
