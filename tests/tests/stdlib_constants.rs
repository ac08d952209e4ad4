//! The standard library's numbers, checked against the machine's C headers and a table derived from kernel
//! sources.
//!
//! Constants visible to user space (`PROT_EXEC`) are in the headers of `linux-libc-dev` and the C library:
//! the C compiler checks each number. Constants internal to the kernel (`MAY_EXEC`) are in [`INTERNAL`],
//! which a program extracted from Linux 5.10.262, 6.1.192, 6.12.117 and 7.2.12; a name is listed only if it
//! has the same value in all of them. Each `flags` and `enum` of the library must be in exactly one of the
//! two.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use krs_grammar::ast::{BinaryOp, ExprKind, FileId, ItemKind};

/// Types defined in C headers, with those headers.
const HEADERS: &[(&str, &[&str])] = &[
    ("Prot", &["linux/mman.h"]),
    ("Map", &["linux/mman.h"]),
    // Other architectures define different numbers; the library has those of x86-64, which are the generic
    // ones.
    ("O", &["asm-generic/fcntl.h"]),
    ("F", &["linux/fcntl.h"]),
    ("LockType", &["linux/fcntl.h"]),
    ("Mode", &["linux/stat.h"]),
    ("Rename", &["linux/fs.h"]),
    ("Magic", &["linux/magic.h"]),
    ("Ms", &["linux/mount.h"]),
    ("Umount", &["sys/mount.h"]),
    ("Clone", &["linux/sched.h"]),
    ("Sig", &["asm/signal.h"]),
    ("Pr", &["linux/prctl.h"]),
    ("Rlimit", &["linux/resource.h"]),
    ("Cap", &["linux/capability.h"]),
    ("Af", &["sys/socket.h"]),
    ("SockType", &["sys/socket.h"]),
    ("BpfCmd", &["linux/bpf.h"]),
    ("Ipproto", &["linux/in.h"]),
    ("Netlink", &["linux/netlink.h"]),
    ("Sol", &["sys/socket.h", "netinet/in.h", "netinet/tcp.h", "netinet/udp.h"]),
    ("So", &["sys/socket.h"]),
    ("Shut", &["sys/socket.h"]),
    ("Msg", &["sys/socket.h"]),
    ("TcpState", &["netinet/tcp.h"]),
    ("Sctp", &["stdint.h", "sys/socket.h", "linux/sctp.h"]),
    ("MsgCmd", &["linux/ipc.h", "linux/msg.h"]),
    ("ShmCmd", &["linux/ipc.h", "linux/shm.h"]),
    ("SemCmd", &["linux/ipc.h", "linux/sem.h"]),
    ("Ipc", &["linux/ipc.h"]),
    ("Shm", &["linux/shm.h"]),
    ("Xattr", &["linux/xattr.h"]),
    ("Quota", &["linux/quota.h"]),
    ("Q", &["linux/quota.h", "linux/dqblk_xfs.h"]),
    ("Fan", &["linux/fanotify.h"]),
    ("Secbit", &["linux/securebits.h"]),
    ("AuditField", &["linux/audit.h"]),
    (
        "Ioctl",
        &["sys/ioctl.h", "linux/fs.h", "linux/if_tun.h", "linux/loop.h", "linux/kvm.h", "linux/vt.h", "linux/kd.h"],
    ),
];

/// Enumerators that the headers of the oldest supported distribution lack. (A missing macro is found in the
/// preprocessor's output.)
const NEWER: &[&str] = &["BPF_TOKEN_CREATE"];

