//! Generator of the model's random policies: it builds the text that a user would write together with its
//! meaning.
//!
//! ```text
//! text      100 < task.uid + 1 and not (dst.port in { 80, 0x1bb })
//! meaning   And(Compare(Less, 100, task.uid + 1), Not(OneOf(dst.port, [80, 443])))
//! ```
//!
//! Text and tree are built together, bottom-up. The precedence table of `docs/language.md`, repeated in
//! [`level`], decides where parentheses are required; redundant parentheses are added at random. Numbers are
//! written in any base, with separators and suffixes, as names, as `const` items, or as sums.
//!
//! Invariant: every generated policy compiles. A rejected policy is a bug of the compiler or of the model.

use std::fmt::Write as _;

use super::expr::{Cond, Int, Network, Number, Order, Place, TextTest, int, meet, promote};
use super::hooks::{ANCESTOR, HOOKS, Hook, Kind, Names, OLDEST, TASK, Values};
use super::lay::Pool;
use super::meaning::{Audit, Field, Rule, Version};
use crate::differential::case::{Case, Words};
use crate::differential::tape::Tape;

/// Levels of precedence, the lowest first.
mod level {
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const COMPARE: u8 = 4;
    pub const BIT_OR: u8 = 5;
    pub const BIT_XOR: u8 = 6;
    pub const BIT_AND: u8 = 7;
    pub const SHIFT: u8 = 8;
    pub const SUM: u8 = 9;
    pub const PRODUCT: u8 = 10;
    pub const UNARY: u8 = 11;
    pub const POSTFIX: u8 = 12;
}

/// A policy: its text and its meaning.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Text of the items, one per element.
    pub items: Vec<String>,
    /// Text of the rules, each with its enclosing blocks.
    pub texts: Vec<String>,
    /// Meaning of these rules.
    pub rules: Vec<Rule>,
    /// Parameters with their types and defaults.
    pub params: Vec<(String, Int, i128)>,
    /// Names of labels, with the index of the [`Hook::objects`] that can have them.
    pub labels: Vec<(String, usize)>,
    /// Constants that occur in the policy.
    pub pool: Pool,
}

impl Policy {
    /// Returns the complete policy text.
    pub fn text(&self) -> String {
        self.items.iter().chain(&self.texts).map(|part| format!("{part}\n")).collect()
    }
}

/// A piece of policy text with its meaning.
#[derive(Clone, Debug)]
struct Said<T> {
    text: String,
    level: u8,
    means: T,
}

impl<T> Said<T> {
    fn new(text: impl Into<String>, level: u8, means: T) -> Said<T> {
        Said { text: text.into(), level, means }
    }
}

/// An integer expression with its type and names.
#[derive(Clone, Debug)]
struct Typed {
    ty: Int,
    names: Option<&'static Names>,
    number: Number,
}

/// The values that an expression can read.
#[derive(Clone, Copy)]
struct Scope {
    hooks: [Option<&'static Hook>; 2],
    /// True inside the braces of an ancestor quantifier.
    ancestor: bool,
}

impl Scope {
    /// Returns the values that all hooks of the rule share, those specific to the first hook first.
    fn values(self) -> Vec<(&'static str, Kind)> {
        if self.ancestor {
            return ANCESTOR.iter().chain(&TASK[..6]).copied().collect();
        }
        let all = |hook: Option<&Hook>| -> Values { hook.map_or(&[], |hook| hook.values) };
        let [first, second] = self.hooks;
        let shared = all(first).iter().filter(|value| second.is_none() || all(second).contains(value));
        shared.chain(TASK).copied().collect()
    }

    fn objects(self, on: usize) -> Vec<&'static str> {
        if self.ancestor {
            return if on == 0 { vec!["a", "task"] } else { Vec::new() };
        }
        let [first, second] = self.hooks;
        let all = first.map_or(&[][..], |hook| hook.objects[on]);
        all.iter().filter(|object| second.is_none_or(|hook| hook.objects[on].contains(object))).copied().collect()
    }

    fn place(self, name: &str) -> Place {
        Place { name: name.to_owned(), of_ancestor: self.ancestor && (name == "a" || name.starts_with("a.")) }
    }
}

const COMMS: &[&str] = &["bash", "sh", "a", "ab", "fifteen letters", "eight888", "kworker/0:1"];
const NAMES: &[&str] = &["a", "passwd", "x.so", "(deleted)", "f (deleted)", "Makefile"];
const PATHS: &[&str] = &[
    "/etc",
    "/etc/passwd",
    "/etcetera",
    "/usr/bin/bash",
    "/usr/lib/x.so",
    "/a",
    "/a/b",
    "/tmp/m",
    "/tmp/f (deleted)",
    "/memfd:x (deleted)",
];
const COMM_GLOBS: &[&str] = &["*", "?", "a?", "[a-c]*", "[!a-c]*", "b{a,}sh", "*sh", "**s*"];
const PATH_GLOBS: &[&str] = &[
    "**",
    "/etc/*",
    "/etc/**",
    "/usr/**/*.so",
    "{/etc,/srv}/**",
    "/[!e]*",
    "/a/?",
    "/tmp/* (deleted)",
    "/{a,etc}{/*,}",
    "**/[m-q]*",
];
const IPS: &[(&str, u128)] = &[
    ("10.0.0.1", 0xffff_0a00_0001),
    ("10.1.2.3", 0xffff_0a01_0203),
    ("127.0.0.1", 0xffff_7f00_0001),
    ("::ffff:10.0.0.1", 0xffff_0a00_0001),
    ("2001:db8::1", 0x2001_0db8 << 96 | 1),
    ("::1", 1),
    ("0.0.0.0", 0xffff_0000_0000),
];
/// Networks that are nested, adjacent, or separated by a gap.
const NETWORKS: &[(&str, u128, u32)] = &[
    ("10.0.0.0/8", 0xffff_0a00_0000, 104),
    ("10.1.0.0/16", 0xffff_0a01_0000, 112),
    ("10.1.0.0/24", 0xffff_0a01_0000, 120),
    ("10.1.1.0/24", 0xffff_0a01_0100, 120),
    ("10.1.3.0/24", 0xffff_0a01_0300, 120),
    ("10.2.0.0/16", 0xffff_0a02_0000, 112),
    ("10.4.0.0/16", 0xffff_0a04_0000, 112),
    ("192.168.1.0/31", 0xffff_c0a8_0100, 127),
    ("192.168.1.4/30", 0xffff_c0a8_0104, 126),
    ("0.0.0.0/0", 0xffff_0000_0000, 96),
    ("2001:db8::/32", 0x2001_0db8 << 96, 32),
    ("2001:db8:1::/48", 0x2001_0db8_0001 << 80, 48),
    ("fc00::/7", 0xfc << 120, 7),
    ("::1", 1, 128),
    ("::/0", 0, 0),
];
const ERRNOS: &[(&str, i32)] =
    &[("deny", 1), ("deny EACCES", 13), ("deny EBUSY", 16), ("deny EPERM", 1), ("deny ENOENT", 2)];
const KILLS: &[(&str, i32)] =
    &[("kill SIGTERM", 15), ("kill", 9), ("kill SIGUSR1", 10), ("kill SIGHUP", 1), ("kill SIGKILL", 9)];
