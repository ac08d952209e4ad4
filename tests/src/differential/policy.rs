//! Generator of random policies whose tests suit the types of the tested values.
//!
//! A hook is either one of [`HOOKS`], with values that typical policies test, or any other hook, with fields
//! reachable from its arguments through the kernel's types. Rules that the compiler rejects are removed and
//! the rest is kept, so a wrongly guessed type costs one rule.

use std::fmt::Write as _;

use krsic::btf::{Kind, Type, TypeId};
use krsic::kernel::{Kernel, Ret};

use super::case::{Case, Words};
use super::tape::Tape;

/// The class of a value, which determines its tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An integer of a fixed width.
    Int {
        /// Width: 1, 2, 4 or 8 bytes.
        bytes: u32,
        /// True for two's complement.
        signed: bool,
    },
    /// A Boolean truth value.
    Bool,
    /// A pointer of any type.
    Pointer,
    /// An inline character array.
    Name,
    /// A text fetched through a pointer.
    Text,
    /// A full file path.
    Path,
    /// An IPv4 or IPv6 address.
    Ip,
}

const U8: Class = Class::Int { bytes: 1, signed: false };
const U16: Class = Class::Int { bytes: 2, signed: false };
const U32: Class = Class::Int { bytes: 4, signed: false };
const U64: Class = Class::Int { bytes: 8, signed: false };
const I32: Class = Class::Int { bytes: 4, signed: true };
const I64: Class = Class::Int { bytes: 8, signed: true };

/// Values that a hook offers.
type Values = &'static [(&'static str, Class)];

/// Values that every hook offers.
const TASK: Values = &[
    ("task.uid", U32),
    ("task.pid", U32),
    ("task.tgid", U32),
    ("task.gid", U32),
    ("task.euid", U32),
    ("task.comm", Class::Name),
    ("task.exe", Class::Path),
    ("task.parent.pid", I32),
    ("task.parent.comm", Class::Name),
    ("task.cgroup", Class::Path),
    ("task.start_time", U64),
    ("task.cred.fsuid.val", U32),
    ("task.no_new_privs", Class::Bool),
    ("task.exit_code", I32),
    ("task.flags", U32),
    ("task.mm", Class::Pointer),
];

/// Hooks with the values that policies test on them.
const HOOKS: &[(&str, Values)] = &[
    ("task_prctl", &[("option", I32), ("arg2", U64), ("arg3", U64), ("arg4", U64), ("arg5", U64)]),
    (
        "file_mprotect",
        &[
            ("prot", U64),
            ("reqprot", U64),
            ("vma.file", Class::Pointer),
            ("vma.start", U64),
            ("vma.file.inode.uid", U32),
            ("vma.file.path", Class::Path),
            ("vma.flags", U64),
        ],
    ),
    (
        "mmap_file",
        &[
            ("file", Class::Pointer),
            ("prot", U64),
            ("flags", U64),
            ("file.inode.mode", U16),
            ("file.path", Class::Path),
        ],
    ),
    (
        "file_open",
        &[
            ("file.flags", U32),
            ("file.path", Class::Path),
            ("file.inode.uid", U32),
            ("file.inode.mode", U16),
            ("file.inode.size", I64),
            ("file.inode.sb.magic", U64),
            ("file.dentry.name", Class::Text),
            ("file.inode.nlink", U32),
        ],
    ),
    (
        "socket_connect",
        &[
            ("dst.ip", Class::Ip),
            ("dst.port", U16),
            ("src.ip", Class::Ip),
            ("src.port", U16),
            ("addrlen", I32),
            ("address.sa_family", U16),
            ("sock.sk.family", U16),
            ("dst.family", U16),
            ("dst.path", Class::Text),
            ("dst.abstract", Class::Text),
        ],
    ),
    ("socket_bind", &[("src.ip", Class::Ip), ("src.port", U16), ("addrlen", I32), ("address", Class::Pointer)]),
    ("socket_sendmsg", &[("dst.ip", Class::Ip), ("dst.port", U16), ("src.ip", Class::Ip), ("size", I32)]),
    ("path_unlink", &[("path", Class::Path), ("dentry.name", Class::Text), ("dir.dentry.inode.uid", U32)]),
    ("path_rename", &[("old_path", Class::Path), ("new_path", Class::Path), ("old_dentry.name", Class::Text)]),
    ("bprm_check_security", &[("bprm.path", Class::Path), ("bprm.filename", Class::Text), ("bprm.argc", I32)]),
    ("task_kill", &[("sig", I32), ("p.pid", I32), ("p.comm", Class::Name), ("info", Class::Pointer)]),
    ("inode_permission", &[("mask", I32), ("inode.uid", U32), ("inode.mode", U16), ("inode.size", I64)]),
    ("inode_setattr", &[("attr.ia_valid", U32), ("attr.ia_mode", U16), ("dentry.name", Class::Text)]),
    ("ptrace_access_check", &[("mode", U32), ("child.pid", I32), ("child.comm", Class::Name), ("child.flags", U32)]),
    ("capable", &[("cap", I32), ("opts", U32), ("cred.euid.val", U32), ("ns.level", I32)]),
    ("file_ioctl", &[("cmd", U32), ("arg", U64), ("file.path", Class::Path), ("file.mode", U32)]),
    ("task_free", &[("task.pid", I32), ("task.comm", Class::Name)]),
];