/// Macros that the headers of some distribution lack, with the reason.
const ABSENT: &[(&str, &str)] = &[
    ("MAP_32BIT", "x86 only"),
    ("F_GETLK64", "for 32-bit programs only"),
    ("F_SETLK64", "for 32-bit programs only"),
    ("F_SETLKW64", "for 32-bit programs only"),
    ("PR_SET_MDWE", "since 6.3"),
    ("PR_GET_MDWE", "since 6.3"),
    ("AF_MCTP", "since 5.15 and glibc 2.35"),
    ("SECRETMEM_MAGIC", "since 5.14"),
    ("CAP_CHECKPOINT_RESTORE", "since 5.9"),
    ("PR_SCHED_CORE", "since 5.14"),
    ("PR_SET_VMA", "since 5.17"),
    ("CLONE_INTO_CGROUP", "since 5.7"),
];

/// Names of a type in [`HEADERS`] that exist only in the kernel.
const EXCEPT: &[(&str, u64, &str)] = &[("O.FMODE_EXEC", 0x20, "include/linux/fs.h: __FMODE_EXEC")];

/// A type, the kernel's source file, and its constants.
type FromSource = (&'static str, &'static str, &'static [(&'static str, u64)]);

/// Constants that exist only in the kernel's internal headers.
#[rustfmt::skip]
const INTERNAL: &[FromSource] = &[
    ("May", "include/linux/fs.h", &[
        ("MAY_EXEC", 0x1), ("MAY_WRITE", 0x2), ("MAY_READ", 0x4), ("MAY_APPEND", 0x8), ("MAY_ACCESS", 0x10),
        ("MAY_OPEN", 0x20), ("MAY_CHDIR", 0x40), ("MAY_NOT_BLOCK", 0x80),
    ]),
    ("Fmode", "include/linux/fs.h", &[
        ("FMODE_READ", 0x1), ("FMODE_WRITE", 0x2), ("FMODE_LSEEK", 0x4), ("FMODE_PREAD", 0x8),
        ("FMODE_PWRITE", 0x10), ("FMODE_EXEC", 0x20), ("FMODE_32BITHASH", 0x200), ("FMODE_64BITHASH", 0x400),
        ("FMODE_NOCMTIME", 0x800), ("FMODE_RANDOM", 0x1000), ("FMODE_PATH", 0x4000), ("FMODE_ATOMIC_POS", 0x8000),
        ("FMODE_WRITER", 0x10000), ("FMODE_CAN_READ", 0x20000), ("FMODE_CAN_WRITE", 0x40000),
        ("FMODE_OPENED", 0x80000), ("FMODE_CREATED", 0x100000), ("FMODE_STREAM", 0x200000),
        ("FMODE_NOWAIT", 0x8000000), ("FMODE_NEED_UNMOUNT", 0x10000000), ("FMODE_NOACCOUNT", 0x20000000),
    ]),
    ("InodeFlags", "include/linux/fs.h", &[
        ("S_SYNC", 0x1), ("S_NOATIME", 0x2), ("S_APPEND", 0x4), ("S_IMMUTABLE", 0x8), ("S_DEAD", 0x10),
        ("S_NOQUOTA", 0x20), ("S_DIRSYNC", 0x40), ("S_NOCMTIME", 0x80), ("S_SWAPFILE", 0x100), ("S_PRIVATE", 0x200),
        ("S_IMA", 0x400), ("S_AUTOMOUNT", 0x800), ("S_NOSEC", 0x1000), ("S_DAX", 0x2000), ("S_ENCRYPTED", 0x4000),
        ("S_CASEFOLD", 0x8000), ("S_VERITY", 0x10000),
    ]),
    ("Attr", "include/linux/fs.h", &[
        ("ATTR_MODE", 0x1), ("ATTR_UID", 0x2), ("ATTR_GID", 0x4), ("ATTR_SIZE", 0x8), ("ATTR_ATIME", 0x10),
        ("ATTR_MTIME", 0x20), ("ATTR_CTIME", 0x40), ("ATTR_ATIME_SET", 0x80), ("ATTR_MTIME_SET", 0x100),
        ("ATTR_FORCE", 0x200), ("ATTR_KILL_SUID", 0x800), ("ATTR_KILL_SGID", 0x1000), ("ATTR_FILE", 0x2000),
        ("ATTR_KILL_PRIV", 0x4000), ("ATTR_OPEN", 0x8000), ("ATTR_TIMES_SET", 0x10000), ("ATTR_TOUCH", 0x20000),
    ]),
    ("Sb", "include/linux/fs.h, fs/super_types.h", &[
        ("SB_RDONLY", 0x1), ("SB_NOSUID", 0x2), ("SB_NODEV", 0x4), ("SB_NOEXEC", 0x8), ("SB_SYNCHRONOUS", 0x10),
        ("SB_MANDLOCK", 0x40), ("SB_DIRSYNC", 0x80), ("SB_NOATIME", 0x400), ("SB_NODIRATIME", 0x800),
        ("SB_SILENT", 0x8000), ("SB_POSIXACL", 0x10000), ("SB_INLINECRYPT", 0x20000), ("SB_KERNMOUNT", 0x400000),
        ("SB_I_VERSION", 0x800000), ("SB_LAZYTIME", 0x2000000), ("SB_FORCE", 0x8000000), ("SB_NOSEC", 0x10000000),
        ("SB_BORN", 0x20000000), ("SB_ACTIVE", 0x40000000), ("SB_NOUSER", 0x80000000),
    ]),
    ("Mnt", "include/linux/mount.h", &[
        ("MNT_NOSUID", 0x1), ("MNT_NODEV", 0x2), ("MNT_NOEXEC", 0x4), ("MNT_NOATIME", 0x8),
        ("MNT_NODIRATIME", 0x10), ("MNT_RELATIME", 0x20), ("MNT_READONLY", 0x40), ("MNT_NOSYMFOLLOW", 0x80),
        ("MNT_SHRINKABLE", 0x100), ("MNT_INTERNAL", 0x4000), ("MNT_LOCK_ATIME", 0x40000),
        ("MNT_LOCK_NOEXEC", 0x80000), ("MNT_LOCK_NOSUID", 0x100000), ("MNT_LOCK_NODEV", 0x200000),
        ("MNT_LOCK_READONLY", 0x400000), ("MNT_LOCKED", 0x800000), ("MNT_DOOMED", 0x1000000),
        ("MNT_SYNC_UMOUNT", 0x2000000), ("MNT_UMOUNT", 0x8000000),
    ]),
    ("Vm", "include/linux/mm.h", &[
        ("VM_READ", 0x1), ("VM_WRITE", 0x2), ("VM_EXEC", 0x4), ("VM_SHARED", 0x8), ("VM_MAYREAD", 0x10),
        ("VM_MAYWRITE", 0x20), ("VM_MAYEXEC", 0x40), ("VM_MAYSHARE", 0x80), ("VM_GROWSDOWN", 0x100),
        ("VM_UFFD_MISSING", 0x200), ("VM_PFNMAP", 0x400), ("VM_UFFD_WP", 0x1000), ("VM_LOCKED", 0x2000),
        ("VM_IO", 0x4000), ("VM_SEQ_READ", 0x8000), ("VM_RAND_READ", 0x10000), ("VM_DONTCOPY", 0x20000),
        ("VM_DONTEXPAND", 0x40000), ("VM_LOCKONFAULT", 0x80000), ("VM_ACCOUNT", 0x100000),
        ("VM_NORESERVE", 0x200000), ("VM_HUGETLB", 0x400000), ("VM_SYNC", 0x800000), ("VM_ARCH_1", 0x1000000),
        ("VM_WIPEONFORK", 0x2000000), ("VM_DONTDUMP", 0x4000000), ("VM_MIXEDMAP", 0x10000000),
        ("VM_HUGEPAGE", 0x20000000), ("VM_NOHUGEPAGE", 0x40000000), ("VM_MERGEABLE", 0x80000000),
    ]),
    ("Pf", "include/linux/sched.h", &[
        ("PF_VCPU", 0x1), ("PF_IDLE", 0x2), ("PF_EXITING", 0x4), ("PF_IO_WORKER", 0x10), ("PF_WQ_WORKER", 0x20),
        ("PF_FORKNOEXEC", 0x40), ("PF_MCE_PROCESS", 0x80), ("PF_SUPERPRIV", 0x100), ("PF_DUMPCORE", 0x200),
        ("PF_SIGNALED", 0x400), ("PF_MEMALLOC", 0x800), ("PF_NPROC_EXCEEDED", 0x1000), ("PF_USED_MATH", 0x2000),
        ("PF_NOFREEZE", 0x8000), ("PF_KSWAPD", 0x20000), ("PF_MEMALLOC_NOFS", 0x40000),
        ("PF_MEMALLOC_NOIO", 0x80000), ("PF_LOCAL_THROTTLE", 0x100000), ("PF_KTHREAD", 0x200000),
        ("PF_RANDOMIZE", 0x400000), ("PF_NO_SETAFFINITY", 0x4000000), ("PF_MCE_EARLY", 0x8000000),
        ("PF_SUSPEND_TASK", 0x80000000),
    ]),
    ("PtraceMode", "include/linux/ptrace.h", &[
        ("PTRACE_MODE_READ", 0x1), ("PTRACE_MODE_ATTACH", 0x2), ("PTRACE_MODE_NOAUDIT", 0x4),
        ("PTRACE_MODE_FSCREDS", 0x8), ("PTRACE_MODE_REALCREDS", 0x10),
    ]),
    ("LsmSetid", "include/linux/security.h", &[
        ("LSM_SETID_ID", 0x1), ("LSM_SETID_RE", 0x2), ("LSM_SETID_RES", 0x4), ("LSM_SETID_FS", 0x8),
    ]),
    ("CapOpt", "include/linux/security.h", &[
        ("CAP_OPT_NONE", 0x0), ("CAP_OPT_NOAUDIT", 0x2), ("CAP_OPT_INSETID", 0x4),
    ]),
    ("LsmPrlimit", "include/linux/security.h", &[("LSM_PRLIMIT_READ", 1), ("LSM_PRLIMIT_WRITE", 2)]),
    ("PerfSecurity", "include/linux/perf_event.h", &[
        ("PERF_SECURITY_OPEN", 0), ("PERF_SECURITY_CPU", 1), ("PERF_SECURITY_KERNEL", 2),
        ("PERF_SECURITY_TRACEPOINT", 3),
    ]),
    ("KeyAlloc", "include/linux/key.h", &[
        ("KEY_ALLOC_IN_QUOTA", 0x0), ("KEY_ALLOC_QUOTA_OVERRUN", 0x1), ("KEY_ALLOC_NOT_IN_QUOTA", 0x2),
        ("KEY_ALLOC_BUILT_IN", 0x4), ("KEY_ALLOC_BYPASS_RESTRICTION", 0x8), ("KEY_ALLOC_UID_KEYRING", 0x10),
        ("KEY_ALLOC_SET_KEEP", 0x20),
    ]),
    // Visible to user space, but newer than the headers of the oldest supported distribution.
    ("LsmAttr", "include/uapi/linux/lsm.h", &[
        ("LSM_ATTR_UNDEF", 0), ("LSM_ATTR_CURRENT", 100), ("LSM_ATTR_EXEC", 101), ("LSM_ATTR_FSCREATE", 102),
        ("LSM_ATTR_KEYCREATE", 103), ("LSM_ATTR_PREV", 104), ("LSM_ATTR_SOCKCREATE", 105),
    ]),
    ("LsmUnsafe", "include/linux/security.h", &[
        ("LSM_UNSAFE_SHARE", 1), ("LSM_UNSAFE_PTRACE", 2), ("LSM_UNSAFE_NO_NEW_PRIVS", 4),
    ]),
    ("SyslogAction", "include/linux/syslog.h", &[
        ("SYSLOG_ACTION_CLOSE", 0), ("SYSLOG_ACTION_OPEN", 1), ("SYSLOG_ACTION_READ", 2),
        ("SYSLOG_ACTION_READ_ALL", 3), ("SYSLOG_ACTION_READ_CLEAR", 4), ("SYSLOG_ACTION_CLEAR", 5),
        ("SYSLOG_ACTION_CONSOLE_OFF", 6), ("SYSLOG_ACTION_CONSOLE_ON", 7), ("SYSLOG_ACTION_CONSOLE_LEVEL", 8),
        ("SYSLOG_ACTION_SIZE_UNREAD", 9), ("SYSLOG_ACTION_SIZE_BUFFER", 10),
    ]),
];

