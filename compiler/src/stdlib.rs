//! The sources of the standard library, which are krs and are checked like a policy. `std/net.krs` is the
//! module `std.net`.

/// Name and text of each file, in the order of their ids.
pub const FILES: &[(&str, &str)] = &[
    ("std/bpf.krs", include_str!("../../stdlib/bpf.krs")),
    ("std/credentials.krs", include_str!("../../stdlib/credentials.krs")),
    ("std/devices.krs", include_str!("../../stdlib/devices.krs")),
    ("std/exec.krs", include_str!("../../stdlib/exec.krs")),
    ("std/files.krs", include_str!("../../stdlib/files.krs")),
    ("std/inodes.krs", include_str!("../../stdlib/inodes.krs")),
    ("std/ipc.krs", include_str!("../../stdlib/ipc.krs")),
    ("std/ipsec.krs", include_str!("../../stdlib/ipsec.krs")),
    ("std/keys.krs", include_str!("../../stdlib/keys.krs")),
    ("std/labels.krs", include_str!("../../stdlib/labels.krs")),
    ("std/memory.krs", include_str!("../../stdlib/memory.krs")),
    ("std/mounts.krs", include_str!("../../stdlib/mounts.krs")),
    ("std/net.krs", include_str!("../../stdlib/net.krs")),
    ("std/paths.krs", include_str!("../../stdlib/paths.krs")),
    ("std/system.krs", include_str!("../../stdlib/system.krs")),
    ("std/tasks.krs", include_str!("../../stdlib/tasks.krs")),
];

/// Names of the modules, for `use std.NAME`.
pub fn modules() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(name, _)| name.strip_prefix("std/")?.strip_suffix(".krs"))
}
