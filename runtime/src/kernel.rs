//! The running kernel's hooks, from its BTF: which there are, and where each has its arguments.
//!
//! Only what binding needs is read: functions, their prototypes, the sizes of structs passed by value, and which fields and
//! enumerators there are. Source: `Documentation/bpf/btf.rst`.

use std::collections::HashMap;

use krsi_abi::renamed;

use crate::failure::Failure;

/// Where the kernel keeps its types.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// A kernel's types, as far as they matter here.
#[derive(Debug)]
pub struct Kernel {
    bytes: Vec<u8>,
    /// Where each type begins; entry 0 stands for `void`.
    starts: Vec<usize>,
    strings: usize,
    /// `bpf_lsm_NAME` by name, to its prototype's id.
    hooks: HashMap<String, u32>,
}

/// `BTF_KIND_*`
mod kind {
    pub const INT: u32 = 1;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

impl Kernel {
    /// The running kernel.
    pub fn running() -> Result<Kernel, Failure> {
        let bytes = std::fs::read(BTF_PATH).map_err(|error| {
            Failure::refused(format!("the kernel does not describe its types: `{BTF_PATH}`: {error}"))
                .help("use a kernel built with CONFIG_DEBUG_INFO_BTF=y; `krsi doctor` tells what else is needed")
        })?;
        Kernel::parse(bytes).ok_or_else(|| Failure::refused(format!("`{BTF_PATH}` is not in a form that krsi knows")))
    }