/// Returns the members of each `flags` and `enum` of the library, in source order.
fn types() -> BTreeMap<String, Vec<(String, u64)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stdlib");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is part of the source tree")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "krs"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "memory, files, exec, tasks, credentials at least: {files:?}");
    let mut types = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("it is UTF-8");
        let parsed = krs_grammar::parse(FileId(0), &text);
        for item in parsed.file.items {
            let (ItemKind::Flags(names) | ItemKind::Enum(names)) = item.kind else {
                continue;
            };
            let members = names
                .members
                .iter()
                .map(|member| match &member.value.kind {
                    ExprKind::Int(value) => (member.name.name.clone(), *value),
                    ExprKind::Binary { op: BinaryOp::Shl, left, right, .. } => match (&left.kind, &right.kind) {
                        (ExprKind::Int(value), ExprKind::Int(by)) => (member.name.name.clone(), value << by),
                        _ => panic!("`{}.{}` is no plain number", names.name.name, member.name.name),
                    },
                    _ => panic!("`{}.{}` is no plain number", names.name.name, member.name.name),
                })
                .collect();
            let before = types.insert(names.name.name.clone(), members);
            assert!(before.is_none(), "`{}` is defined twice", names.name.name);
        }
    }
    types
}

/// Returns the C prefix of a type: `PTRACE_MODE_` for `PtraceMode`.
fn prefix(type_name: &str) -> String {
    let mut text = String::new();
    for (at, c) in type_name.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text + "_"
}

