//! The printed form of an object, for `--emit object`.

use std::fmt::Write;

use super::{Object, Symbol};

/// Prints an object.
#[must_use]
pub fn print(object: &Object) -> String {
    let mut out = String::new();
    for program in &object.programs {
        let _ = writeln!(out, "section {}: {} instructions", program.section, program.insns.len());
        for (slot, symbol) in &program.symbols {
            let _ = match symbol {
                Symbol::Events => writeln!(out, "  address {slot}: {}", krsi_abi::EVENTS_MAP),
                Symbol::Lost(rule) => writeln!(out, "  address {slot}: krs_lost[{rule}]"),
            };
        }
        for core in &program.core {
            let _ = writeln!(out, "  core {}: {} as type {} {:?}", core.slot, core.text, core.ty.0, core.spec);
        }
        for line in &program.lines {
            let _ = writeln!(out, "  line {}: {}:{}:{}", line.slot, line.file, line.line, line.column);
        }
    }
    if object.events {
        let _ =
            writeln!(out, "section .maps\n  {}: ring buffer of {} bytes", krsi_abi::EVENTS_MAP, krsi_abi::EVENTS_BYTES);
        let _ = writeln!(out, "section {}\n  krs_lost: {} counters", krsi_abi::LOST_SECTION, object.counters);
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
