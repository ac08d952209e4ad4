//! What `krsic` writes into an object and `krsi` reads out of it; nothing else is shared.
//!
//! An object (`policy.o`) is an ELF relocatable for BPF that libbpf and aya load unchanged. krs adds
//! one section, [`MANIFEST_SECTION`], which describes the policy: its rules, how each event is laid
//! out, what the kernel must have. Loaders that don't know krs create a read-only map of it and go
//! on; `krsi` pins that map beside the programs, so that whoever finds the pins can read the
//! policy without its object.
//!
//! - [`manifest`]: the description, and its bytes.
//! - [`set`]: the keys of sets.
//! - [`value`]: values as people write them.
//! - [`event`]: the records that programs write into the ring buffer.
//! - [`labels`]: the maps that hold labels.
//! - [`modes`]: what each rule does where it fires.
//!
//! Absent: krs itself. No expression, type name or condition is here that a loader would have
//! to understand.

pub mod event;
pub mod labels;
pub mod manifest;
pub mod modes;
pub mod renamed;
pub mod set;
pub mod value;

/// Bumped when a loader of the old number could misread the new object.
pub const FORMAT_VERSION: u16 = 4;

/// The array of a hook's further programs, where its rules make several ([`manifest::Program::parts`]). Who loads them fills it
/// before any of them is attached, and keeps it: the kernel empties it when its last user lets go.
#[must_use]
pub fn parts_map(hook: &str) -> String {
    format!("krs_parts_{hook}")
}

/// The section that holds [`manifest::Manifest`]. The prefix makes libbpf and aya treat it as constant data.
pub const MANIFEST_SECTION: &str = ".rodata.krsi";

/// The ring buffer that all programs of a policy write events to. Present when a rule audits or denies: a denial that is not
/// enforced is recorded.
pub const EVENTS_MAP: &str = "krs_events";

/// The section (and so the map) of what programs change. It begins with two counters for each rule, where one audits or
/// denies, in native byte order: a `u64` for each [`manifest::RuleId`] of its lost events, then one for each of those that were
/// written ([`written_at`]).
pub const STATE_SECTION: &str = ".bss";

/// By how many bytes the counters of written events stand behind those of lost ones.
#[must_use]
pub fn written_at(rules: usize) -> usize {
    8 * rules
}

/// The section (and so the map) of what is known when the policy is loaded.
pub const CONSTANTS_SECTION: &str = ".rodata";

/// Bytes of the ring buffer that the compiler asks for, at least; a power of two and of whole pages.
pub const EVENTS_BYTES: u32 = 256 * 1024;

/// Where `krsi` keeps one folder for each loaded policy.
pub const PIN_ROOT: &str = "/sys/fs/bpf/krsi";
