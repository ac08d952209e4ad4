//! Generated texts: from the grammar with names that exist, from random tokens, from people's policies with a
//! few changes.

use krsic::btf::{Kind, Type, TypeId};
use krsic::kernel::Kernel;

use super::growth;
use super::random::Random;

/// Words, punctuation and literals. Each may occur anywhere.
const TOKENS: &[&str] = &[
    "use",
    "as",
    "const",
    "param",
    "set",
    "map",
    "flags",
    "enum",
    "view",
    "hook",
    "def",
    "label",
    "rule",
    "on",
    "where",
    "when",
    "unless",
    "and",
    "or",
    "not",
    "in",
    "is",
    "like",
    "under",
    "has",
    "null",
    "true",
    "false",
    "deny",
    "audit",
    "kill",
    "mark",
    "unmark",
    "limit",
    "test",
    "expect",
    "with",
    "from",
    "dynamic",
    "max",
    "inherit",
    "allow",
    "if",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ".",
    "@",
    "?",
    "==",
    "!=",
    "<=",
    ">=",
    "<<",
    ">>",
    "<",
    ">",
    "=",
    "|",
    "^",
    "&",
    "+",
    "-",
    "*",
    "/",
    "%",
    "~",
    "&&",
    "||",
    "!",
    "->",
    "===",
    ";",
    "//",
    "/*",
    "'",
    "\"",
    "\\",
    "#",
    "##",
    "\n",
    "0",
    "1",
    "42",
    "0x2a",
    "0o52",
    "0b11",
    "1_000",
    "4KiB",
    "500ms",
    "18446744073709551615",
    "99999999999999999999",
    "09",
    "1x",
    "\"a\"",
    "\"/etc/**\"",
    "\"\\x00\"",
    "\"\\u{1f600}\"",
    "\"\\q\"",
    "task",
    "task.uid",
    "task.comm",
    "file",
    "prot",
    "EXEC",
    "PROT_EXEC",
    "EPERM",
    "u8",
    "u32",
    "i64",
    "bool",
    "str",
    "path",
    "file_open",
    "std",
    "std.net",
    "kuid_t",
    "inode",
    "task_struct",
    "self",
    "now",
    "\u{a0}",
    "\u{feff}",
    "é",
    "\u{201c}",
    "\r\n",
    "\t",
    "\0",
    "\u{1f600}",
];

/// Types that a policy can name.
const TYPES: &[&str] = &[
    "u8",
    "u16",
    "u32",
    "u64",
    "i8",
    "i16",
    "i32",
    "i64",
    "bool",
    "str",
    "path",
    "ip",
    "cidr",
    "file",
    "inode",
    "cred",
    "task_struct",
    "Prot",
    "May",
    "vm_area_struct",
    "Nothing",
];

/// Names with a meaning in some context.
const NAMES: &[&str] = &[
    "EXEC",
    "READ",
    "PROT_EXEC",
    "MAY_WRITE",
    "S_ISUID",
    "SIGKILL",
    "LOCKDOWN_KEXEC",
    "null",
    "true",
    "false",
    "now",
    "task",
    "ROOT",
    "shells",
    "corp",
    "tainted",
    "min_uid",
    "x",
    "y",
    "prot",
    "mask",
    "file",
    "O_RDWR",
];

const ERRNOS: &[&str] = &["EPERM", "EACCES", "ENOENT", "EXDEV", "ERESTARTSYS", "EWHAT", "ENOTSUP"];

/// Class of a value, as far as the tests on it depend on that.
enum Class {
    Int { bytes: u32, signed: bool },
    Pointer,
    Text { bytes: u32 },
}

/// A generator of texts from a seed.
pub(super) struct Generator<'c> {
    random: Random,
    corpus: &'c [String],
    kernel: Option<&'static Kernel>,
    hooks: Vec<&'static str>,
    /// Names that the text has defined.
    defined: Vec<String>,
}

