//! Hooks of the model and the C types of the values that their rules read, written by hand from kernel
//! headers.
//!
//! ```text
//! file_open    file.inode.uid    u32     kuid_t is a struct of one `uid_t`, include/linux/uidgid.h
//!              file.inode.mode   u16     umode_t, include/linux/types.h
//! ```
//!
//! Only values that have the same type on all embedded kernels are listed. Names of `flags` and `enum` types
//! have the numbers of the kernel's UAPI headers.
//!
//! Absent: the layout of values for a call, which is in `lay`.

use super::expr::{Int, int};
use super::meaning::Version;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer, possibly of a `flags` or `enum` type.
    Int(Int, Option<&'static Names>),
    /// A char array of 16 bytes, of which 15 are used.
    Comm,
    /// A text without slashes, fetched through a pointer.
    Text,
    /// A full file path.
    Path,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A pointer that may be null.
    Pointer,
}

/// The names of a `flags` or `enum` type.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// True for `flags`, false for `enum`.
    pub flags: bool,
    /// Names that a policy can write next to a value of the type.
    pub members: &'static [(&'static str, i128)],
}

const fn bits(members: &'static [(&'static str, i128)]) -> Names {
    Names { flags: true, members }
}

const fn numbers(members: &'static [(&'static str, i128)]) -> Names {
    Names { flags: false, members }
}

static PROT: Names = bits(&[("READ", 1), ("WRITE", 2), ("EXEC", 4), ("PROT_EXEC", 4), ("PROT_WRITE", 2)]);
static MAP: Names = bits(&[("SHARED", 1), ("PRIVATE", 2), ("FIXED", 0x10), ("MAP_ANONYMOUS", 0x20)]);
static OPEN: Names = bits(&[("WRONLY", 1), ("O_RDWR", 2), ("O_CREAT", 0o100), ("TRUNC", 0o1000), ("APPEND", 0o2000)]);
static MODE: Names = bits(&[("S_ISUID", 0o4000), ("S_ISGID", 0o2000), ("S_ISVTX", 0o1000)]);
static PTRACE: Names = bits(&[("READ", 1), ("ATTACH", 2), ("PTRACE_MODE_NOAUDIT", 4), ("REALCREDS", 0x10)]);
static AF: Names = numbers(&[("UNIX", 1), ("INET", 2), ("AF_INET", 2), ("INET6", 10), ("UNSPEC", 0)]);
static SIG: Names = numbers(&[("SIGHUP", 1), ("SIGKILL", 9), ("SIGUSR1", 10), ("SIGTERM", 15)]);
static MAGIC: Names = numbers(&[("EXT4_SUPER_MAGIC", 0xef53), ("MSDOS_SUPER_MAGIC", 0x4d44)]);
static OPTION: Names = numbers(&[("SET_PDEATHSIG", 1), ("SET_DUMPABLE", 4), ("PR_SET_NAME", 15)]);

const U16: Kind = Kind::Int(int(2, false), None);
const U32: Kind = Kind::Int(int(4, false), None);
const I32: Kind = Kind::Int(int(4, true), None);
const U64: Kind = Kind::Int(int(8, false), None);
const I64: Kind = Kind::Int(int(8, true), None);

const PROTECTION: Kind = Kind::Int(int(8, false), Some(&PROT));
const MAP_FLAGS: Kind = Kind::Int(int(8, false), Some(&MAP));
const OPEN_FLAGS: Kind = Kind::Int(int(4, false), Some(&OPEN));
const FILE_MODE: Kind = Kind::Int(int(2, false), Some(&MODE));
const PTRACE_MODE: Kind = Kind::Int(int(4, false), Some(&PTRACE));
const FAMILY: Kind = Kind::Int(int(2, false), Some(&AF));
const SIGNAL: Kind = Kind::Int(int(4, true), Some(&SIG));
const FS_MAGIC: Kind = Kind::Int(int(8, false), Some(&MAGIC));
const OPTIONS: Kind = Kind::Int(int(4, true), Some(&OPTION));

/// Names of values with their kinds.
pub type Values = &'static [(&'static str, Kind)];

/// Values available on every hook.
pub const TASK: Values = &[
    ("task.uid", U32),
    ("task.euid", U32),
    ("task.gid", U32),
    ("task.pid", U32),
    ("task.tgid", U32),
    ("task.comm", Kind::Comm),
    ("now", U64),
];

/// Values of an ancestor; `task_struct` has `pid_t pid`, `unsigned int flags` and `int exit_code`.
pub const ANCESTOR: Values =
    &[("a.pid", I32), ("a.tgid", I32), ("a.exit_code", I32), ("a.uid", U32), ("a.gid", U32), ("a.comm", Kind::Comm)];