/// Returns the name of a member in the kernel's headers: prefixed, unless the member's name is already
/// complete.
fn c_name(of: &str, member: &str) -> String {
    const WHOLE: &[&str] = &[
        "Sig",
        "Mode",
        "InodeFlags",
        "Umount",
        "LockType",
        "Magic",
        "BpfCmd",
        "SockType",
        "TcpState",
        "MsgCmd",
        "ShmCmd",
        "SemCmd",
        "Quota",
        "Ioctl",
        "AuditField",
    ];
    if WHOLE.contains(&of) || member.starts_with(&prefix(of)) { member.to_owned() } else { prefix(of) + member }
}

#[test]
fn every_type_is_checked_once() {
    let types = types();
    // One bit for each capability.
    for (name, value) in &types["Caps"] {
        let bare = name.trim_start_matches("CAP_");
        let number = types["Cap"].iter().find(|(known, _)| known == bare).expect("a capability").1;
        assert_eq!(*value, 1 << number, "{name}");
    }
    assert_eq!(types["Caps"].len(), types["Cap"].len());
    for name in types.keys().filter(|name| *name != "Caps") {
        let headers = HEADERS.iter().filter(|(of, _)| of == name).count();
        let internal = INTERNAL.iter().filter(|(of, _, _)| of == name).count();
        assert_eq!(headers + internal, 1, "`{name}` must be in HEADERS or in INTERNAL");
    }
}

