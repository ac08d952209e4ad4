//! The running kernel's hooks and the slots of their arguments, from BTF.
//!
//! A hook `NAME` is a function `bpf_lsm_NAME`. A slot is 8 bytes of the context that the kernel passes to a program:
//!
//! ```text
//! socket_getpeersec_stream: sock 0, optval 1, optlen 3, len 5     (a `sockptr_t` has 16 bytes)
//! ```
//!
//! The parser reads only what binding needs: functions, their prototypes, the sizes of structs passed by value,
//! and the names of fields and enumerators. Source of the format: `Documentation/bpf/btf.rst`.

use std::collections::HashMap;

use krsi_abi::renamed;

use crate::failure::Failure;

/// The file with the running kernel's BTF.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// The types of a kernel.
#[derive(Debug)]
pub struct Kernel {
    bytes: Vec<u8>,
    /// Byte offset of each type by id; entry 0 is `void`.
    starts: Vec<usize>,
    /// Byte offset of the string section.
    strings: usize,
    /// Id of the prototype of `bpf_lsm_NAME`, by hook name.
    hooks: HashMap<String, u32>,
}

/// The values of `BTF_KIND_*`.
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
    /// Reads the running kernel's BTF.
    pub fn running() -> Result<Kernel, Failure> {
        let bytes = std::fs::read(BTF_PATH).map_err(|error| {
            Failure::refused(format!("the kernel provides no type information (BTF): `{BTF_PATH}`: {error}"))
                .help("use a kernel built with CONFIG_DEBUG_INFO_BTF=y; run `krsi doctor` to check all requirements")
        })?;
        Kernel::parse(bytes)
            .ok_or_else(|| Failure::refused(format!("`{BTF_PATH}` is malformed or in an unknown format")))
    }

    /// Parses BTF; `None` if it is malformed.
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

    /// Returns true if the kernel is built with BPF LSM.
    pub fn has_hooks(&self) -> bool {
        self.hooks.len() > 50
    }

    /// Returns true if the kernel has the hook, under its current or a former name.
    pub fn has_hook(&self, name: &str) -> bool {
        self.kernel_name(name).is_some()
    }

    /// The kernel's name of a hook: the given name, or a former one.
    pub fn kernel_name<'n>(&self, hook: &'n str) -> Option<&'n str> {
        renamed::names(hook).find(|name| self.hooks.contains_key(*name))
    }

    /// Returns true if a struct or union has a field. The path can lead through embedded and anonymous structs.
    pub fn has_field(&self, of: &str, path: &[String]) -> bool {
        self.definitions(of, &[kind::STRUCT, kind::UNION]).any(|id| self.field_type(id, path).is_some())
    }

    /// The sizes in bytes of the types that a field is declared with; of a bitfield, the size of its container.
    /// There are several if several structs have the name, and none if none of them has the field.
    pub fn widths(&self, of: &str, path: &[String]) -> Vec<u32> {
        let fields = self.definitions(of, &[kind::STRUCT, kind::UNION]).filter_map(|id| self.field_type(id, path));
        fields.filter_map(|id| self.word(*self.starts.get(self.strip(id)? as usize)? + 8)).collect()
    }

    /// Returns true if an enum has an enumerator.
    pub fn has_enumerator(&self, of: &str, name: &str) -> bool {
        self.definitions(of, &[kind::ENUM, kind::ENUM64]).any(|id| {
            let entry = if self.kind(id) == Some(kind::ENUM) { 8 } else { 12 };
            self.entries(id, entry).is_some_and(|mut all| all.any(|at| self.name_at(at) == Some(name)))
        })
    }

    /// Ids of the types of a name and one of the given kinds.
    fn definitions(&self, name: &str, kinds: &[u32]) -> impl Iterator<Item = u32> {
        (1..self.starts.len() as u32).filter(move |id| {
            self.kind(*id).is_some_and(|of| kinds.contains(&of))
                && self.name_at(self.starts[*id as usize]) == Some(name)
        })
    }

    fn kind(&self, id: u32) -> Option<u32> {
        Some(self.word(*self.starts.get(id as usize)? + 4)? >> 24 & 0x1f)
    }

    /// The name of the type or member that is described at an offset.
    fn name_at(&self, at: usize) -> Option<&str> {
        self.string(self.word(at)?)
    }

    /// Offsets of the members of a type, whose descriptions take `bytes` bytes each.
    fn entries(&self, id: u32, bytes: usize) -> Option<impl Iterator<Item = usize> + use<>> {
        let at = *self.starts.get(id as usize)?;
        let count = (self.word(at + 4)? & 0xffff) as usize;
        Some((0..count).map(move |index| at + 12 + bytes * index))
    }

    /// The type of the field at the end of a path.
    fn field_type(&self, id: u32, path: &[String]) -> Option<u32> {
        path.iter().try_fold(id, |id, name| self.member(id, name, 16))
    }

    /// The type of a member, which can be in a nested anonymous struct or union.
    fn member(&self, id: u32, name: &str, depth: u32) -> Option<u32> {
        let id = self.strip(id)?;
        if depth == 0 || ![kind::STRUCT, kind::UNION].contains(&self.kind(id)?) {
            return None;
        }
        self.entries(id, 12)?.find_map(|at| match self.name_at(at)? {
            "" => self.member(self.word(at + 4)?, name, depth - 1),
            known if known == name => self.word(at + 4),
            _ => None,
        })
    }

    /// Strips typedefs, modifiers and arrays from a type.
    fn strip(&self, mut id: u32) -> Option<u32> {
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

    /// The names and slots of a hook's arguments.
    pub fn hook(&self, name: &str) -> Result<Vec<(String, u32)>, Failure> {
        let missing = || {
            Failure::refused(format!("this kernel has no hook `{name}`")).help(
                "remove the rules on it, or load the policy on a newer kernel; `krsic build` on this machine reports them",
            )
        };
        let proto = self.kernel_name(name).and_then(|name| self.hooks.get(name)).copied().ok_or_else(missing)?;
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
            // The kernel marks arguments that may be null by this suffix.
            let name = name.strip_suffix("__nullable").unwrap_or(name);
            arguments.push((name.to_owned(), slot));
            slot += self.slots(self.word(entry + 4)?)?;
        }
        Some(arguments)
    }

    /// The number of slots of an argument; a struct of more than 8 bytes takes two.
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

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A word that follows the header of a type's description.
    #[derive(Clone, Copy)]
    pub enum Word {
        /// An offset into the string section.
        Name(&'static str),
        Number(u32),
    }
    use Word::{Name, Number};

    /// A type: its name, kind, number of members, size or referenced type, and the words that follow.
    type Type = (&'static str, u32, u32, u32, Vec<Word>);

    /// Encodes types as BTF, with ids from 1; source: `Documentation/bpf/btf.rst`.
    pub fn btf(types: &[Type]) -> Vec<u8> {
        let (mut data, mut strings) = (Vec::<u8>::new(), vec![0u8]);
        let mut string = |text: &str| {
            if text.is_empty() {
                return 0;
            }
            let at = strings.len() as u32;
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at
        };
        for (name, kind, parts, size_or_type, words) in types {
            let head = [string(name), kind << 24 | parts, *size_or_type];
            let words = words.iter().map(|word| match word {
                Name(name) => string(name),
                Number(number) => *number,
            });
            let words: Vec<u32> = head.into_iter().chain(words).collect();
            data.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        let mut out = vec![0x9f, 0xeb, 1, 0];
        // Header length, offset and length of the types, offset and length of the strings.
        let length = data.len() as u32;
        out.extend([24, 0, length, length, strings.len() as u32].iter().flat_map(|word| word.to_le_bytes()));
        out.extend(data);
        out.extend(strings);
        out
    }

    /// Types of every kind, followed by hooks with their arguments.
    fn types() -> Vec<Type> {
        let member = |name, ty, bits| [Name(name), Number(ty), Number(bits)];
        vec![
            ("int", kind::INT, 0, 4, vec![Number(0x0100_0020)]),             // 1
            ("", 2, 0, 8, vec![]),                                           // 2: a pointer to 8
            ("", kind::ARRAY, 0, 0, vec![Number(1), Number(1), Number(16)]), // 3: int[16]
            ("", kind::UNION, 2, 8, [member("rcu", 2, 0), member("both", 1, 0)].concat()), // 4: anonymous
            ("kuid_t", kind::TYPEDEF, 0, 6, vec![]),                         // 5
            ("", kind::STRUCT, 1, 4, member("val", 1, 0).to_vec()),          // 6
            ("", kind::VOLATILE, 0, 1, vec![]),                              // 7
            (
                "task_struct",
                kind::STRUCT,
                5,
                96,
                [
                    member("state", 7, 0),
                    member("loginuid", 5, 32),
                    member("comm", 3, 64),
                    member("", 4, 576),
                    member("parent", 2, 640),
                ]
                .concat(),
            ), // 8
            ("pid_type", kind::ENUM, 2, 4, vec![Name("PIDTYPE_PID"), Number(0), Name("PIDTYPE_TGID"), Number(1)]), // 9
            ("big", kind::ENUM64, 2, 8, vec![Name("SMALL"), Number(1), Number(0), Name("LARGE"), Number(0), Number(1)]), // 10
            ("", kind::CONST, 0, 12, vec![]),            // 11
            ("sockptr_t", kind::TYPEDEF, 0, 13, vec![]), // 12
            ("", kind::STRUCT, 2, 16, [member("kernel", 2, 0), member("is_kernel", 1, 64)].concat()), // 13
            ("", kind::RESTRICT, 0, 2, vec![]),          // 14
            ("user", kind::TYPE_TAG, 0, 2, vec![]),      // 15
            ("variable", kind::VAR, 0, 1, vec![Number(1)]), // 16
            (".data", kind::DATASEC, 1, 4, vec![Number(16), Number(0), Number(4)]), // 17
            ("tag", kind::DECL_TAG, 0, 8, vec![Number(u32::MAX)]), // 18
            ("forward", 7, 0, 0, vec![]),                // 19
            ("double", 16, 0, 8, vec![]),                // 20
            ("", kind::STRUCT, 1, 8, member("word", 2, 0).to_vec()), // 21: one word
            ("empty", kind::STRUCT, 0, 0, vec![]),       // 22
            (
                "",
                kind::FUNC_PROTO,
                7,
                1,
                vec![
                    Name("file"),
                    Number(2),
                    Name("optval"),
                    Number(11),
                    Name("word"),
                    Number(21),
                    Name("none"),
                    Number(22),
                    Name("ctx__nullable"),
                    Number(14),
                    Name("state"),
                    Number(7),
                    Name("last"),
                    Number(15),
                ],
            ), // 23
            ("bpf_lsm_file_open", kind::FUNC, 1, 23, vec![]), // 24
            ("", kind::FUNC_PROTO, 0, 1, vec![]),        // 25
            ("bpf_lsm_bpf_map_alloc_security", kind::FUNC, 1, 25, vec![]), // 26
            ("vfs_open", kind::FUNC, 1, 23, vec![]),     // 27
        ]
    }

    /// A small kernel; `task_struct` has `state`, `loginuid.val`, `comm`, `rcu`, `both` and `parent`.
    pub fn small() -> Kernel {
        Kernel::parse(btf(&types())).expect("it is BTF")
    }

    /// A kernel whose `file_open` has an argument of two words before the argument `name`.
    pub fn moved(argument: &'static str) -> Kernel {
        let types: Vec<Type> = vec![
            ("", 2, 0, 0, vec![]),
            ("pair", kind::STRUCT, 0, 16, vec![]),
            ("", kind::FUNC_PROTO, 2, 0, vec![Name("two"), Number(2), Name(argument), Number(1)]),
            ("bpf_lsm_file_open", kind::FUNC, 1, 3, vec![]),
        ];
        Kernel::parse(btf(&types)).expect("it is BTF")
    }

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn hooks_are_functions_of_bpf_lsm() {
        let kernel = small();
        assert!(kernel.has_hook("file_open"));
        assert!(!kernel.has_hook("vfs_open") && !kernel.has_hook("open") && !kernel.has_hook("bpf_lsm_file_open"));
        // It was renamed in 6.9.
        assert_eq!(kernel.kernel_name("bpf_map_create"), Some("bpf_map_alloc_security"));
        assert_eq!(kernel.kernel_name("file_open"), Some("file_open"));
        assert_eq!(kernel.kernel_name("bpf_prog_load"), None);
    }

    #[test]
    fn arguments_have_slots() {
        // `optval` is a typedef of a struct of 16 bytes and takes two slots; all others take one.
        let slots = [("file", 0), ("optval", 1), ("word", 3), ("none", 4), ("ctx", 5), ("state", 6), ("last", 7)];
        let slots = slots.map(|(name, slot)| (name.to_owned(), slot));
        assert_eq!(small().hook("file_open").expect("it exists"), slots);
        assert_eq!(small().hook("bpf_map_create").expect("it is there under its older name"), []);
        let failure = small().hook("inode_setattr").expect_err("it does not exist").to_string();
        assert!(failure.starts_with("error: this kernel has no hook `inode_setattr`\n"), "{failure}");
    }

    #[test]
    fn fields_are_found_through_embedded_structs() {
        let kernel = small();
        for (field, there) in [
            ("state", true),
            ("loginuid.val", true),
            ("rcu", true),
            ("both", true),
            ("comm", true),
            ("parent", true),
            ("val", false),
            ("loginuid.rcu", false),
            // A path does not follow pointers.
            ("parent.state", false),
            ("", false),
        ] {
            assert_eq!(kernel.has_field("task_struct", &path(field)), there, "{field}");
        }
        assert!(!kernel.has_field("pid_type", &path("PIDTYPE_PID")), "an enum has no fields");
        assert!(!kernel.has_field("cred", &path("state")));
    }

    #[test]
    fn widths_are_of_the_declared_type() {
        let widths = |field: &str| small().widths("task_struct", &path(field));
        assert_eq!(widths("state"), [4]);
        assert_eq!(widths("loginuid"), [4]);
        // An array has the width of its elements.
        assert_eq!(widths("comm"), [4]);
        assert!(widths("none").is_empty());
        assert!(small().widths("none", &path("state")).is_empty());
    }

    #[test]
    fn enumerators_are_found_in_enums_of_both_sizes() {
        let kernel = small();
        for (of, name, there) in [
            ("pid_type", "PIDTYPE_PID", true),
            ("pid_type", "PIDTYPE_TGID", true),
            ("pid_type", "LARGE", false),
            ("big", "SMALL", true),
            ("big", "LARGE", true),
            ("big", "PIDTYPE_PID", false),
            ("task_struct", "state", false),
        ] {
            assert_eq!(kernel.has_enumerator(of, name), there, "{of} {name}");
        }
    }

    #[test]
    fn a_kernel_with_bpf_lsm_has_its_hooks() {
        let hooks = |count: usize| {
            let proto: Type = ("", kind::FUNC_PROTO, 0, 0, vec![]);
            let names = (0..count).map(|at| &*format!("bpf_lsm_hook{at}").leak());
            let hooks = names.map(|name| (name, kind::FUNC, 1, 1, vec![]));
            Kernel::parse(btf(&std::iter::once(proto).chain(hooks).collect::<Vec<_>>())).expect("it is BTF").has_hooks()
        };
        // A kernel without BPF LSM still has some functions of this prefix; 5.10 with it has more than 150 hooks.
        assert!(!hooks(0) && !hooks(50) && hooks(51));
    }

    /// Truncated types and dangling references are ignored without a panic.
    #[test]
    fn damaged_types() {
        let whole = btf(&types());
        for length in 0..whole.len() {
            let Some(kernel) = Kernel::parse(whole[..length].to_vec()) else { continue };
            let _ = (kernel.hook("file_open"), kernel.has_field("task_struct", &path("loginuid.val")));
        }
        assert!(Kernel::parse(whole[..whole.len() / 2].to_vec()).is_none());
        assert!(Kernel::parse(vec![0; 64]).is_none(), "it has no magic");
        // A typedef of itself, and a struct that contains itself.
        let loops: Vec<Type> = vec![
            ("a", kind::TYPEDEF, 0, 1, vec![]),
            ("b", kind::STRUCT, 1, 4, vec![Name(""), Number(2), Number(0)]),
            ("c", kind::STRUCT, 1, 4, vec![Name("x"), Number(1), Number(0)]),
            ("", kind::FUNC_PROTO, 1, 0, vec![Name("a"), Number(1)]),
            ("bpf_lsm_h", kind::FUNC, 1, 4, vec![]),
            ("bpf_lsm_void", kind::FUNC, 1, 7, vec![]),
            ("", kind::FUNC_PROTO, 1, 0, vec![Name("v"), Number(0)]),
        ];
        let kernel = Kernel::parse(btf(&loops)).expect("it is BTF");
        assert!(!kernel.has_field("b", &path("x")) && kernel.has_field("c", &path("x")));
        assert!(kernel.widths("c", &path("x")).is_empty());
        assert!(kernel.hook("h").is_err());
        assert_eq!(kernel.hook("void").expect("void has a slot"), [("v".to_owned(), 0)]);
    }
}