/// A hook of the model.
#[derive(Debug, PartialEq, Eq)]
pub struct Hook {
    /// Name in the newest kernel.
    pub name: &'static str,
    /// Other names that a policy can write.
    pub aliases: &'static [&'static str],
    /// The oldest embedded kernel that has it.
    pub introduced: Version,
    /// Values specific to the hook.
    pub values: Values,
    /// Tasks and inodes that can have labels.
    pub objects: [&'static [&'static str]; 2],
    /// Tasks whose ancestors can be quantified over.
    pub descendants: &'static [&'static str],
}

/// The oldest embedded kernel.
pub const OLDEST: Version = (5, 10);

/// The versions of the embedded kernels.
pub const KERNELS: [Version; 5] = [OLDEST, (6, 1), (6, 12), (6, 18), (7, 2)];

const NONE: [&[&str]; 2] = [&["task"], &[]];

/// Makes a hook with the default properties.
const fn hook(name: &'static str, values: Values) -> Hook {
    Hook { name, aliases: &[], introduced: OLDEST, values, objects: NONE, descendants: &["task"] }
}

/// All hooks of the model, the simplest first.
pub const HOOKS: &[Hook] = &[
    hook("task_prctl", &[("option", OPTIONS), ("arg2", U64), ("arg3", U64), ("arg4", U64), ("arg5", U64)]),
    Hook {
        objects: [&["task"], &["file.inode"]],
        ..hook(
            "file_open",
            &[
                ("file.flags", OPEN_FLAGS),
                ("file.path", Kind::Path),
                ("file.name", Kind::Text),
                ("file.pos", I64),
                ("file.inode", Kind::Pointer),
                ("file.inode.uid", U32),
                ("file.inode.gid", U32),
                ("file.inode.mode", FILE_MODE),
                ("file.inode.size", I64),
                ("file.inode.nlink", U32),
                ("file.inode.sb.magic", FS_MAGIC),
            ],
        )
    },
    Hook {
        objects: [&["task"], &["file.inode"]],
        ..hook(
            "mmap_file",
            &[
                ("file", Kind::Pointer),
                ("prot", PROTECTION),
                ("reqprot", PROTECTION),
                ("flags", MAP_FLAGS),
                ("file.path", Kind::Path),
                ("file.inode.uid", U32),
                ("file.inode.mode", FILE_MODE),
                ("file.inode.size", I64),
            ],
        )
    },
    Hook {
        objects: [&["task"], &["vma.file.inode"]],
        ..hook(
            "file_mprotect",
            &[
                ("prot", PROTECTION),
                ("reqprot", PROTECTION),
                ("vma.start", U64),
                ("vma.end", U64),
                ("vma.file", Kind::Pointer),
                ("vma.file.path", Kind::Path),
                ("vma.file.inode.uid", U32),
            ],
        )
    },
    hook(
        "socket_connect",
        &[
            ("dst.ip", Kind::Ip),
            ("dst.port", U16),
            ("dst.family", FAMILY),
            ("dst.path", Kind::Path),
            ("dst.abstract", Kind::Text),
            ("addrlen", I32),
        ],
    ),
    hook("socket_bind", &[("src.ip", Kind::Ip), ("src.port", U16), ("src.family", FAMILY), ("addrlen", I32)]),
    hook("socket_sendmsg", &[("dst.ip", Kind::Ip), ("dst.port", U16), ("dst.family", FAMILY), ("size", I32)]),
    Hook {
        aliases: &["exec"],
        ..hook("bprm_check_security", &[("bprm.path", Kind::Path), ("bprm.filename", Kind::Text), ("bprm.argc", I32)])
    },
    hook("path_unlink", &[("path", Kind::Path), ("dentry.name", Kind::Text)]),
    hook("path_rmdir", &[("path", Kind::Path), ("dentry.name", Kind::Text)]),
    Hook {
        objects: [&["task"], &["old_dentry.inode", "new_dentry.inode"]],
        ..hook(
            "path_rename",
            &[
                ("old_path", Kind::Path),
                ("new_path", Kind::Path),
                ("old_dentry.name", Kind::Text),
                ("new_dentry.name", Kind::Text),
            ],
        )
    },
    Hook {
        objects: [&["task", "p"], &[]],
        descendants: &["task", "p"],
        ..hook("task_kill", &[("sig", SIGNAL), ("p.pid", I32), ("p.comm", Kind::Comm)])
    },
    Hook {
        objects: [&["task", "child"], &[]],
        descendants: &["task", "child"],
        ..hook("ptrace_access_check", &[("mode", PTRACE_MODE), ("child.pid", I32), ("child.comm", Kind::Comm)])
    },
    // Linux 6.1; `cred` has kuid_t members.
    Hook { introduced: (6, 1), ..hook("userns_create", &[("cred.uid", U32), ("cred.euid", U32)]) },
    // Linux 6.9.
    Hook { introduced: (6, 12), ..hook("file_post_open", &[("file.flags", OPEN_FLAGS), ("file.path", Kind::Path)]) },
];

/// Returns the hook of a name.
pub fn find(name: &str) -> &'static Hook {
    HOOKS.iter().find(|hook| hook.name == name).expect("rules are on hooks of the table")
}
