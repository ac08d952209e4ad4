//! The contract between the compiler `krsic` and the loader `krsi`; they share nothing else.
//!
//! An object (`policy.o`) is a relocatable ELF file for BPF that libbpf and aya load unchanged. krs adds one
//! section, [`MANIFEST_SECTION`], which describes the policy: its rules, the layout of their events, and the
//! requirements on the kernel. Loaders that do not know krs create a read-only map of the section and ignore
//! it. `krsi` pins that map next to the programs, so that the policy can be inspected through its pins alone,
//! without the object.
//!
//! - [`manifest`]: the description of a policy, and its encoding.
//! - [`set`]: the encoding of set elements as keys.
//! - [`value`]: the textual form of values.
//! - [`event`]: the records that programs write into the ring buffer.
//! - [`labels`]: the maps that store labels.
//! - [`modes`]: the modes of a policy and its rules.
//! - [`renamed`]: hooks whose names differ between kernels.
//!
//! Absent: krs itself. A loader needs to understand no expression, type name or condition.

pub mod event;
pub mod labels;
pub mod manifest;
pub mod modes;
pub mod renamed;
pub mod set;
pub mod value;

/// Version of the object format. It is incremented when an older loader could misread a newer object.
pub const FORMAT_VERSION: u16 = 4;

/// The name of the program array for the tail-called programs of a hook ([`manifest::Program::parts`]). The
/// loader fills the array before it attaches any of them, and keeps a reference to it: the kernel clears a
/// program array when its last user releases it.
#[must_use]
pub fn parts_map(hook: &str) -> String {
    format!("krs_parts_{hook}")
}

/// The section that holds [`manifest::Manifest`]. The prefix makes libbpf and aya treat it as constant data.
pub const MANIFEST_SECTION: &str = ".rodata.krsi";

/// The ring buffer that all programs of a policy write events to. Present if any rule audits or denies, because
/// a denial that is not enforced is recorded.
pub const EVENTS_MAP: &str = "krs_events";

/// The section (and therefore the map) of the state that programs modify. If any rule audits or denies, it
/// begins with two arrays of `u64` counters in native byte order, both indexed by [`manifest::RuleId`]: lost
/// events, and written events at [`written_at`].
pub const STATE_SECTION: &str = ".bss";

/// Offset in bytes of the counters of written events, which follow those of lost events.
#[must_use]
pub fn written_at(rules: usize) -> usize {
    8 * rules
}

/// The section (and therefore the map) of values that are fixed at load.
pub const CONSTANTS_SECTION: &str = ".rodata";

/// Minimum size of the ring buffer in bytes; a power of two and a multiple of the page size.
pub const EVENTS_BYTES: u32 = 256 * 1024;

/// The directory in which `krsi` keeps one folder for each loaded policy.
pub const PIN_ROOT: &str = "/sys/fs/bpf/krsi";