/// Hooks at which labels are created and removed.
const KEEPING: &[(&str, Values)] = &[
    ("task_alloc", &[("task.pid", I32), ("clone_flags", U64)]),
    ("task_free", &[("task.pid", I32)]),
    ("bprm_creds_from_file", &[("bprm.argc", I32)]),
    ("bprm_committing_creds", &[("bprm.argc", I32)]),
    ("inode_free_security", &[("inode.mode", U16)]),
    ("sk_clone_security", &[("sk.family", U16)]),
    ("unix_stream_connect", &[("other.family", U16)]),
    ("sk_free_security", &[("sk.family", U16)]),
];

/// Expressions of tasks, inodes and sockets that can have labels. Each hook provides some of them.
const OBJECTS: [&[&str]; 3] = [
    &["task", "task", "task", "task.parent", "child", "p"],
    &[
        "file.inode",
        "vma.file.inode",
        "inode",
        "dentry.inode",
        "dir.dentry.inode",
        "old_dentry.inode",
        "bprm.file.inode",
    ],
    &["sock", "sock.sk", "sk", "newsk", "other"],
];

/// The same expressions inside a quantifier over the ancestor `a`.
const ANCESTOR_OBJECTS: [&[&str]; 3] = [&["a", "a", "task", "a.group_leader"], &["a.mm.exe_file.inode"], &["sock"]];

/// The same expressions for running kernels. Each act creates its sockets, so labels of sockets do not
/// persist.
const LIVE_OBJECTS: [&[&str]; 3] = [&["task", "task", "task.parent"], &["file.inode"], &[]];

const PATHS: &[&str] = &[
    "/",
    "/etc",
    "/etc/passwd",
    "/etcetera",
    "/usr/bin/bash",
    "/usr/lib/x.so",
    "/a",
    "/a/b",
    "/srv/www/x.cgi",
    "/memfd:x (deleted)",
    "/tmp/f (deleted)",
    "/a/b (deleted)",
    "/etc/passwd (deleted)",
];
/// Names with lengths at which the generated code changes: names inside a dentry, 32 and 40 bytes, and 64.
const LONG_NAMES: &[&str] = &[
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
];
const NAMES: &[&str] = &["a", "bash", "sh", "ab", "fifteen letters", "x.so", "passwd", "eight888", "(deleted)"];
const GLOBS: &[&str] = &[
    "*",
    "**",
    "/etc/*",
    "/etc/**",
    "/usr/**/*.so",
    "?",
    "a?",
    "[a-c]*",
    "{/etc,/srv}/**",
    "/[!e]*",
    "*.so",
    "b{a,}sh",
    "/a/?",
];
const IPS: &[&str] = &["10.0.0.1", "10.1.2.3", "127.0.0.1", "192.168.1.1", "2001:db8::1", "::1", "0.0.0.0"];
const NETWORKS: &[&str] = &[
    "10.0.0.0/8",
    "10.1.0.0/16",
    "127.0.0.0/8",
    "2001:db8::/32",
    "0.0.0.0/0",
    "::/0",
    "192.168.1.0/31",
    "::1",
    "fc00::/7",
    "10.1.0.0/24",
    "10.1.1.0/24",
    "10.1.3.0/24",
    "10.2.0.0/16",
    "10.4.0.0/16",
    "2001:db8:1::/48",
];
const KILLS: &[&str] = &["", " SIGTERM", " SIGUSR1", " SIGHUP"];
/// Pairs of hooks that a rule can name together; the rule tests only values that both have.
const PAIRS: &[(&str, &str)] = &[
    ("file_open", "mmap_file"),
    ("file_mprotect", "mmap_file"),
    ("socket_connect", "socket_sendmsg"),
    ("socket_connect", "socket_bind"),
    ("task_prctl", "bprm_check_security"),
    ("file_open", "file_ioctl"),
];
const ERRNOS: &[&str] = &["", " EACCES", " EPERM", " EBUSY", " ENOENT"];

/// A policy, divided into items and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Items that rules use.
    pub items: Vec<String>,
    /// Rules and blocks of rules.
    pub rules: Vec<String>,
}

impl Policy {
    /// Returns the complete policy text.
    #[must_use]
    pub fn text(&self) -> String {
        self.items.iter().chain(&self.rules).map(|item| format!("{item}\n")).collect()
    }
}

/// Hooks that a program can call with chosen arguments, and the values that are then known.
const LIVE: &[(&str, Values)] = &[
    ("task_prctl", &[("option", I32), ("arg2", U64), ("arg3", U64), ("arg4", U64), ("arg5", U64)]),
    ("file_mprotect", &[("prot", U64), ("reqprot", U64), ("vma.file", Class::Pointer)]),
    ("file_open", &[("file.path", Class::Path), ("file.inode.uid", U32), ("file.inode.mode", U16)]),
    ("socket_connect", &[("dst.ip", Class::Ip), ("dst.port", U16), ("addrlen", I32), ("dst.family", U16)]),
    ("socket_bind", &[("src.ip", Class::Ip), ("src.port", U16), ("addrlen", I32)]),
];

const LIVE_TASK: Values = &[("task.uid", U32), ("task.euid", U32), ("task.gid", U32), ("task.comm", Class::Name)];

/// The folder of the files that live acts use, which are themselves folders.
pub const LIVE_FOLDER: &str = "/tmp/random";

/// The `comm` of a program while it performs acts.
pub const LIVE_NAME: &str = "krs-random";