    /// Reads BTF; `None` where it is malformed.
    pub fn parse(bytes: Vec<u8>) -> Option<Kernel> {
        let word = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) };
        if bytes.get(..2)? != [0x9f, 0xeb] {
            return None;
        }
        let base = word(4)? as usize;
        let (start, end) = (base + word(8)? as usize, base + word(8)? as usize + word(12)? as usize);
        let strings = base + word(16)? as usize;
        let mut kernel = Kernel { bytes: Vec::new(), starts: vec![0], strings, hooks: HashMap::new() };
        let mut functions = Vec::new();
        let mut at = start;
        while at < end {
            let info = word(at + 4)?;
            let (of, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            let more = match of {
                kind::INT | kind::VAR | kind::DECL_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
                kind::ENUM | kind::FUNC_PROTO => 8 * count,
                _ => 0,
            };
            if of == kind::FUNC {
                functions.push((word(at)?, word(at + 8)?));
            }
            kernel.starts.push(at);
            at += 12 + more;
        }
        kernel.bytes = bytes;
        for (name, proto) in functions {
            if let Some(hook) = kernel.string(name)?.strip_prefix("bpf_lsm_") {
                let hook = hook.to_owned();
                kernel.hooks.insert(hook, proto);
            }
        }
        Some(kernel)
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?))
    }

    fn string(&self, offset: u32) -> Option<&str> {
        let from = self.bytes.get(self.strings + offset as usize..)?;
        std::str::from_utf8(&from[..from.iter().position(|byte| *byte == 0)?]).ok()
    }

    /// Whether the kernel has BPF LSM at all.
    pub fn has_hooks(&self) -> bool {
        self.hooks.len() > 50
    }

    /// Whether the kernel has this hook.
    pub fn has_hook(&self, name: &str) -> bool {
        self.called(name).is_some()
    }

    /// What the kernel calls a hook: its name, or an older one.
    pub fn called<'n>(&self, hook: &'n str) -> Option<&'n str> {
        renamed::names(hook).find(|name| self.hooks.contains_key(*name))
    }

    /// Whether a struct or union has a field, through embedded and anonymous ones.
    pub fn has_field(&self, of: &str, path: &[String]) -> bool {
        self.tagged(of, &[kind::STRUCT, kind::UNION]).any(|id| self.leads(id, path).is_some())
    }

    /// The bytes of the types that a field is declared with: of a bitfield, those of the word that it is in. Several where several
    /// structs have the name, none where none has the field.
    pub fn widths(&self, of: &str, path: &[String]) -> Vec<u32> {
        let fields = self.tagged(of, &[kind::STRUCT, kind::UNION]).filter_map(|id| self.leads(id, path));
        fields.filter_map(|id| self.word(*self.starts.get(self.bare(id)? as usize)? + 8)).collect()
    }

    /// Whether an enum has an enumerator.
    pub fn has_enumerator(&self, of: &str, name: &str) -> bool {
        self.tagged(of, &[kind::ENUM, kind::ENUM64]).any(|id| {
            let entry = if self.kind(id) == Some(kind::ENUM) { 8 } else { 12 };
            self.entries(id, entry).is_some_and(|mut all| all.any(|at| self.named(at) == Some(name)))
        })
    }

    /// Definitions of a name.
    fn tagged(&self, name: &str, kinds: &[u32]) -> impl Iterator<Item = u32> {
        (1..self.starts.len() as u32).filter(move |id| {
            self.kind(*id).is_some_and(|of| kinds.contains(&of)) && self.named(self.starts[*id as usize]) == Some(name)
        })
    }

    fn kind(&self, id: u32) -> Option<u32> {
        Some(self.word(*self.starts.get(id as usize)? + 4)? >> 24 & 0x1f)
    }

    /// The name of the type or of its part that is described there.
    fn named(&self, at: usize) -> Option<&str> {
        self.string(self.word(at)?)
    }

    /// Where the parts of a type are described, each in so many bytes.
    fn entries(&self, id: u32, bytes: usize) -> Option<impl Iterator<Item = usize> + use<>> {
        let at = *self.starts.get(id as usize)?;
        let count = (self.word(at + 4)? & 0xffff) as usize;
        Some((0..count).map(move |index| at + 12 + bytes * index))
    }

    /// The type of the field that fields lead to.
    fn leads(&self, id: u32, path: &[String]) -> Option<u32> {
        path.iter().try_fold(id, |id, name| self.member(id, name, 16))
    }

    /// The type of a member, also of anonymous structs and unions inside.
    fn member(&self, id: u32, name: &str, depth: u32) -> Option<u32> {
        let id = self.bare(id)?;
        if depth == 0 || ![kind::STRUCT, kind::UNION].contains(&self.kind(id)?) {
            return None;
        }
        self.entries(id, 12)?.find_map(|at| match self.named(at)? {
            "" => self.member(self.word(at + 4)?, name, depth - 1),
            known if known == name => self.word(at + 4),
            _ => None,
        })
    }

    /// A type without typedefs, modifiers and arrays around it.
    fn bare(&self, mut id: u32) -> Option<u32> {
        for _ in 0..64 {
            let at = *self.starts.get(id as usize)?;
            id = match self.kind(id)? {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => self.word(at + 8)?,
                kind::ARRAY => self.word(at + 12)?,
                _ => return Some(id),
            };
            if id == 0 {
                return None;
            }
        }
        None
    }

    /// Names and slots of a hook's arguments.
    pub fn hook(&self, name: &str) -> Result<Vec<(String, u32)>, Failure> {
        let missing = || {
            Failure::refused(format!("this kernel has no hook `{name}`")).help(
                "remove the rules on it, or load the policy on a newer kernel; `krsic build` here would say so too",
            )
        };
        let proto = self.called(name).and_then(|name| self.hooks.get(name)).copied().ok_or_else(missing)?;
        self.arguments(proto).ok_or_else(missing)
    }

    fn arguments(&self, proto: u32) -> Option<Vec<(String, u32)>> {
        let at = *self.starts.get(proto as usize)?;
        let count = self.word(at + 4)? & 0xffff;
        let mut slot = 0;
        let mut arguments = Vec::new();
        for index in 0..count as usize {
            let entry = at + 12 + 8 * index;
            let name = self.string(self.word(entry)?)?;
            // The kernel marks what may be null by the name.
            let name = name.strip_suffix("__nullable").unwrap_or(name);
            arguments.push((name.to_owned(), slot));
            slot += self.slots(self.word(entry + 4)?)?;
        }
        Some(arguments)
    }

    /// A struct of more than 8 bytes takes two.
    fn slots(&self, mut id: u32) -> Option<u32> {
        for _ in 0..64 {
            if id == 0 {
                return Some(1);
            }
            let at = *self.starts.get(id as usize)?;
            let (info, size) = (self.word(at + 4)?, self.word(at + 8)?);
            match info >> 24 & 0x1f {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => id = size,
                kind::STRUCT | kind::UNION => return Some(size.div_ceil(8).max(1)),
                _ => return Some(1),
            }
        }
        None
    }
}