const LIMITS: &[(&str, u64, u64)] = &[
    (" limit 1/h", 1, 3_600_000_000_000),
    (" limit 2/s", 2, 1_000_000_000),
    (" limit 1/m", 1, 60_000_000_000),
    (" limit 1/s", 1, 1_000_000_000),
];
/// Pairs of hooks that a rule can name together; any other pair shares only the values of tasks.
const PAIRS: &[(&str, &str)] = &[
    ("file_open", "mmap_file"),
    ("file_mprotect", "mmap_file"),
    ("path_unlink", "path_rmdir"),
    ("socket_connect", "socket_sendmsg"),
    ("socket_connect", "socket_bind"),
    ("task_kill", "ptrace_access_check"),
    ("task_prctl", "bprm_check_security"),
];

/// Generates the policy of a case.
pub fn policy(case: &Case) -> Policy {
    let mut make = Make { tape: Tape::new(&case.frame), policy: Policy::default(), sets: Vec::new() };
    make.begin();
    let groups: Vec<[Option<&'static Hook>; 2]> = (0..1 + make.tape.below(2)).map(|_| make.hooks()).collect();
    for (index, words) in case.rules.iter().enumerate() {
        make.tape = Tape::new(words);
        let scope = Scope { hooks: *make.tape.pick(&groups), ancestor: false };
        make.rule(&format!("r{index}"), scope);
    }
    if let Some(series) = &case.series {
        make.tape = Tape::new(&series.shape);
        let scope = Scope { hooks: *make.tape.pick(&groups), ancestor: false };
        make.series(case.rules.len(), scope, &series.rules);
    }
    make.policy
}

struct Make<'m> {
    tape: Tape<'m>,
    policy: Policy,
    /// Sets with their types.
    sets: Vec<(String, SetOf)>,
}

#[derive(Clone, Debug)]
enum SetOf {
    Ints(Int, Vec<i128>),
    Texts(&'static str, Vec<Vec<u8>>),
    Networks(Vec<Network>),
    Rows(Vec<Vec<i128>>),
}

/// Returns a file name of the given length.
fn long_name(bytes: usize) -> String {
    "n".repeat(bytes)
}

impl<'m> Make<'m> {
    /// Adds the items that any rule may use.
    fn begin(&mut self) {
        let items = &mut self.policy.items;
        items.push("def among(n: u64, m: u64): bool = n & m == m or n < m".to_owned());
        items.push("def low_bits(n: u64): u64 = n & 0x7f".to_owned());
        items.push("hook opened = file_open".to_owned());
        if self.tape.percent(40) {
            for at in 0..1 + self.tape.below(3) {
                let (name, on) = (format!("l{at}"), self.tape.below(2));
                self.policy.items.push(format!("label {name} on {}", ["task", "inode"][on]));
                self.policy.labels.push((name, on));
            }
        }
    }

    fn hooks(&mut self) -> [Option<&'static Hook>; 2] {
        if self.tape.percent(30) {
            let (one, other) = self.tape.pick(PAIRS);
            let find = |name: &str| HOOKS.iter().find(|hook| hook.name == name);
            return [find(one), find(other)];
        }
        [Some(self.tape.pick(HOOKS)), None]
    }

    // Text

    /// Writes an operand in a context that requires precedence `least` or higher.
    fn at_least<T>(&mut self, least: u8, said: &Said<T>) -> String {
        if said.level < least || self.tape.percent(8) { format!("({})", said.text) } else { said.text.clone() }
    }

    fn join<T>(&mut self, op: &str, at: u8, left: &Said<T>, right: &Said<T>) -> String {
        let (left, right) = (self.at_least(at, left), self.at_least(at + 1, right));
        format!("{left} {op} {right}")
    }