const LIVE_PATHS: &[&str] =
    &["/tmp/random", "/tmp/random/a", "/tmp/random/a/b", "/tmp/random/etc", "/tmp/random/etcetera", "/tmp/random/x.so"];
const LIVE_NAMES: &[&str] = &["krs-random", "krs-", "random", "krs-rando", "bash"];

/// Generates the policy of a case from the rest of its frame.
#[must_use]
pub fn policy(frame: Tape<'_>, case: &Case, kernel: &Kernel) -> Policy {
    make(frame, case, kernel, false)
}

/// Generates a policy for [`LIVE_NAME`] alone, on hooks that a program can call; its events have only numeric
/// fields.
#[must_use]
pub fn live(frame: Tape<'_>, case: &Case, kernel: &Kernel) -> Policy {
    make(frame, case, kernel, true)
}

fn make(tape: Tape<'_>, case: &Case, kernel: &Kernel, live: bool) -> Policy {
    let (policy, sets, params, labels) = (Policy::default(), Vec::new(), Vec::new(), Vec::new());
    let mut make = Make { tape, kernel, live, policy, sets, params, labels };
    make.policy.items.push("def among(n: u64, m: u64): bool = n & m == m or n < m".to_owned());
    if make.tape.percent(if live { 60 } else { 30 }) {
        make.labels();
    }
    // Few hooks, so that several rules share a hook.
    let most = if live { 4 } else { 2 };
    let hooks: Vec<Hook> = (0..1 + make.tape.below(most)).map(|_| make.hook()).collect();
    for (index, words) in case.rules.iter().enumerate() {
        make.tape = Tape::new(words);
        let hook = make.tape.pick(&hooks).clone();
        let rule = make.item(index, &hook);
        make.policy.rules.push(rule);
    }
    if let Some(series) = &case.series {
        make.tape = Tape::new(&series.shape);
        let hook = make.tape.pick(&hooks).clone();
        make.series(case.rules.len(), &hook, &series.rules);
    }
    make.policy
}

/// A hook with the values that its rules may test.
#[derive(Clone, Debug)]
struct Hook {
    name: String,
    values: Vec<(String, Class)>,
    /// Expressions of objects with labels: a task, an inode and a socket.
    objects: [&'static [&'static str]; 3],
    void: bool,
}

struct Make<'m> {
    tape: Tape<'m>,
    kernel: &'m Kernel,
    /// True for a policy that runs on a kernel.
    live: bool,
    policy: Policy,
    /// Names of sets with their element types.
    sets: Vec<(String, &'static str)>,
    params: Vec<(String, Class)>,
    /// Names of labels, with the index into [`OBJECTS`] of their objects.
    labels: Vec<(String, usize)>,
}

impl<'m> Make<'m> {
    fn hook(&mut self) -> Hook {
        if self.live {
            let (name, known) = *self.tape.pick(LIVE);
            let values = known.iter().chain(LIVE_TASK).map(|(text, class)| ((*text).to_owned(), *class)).collect();
            let [tasks, inodes, sockets] = LIVE_OBJECTS;
            let inodes = if name == "file_open" { inodes } else { &[] };
            return Hook { name: name.to_owned(), values, objects: [tasks, inodes, sockets], void: false };
        }
        if self.tape.percent(20) {
            return self.pair();
        }
        let any = self.tape.percent(30);
        let names: Vec<&str> = self.kernel.hook_names().filter(|name| self.kernel.disabled(name).is_none()).collect();
        let (name, known) = if !self.labels.is_empty() && self.tape.percent(40) {
            *self.tape.pick(KEEPING)
        } else if any {
            let name = *self.tape.pick(&names);
            (name, HOOKS.iter().find(|(hook, _)| *hook == name).map_or(&[][..], |(_, values)| *values))
        } else {
            *self.tape.pick(HOOKS)
        };
        let mut values: Vec<(String, Class)> = known.iter().map(|(text, class)| ((*text).to_owned(), *class)).collect();
        for _ in 0..self.tape.below(if any { 12 } else { 4 }) {
            values.extend(self.walk(name));
        }
        for _ in 0..self.tape.below(4) {
            let (text, class) = *self.tape.pick(TASK);
            values.push((text.to_owned(), class));
        }
        if values.is_empty() {
            values.push(("task.uid".to_owned(), U32));
        }
        let void = self.kernel.hook(name).is_some_and(|hook| hook.ret == Ret::Void);
        Hook { name: name.to_owned(), values, objects: OBJECTS, void }
    }

    /// Draws two hooks that a rule names together.
    fn pair(&mut self) -> Hook {
        let (one, other) = *self.tape.pick(PAIRS);
        let of = |name: &str| HOOKS.iter().find(|(hook, _)| *hook == name).map_or(&[][..], |(_, values)| *values);
        let shared = of(one).iter().filter(|value| of(other).contains(value));
        let values = shared.chain(&TASK[..6]).map(|(text, class)| ((*text).to_owned(), *class)).collect();
        Hook { name: format!("{one}, {other}"), values, objects: OBJECTS, void: false }
    }

    /// Adds a few labels, sometimes more than fit into one word.
    fn labels(&mut self) {
        let most = if self.tape.percent(20) { 20 } else { 4 };
        for index in 0..1 + self.tape.below(most) {
            let kinds = if self.live { 2 } else { OBJECTS.len() };
            let (name, on) = (format!("l{index}"), self.tape.below(kinds));
            let inherit = if self.tape.percent(50) { " inherit" } else { "" };
            self.policy.items.push(match on {
                0 => format!("label {name} on task{inherit}"),
                1 => format!("label {name} on inode"),
                _ => format!("label {name} on socket{inherit}"),
            });
            self.labels.push((name, on));
        }
    }