impl<'c> Generator<'c> {
    pub(super) fn new(seed: u64, corpus: &'c [String]) -> Generator<'c> {
        let kernel = krsic::kernel::embedded().get(2);
        let hooks = kernel.map(|kernel| kernel.hook_names().collect()).unwrap_or_default();
        Generator { random: Random::new(seed), corpus, kernel, hooks, defined: Vec::new() }
    }

    /// Returns the next text.
    pub(super) fn text(&mut self) -> String {
        match self.random.below(100) {
            0..25 => self.policy(),
            25..50 => self.sensible(),
            50..92 => self.mutation(),
            92..96 => self.soup(),
            96..99 => {
                let soup = self.soup();
                format!("{}{soup}{}", self.policy(), self.policy())
            }
            _ => growth::text(&mut self.random),
        }
    }

    /// A policy that most likely compiles: each test suits the type of the value.
    fn sensible(&mut self) -> String {
        let mut text = String::from("const LOW = 3\ndef among(n: u64, m: u64): bool = n & m == m or n < m\n");
        for _ in 0..1 + self.random.below(5) {
            let hook = self.random.pick(&self.hooks);
            text.push_str(&format!("on {hook}"));
            for word in ["when", "unless"] {
                if self.random.once_in(2) {
                    let depth = self.random.below(4);
                    text.push_str(&format!(" {word} {}", self.test(depth, hook)));
                }
            }
            if self.random.once_in(2) {
                text.push_str(" deny");
            }
            let fields: Vec<String> = (0..self.random.below(4)).map(|_| self.value(hook).0).collect();
            text.push_str(&format!(" audit {{ {} }}\n", fields.join(", ")));
        }
        text
    }

    fn test(&mut self, depth: usize, hook: &'static str) -> String {
        if depth > 0 {
            let (left, right) = (self.test(depth - 1, hook), self.test(depth - 1, hook));
            return match self.random.below(5) {
                0 | 1 => format!("({left} and {right})"),
                2 | 3 => format!("({left} or {right})"),
                _ => format!("not ({left})"),
            };
        }
        let (value, class) = self.value(hook);
        let (one, other) = (self.random.below(100), self.random.below(100));
        let not = ["", "not "][self.random.below(2)];
        match class {
            Class::Int { bytes, signed } => {
                let sum =
                    format!("{value} {} {}", ["+", "*", "^", "|", "&", "<<", ">>"][self.random.below(7)], one + 1);
                match self.random.below(8) {
                    0..3 => format!("{value} {} {one}", ["==", "!=", "<", "<=", ">", ">="][self.random.below(6)]),
                    3 => format!("{value} & {}", 1u64 << self.random.below(8 * bytes as usize - 1)),
                    4 => format!("{value} {not}in {{ {one}, {other}, LOW }}"),
                    5 => format!("{not}({value} has {})", 1 << self.random.below(7)),
                    6 if !signed => format!("{not}among({value}, {other})"),
                    _ => format!("{sum} > {other}"),
                }
            }
            Class::Pointer => format!("{value} {} null", ["==", "!="][self.random.below(2)]),
            Class::Text { bytes } => {
                format!("{value} == \"{}\"", "a".repeat(self.random.below(bytes.min(16) as usize)))
            }
        }
    }

    /// A value that can be compared, and its class.
    fn value(&mut self, hook: &'static str) -> (String, Class) {
        for _ in 0..8 {
            let Some((text, at)) = self.walk(hook) else {
                continue;
            };
            let Some(btf) = self.kernel.map(|kernel| &kernel.btf) else {
                continue;
            };
            let class = match btf.ty(btf.strip(at)) {
                Type::Int { bytes: bytes @ (1 | 2 | 4 | 8), signed, boolean: false, .. } => {
                    Class::Int { bytes, signed }
                }
                Type::Ptr(_) => Class::Pointer,
                _ => continue,
            };
            return (text, class);
        }
        if self.random.once_in(3) {
            return ("task.comm".to_owned(), Class::Text { bytes: 15 });
        }
        ("task.uid".to_owned(), Class::Int { bytes: 4, signed: false })
    }

    fn soup(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.random.below(60) {
            text.push_str(self.random.pick(TOKENS));
            if !self.random.once_in(6) {
                text.push(' ');
            }
        }
        text
    }

    /// A text that a person wrote, with a few changes.
    fn mutation(&mut self) -> String {
        let mut text = self.sample();
        if self.random.once_in(8) {
            text.push_str(&self.sample());
        }
        for _ in 0..1 + self.random.below(5) {
            let at = self.place(&text);
            let end = (at + self.random.below(30)).min(text.len());
            let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
            match self.random.below(9) {
                0 => text.replace_range(at..end, ""),
                1 => {
                    let part = text[at..end].to_owned();
                    let to = self.place(&text);
                    text.insert_str(to, &part);
                }
                2 => {
                    let part = text[at..end].repeat(1 + self.random.below(20));
                    text.insert_str(at, &part);
                }
                3 => text.truncate(at),
                4 => {
                    let other = self.sample();
                    let from = self.place(&other);
                    text.insert_str(at, &other[from..]);
                }
                5 => {
                    let expr = self.expr(3, None);
                    text.insert_str(at, &expr);
                }
                // One word replaces another, as in most mistakes of people.
                _ => {
                    let word = |c: char| c.is_alphanumeric() || c == '_';
                    let start = text[..at]
                        .rfind(|c| !word(c))
                        .map_or(0, |found| found + text[found..].chars().next().map_or(1, char::len_utf8));
                    let stop = text[at..].find(|c| !word(c)).map_or(text.len(), |found| at + found);
                    let new = match self.random.below(3) {
                        0 => self.number(),
                        1 => self.random.pick(NAMES).to_owned(),
                        _ => self.random.pick(TOKENS).to_owned(),
                    };
                    text.replace_range(start..stop, &new);
                }
            }
        }
        text
    }

    fn sample(&mut self) -> String {
        let at = self.random.below(self.corpus.len());
        let text = self.corpus.get(at).map_or("", String::as_str);
        // Long ones are slow, and test nothing more than their parts.
        if text.len() < 3000 {
            return text.to_owned();
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let start = self.random.below(lines.len());
        lines[start..].iter().take(1 + self.random.below(30)).copied().collect()
    }

    /// A position between two characters.
    fn place(&mut self, text: &str) -> usize {
        let at = self.random.below(text.len() + 1);
        (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
    }

    /// A few items, most of which are valid.
    fn policy(&mut self) -> String {
        self.defined.clear();
        let mut text = String::new();
        for index in 0..1 + self.random.below(6) {
            if self.random.once_in(12) {
                text.push_str(["# a comment\n", "## a doc\n", "## a doc\n## of two lines\n"][self.random.below(3)]);
            }
            text.push_str(&self.item(index));
            text.push('\n');
        }
        text
    }

    fn item(&mut self, index: usize) -> String {
        let name = format!("n{index}");
        match self.random.below(30) {
            0 | 1 => {
                let value = self.constant(2);
                let ty = if self.random.once_in(2) { format!(": {}", self.random.pick(TYPES)) } else { String::new() };
                self.defined.push(name.clone());
                format!("const {name}{ty} = {value}")
            }
            2 | 3 => {
                let (one, other) = (self.random.pick(TYPES), self.random.pick(TYPES));
                let known = self.defined.len();
                self.defined.extend(["a".to_owned(), "b".to_owned()]);
                let body = self.expr(3, None);
                self.defined.truncate(known);
                let call = format!("{name}({}, {})", self.leaf(None), self.leaf(None));
                self.defined.push(call);
                let ty = ["", ": bool", ": u64"][self.random.below(3)];
                format!("def {name}(a: {one}, b: {other}){ty} = {body}")
            }
            4 => {
                self.defined.push(format!("N{index}_A"));
                let word = ["flags", "enum"][self.random.below(2)];
                let (ty, value) = (self.random.pick(TYPES), self.constant(2));
                format!("{word} N{index}: {ty} {{ A = 1 B = {value} C = 4, }}")
            }
            5 => {
                let fields = ["f_flags", "f_inode.i_uid", "f_path.dentry.d_inode", "first_of(x, f_flags)"];
                let value = self.random.pick(&fields);
                format!("view file {{ {name} = {value} other: {} = f_mode }}", self.random.pick(TYPES))
            }
            6 => format!("hook {name} = {}", self.hook()),
            7 => format!("hook {}(a, prot: Prot, file?)", self.hook()),
            8 => format!("param {name}: {} = {}", self.random.pick(TYPES), self.constant(1)),
            9 => {
                self.defined.push(name.clone());
                let source = match self.random.below(3) {
                    0 => format!("= {{ {}, {} }}", self.constant(1), self.constant(1)),
                    1 => "from \"list.txt\"".to_owned(),
                    _ => format!("dynamic max {}", self.number()),
                };
                format!("set {name}: {} {source}", self.random.pick(TYPES))
            }
            10 => {
                self.defined.push(name.clone());
                let on = ["task", "inode", "socket", "nothing"][self.random.below(4)];
                format!("label {name} on {on} {}", ["", "inherit"][self.random.below(2)])
            }
            11 => {
                let (condition, rule) = (self.expr(2, None), self.rule());
                format!("where {condition} {{ {rule} }}")
            }
            12 => {
                let hook = self.hook();
                let (place, value) = (self.leaf(Some(hook)), self.leaf(None));
                let expect = if self.random.once_in(2) { "allow".to_owned() } else { self.action(Some(hook)) };
                format!("test \"a test\" {{ on {hook} with {place} = {value} expect {expect} }}")
            }
            13 => ["use std.net", "use \"./other.krs\"", "use a.b.c"][self.random.below(3)].to_owned(),
            _ => self.rule(),
        }
    }

    fn hook(&mut self) -> &'static str {
        if self.random.once_in(40) { "no_such_hook" } else { self.random.pick(&self.hooks) }
    }

    fn rule(&mut self) -> String {
        let hook = self.hook();
        let mut text = String::new();
        if self.random.once_in(12) {
            text.push_str(["@severity(high) ", "@tag(\"a\") ", "@permissive ", "@what "][self.random.below(4)]);
        }
        if self.random.once_in(6) {
            text.push_str(&format!("r{}: ", self.random.below(4)));
        }
        text.push_str(&format!("on {hook}"));
        if self.random.once_in(15) {
            text.push_str(&format!(", {}", self.hook()));
        }
        let depth = self.random.below(5);
        if !self.random.once_in(6) {
            text.push_str(&format!(" when {}", self.condition(depth, Some(hook))));
        }
        if self.random.once_in(3) {
            text.push_str(&format!(" unless {}", self.condition(depth, Some(hook))));
        }
        for _ in 0..1 + usize::from(self.random.once_in(3)) {
            text.push_str(&format!("\n  {}", self.action(Some(hook))));
        }
        text
    }

    fn action(&mut self, hook: Option<&'static str>) -> String {
        match self.random.below(12) {
            0..4 => "deny".to_owned(),
            4 => format!("deny {}", self.random.pick(ERRNOS)),
            5 => "audit".to_owned(),
            6..9 => {
                let fields: Vec<String> = (0..self.random.below(6))
                    .map(|i| match self.random.below(3) {
                        0 => format!("f{i} = {}", self.expr(2, hook)),
                        _ => self.leaf(hook),
                    })
                    .collect();
                let limit = if self.random.once_in(8) { " limit 5/s" } else { "" };
                format!("audit \"text\" {{ {} }}{limit}", fields.join(", "))
            }
            9 => ["kill", "kill SIGTERM", "kill SIGWHAT"][self.random.below(3)].to_owned(),
            10 => format!("mark {}", self.name()),
            _ => format!("unmark {} on {}", self.name(), self.leaf(hook)),
        }
    }

    fn name(&mut self) -> String {
        if !self.defined.is_empty() && !self.random.once_in(4) {
            let at = self.random.below(self.defined.len());
            return self.defined[at].clone();
        }
        self.random.pick(NAMES).to_owned()
    }

    fn number(&mut self) -> String {
        match self.random.below(8) {
            0..4 => self.random.below(10).to_string(),
            4 => format!("{:#x}", self.random.next() >> self.random.below(64)),
            5 => (u64::MAX - self.random.below(3) as u64).to_string(),
            6 => (1u64 << self.random.below(64)).to_string(),
            _ => ["4KiB", "500ms", "1_000", "0b101", "0o17"][self.random.below(5)].to_owned(),
        }
    }

    fn constant(&mut self, depth: usize) -> String {
        if depth == 0 || self.random.once_in(2) {
            return match self.random.below(6) {
                0 => self.name(),
                1 => self.string(),
                _ => self.number(),
            };
        }
        let (left, right) = (self.constant(depth - 1), self.constant(depth - 1));
        let op = ["+", "-", "*", "/", "%", "|", "&", "^", "<<", ">>", "=="][self.random.below(11)];
        format!("({left} {op} {right})")
    }

    fn string(&mut self) -> String {
        [
            "\"a\"",
            "\"\"",
            "\"/bin/sh\"",
            "\"sixteen letters!\"",
            "\"\\x00\"",
            "\"10.0.0.0/8\"",
            "\"/etc/**\"",
            "\"\\xff\"",
        ][self.random.below(8)]
        .to_owned()
    }

    /// An expression that most likely is a condition.
    fn condition(&mut self, depth: usize, hook: Option<&'static str>) -> String {
        if depth > 0 {
            let (left, right) = (self.condition(depth - 1, hook), self.condition(depth - 1, hook));
            return match self.random.below(6) {
                0 | 1 => format!("({left} and {right})"),
                2 | 3 => format!("({left} or {right})"),
                4 => format!("not ({left})"),
                _ => format!("({left}) == ({right})"),
            };
        }
        let value = self.leaf(hook);
        match self.random.below(14) {
            0 => format!("{value} == null"),
            1 => format!("{value} != null"),
            2..6 => format!("{value} {} {}", ["==", "!=", "<", "<=", ">", ">="][self.random.below(6)], self.number()),
            6 => format!("{value} & {}", self.number()),
            7 => format!("{value} has {}", self.number()),
            8 => format!("{value} in {{ {}, {} }}", self.number(), self.number()),
            9 => format!("{value} == {}", self.string()),
            10 => format!("{value} == {}", self.leaf(hook)),
            11 => format!("task.comm {} {}", ["==", "like", "under", "in"][self.random.below(4)], self.string()),
            12 => self.name(),
            _ => self.expr(2, hook),
        }
    }

    /// An expression of any form.
    fn expr(&mut self, depth: usize, hook: Option<&'static str>) -> String {
        if depth == 0 || self.random.once_in(4) {
            return self.leaf(hook);
        }
        match self.random.below(12) {
            0 => format!("({})", self.expr(depth - 1, hook)),
            1 => format!("{}{}", ["-", "~", "not "][self.random.below(3)], self.expr(depth - 1, hook)),
            2 => format!("{} as {}", self.leaf(hook), self.random.pick(TYPES)),
            3 => format!("{}[{}]", self.leaf(hook), self.constant(1)),
            4 => format!("{}.{}", self.leaf(hook), self.random.pick(&["f_flags", "uid", "name", "x", "on", "i_ino"])),
            5 => {
                let function =
                    self.random.pick(&["inode", "starts_with", "contains", "anonymous", "is_root", "n1", "first_of"]);
                format!("{function}({}, {})", self.expr(depth - 1, hook), self.string())
            }
            6 => {
                let (one, other) = (self.constant(1), self.string());
                format!("{} in {{ {one}, {other} }}", self.leaf(hook))
            }
            7 => format!("({}, {})", self.leaf(hook), self.constant(1)),
            _ => {
                const OPS: &[&str] = &[
                    "and", "or", "==", "!=", "<", ">=", "in", "is", "like", "under", "has", "|", "^", "&", "<<", ">>",
                    "+", "-", "*", "/", "%",
                ];
                format!("({} {} {})", self.expr(depth - 1, hook), self.random.pick(OPS), self.expr(depth - 1, hook))
            }
        }
    }

    /// A value of the hook, of the task, of the text, or a literal.
    fn leaf(&mut self, hook: Option<&'static str>) -> String {
        match self.random.below(10) {
            0..6 => hook.and_then(|hook| self.walk(hook)).map(|(text, _)| text).unwrap_or_else(|| self.number()),
            6 => {
                let field = self.random.pick(&["uid", "gid", "comm", "pid", "tgid", "euid", "exe", "parent", "what"]);
                format!("task.{field}")
            }
            7 => self.name(),
            8 => self.string(),
            _ => self.number(),
        }
    }

    /// An argument of the hook and a few fields of it, by the kernel's types, and the type of the last field.
    fn walk(&mut self, hook: &str) -> Option<(String, TypeId)> {
        let kernel = self.kernel?;
        let hook = kernel.hook(hook)?;
        let arg = hook.args.get(self.random.below(hook.args.len()))?;
        let mut text = arg.name.to_owned();
        let mut at = arg.ty;
        for _ in 0..self.random.below(6) {
            let Some((name, ty)) = self.member(kernel, at) else {
                break;
            };
            text.push('.');
            text.push_str(&name);
            at = ty;
            if let Type::Array { element, count } = kernel.btf.ty(kernel.btf.strip(at))
                && self.random.once_in(2)
            {
                text.push_str(&format!("[{}]", self.random.below(count as usize + 1)));
                at = element;
            }
        }
        Some((text, at))
    }

    fn member(&mut self, kernel: &Kernel, of: TypeId) -> Option<(String, TypeId)> {
        let btf = &kernel.btf;
        let mut of = btf.strip(of);
        if let Type::Ptr(target) = btf.ty(of) {
            of = btf.strip(target);
        }
        if let Type::Fwd { name } = btf.ty(of) {
            of = btf.find(Kind::Struct, name)?;
        }
        for _ in 0..8 {
            let members: Vec<_> = btf.members(of).collect();
            let member = members.get(self.random.below(members.len()))?;
            if !member.name.is_empty() {
                return Some((member.name.to_owned(), member.ty));
            }
            of = btf.strip(member.ty);
        }
        None
    }
}