    /// Writes a string literal, with some bytes as escapes.
    fn quoted(&mut self, text: &[u8]) -> String {
        let escape = self.tape.percent(10);
        let mut out = "\"".to_owned();
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'\\' | b'"' => {
                    let _ = write!(out, "\\{}", char::from(*byte));
                }
                _ if escape && at == text.len() / 2 => {
                    let _ = write!(out, "\\x{byte:02x}");
                }
                _ => out.push(char::from(*byte)),
            }
        }
        out + "\""
    }

    // Constants

    /// Draws a number in the range of a type.
    fn number_of(&mut self, ty: Int) -> i128 {
        let max = ty.max();
        let number = match self.tape.below(10) {
            0..5 => [0, 1, 2, 3, 4, 7, 10, 42, 100, 127][self.tape.below(10)],
            5 => [1 << 10, 1 << 20, 1 << 30, 64 << 10, 1 << 32, 10_000_000_000, 500_000_000][self.tape.below(7)],
            6 => max - self.tape.below(2) as i128,
            7 => 1 << self.tape.below(8 * ty.bytes as usize - 1),
            8 => ty.min() + self.tape.below(2) as i128,
            _ => ty.wrap(i128::from(self.tape.word())),
        };
        let number = if number > max { 5 } else { number };
        if ty.signed && self.tape.percent(20) { (-number).clamp(ty.min(), max) } else { number }
    }

    /// Writes a constant operand in one of several notations and records it for scenes.
    fn constant(&mut self, value: i128, names: Option<&'static Names>) -> Said<i128> {
        self.policy.pool.numbers.push(value);
        let (text, level) = self.spell(value, names, true);
        Said::new(text, level, value)
    }

    fn spell(&mut self, value: i128, names: Option<&'static Names>, sums: bool) -> (String, u8) {
        if let Some(names) = names
            && let Some((name, _)) = names.members.iter().find(|(_, known)| *known == value)
            && self.tape.percent(70)
        {
            return ((*name).to_owned(), level::POSTFIX);
        }
        let unsigned = value.unsigned_abs();
        let suffix = |unit: u128| (unsigned != 0 && unsigned.is_multiple_of(unit)).then(|| unsigned / unit);
        let digits = match self.tape.below(12) {
            6 => format!("{unsigned:#x}"),
            7 => format!("{unsigned:#o}"),
            8 if unsigned < 1 << 20 => format!("{unsigned:#b}"),
            9 => {
                let plain = unsigned.to_string();
                let (high, low) = plain.split_at(plain.len().saturating_sub(3));
                if high.is_empty() { plain } else { format!("{high}_{low}") }
            }
            0..6 => {
                let units =
                    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("s", 1_000_000_000), ("ms", 1_000_000)];
                let found = units.into_iter().find_map(|(name, unit)| Some(format!("{}{name}", suffix(unit)?)));
                found.unwrap_or_else(|| unsigned.to_string())
            }
            10 if sums && value > 8 && value < i128::from(u32::MAX) => {
                let name = format!("K{}", self.policy.items.len());
                let (text, _) = self.spell(value, None, false);
                self.policy.items.push(format!("const {name} = {text}"));
                return (name, level::POSTFIX);
            }
            11 if sums && value > 8 => return self.sum(value),
            _ => unsigned.to_string(),
        };
        if value < 0 { (format!("-{digits}"), level::UNARY) } else { (digits, level::POSTFIX) }
    }

    /// Writes a positive constant as an expression of constants.
    fn sum(&mut self, value: i128) -> (String, u8) {
        let part = 1 + self.tape.below(7) as i128;
        match self.tape.below(5) {
            0 => (format!("{} + {part}", value - part), level::SUM),
            1 if value < 1 << 60 => (format!("{} - {part}", value + part), level::SUM),
            2 if value % 2 == 0 => (format!("{} * 2", value / 2), level::PRODUCT),
            3 => (format!("{} | {}", value & !part, value & part), level::BIT_OR),
            4 if value % 4 == 0 => (format!("{} << 2", value / 4), level::SHIFT),
            _ => (format!("{} ^ {part}", value ^ part), level::BIT_XOR),
        }
    }

    /// Draws a constant operand for an integer of a type, often one of the type's names.
    fn beside(&mut self, of: &Typed) -> Said<i128> {
        let value = match of.names {
            Some(names) if self.tape.percent(50) => self.tape.pick(names.members).1,
            _ => self.number_of(of.ty),
        };
        self.constant(value, of.names)
    }

    /// Draws a non-zero bit mask of a type.
    fn mask(&mut self, of: &Typed) -> Said<i128> {
        if let Some(names) = of.names.filter(|names| names.flags)
            && self.tape.percent(60)
        {
            let one = *self.tape.pick(names.members);
            if self.tape.percent(30) {
                let other = *self.tape.pick(names.members);
                self.policy.pool.numbers.push(one.1 | other.1);
                return Said::new(format!("{}|{}", one.0, other.0), level::BIT_OR, one.1 | other.1);
            }
            self.policy.pool.numbers.push(one.1);
            return Said::new(one.0, level::POSTFIX, one.1);
        }
        let bits = 8 * of.ty.bytes as usize - 1;
        let mask = (0..1 + self.tape.below(3)).fold(0, |mask, _| mask | 1 << self.tape.below(bits));
        self.constant(mask, None)
    }

    // Integers

    fn pick_value(&mut self, scope: Scope, wanted: impl Fn(Kind) -> bool) -> Option<(&'static str, Kind)> {
        let all = scope.values();
        let fitting: Vec<_> = all.iter().filter(|(_, kind)| wanted(*kind)).copied().collect();
        (!fitting.is_empty()).then(|| *self.tape.pick(&fitting))
    }

    fn read(&mut self, scope: Scope) -> Said<Typed> {
        let (name, kind) = self.pick_value(scope, |kind| matches!(kind, Kind::Int(..))).expect("tasks have integers");
        let Kind::Int(ty, names) = kind else { unreachable!("integers alone were asked for") };
        Said::new(name, level::POSTFIX, Typed { ty, names, number: Number::Read(scope.place(name)) })
    }

    /// Draws an integer expression, usually a computed one.
    fn number(&mut self, depth: usize, scope: Scope) -> Said<Typed> {
        if depth == 0 {
            return self.read(scope);
        }
        match self.tape.below(12) {
            0 | 1 => self.read(scope),
            2..5 => self.with_constant(depth, scope),
            5..8 => self.of_two(depth, scope),
            8 => {
                let of = self.number(depth - 1, scope);
                let text = format!("~{}", self.at_least(level::UNARY, &of));
                let Typed { ty, names, number } = of.means;
                let number = Number::Complement(ty, Box::new(number));
                Said::new(text, level::UNARY, Typed { ty, names, number })
            }
            9 => {
                let of = self.number(depth - 1, scope);
                let of = if of.means.ty.signed { of } else { self.cast(of, int(8, true)) };
                let text = format!("-{}", self.at_least(level::UNARY, &of));
                let ty = promote(of.means.ty);
                let number = Number::Negative(ty, Box::new(of.means.number));
                Said::new(text, level::UNARY, Typed { ty, names: None, number })
            }
            10 => {
                let of = self.number(depth - 1, scope);
                let to = int(*self.tape.pick(&[1, 2, 4, 8]), self.tape.percent(50));
                self.cast(of, to)
            }
            _ => {
                let cond = self.cond(depth - 1, scope);
                let ty = int(1, false);
                // A bit test is also a number, and the cast converts that number.
                let number = match cond.means {
                    Cond::AnyBit(bits) => Number::Cast(ty, Box::new(bits)),
                    cond => Number::Truth(Box::new(cond)),
                };
                Said::new(format!("({}) as u8", cond.text), level::POSTFIX, Typed { ty, names: None, number })
            }
        }
    }

    fn cast(&mut self, of: Said<Typed>, ty: Int) -> Said<Typed> {
        let text = format!("{} as {}", self.at_least(level::POSTFIX, &of), ty.name());
        let number = Number::Cast(ty, Box::new(of.means.number));
        Said::new(text, level::POSTFIX, Typed { ty, names: None, number })
    }

    /// Casts an integer with names to its own type, where its names would be invalid.
    fn plain(&mut self, of: Said<Typed>) -> Said<Typed> {
        match of.means.names {
            Some(_) => {
                let ty = of.means.ty;
                self.cast(of, ty)
            }
            None => of,
        }
    }

    fn with_constant(&mut self, depth: usize, scope: Scope) -> Said<Typed> {
        const OPS: &[(&str, u8)] = &[
            ("+", level::SUM),
            ("-", level::SUM),
            ("*", level::PRODUCT),
            ("&", level::BIT_AND),
            ("|", level::BIT_OR),
            ("^", level::BIT_XOR),
            ("/", level::PRODUCT),
            ("%", level::PRODUCT),
            ("<<", level::SHIFT),
            (">>", level::SHIFT),
        ];
        let of = self.number(depth - 1, scope);
        let (op, at) = *self.tape.pick(OPS);
        let bitwise = matches!(op, "&" | "|" | "^");
        let ty = if bitwise { of.means.ty } else { promote(of.means.ty) };
        let names = of.means.names.filter(|_| bitwise);
        let most = match op {
            "<<" | ">>" => 8 * ty.bytes as i128 - 1,
            "/" | "%" => 100,
            // The operation is computed in the type of the value alone.
            _ => of.means.ty.max().min(1 << 40),
        };
        let least = i128::from(matches!(op, "/" | "%"));
        let value = match self.tape.below(4) {
            0 => most,
            1 => 1.min(most),
            _ => (self.tape.word() as i128).rem_euclid(most.min(200) + 1),
        };
        let value = value.max(least);
        let flags = of.means.names.filter(|names| bitwise && names.flags);
        let (text, level) = self.spell(value, flags, true);
        self.policy.pool.numbers.push(value);
        let constant = Said::new(text, level, ());
        let value_said = Said::new(of.text.clone(), of.level, ());
        let swap = matches!(op, "+" | "-" | "*" | "&" | "|" | "^") && self.tape.percent(30);
        let number = Box::new(of.means.number);
        let literal = Box::new(Number::Literal(value));
        let (text, number) = if swap {
            (self.join(op, at, &constant, &value_said), Number::Operation(op, ty, literal, number))
        } else {
            (self.join(op, at, &value_said, &constant), Number::Operation(op, ty, number, literal))
        };
        Said::new(text, at, Typed { ty, names, number })
    }

    fn of_two(&mut self, depth: usize, scope: Scope) -> Said<Typed> {
        const OPS: &[(&str, u8)] = &[
            ("+", level::SUM),
            ("-", level::SUM),
            ("*", level::PRODUCT),
            ("&", level::BIT_AND),
            ("|", level::BIT_OR),
            ("^", level::BIT_XOR),
        ];
        let (left, right) = (self.number(depth - 1, scope), self.number(depth - 1, scope));
        let (left, mut right) = (self.plain(left), self.plain(right));
        if meet(left.means.ty, right.means.ty).is_none() {
            let to = left.means.ty;
            right = self.cast(right, to);
        }
        let ty = meet(left.means.ty, right.means.ty).expect("the right side was converted");
        let (op, at) = *self.tape.pick(OPS);
        let text = self.join(op, at, &left, &right);
        let number = Number::Operation(op, ty, Box::new(left.means.number), Box::new(right.means.number));
        Said::new(text, at, Typed { ty, names: None, number })
    }

    // Conditions

    fn cond(&mut self, depth: usize, scope: Scope) -> Said<Cond> {
        if depth == 0 {
            return self.atom(scope);
        }
        match self.tape.below(7) {
            0 | 1 => self.atom(scope),
            2 | 3 => {
                let (left, right) = (self.cond(depth - 1, scope), self.cond(depth - 1, scope));
                let text = self.join("and", level::AND, &left, &right);
                Said::new(text, level::AND, Cond::And(Box::new(left.means), Box::new(right.means)))
            }
            4 | 5 => {
                let (left, right) = (self.cond(depth - 1, scope), self.cond(depth - 1, scope));
                let text = self.join("or", level::OR, &left, &right);
                Said::new(text, level::OR, Cond::Or(Box::new(left.means), Box::new(right.means)))
            }
            _ => {
                let of = self.cond(depth - 1, scope);
                self.not(of)
            }
        }
    }

    fn not(&mut self, of: Said<Cond>) -> Said<Cond> {
        let text = format!("not {}", self.at_least(level::NOT, &of));
        Said::new(text, level::NOT, Cond::Not(Box::new(of.means)))
    }

    /// Writes `x in y` or `x not in y`.
    fn membership(&mut self, left: &str, op: &str, right: &str, means: Cond) -> Said<Cond> {
        if self.tape.percent(30) {
            return Said::new(format!("{left} not {op} {right}"), level::COMPARE, Cond::Not(Box::new(means)));
        }
        Said::new(format!("{left} {op} {right}"), level::COMPARE, means)
    }

    fn atom(&mut self, scope: Scope) -> Said<Cond> {
        let depth = usize::from(!scope.ancestor);
        match self.tape.below(20) {
            16 | 17 if !scope.ancestor => return self.ancestors(scope),
            18 if !self.policy.labels.is_empty() => {
                if let Some(labelled) = self.labelled(scope) {
                    return labelled;
                }
            }
            19 if !scope.ancestor && self.tape.percent(10) => {
                let known = self.tape.percent(50);
                return Said::new(known.to_string(), level::POSTFIX, Cond::Always(known));
            }
            19 => {
                let of = self.number(depth, scope);
                return self.call(of);
            }
            12..16 => {
                let number = self.number(2 * depth, scope);
                return self.int_atom(number, scope);
            }
            _ => {}
        }
        let values = scope.values();
        // Values specific to the hook come first and are chosen more often than those available on every
        // hook.
        let own = values.len().saturating_sub(TASK.len()).max(1);
        let (name, kind) =
            values[if self.tape.percent(15) { self.tape.below(values.len()) } else { self.tape.below(own) }];
        let place = scope.place(name);
        match kind {
            Kind::Int(ty, names) => {
                let read = Typed { ty, names, number: Number::Read(place) };
                self.int_atom(Said::new(name, level::POSTFIX, read), scope)
            }
            Kind::Pointer => {
                let means = Cond::Null(place);
                if self.tape.percent(50) {
                    return Said::new(format!("{name} != null"), level::COMPARE, Cond::Not(Box::new(means)));
                }
                Said::new(format!("{name} == null"), level::COMPARE, means)
            }
            Kind::Ip => self.ip_atom(name, place),
            Kind::Comm | Kind::Text | Kind::Path => self.text_atom(name, place, kind, scope),
        }
    }

    fn labelled(&mut self, scope: Scope) -> Option<Said<Cond>> {
        let (label, on) = self.tape.pick(&self.policy.labels).clone();
        let objects = scope.objects(on);
        if objects.is_empty() {
            return None;
        }
        let object = *self.tape.pick(&objects);
        let means = Cond::Labelled(scope.place(object), label.clone());
        Some(if self.tape.percent(40) {
            Said::new(format!("{object} is not {label}"), level::COMPARE, Cond::Not(Box::new(means)))
        } else {
            Said::new(format!("{object} is {label}"), level::COMPARE, means)
        })
    }

    fn ancestors(&mut self, scope: Scope) -> Said<Cond> {
        let [first, second] = scope.hooks;
        let known = first.map_or(&["task"][..], |hook| hook.descendants);
        let of = *self.tape.pick(known);
        let of = if second.is_some_and(|hook| !hook.descendants.contains(&of)) { "task" } else { of };
        let every = self.tape.percent(50);
        let depth = self.tape.below(2);
        let inside = Scope { ancestor: true, ..scope };
        let mut cond = self.cond(depth, inside);
        // The compiler rejects a condition that does not test the ancestor.
        let asks = |word: &str| word.starts_with("a.");
        if !cond.text.contains("a is ") && !cond.text.split([' ', '(', '~', '-', '{']).any(asks) {
            let read = Typed { ty: int(4, true), names: None, number: Number::Read(inside.place("a.pid")) };
            let other = self.int_atom(Said::new("a.pid", level::POSTFIX, read), inside);
            cond = self.both(&cond, &other);
        }
        let text = format!("{} a in {of}.ancestors {{ {} }}", if every { "all" } else { "any" }, cond.text);
        // The closing brace ends it, so it needs no parentheses.
        Said::new(text, level::COMPARE, Cond::Ancestors { every, of: of.to_owned(), cond: Box::new(cond.means) })
    }

    /// Writes `among(x, c)` or a test of `low_bits(x)`.
    fn call(&mut self, of: Said<Typed>) -> Said<Cond> {
        let of = self.plain(of);
        let of = if of.means.ty.signed { self.cast(of, int(8, false)) } else { of };
        let Typed { ty, number, .. } = of.means;
        if self.tape.percent(50) {
            let value = self.number_of(ty);
            let constant = self.constant(value, None);
            let masked = Number::Operation("&", ty, Box::new(number.clone()), Box::new(Number::Literal(value)));
            let means = Cond::Or(
                Box::new(Cond::Compare(Order::Equal, masked, Number::Literal(value))),
                Box::new(Cond::Compare(Order::Less, number, Number::Literal(value))),
            );
            return Said::new(format!("among({}, {})", of.text, constant.text), level::POSTFIX, means);
        }
        let low = Number::Operation("&", ty, Box::new(number), Box::new(Number::Literal(0x7f)));
        let value = self.number_of(int(1, true)).abs();
        let constant = self.constant(value, None);
        let right = self.at_least(level::COMPARE + 1, &constant);
        let means = Cond::Compare(Order::Equal, low, Number::Literal(value));
        Said::new(format!("low_bits({}) == {right}", of.text), level::COMPARE, means)
    }

    fn order(&mut self) -> (&'static str, Order) {
        *self.tape.pick(&[
            ("==", Order::Equal),
            ("<", Order::Less),
            (">=", Order::AtLeast),
            ("!=", Order::Unequal),
            ("<=", Order::AtMost),
            (">", Order::More),
        ])
    }

    fn compare(&mut self, left: &Said<Number>, right: &Said<Number>) -> Said<Cond> {
        let (op, order) = self.order();
        let least = level::COMPARE + 1;
        let text = format!("{} {op} {}", self.at_least(least, left), self.at_least(least, right));
        Said::new(text, level::COMPARE, Cond::Compare(order, left.means.clone(), right.means.clone()))
    }

    fn int_atom(&mut self, of: Said<Typed>, scope: Scope) -> Said<Cond> {
        let bare = Said::new(of.text.clone(), of.level, of.means.number.clone());
        let left = |make: &mut Self| make.at_least(level::COMPARE + 1, &bare);
        match self.tape.below(14) {
            0..3 => {
                let constant = self.beside(&of.means);
                let constant = Said::new(constant.text, constant.level, Number::Literal(constant.means));
                if self.tape.percent(45) { self.compare(&constant, &bare) } else { self.compare(&bare, &constant) }
            }
            3 | 4 => {
                let mask = self.mask(&of.means);
                let ty = of.means.ty;
                let text =
                    format!("{} & {}", self.at_least(level::BIT_AND, &bare), self.at_least(level::BIT_AND + 1, &mask));
                let number =
                    Number::Operation("&", ty, Box::new(of.means.number), Box::new(Number::Literal(mask.means)));
                Said::new(text, level::BIT_AND, Cond::AnyBit(number))
            }
            5 => {
                let mask = self.mask(&of.means);
                let text = format!("{} has {}", left(self), self.at_least(level::COMPARE + 1, &mask));
                Said::new(text, level::COMPARE, Cond::AllBits(of.means.number, mask.means))
            }
            6 => {
                let mask = self.mask(&of.means);
                let ty = of.means.ty;
                let value = if self.tape.percent(50) { 0 } else { mask.means };
                let text = format!(
                    "{} & {} == {value}",
                    self.at_least(level::BIT_AND, &bare),
                    self.at_least(level::BIT_AND + 1, &mask)
                );
                let number =
                    Number::Operation("&", ty, Box::new(of.means.number), Box::new(Number::Literal(mask.means)));
                Said::new(text, level::COMPARE, Cond::Compare(Order::Equal, number, Number::Literal(value)))
            }
            7 => {
                let most = if self.tape.percent(20) { 60 } else { 5 };
                let count = 1 + self.tape.below(most);
                let set: Vec<Said<i128>> = (0..count).map(|_| self.beside(&of.means)).collect();
                let elements: Vec<&str> = set.iter().map(|element| element.text.as_str()).collect();
                let means = Cond::OneOf(of.means.number, set.iter().map(|element| element.means).collect());
                let left = left(self);
                self.membership(&left, "in", &format!("{{ {} }}", elements.join(", ")), means)
            }
            8 => {
                let of = self.plain(of);
                let (name, set) = self.int_set(of.means.ty);
                let left = self.at_least(level::COMPARE + 1, &of);
                self.membership(&left, "in", &name, Cond::OneOf(of.means.number, set))
            }
            9 if !scope.ancestor => {
                let other = self.number(0, scope);
                let (of, other) = (self.plain(of), self.plain(other));
                let (name, rows) = self.rows();
                let (one, two) = (self.cast(of, int(8, false)), self.cast(other, int(4, false)));
                let left = format!("({}, {})", one.text, two.text);
                self.membership(&left, "in", &name, Cond::Row(vec![one.means.number, two.means.number], rows))
            }
            10 => {
                let (name, ty) = self.param();
                let of = self.plain(of);
                let _ = ty;
                let left = Said::new(of.text, of.level, of.means.number);
                let right = Said::new(name.clone(), level::POSTFIX, Number::Param(name));
                if self.tape.percent(50) { self.compare(&left, &right) } else { self.compare(&right, &left) }
            }
            11 => {
                // Test that the value is in an interval.
                let (a, b) = (self.beside(&of.means), self.beside(&of.means));
                let (low, high) = if a.means <= b.means { (a, b) } else { (b, a) };
                let least = level::COMPARE + 1;
                let (low_text, high_text) = (self.at_least(least, &low), self.at_least(least, &high));
                let (one, two) = (left(self), left(self));
                let text = if self.tape.percent(50) {
                    format!("{one} >= {low_text} and {two} < {high_text}")
                } else {
                    format!("{low_text} <= {one} and {high_text} > {two}")
                };
                let number = of.means.number;
                let means = Cond::And(
                    Box::new(Cond::Compare(Order::AtLeast, number.clone(), Number::Literal(low.means))),
                    Box::new(Cond::Compare(Order::Less, number, Number::Literal(high.means))),
                );
                Said::new(text, level::AND, means)
            }
            _ => {
                let depth = self.tape.below(2);
                let other = self.number(depth, scope);
                let (of, other) = (self.plain(of), self.plain(other));
                let left = Said::new(of.text, of.level, of.means.number);
                let right = Said::new(other.text, other.level, other.means.number);
                self.compare(&left, &right)
            }
        }
    }

    /// Draws a text for a kind of value and records it for scenes.
    fn text_for(&mut self, kind: Kind) -> Vec<u8> {
        let text = match kind {
            Kind::Comm => (*self.tape.pick(COMMS)).to_owned(),
            // Lengths at which the generated code changes: names inside a dentry, 32 and 40 bytes, and 64.
            Kind::Text if self.tape.percent(25) => long_name(*self.tape.pick(&[31, 32, 33, 39, 40, 41, 63, 64, 65])),
            Kind::Path if self.tape.percent(25) => {
                let name = long_name(*self.tape.pick(&[31, 32, 33, 36, 39, 40, 41, 63, 64, 65]));
                [format!("/{name}"), format!("/etc/{name}"), format!("/{name}/a")][self.tape.below(3)].clone()
            }
            Kind::Text => (*self.tape.pick(NAMES)).to_owned(),
            _ => (*self.tape.pick(PATHS)).to_owned(),
        };
        self.policy.pool.texts.push(text.clone().into_bytes());
        text.into_bytes()
    }

    fn text_list(&mut self, kind: Kind) -> Vec<Vec<u8>> {
        let most = if self.tape.percent(15) { 40 } else { 6 };
        let count = 1 + self.tape.below(most);
        let mut all: Vec<Vec<u8>> = Vec::new();
        for at in 0..count {
            let mut text = self.text_for(kind);
            if at >= 6 {
                let room = if kind == Kind::Comm { 12 } else { 70 };
                text.truncate(room);
                text.extend_from_slice(at.to_string().as_bytes());
            }
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }

    fn list_of(&mut self, texts: &[Vec<u8>]) -> String {
        let texts: Vec<String> = texts.iter().map(|text| self.quoted(text)).collect();
        format!("{{ {} }}", texts.join(", "))
    }

    fn text_atom(&mut self, name: &'static str, place: Place, kind: Kind, scope: Scope) -> Said<Cond> {
        let text = self.text_for(kind);
        let test = |test| Cond::Text(place.clone(), test);
        let some = |make: &mut Self| {
            let from = make.tape.below(text.len());
            (from, from + 1 + make.tape.below(text.len() - from))
        };
        match self.tape.below(11) {
            0 | 1 => {
                let means = test(TextTest::OneOf(vec![text.clone()]));
                let (op, mirrored) = (self.tape.percent(40), self.tape.percent(25));
                let (op, means) = if op { ("!=", Cond::Not(Box::new(means))) } else { ("==", means) };
                let quoted = self.quoted(&text);
                let text = if mirrored { format!("{quoted} {op} {name}") } else { format!("{name} {op} {quoted}") };
                Said::new(text, level::COMPARE, means)
            }
            2 => {
                let all = self.text_list(kind);
                let list = self.list_of(&all);
                self.membership(name, "in", &list, test(TextTest::OneOf(all)))
            }
            3 => {
                let (set, all) = self.text_set(kind);
                self.membership(name, "in", &set, test(TextTest::OneOf(all)))
            }
            4 if kind == Kind::Path => {
                let quoted = self.quoted(&text);
                self.membership(name, "under", &quoted, test(TextTest::Under(text)))
            }
            5 => {
                let (_, to) = some(self);
                let quoted = self.quoted(&text[..to]);
                let means = test(TextTest::StartsWith(text[..to].to_vec()));
                Said::new(format!("starts_with({name}, {quoted})"), level::POSTFIX, means)
            }
            6 => {
                let (from, _) = some(self);
                let quoted = self.quoted(&text[from..]);
                let means = test(TextTest::EndsWith(text[from..].to_vec()));
                Said::new(format!("ends_with({name}, {quoted})"), level::POSTFIX, means)
            }
            7 => {
                let (from, to) = some(self);
                let quoted = self.quoted(&text[from..to]);
                let means = test(TextTest::Contains(text[from..to].to_vec()));
                Said::new(format!("contains({name}, {quoted})"), level::POSTFIX, means)
            }
            8 => {
                let same = |of: Kind| matches!(of, Kind::Comm | Kind::Text | Kind::Path);
                let (other, _) = self.pick_value(scope, same).expect("tasks have a name");
                if other == name {
                    let quoted = self.quoted(&text);
                    return Said::new(format!("{name} == {quoted}"), level::COMPARE, test(TextTest::OneOf(vec![text])));
                }
                let means = Cond::SameText(place, scope.place(other));
                if self.tape.percent(40) {
                    return Said::new(format!("{name} != {other}"), level::COMPARE, Cond::Not(Box::new(means)));
                }
                Said::new(format!("{name} == {other}"), level::COMPARE, means)
            }
            _ => {
                let glob = *self.tape.pick(if kind == Kind::Path { PATH_GLOBS } else { COMM_GLOBS });
                let quoted = self.quoted(glob.as_bytes());
                self.membership(name, "like", &quoted, test(TextTest::Like(glob.as_bytes().to_vec())))
            }
        }
    }

    fn ip_atom(&mut self, name: &str, place: Place) -> Said<Cond> {
        match self.tape.below(5) {
            0 => {
                let (text, address) = *self.tape.pick(IPS);
                self.policy.pool.ips.push(address);
                let means = Cond::Within(place, vec![Network { address, bits: 128 }]);
                if self.tape.percent(40) {
                    return Said::new(format!("{name} != \"{text}\""), level::COMPARE, Cond::Not(Box::new(means)));
                }
                Said::new(format!("{name} == \"{text}\""), level::COMPARE, means)
            }
            1 => {
                let (text, network) = self.network();
                self.membership(name, "in", &format!("\"{text}\""), Cond::Within(place, vec![network]))
            }
            2 | 3 => {
                let (list, networks) = self.networks();
                self.membership(name, "in", &list, Cond::Within(place, networks))
            }
            _ => {
                let known = self.sets.iter().find_map(|(name, of)| match of {
                    SetOf::Networks(networks) => Some((name.clone(), networks.clone())),
                    _ => None,
                });
                let (set, networks) = known.filter(|_| self.tape.percent(50)).unwrap_or_else(|| {
                    let (list, networks) = self.networks();
                    let set = self.new_set("cidr", &list, SetOf::Networks(networks.clone()));
                    (set, networks)
                });
                self.membership(name, "in", &set, Cond::Within(place, networks))
            }
        }
    }

    fn network(&mut self) -> (&'static str, Network) {
        let (text, address, bits) = *self.tape.pick(NETWORKS);
        let last = if bits == 128 { address } else { address | u128::MAX >> bits };
        self.policy.pool.ips.extend([address, last]);
        (text, Network { address, bits })
    }

    fn networks(&mut self) -> (String, Vec<Network>) {
        let mut texts: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for _ in 0..2 + self.tape.below(4) {
            let (text, network) = self.network();
            let text = format!("\"{text}\"");
            if !texts.contains(&text) {
                texts.push(text);
                all.push(network);
            }
        }
        (format!("{{ {} }}", texts.join(", ")), all)
    }

    // Items

    fn new_set(&mut self, ty: &str, elements: &str, of: SetOf) -> String {
        let name = format!("s{}", self.sets.len());
        self.policy.items.push(format!("set {name}: {ty} = {elements}"));
        self.sets.push((name.clone(), of));
        name
    }

    fn int_set(&mut self, ty: Int) -> (String, Vec<i128>) {
        let known = self.sets.iter().find_map(|(name, of)| match of {
            SetOf::Ints(of, all) if *of == ty => Some((name.clone(), all.clone())),
            _ => None,
        });
        if let Some(known) = known
            && self.tape.percent(50)
        {
            return known;
        }
        let most = if self.tape.percent(20) { 50 } else { 5 };
        let count = 1 + self.tape.below(most);
        let (mut all, mut texts): (Vec<i128>, Vec<String>) = Default::default();
        for _ in 0..count {
            let value = self.number_of(ty);
            if !all.contains(&value) {
                texts.push(self.constant(value, None).text);
                all.push(value);
            }
        }
        let elements = format!("{{ {} }}", texts.join(", "));
        (self.new_set(&ty.name(), &elements, SetOf::Ints(ty, all.clone())), all)
    }

    fn text_set(&mut self, kind: Kind) -> (String, Vec<Vec<u8>>) {
        let ty = if kind == Kind::Path { "path" } else { "str" };
        // The compiler rejects a text that a name cannot hold, so sets for names contain no longer texts.
        let known = self.sets.iter().find_map(|(name, of)| match of {
            SetOf::Texts("path", all) if ty == "path" => Some((name.clone(), all.clone())),
            _ => None,
        });
        if let Some(known) = known
            && self.tape.percent(50)
        {
            return known;
        }
        let all = self.text_list(kind);
        let elements = self.list_of(&all);
        (self.new_set(ty, &elements, SetOf::Texts(ty, all.clone())), all)
    }

    fn rows(&mut self) -> (String, Vec<Vec<i128>>) {
        let known = self.sets.iter().find_map(|(name, of)| match of {
            SetOf::Rows(rows) => Some((name.clone(), rows.clone())),
            _ => None,
        });
        if let Some(known) = known
            && self.tape.percent(70)
        {
            return known;
        }
        let (mut rows, mut texts): (Vec<Vec<i128>>, Vec<String>) = Default::default();
        for _ in 0..1 + self.tape.below(6) {
            let (one, two) = (self.number_of(int(8, false)), self.number_of(int(4, false)));
            if !rows.contains(&vec![one, two]) {
                let (one_text, two_text) = (self.constant(one, None).text, self.constant(two, None).text);
                texts.push(format!("({one_text}, {two_text})"));
                rows.push(vec![one, two]);
            }
        }
        let elements = format!("{{ {} }}", texts.join(", "));
        (self.new_set("(u64, u32)", &elements, SetOf::Rows(rows.clone())), rows)
    }

    fn param(&mut self) -> (String, Int) {
        let ty = *self.tape.pick(&[int(4, false), int(8, false), int(4, true), int(1, false), int(8, true)]);
        let name = format!("p{}", self.policy.params.len());
        let value = self.number_of(ty);
        let constant = self.constant(value, None);
        self.policy.items.push(format!("param {name}: {} = {}", ty.name(), constant.text));
        self.policy.params.push((name.clone(), ty, value));
        (name, ty)
    }

    // Rules

    fn field(&mut self, at: usize, scope: Scope) -> (String, Field) {
        let name = if self.tape.percent(70) { format!("f{at} = ") } else { String::new() };
        match self.tape.below(6) {
            0..2 => {
                let read = self.read(scope);
                (format!("{name}{}", read.text), Field::Number(read.means.number))
            }
            2 | 3 => {
                let depth = self.tape.below(3);
                let number = self.number(depth, scope);
                (format!("f{at} = {}", number.text), Field::Number(number.means.number))
            }
            4 => {
                let wanted = |kind| matches!(kind, Kind::Comm | Kind::Text | Kind::Path | Kind::Ip);
                let (text, _) = self.pick_value(scope, wanted).expect("tasks have a name");
                (format!("{name}{text}"), Field::Place(scope.place(text)))
            }
            _ => {
                let cond = self.cond(1, scope);
                let field = match cond.means {
                    // It is recorded as a number.
                    Cond::AnyBit(bits) => Field::Number(bits),
                    cond => Field::Cond(cond),
                };
                (format!("f{at} = ({})", cond.text), field)
            }
        }
    }

    fn fields(&mut self, count: usize, scope: Scope) -> (String, Vec<Field>) {
        let mut texts: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for at in 0..count {
            let (text, field) = self.field(at, scope);
            // The compiler rejects two fields with one name.
            if !texts.contains(&text) {
                texts.push(text);
                all.push(field);
            }
        }
        let text = if texts.is_empty() { String::new() } else { format!(" {{ {} }}", texts.join(", ")) };
        (text, all)
    }

    fn rule(&mut self, name: &str, scope: Scope) {
        // Essential parts are drawn first, since a short row leaves only zeros for the rest.
        let mut rule = Rule { name: name.to_owned(), ..Rule::default() };
        let denies = self.tape.percent(65);
        let mut when = None;
        if !self.tape.percent(6) {
            let depth = self.tape.below(4);
            when = Some(self.cond(depth, scope));
        }
        let mut actions = Vec::new();
        if denies {
            let (text, errno) = *self.tape.pick(ERRNOS);
            rule.deny = Some(errno);
            actions.push(text.to_owned());
        }
        let mut unless = None;
        if self.tape.percent(25) {
            let depth = self.tape.below(3);
            unless = Some(self.cond(depth, scope));
        }
        if self.tape.percent(15) {
            let (text, signal) = *self.tape.pick(KILLS);
            rule.kill = Some(signal);
            actions.push(text.to_owned());
        }
        self.marks(&mut rule, &mut actions, scope);
        if actions.is_empty() || self.tape.percent(60) {
            let count = self.tape.below(4);
            let (fields, all) = self.fields(count, scope);
            let message = if self.tape.percent(15) { " \"seen\"" } else { "" };
            let (limit, per) = match self.tape.percent(15).then(|| *self.tape.pick(LIMITS)) {
                Some((text, most, per)) => (text, Some((most, per))),
                None => ("", None),
            };
            rule.audit = Some(Audit { fields: all, limit: per });
            actions.push(format!("audit{message}{fields}{limit}"));
        }
        let blocks = self.tape.below(10).saturating_sub(7);
        let blocks: Vec<Said<Cond>> = (0..blocks).map(|_| self.cond(1, scope)).collect();
        self.finish(rule, scope, when, unless, actions, blocks);
    }

    fn marks(&mut self, rule: &mut Rule, actions: &mut Vec<String>, scope: Scope) {
        while !self.policy.labels.is_empty() && self.tape.percent(45) {
            let (label, on) = self.tape.pick(&self.policy.labels).clone();
            let objects = scope.objects(on);
            if objects.is_empty() {
                break;
            }
            let object = *self.tape.pick(&objects);
            let place = scope.place(object);
            let set = self.tape.percent(60);
            // A rule changes a label of an object at most once.
            if rule.marks.iter().any(|(_, known, other)| *known == label && *other == place) {
                break;
            }
            let own = object == "task" && self.tape.percent(50);
            let on = if own { String::new() } else { format!(" on {object}") };
            actions.push(format!("{} {label}{on}", if set { "mark" } else { "unmark" }));
            rule.marks.push((set, label, place));
        }
    }

    /// Writes a rule and stores its meaning.
    fn finish(
        &mut self,
        mut rule: Rule,
        scope: Scope,
        when: Option<Said<Cond>>,
        unless: Option<Said<Cond>>,
        mut actions: Vec<String>,
        blocks: Vec<Said<Cond>>,
    ) {
        let hooks: Vec<&Hook> = scope.hooks.into_iter().flatten().collect();
        rule.hooks = hooks.iter().map(|hook| hook.name).collect();
        let introduced = hooks.iter().map(|hook| hook.introduced).max().unwrap_or(OLDEST);
        let mut text = String::new();
        if rule.deny.is_some() && self.tape.percent(12) {
            rule.permissive = true;
            text.push_str("@permissive ");
        }
        // A hook that some kernels lack requires the attribute.
        if introduced > OLDEST || self.tape.percent(8) {
            const VERSIONS: &[Version] = &[(6, 1), (6, 12), (6, 18), (5, 15), (6, 9)];
            let (major, minor) = *self.tape.pick(VERSIONS);
            rule.since = Some((major, minor));
            let _ = write!(text, "@since(\"{major}.{minor}\") ");
        }
        let break_lines = self.tape.percent(20);
        let (space, comment) = if break_lines { ("\n  ", " # deny \"audit\n  ") } else { (" ", " ") };
        let written: Vec<&str> = hooks
            .iter()
            .map(|hook| match hook.name {
                "file_open" if self.tape.percent(20) => "opened",
                name => *hook.aliases.first().filter(|_| self.tape.percent(40)).unwrap_or(&name),
            })
            .collect();
        let _ = write!(text, "{}: on {}", rule.name, written.join(", "));
        if let Some(when) = when {
            let _ = write!(text, "{comment}when {}", when.text);
            rule.when.push(when.means);
        }
        if let Some(unless) = unless {
            let _ = write!(text, "{space}unless {}", unless.text);
            rule.unless = Some(unless.means);
        }
        // Actions may be written in any order.
        if self.tape.percent(30) {
            actions.reverse();
        }
        for action in actions {
            let _ = write!(text, "{space}{action}");
        }
        for block in blocks {
            text = format!("where {} {{ {text} }}", block.text);
            rule.when.push(block.means);
        }
        self.policy.texts.push(text);
        self.policy.rules.push(rule);
    }

    /// Adds rules of one shape: they test the same values against different constants, usually with the same
    /// actions.
    fn series(&mut self, first: usize, scope: Scope, rows: &'m [Words]) {
        let depth_rest = self.tape.percent(30);
        let parts: Vec<Vec<Said<Cond>>> = (0..1 + self.tape.below(2))
            .map(|_| {
                let values = scope.values();
                let own = values.len().saturating_sub(TASK.len()).max(1);
                let (name, kind) = values[self.tape.below(own)];
                let ordered = self.tape.percent(50);
                (0..2 + self.tape.below(4)).map(|_| self.shaped(name, kind, scope, ordered)).collect()
            })
            .collect();
        let rest = depth_rest.then(|| self.atom(scope));
        let unless = self.tape.percent(20).then(|| self.atom(scope));
        let denies: Vec<(&str, i32)> = match self.tape.below(3) {
            0 => vec![ERRNOS[0]],
            1 => ERRNOS[..3].to_vec(),
            _ => Vec::new(),
        };
        let kills = if self.tape.percent(35) { &KILLS[..3] } else { &[] };
        let audit = denies.is_empty() && kills.is_empty() || self.tape.percent(60);
        let (fields, all) = self.fields(1, scope);
        for (index, words) in (first..).zip(rows) {
            self.tape = Tape::new(words);
            let mut when: Option<Said<Cond>> = None;
            for part in &parts {
                let test = self.tape.pick(part).clone();
                when = Some(match when {
                    None => test,
                    Some(before) => self.both(&before, &test),
                });
            }
            if let (Some(before), Some(rest)) = (&when, &rest) {
                when = Some(self.both(before, rest));
            }
            let mut rule = Rule { name: format!("r{index}"), ..Rule::default() };
            let mut actions = Vec::new();
            if !denies.is_empty() {
                let (text, errno) = *self.tape.pick(&denies);
                rule.deny = Some(errno);
                actions.push(text.to_owned());
            }
            if !kills.is_empty() {
                let (text, signal) = *self.tape.pick(kills);
                rule.kill = Some(signal);
                actions.push(text.to_owned());
            }
            if audit {
                rule.audit = Some(Audit { fields: all.clone(), limit: None });
                actions.push(format!("audit{fields}"));
            }
            // The tape of a row is short: all later draws are zeros and choose nothing special.
            self.finish(rule, scope, when, unless.clone(), actions, Vec::new());
        }
    }

    fn both(&mut self, left: &Said<Cond>, right: &Said<Cond>) -> Said<Cond> {
        let text = self.join("and", level::AND, left, right);
        Said::new(text, level::AND, Cond::And(Box::new(left.means.clone()), Box::new(right.means.clone())))
    }

    /// Writes a test of a value for a rule of a series: equality, an interval, a list, or several of these.
    fn shaped(&mut self, name: &'static str, kind: Kind, scope: Scope, ordered: bool) -> Said<Cond> {
        let place = scope.place(name);
        let one = match kind {
            Kind::Int(ty, names) => {
                let read = Typed { ty, names, number: Number::Read(place) };
                if ordered { self.interval(name, &read) } else { self.listed(name, &read) }
            }
            Kind::Ip => {
                let (list, networks) = self.networks();
                Said::new(format!("{name} in {list}"), level::COMPARE, Cond::Within(place, networks))
            }
            Kind::Pointer => {
                Said::new(format!("{name} != null"), level::COMPARE, Cond::Not(Box::new(Cond::Null(place))))
            }
            Kind::Comm | Kind::Text | Kind::Path if ordered => {
                let mut all = self.text_list(kind);
                all.truncate(4);
                let list = self.list_of(&all);
                Said::new(format!("{name} in {list}"), level::COMPARE, Cond::Text(place, TextTest::OneOf(all)))
            }
            Kind::Comm | Kind::Text | Kind::Path => self.text_atom(name, place, kind, scope),
        };
        // Several intervals of one value, or two tests of it in one rule.
        if ordered && matches!(kind, Kind::Int(..)) && self.tape.percent(30) {
            let other = self.shaped(name, kind, scope, ordered);
            let text = self.join("or", level::OR, &one, &other);
            return Said::new(text, level::OR, Cond::Or(Box::new(one.means), Box::new(other.means)));
        }
        if self.tape.percent(15) && !matches!(kind, Kind::Pointer) {
            let other = self.shaped(name, kind, scope, ordered);
            return self.both(&one, &other);
        }
        one
    }

    fn interval(&mut self, name: &str, of: &Typed) -> Said<Cond> {
        let (a, b) = (self.beside(of), self.beside(of));
        let (low, high) = if a.means <= b.means { (a, b) } else { (b, a) };
        let least = level::COMPARE + 1;
        let (low_text, high_text) = (self.at_least(least, &low), self.at_least(least, &high));
        let compare = |order, value: i128| Cond::Compare(order, of.number.clone(), Number::Literal(value));
        match self.tape.below(5) {
            0 => Said::new(
                format!("{name} >= {low_text} and {name} < {high_text}"),
                level::AND,
                Cond::And(Box::new(compare(Order::AtLeast, low.means)), Box::new(compare(Order::Less, high.means))),
            ),
            1 => Said::new(format!("{name} < {high_text}"), level::COMPARE, compare(Order::Less, high.means)),
            2 => Said::new(format!("{low_text} < {name}"), level::COMPARE, compare(Order::More, low.means)),
            3 => Said::new(
                format!("{low_text} <= {name} and {high_text} >= {name}"),
                level::AND,
                Cond::And(Box::new(compare(Order::AtLeast, low.means)), Box::new(compare(Order::AtMost, high.means))),
            ),
            _ => Said::new(
                format!("not ({name} > {low_text} and {name} <= {high_text})"),
                level::NOT,
                Cond::Not(Box::new(Cond::And(
                    Box::new(compare(Order::More, low.means)),
                    Box::new(compare(Order::AtMost, high.means)),
                ))),
            ),
        }
    }

    fn listed(&mut self, name: &str, of: &Typed) -> Said<Cond> {
        let set: Vec<Said<i128>> = (0..1 + self.tape.below(4)).map(|_| self.beside(of)).collect();
        let means = Cond::OneOf(of.number.clone(), set.iter().map(|element| element.means).collect());
        if let [one] = &set[..] {
            let text = self.at_least(level::COMPARE + 1, one);
            return Said::new(format!("{name} == {text}"), level::COMPARE, means);
        }
        let elements: Vec<&str> = set.iter().map(|element| element.text.as_str()).collect();
        Said::new(format!("{name} in {{ {} }}", elements.join(", ")), level::COMPARE, means)
    }
}