#[test]
fn numbers_of_the_kernel_alone_are_those_of_its_sources() {
    let types = types();
    for (of, source, known) in INTERNAL {
        let members = types.get(*of).unwrap_or_else(|| panic!("the library has no `{of}`"));
        for (member, value) in members {
            let name = c_name(of, member);
            let expected = known
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap_or_else(|| panic!("`{of}.{member}`: {source} has no {name} that is the same on all kernels"));
            assert_eq!(*value, expected.1, "`{of}.{member}` against {name} of {source}");
        }
    }
    for (place, value, source) in EXCEPT {
        let (of, member) = place.split_once('.').expect("a type and a member");
        let found = types[of].iter().find(|(name, _)| name == member).expect("the library has it");
        assert_eq!(found.1, *value, "`{place}` against {source}");
    }
}

/// Runs the C compiler on `text`; returns success, its output and its errors.
fn cc(arguments: &[&str], text: &str) -> (bool, String, String) {
    let mut child = Command::new("cc")
        .args(arguments)
        .args(["-x", "c", "-"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("a C compiler `cc` is needed to check the library's numbers ({error}): install gcc")
        });
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("cc reads its input");
    let output = child.wait_with_output().expect("cc ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn numbers_of_user_space_are_those_of_the_c_headers() {
    let types = types();
    let mut checked = 0;
    for (of, headers) in HEADERS {
        let include: String = headers.iter().map(|header| format!("#include <{header}>\n")).collect();
        let (found, macros, errors) = cc(&["-E", "-dM"], &include);
        assert!(
            found,
            "<{}> is needed to check `{of}`: install linux-libc-dev and libc6-dev\n{errors}",
            headers.join(">, <")
        );
        let macros: Vec<&str> =
            macros.lines().filter_map(|line| line.strip_prefix("#define ")?.split([' ', '(']).next()).collect();
        let enumerators = ["BpfCmd", "TcpState"].contains(of);
        let members = types.get(*of).unwrap_or_else(|| panic!("the library has no `{of}`"));
        let mut text = include;
        for (member, value) in members {
            let name = c_name(of, member);
            if EXCEPT.iter().any(|(place, _, _)| *place == format!("{of}.{member}")) || NEWER.contains(&name.as_str()) {
                continue;
            }
            if !enumerators && !macros.contains(&name.as_str()) {
                assert!(ABSENT.iter().any(|(known, _)| *known == name), "`{of}.{member}`: the headers have no {name}");
                continue;
            }
            text += &format!("_Static_assert((unsigned long long)({name}) == {value}ULL, \"{of}.{member}\");\n");
            checked += 1;
        }
        let (right, _, errors) = cc(&["-fsyntax-only"], &text);
        assert!(right, "`{of}`:\n{errors}");
    }
    assert!(checked > 600, "only {checked} numbers were compared");
}

/// The errnos that a `deny` can name are those of the headers: all numbers are correct and none is missing.
#[test]
fn errnos_are_those_of_the_c_headers() {
    use krsic::hir::errno;
    let include = "#include <asm-generic/errno.h>\n";
    let (found, macros, errors) = cc(&["-E", "-dM"], include);
    assert!(found, "<asm-generic/errno.h> is needed: install linux-libc-dev\n{errors}");
    let defined: Vec<&str> = macros
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split(' ').next())
        .filter(|name| name.len() > 2 && name.starts_with('E'))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
        .collect();
    assert!(defined.len() > 130, "{defined:?}");
    let mut text = include.to_owned();
    for name in defined {
        let (_, number) = errno::find(name).unwrap_or_else(|| panic!("the compiler does not know {name}"));
        text += &format!("_Static_assert({name} == {number}, \"{name}\");\n");
    }
    // Only the C library defines this name of EOPNOTSUPP.
    text += "#include <errno.h>\n_Static_assert(ENOTSUP == EOPNOTSUPP, \"ENOTSUP\");\n";
    let (right, _, errors) = cc(&["-fsyntax-only"], &text);
    assert!(right, "{errors}");
}