    /// Draws a label and one of the given objects that can have it.
    fn label(&mut self, hook: &str, objects: [&[&'static str]; 3]) -> Option<(String, &'static str)> {
        let (name, on) = match self.labels.len() {
            0 => return None,
            _ => self.tape.pick(&self.labels).clone(),
        };
        // Keep only objects that all hooks of the rule provide.
        let there = |object: &&&str| {
            let root = object.split('.').next().unwrap_or_default();
            let of = |hook: &str| self.kernel.hook(hook).is_some_and(|hook| hook.arg(root).is_some());
            matches!(root, "a" | "task") || hook.split(", ").all(of)
        };
        let fitting: Vec<&'static str> = objects[on].iter().filter(there).copied().collect();
        (!fitting.is_empty()).then(|| (name, *self.tape.pick(&fitting)))
    }

    /// Draws an argument and a few fields reached from it.
    fn walk(&mut self, hook: &str) -> Option<(String, Class)> {
        let hook = self.kernel.hook(hook)?;
        if hook.args.is_empty() {
            return None;
        }
        let arg = self.tape.pick(&hook.args);
        let (mut text, mut at) = (arg.name.to_owned(), arg.ty);
        for _ in 0..self.tape.below(5) {
            let Some((name, ty)) = self.member(at) else { break };
            text.push('.');
            text.push_str(&name);
            at = ty;
            if let Type::Array { element, count } = self.kernel.btf.ty(self.kernel.btf.strip(at))
                && !matches!(self.kernel.btf.ty(self.kernel.btf.strip(element)), Type::Int { bytes: 1, .. })
                && count > 0
            {
                let _ = write!(text, "[{}]", self.tape.below(count as usize));
                at = element;
            }
        }
        let btf = &self.kernel.btf;
        let class = match btf.ty(btf.strip(at)) {
            Type::Int { boolean: true, .. } => Class::Bool,
            Type::Int { bytes: bytes @ (1 | 2 | 4 | 8), signed, .. } => Class::Int { bytes, signed },
            Type::Ptr(target) => match btf.ty(btf.strip(target)) {
                Type::Int { bytes: 1, .. } => Class::Text,
                _ => Class::Pointer,
            },
            Type::Array { element, .. } if matches!(btf.ty(btf.strip(element)), Type::Int { bytes: 1, .. }) => {
                Class::Name
            }
            _ => return None,
        };
        Some((text, class))
    }

    fn member(&mut self, of: TypeId) -> Option<(String, TypeId)> {
        let btf = &self.kernel.btf;
        let mut of = btf.strip(of);
        if let Type::Ptr(target) = btf.ty(of) {
            of = btf.strip(target);
        }
        if let Type::Fwd { name } = btf.ty(of) {
            of = btf.find(Kind::Struct, name)?;
        }
        for _ in 0..8 {
            let members: Vec<_> = btf.members(of).collect();
            if members.is_empty() {
                return None;
            }
            let member = self.tape.pick(&members);
            if !member.name.is_empty() {
                return Some((member.name.to_owned(), member.ty));
            }
            of = btf.strip(member.ty);
        }
        None
    }

    /// Adds rules of one shape, which test the same values and differ only in constants. The constants are
    /// drawn from few, so that several rules match the same call.
    fn series(&mut self, first: usize, hook: &Hook, rules: &'m [Words]) {
        let parts: Vec<(String, Vec<String>)> = (0..1 + self.tape.below(3))
            .map(|_| {
                let (value, class) = self.value(hook);
                let ordered = self.tape.percent(25);
                let test = |make: &mut Self| match class {
                    Class::Int { bytes, signed } if ordered => make.range(&value, bytes, signed),
                    _ => make.equality(&value, class),
                };
                // Sometimes a rule tests a value twice.
                let twice = self.tape.percent(15);
                let tests = (0..2 + self.tape.below(3)).map(|_| {
                    let one = test(self);
                    if twice && self.tape.percent(50) { format!("{one} and {}", test(self)) } else { one }
                });
                let tests = tests.collect();
                (value, tests)
            })
            .collect();
        let rest = if self.tape.percent(40) { format!(" and {}", self.atom(hook)) } else { String::new() };
        let unless = if self.tape.percent(20) { format!(" unless {}", self.atom(hook)) } else { String::new() };
        let field = self.field(0, hook);
        let denies: &[&str] = match self.tape.below(4) {
            _ if hook.void => &[""],
            0 => &[" deny"],
            1 => &[" deny EACCES"],
            2 => &[""],
            _ => &[" deny", " deny EACCES", " deny EBUSY"],
        };
        let limit = if self.tape.percent(20) { " limit 1/h" } else { "" };
        let kills = if !self.live && self.tape.percent(35) { &KILLS[..3] } else { &[] };
        let audit = if denies[0].is_empty() || self.tape.percent(60) {
            format!(" audit {{ {field} }}{limit}")
        } else {
            String::new()
        };
        let around = format!("task.comm == \"{LIVE_NAME}\"");
        let folder = format!("{around} and file.path under \"{LIVE_FOLDER}\"");
        for (index, words) in (first..).zip(rules) {
            self.tape = Tape::new(words);
            let tests: Vec<String> = parts.iter().map(|(_, tests)| self.tape.pick(tests).clone()).collect();
            let deny = *self.tape.pick(denies);
            let kill = if kills.is_empty() { String::new() } else { format!(" kill{}", self.tape.pick(kills)) };
            let rule =
                format!("r{index}: on {} when {}{rest}{unless}{deny}{kill}{audit}", hook.name, tests.join(" and "));
            self.policy.rules.push(match (self.live, hook.name.as_str()) {
                (false, _) => rule,
                (true, "file_open") => format!("where {folder} {{ {rule} }}"),
                (true, _) => format!("where {around} {{ {rule} }}"),
            });
        }
    }

    /// Writes an ordered comparison of an integer.
    fn range(&mut self, value: &str, bytes: u32, signed: bool) -> String {
        let (a, b) = (self.constant(bytes, signed), self.constant(bytes, signed));
        match self.tape.below(6) {
            0 => format!("{value} >= {a} and {value} <= {b}"),
            4 | 5 => self.intervals(value, bytes, signed),
            1 => format!("{value} < {a}"),
            2 => format!("{a} < {value}"),
            _ => format!("not ({value} > {a} or {value} < {b})"),
        }
    }

    /// Writes an equality test of a value against one or several constants.
    fn equality(&mut self, value: &str, class: Class) -> String {
        let texts = match (class, self.live) {
            (Class::Path, true) => LIVE_PATHS,
            (Class::Path, false) => PATHS,
            (_, true) => LIVE_NAMES,
            (_, false) => NAMES,
        };
        match class {
            Class::Int { bytes, signed } if self.tape.percent(30) => {
                format!("{value} in {{ {}, {} }}", self.constant(bytes, signed), self.constant(bytes, signed))
            }
            Class::Int { bytes, signed } => format!("{value} == {}", self.constant(bytes, signed)),
            Class::Bool => value.to_owned(),
            Class::Pointer => format!("{value} != null"),
            Class::Path | Class::Name | Class::Text if self.tape.percent(25) => {
                let long = self.tape.percent(35) && class != Class::Name && !self.live;
                let path = class == Class::Path;
                let first = if long { self.long_name(path) } else { (*self.tape.pick(texts)).to_owned() };
                format!("{value} in {{ \"{first}\", \"{}\", \"{}\" }}", self.tape.pick(texts), self.tape.pick(texts))
            }
            Class::Path | Class::Name | Class::Text if self.tape.percent(60) => self.pattern(value, class, texts),
            Class::Text | Class::Path if !self.live && self.tape.percent(50) => {
                format!("{value} == \"{}\"", self.long_name(class == Class::Path))
            }
            Class::Name | Class::Text | Class::Path => format!("{value} == \"{}\"", self.tape.pick(texts)),
            Class::Ip if self.tape.percent(35) => format!("{value} == \"{}\"", self.tape.pick(IPS)),
            Class::Ip if self.tape.percent(35) => format!("{value} in \"{}\"", self.tape.pick(NETWORKS)),
            Class::Ip => format!("{value} in {}", self.networks()),
        }
    }

    /// Writes a rule, sometimes inside a block.
    fn item(&mut self, index: usize, hook: &Hook) -> String {
        if self.live {
            let within = format!(" and file.path under \"{LIVE_FOLDER}\"");
            let within = if hook.name == "file_open" { within.as_str() } else { "" };
            let inner = self.rule(&format!("r{index}"), hook);
            return format!("where task.comm == \"{LIVE_NAME}\"{within} {{ {inner} }}");
        }
        if self.tape.percent(10) {
            let around = self.cond(1, hook);
            let inner = self.rule(&format!("r{index}"), hook);
            return format!("where {around} {{ {inner} }}");
        }
        self.rule(&format!("r{index}"), hook)
    }

    fn rule(&mut self, name: &str, hook: &Hook) -> String {
        // Essential parts are drawn first, since a short row leaves only zeros for the rest.
        let denies = !hook.void && self.tape.percent(60);
        let marks = self.marks(hook);
        let mut text = String::new();
        if denies && self.tape.percent(12) {
            text.push_str("@permissive ");
        }
        if !self.live && self.tape.percent(5) {
            let _ = write!(text, "@since(\"{}\") ", ["6.1", "6.12", "6.18"][self.tape.below(3)]);
        }
        let _ = write!(text, "{name}: on {}", hook.name);
        if !self.tape.percent(8) {
            let depth = self.tape.below(4);
            let _ = write!(text, " when {}", self.cond(depth, hook));
        }
        if self.tape.percent(25) {
            let depth = self.tape.below(3);
            let _ = write!(text, " unless {}", self.cond(depth, hook));
        }
        if denies {
            let _ = write!(text, " deny{}", self.tape.pick(ERRNOS));
        }
        if !denies || self.tape.percent(70) {
            let fields: Vec<String> = (0..self.tape.below(4)).map(|at| self.field(at, hook)).collect();
            let _ = write!(text, " audit {{ {} }}", fields.join(", "));
            if self.tape.percent(8) {
                // A guest never runs for an hour, whereas a second has no predictable length in an emulated
                // guest.
                let often = if self.live { " limit 5/h" } else { " limit 2/s" };
                text.push_str([" limit 1/h", often][self.tape.below(2)]);
            }
        }
        if !self.live && self.tape.percent(12) {
            let _ = write!(text, " kill{}", self.tape.pick(KILLS));
        }
        text + &marks
    }

    /// Draws labels that a rule sets and removes, each at most once per object.
    fn marks(&mut self, hook: &Hook) -> String {
        let (mut marked, mut text) = (Vec::new(), String::new());
        while !self.labels.is_empty() && self.tape.percent(50) {
            let Some(mark) = self.label(&hook.name, hook.objects) else { break };
            let word = ["mark", "unmark"][self.tape.below(2)];
            if !marked.contains(&mark) {
                let _ = write!(text, " {word} {} on {}", mark.0, mark.1);
                marked.push(mark);
            }
        }
        text
    }

    fn field(&mut self, at: usize, hook: &Hook) -> String {
        match self.tape.below(5) {
            0..4 if self.live => {
                let depth = self.tape.below(3);
                format!("f{at} = ({} as u64)", self.number(depth, hook).0)
            }
            0..3 => format!("f{at} = {}", self.value(hook).0),
            3 => {
                let (number, _) = self.number(2, hook);
                format!("f{at} = {number}")
            }
            _ => format!("f{at} = ({})", self.cond(1, hook)),
        }
    }

    fn value(&mut self, hook: &Hook) -> (String, Class) {
        self.tape.pick(&hook.values).clone()
    }

    fn cond(&mut self, depth: usize, hook: &Hook) -> String {
        if depth == 0 {
            return self.atom(hook);
        }
        match self.tape.below(6) {
            0 => self.atom(hook),
            1 | 2 => format!("({} and {})", self.cond(depth - 1, hook), self.cond(depth - 1, hook)),
            3 | 4 => format!("({} or {})", self.cond(depth - 1, hook), self.cond(depth - 1, hook)),
            _ => format!("not ({})", self.cond(depth - 1, hook)),
        }
    }

    fn atom(&mut self, hook: &Hook) -> String {
        if !self.labels.is_empty()
            && self.tape.percent(35)
            && let Some((label, object)) = self.label(&hook.name, hook.objects)
        {
            return format!("{object} is {}{label}", ["", "not "][self.tape.below(2)]);
        }
        match if self.live { 0 } else { self.tape.below(44) } {
            40 if hook.name.contains("file") => {
                let inode = if hook.name == "file_mprotect" { "vma.file.inode" } else { "file.inode" };
                return format!("{inode} {} inode(\"/etc/shadow\")", ["==", "!="][self.tape.below(2)]);
            }
            41 if hook.name.contains("inode") => {
                return "inode in { inode(\"/etc/shadow\"), inode(\"/etc/passwd\") }".to_owned();
            }
            38 | 42 | 43 => {
                let fields: Vec<(String, Class)> = TASK
                    .iter()
                    .filter(|(_, class)| *class != Class::Path || self.tape.percent(40))
                    .map(|(text, class)| (text.replacen("task.", "a.", 1), *class))
                    .collect();
                let inner =
                    Hook { name: hook.name.clone(), values: fields, objects: ANCESTOR_OBJECTS, void: hook.void };
                let (word, depth) = (["any", "all"][self.tape.below(2)], self.tape.below(2));
                let of = *self.tape.pick(&["task", "task", "child", "p"]);
                return format!("{word} a in {of}.ancestors {{ {} }}", self.cond(depth, &inner));
            }
            39 => return format!("now {} {}", ["<", ">="][self.tape.below(2)], self.constant(8, false)),
            _ => {}
        }
        let (value, class) = self.value(hook);
        let not = ["", "not "][self.tape.below(2)];
        let text = |class: Class| matches!(class, Class::Name | Class::Text | Class::Path);
        if !self.live && text(class) && self.tape.percent(12) {
            let others: Vec<&String> = hook.values.iter().filter(|(_, of)| text(*of)).map(|(other, _)| other).collect();
            return format!("{value} {} {}", ["==", "!="][self.tape.below(2)], self.tape.pick(&others));
        }
        if class == Class::Name && self.tape.percent(8) {
            let element = format!("{value}[{}]", self.tape.below(16));
            return self.int_atom(&element, 1, false, not, hook);
        }
        match class {
            Class::Int { bytes, signed } => self.int_atom(&value, bytes, signed, not, hook),
            Class::Bool => match self.tape.below(3) {
                0 => value,
                1 => format!("{value} == true"),
                _ => format!("{value} != true"),
            },
            Class::Pointer => format!("{value} {} null", ["==", "!="][self.tape.below(2)]),
            Class::Name if self.live => self.text_atom(&value, LIVE_NAMES, "str", false, not),
            Class::Path if self.live => self.text_atom(&value, LIVE_PATHS, "path", false, not),
            Class::Name => self.text_atom(&value, NAMES, "str", false, not),
            Class::Text => self.text_atom(&value, NAMES, "str", true, not),
            Class::Path => self.text_atom(&value, PATHS, "path", true, not),
            Class::Ip => match self.tape.below(6) {
                0 => format!("{value} == \"{}\"", self.tape.pick(IPS)),
                1 => format!("{value} {not}in \"{}\"", self.tape.pick(NETWORKS)),
                2 => format!("{value} {not}in {{ \"{}\", \"{}\" }}", self.tape.pick(NETWORKS), self.tape.pick(IPS)),
                3 | 4 => format!("{value} {not}in {}", self.networks()),
                _ => {
                    let set = self.set("cidr");
                    format!("{value} {not}in {set}")
                }
            },
        }
    }

    /// Draws a long name, or a path that contains one.
    fn long_name(&mut self, path: bool) -> String {
        let name = *self.tape.pick(LONG_NAMES);
        if !path {
            return name.to_owned();
        }
        [format!("/{name}"), format!("/etc/{name}"), format!("/{name}/a")][self.tape.below(3)].clone()
    }

    /// Writes a list of networks.
    fn networks(&mut self) -> String {
        let all: Vec<String> =
            (0..2 + self.tape.below(4)).map(|_| format!("\"{}\"", self.tape.pick(NETWORKS))).collect();
        format!("{{ {} }}", all.join(", "))
    }

    /// Writes one or more intervals of an integer.
    fn intervals(&mut self, value: &str, bytes: u32, signed: bool) -> String {
        let one = |make: &mut Self| {
            let (a, b) = (make.constant(bytes, signed), make.constant(bytes, signed));
            // The smaller bound comes first in most cases, since an empty interval tests little.
            let ordered = a.parse::<i128>().ok() <= b.parse::<i128>().ok();
            let (a, b) = if ordered { (a, b) } else { (b, a) };
            format!("{value} >= {a} and {value} < {b}")
        };
        let all: Vec<String> = (0..1 + self.tape.below(3)).map(|_| one(self)).collect();
        if all.len() == 1 { all[0].clone() } else { format!("({})", all.join(" or ")) }
    }

    /// Writes a pattern test. Patterns are cut from a common pool of texts, so that they share prefixes and
    /// suffixes and overlap.
    fn pattern(&mut self, value: &str, class: Class, texts: &[&str]) -> String {
        let text = *self.tape.pick(texts);
        let from = self.tape.below(text.len());
        let to = from + 1 + self.tape.below(text.len() - from);
        match self.tape.below(8) {
            0 if class == Class::Path => format!("{value} under \"{text}\""),
            0 | 1 => format!("starts_with({value}, \"{}\")", &text[..to]),
            2 => format!("ends_with({value}, \"{}\")", &text[from..]),
            3 => format!("contains({value}, \"{}\")", &text[from..to]),
            _ => {
                let wild = *self.tape.pick(&["*", "**", "?", "[!e]", "[a-e]*", "{a,b,}", "{**/,}*", "?*"]);
                format!("{value} like \"{}{wild}{}\"", &text[..from], &text[to..])
            }
        }
    }

    fn text_atom(&mut self, value: &str, pool: &[&str], set: &'static str, long: bool, not: &str) -> String {
        let mut one = (*self.tape.pick(pool)).to_owned();
        if long && self.tape.percent(45) {
            one = self.long_name(set == "path");
        }
        let one = one.as_str();
        match self.tape.below(9) {
            0 => format!("{value} == \"{one}\""),
            1 => format!("{value} != \"{one}\""),
            2 => {
                let others: Vec<String> = (0..1 + self.tape.below(12))
                    .map(|at| if at < 4 { format!("\"{}\"", self.tape.pick(pool)) } else { format!("\"{one}{at}\"") })
                    .collect();
                format!("{value} {not}in {{ {} }}", others.join(", "))
            }
            3 if set == "path" => format!("{not}({value} under \"{one}\")"),
            4 if self.live => {
                let globs = ["/tmp/random/**", "/tmp/random/*", "/tmp/*/[a-e]*", "**{a,b}", "krs-*", "krs-[!a-q]*m"];
                format!("{not}({value} like \"{}\")", self.tape.pick(&globs))
            }
            4 => format!("{not}({value} like \"{}\")", self.tape.pick(GLOBS)),
            5 => format!("{not}starts_with({value}, \"{}\")", &one[..1 + self.tape.below(one.len())]),
            6 => format!("{not}ends_with({value}, \"{}\")", &one[self.tape.below(one.len())..]),
            7 => {
                let from = self.tape.below(one.len());
                format!("{not}contains({value}, \"{}\")", &one[from..=from + self.tape.below(one.len() - from)])
            }
            _ => {
                let set = self.set(set);
                format!("{value} {not}in {set}")
            }
        }
    }

    fn int_atom(&mut self, value: &str, bytes: u32, signed: bool, not: &str, hook: &Hook) -> String {
        const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
        let op = *self.tape.pick(COMPARISONS);
        match self.tape.below(15) {
            0..3 => format!("{value} {op} {}", self.constant(bytes, signed)),
            13 => self.intervals(value, bytes, signed),
            3 => format!("{value} & {}", 1u64 << self.tape.below(8 * bytes as usize - 1)),
            4 => format!("{not}({value} has {})", self.mask(bytes)),
            5 => {
                let most = if self.tape.percent(20) { 60 } else { 5 };
                let count = 1 + self.tape.below(most);
                let set: Vec<String> = (0..count).map(|_| self.constant(bytes, signed)).collect();
                format!("{value} {not}in {{ {} }}", set.join(", "))
            }
            6 => {
                let of = if signed { "i64" } else { "u64" };
                format!("({value} as {of}) {not}in {}", self.set(of))
            }
            7 => {
                let other = self.number(1, hook).0;
                format!("{value} {op} {other}")
            }
            8 | 9 => {
                let (number, _) = self.number(2, hook);
                format!("{number} {op} {}", self.constant(1, false))
            }
            10 => {
                let (other, _) = self.number(0, hook);
                let set = self.set("(u64, u32)");
                format!("({value} as u64, {other} as u32) {not}in {set}")
            }
            11 => format!("{not}among({value} as u64, {})", self.constant(4, false)),
            12 => {
                let param = self.param();
                format!("{value} {op} {param}")
            }
            _ => format!("{value} & {} == {}", self.mask(bytes), self.constant(1, false)),
        }
    }

    /// Draws an integer expression, possibly a computed one.
    fn number(&mut self, depth: usize, hook: &Hook) -> (String, (u32, bool)) {
        let ints: Vec<(String, (u32, bool))> = hook
            .values
            .iter()
            .filter_map(|(text, class)| match class {
                Class::Int { bytes, signed } => Some((text.clone(), (*bytes, *signed))),
                _ => None,
            })
            .collect();
        let (value, (bytes, signed)) =
            if ints.is_empty() { ("task.uid".to_owned(), (4, false)) } else { self.tape.pick(&ints).clone() };
        if depth == 0 {
            return (value, (bytes, signed));
        }
        match self.tape.below(8) {
            0 => (value, (bytes, signed)),
            1..4 => {
                let (inner, ty) = self.number(depth - 1, hook);
                let op = *self.tape.pick(&["+", "-", "*", "&", "|", "^", "/", "%", "<<", ">>"]);
                let right = match op {
                    "/" | "%" => format!("{}", 1 + self.tape.below(100)),
                    "<<" | ">>" => format!("{}", self.tape.below(8 * ty.0 as usize)),
                    _ => format!("{}", self.tape.below(120)),
                };
                (format!("({inner} {op} {right})"), ty)
            }
            4 => {
                let (left, ty) = self.number(depth - 1, hook);
                let (right, other) = self.number(depth - 1, hook);
                let op = *self.tape.pick(&["+", "-", "*", "&", "|", "^", "<<", ">>"]);
                (format!("({left} {op} {right})"), if ty.0 >= other.0 { ty } else { other })
            }
            5 => {
                let (inner, ty) = self.number(depth - 1, hook);
                (format!("~{inner}"), ty)
            }
            6 => {
                let (inner, ty) = self.number(depth - 1, hook);
                let sign = if ty.1 { "-" } else { "~" };
                (format!("({sign}{inner})"), ty)
            }
            _ => {
                let (inner, _) = self.number(depth - 1, hook);
                let bytes = *self.tape.pick(&[1, 2, 4, 8]);
                let signed = self.tape.percent(50);
                (format!("({inner} as {}{})", if signed { "i" } else { "u" }, 8 * bytes), (bytes, signed))
            }
        }
    }

    /// Draws a constant in the range of a type.
    fn constant(&mut self, bytes: u32, signed: bool) -> String {
        let bits = 8 * bytes - u32::from(signed);
        let max = u64::MAX >> (64 - bits);
        let number = match self.tape.below(8) {
            0..4 => [0, 1, 2, 3, 4, 7, 10, 42, 100, 127][self.tape.below(10)].min(max),
            4 => max,
            5 => max - 1,
            6 => 1u64 << self.tape.below(bits as usize),
            _ => self.tape.word() & max,
        };
        if signed && self.tape.percent(30) { format!("-{number}") } else { format!("{number}") }
    }

    /// Draws a non-zero mask that fits a type.
    fn mask(&mut self, bytes: u32) -> String {
        let bits = 8 * bytes as usize - 1;
        let mask = (0..1 + self.tape.below(3)).fold(0, |mask, _| mask | 1u64 << self.tape.below(bits));
        format!("{mask:#x}")
    }

    fn param(&mut self) -> String {
        let class = *self.tape.pick(&[U32, U64, I32, U8, I64]);
        let Class::Int { bytes, signed } = class else { unreachable!("all of them are") };
        let name = format!("p{}", self.params.len());
        let value = self.constant(bytes, signed);
        self.policy.items.push(format!("param {name}: {}{} = {value}", if signed { "i" } else { "u" }, 8 * bytes));
        self.params.push((name.clone(), class));
        name
    }

    fn set(&mut self, of: &'static str) -> String {
        let known: Vec<String> =
            self.sets.iter().filter(|(_, kind)| *kind == of).map(|(name, _)| name.clone()).collect();
        if !known.is_empty() && self.tape.percent(50) {
            return self.tape.pick(&known).clone();
        }
        let name = format!("s{}", self.sets.len());
        let most = if self.tape.percent(20) { 50 } else { 5 };
        let count = 1 + self.tape.below(most);
        let mut elements: Vec<String> = Vec::new();
        for at in 0..count {
            let element = match of {
                "str" if at < 6 => format!("\"{}\"", self.tape.pick(NAMES)),
                "str" => format!("\"n{at}\""),
                "path" if at < 6 => {
                    format!("\"{}\"", self.tape.pick(if self.live { LIVE_PATHS } else { PATHS }))
                }
                "path" => format!("\"/p/{at}\""),
                "cidr" if at < 6 => format!("\"{}\"", self.tape.pick(NETWORKS)),
                "cidr" => format!("\"172.16.{at}.0/24\""),
                "i64" => self.constant(8, true),
                "u64" => self.constant(8, false),
                _ => format!("({}, {})", self.constant(8, false), self.constant(4, false)),
            };
            if !elements.contains(&element) {
                elements.push(element);
            }
        }
        // A dynamic set accepts only values of its exact element type, which most values do not have.
        let dynamic = !self.live && self.tape.percent(25);
        self.policy.items.push(match dynamic {
            true => format!("set {name}: {of} dynamic max 64"),
            false => format!("set {name}: {of} = {{ {} }}", elements.join(", ")),
        });
        self.sets.push((name.clone(), of));
        name
    }
}
