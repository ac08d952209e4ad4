//! Builds BTF, for objects and for the embedded kernels.
//!
//! A type is added as a [`Def`] and gets the next id, so that the bytes depend only on the order of the calls.
//! A type that must be referred to before it can be defined is reserved first:
//!
//! ```
//! use krsic::btf::{Builder, Def, Member};
//!
//! let mut builder = Builder::new();
//! let file = builder.reserve();
//! let pointer = builder.add(Def::Ptr(file));
//! let member = Member { name: "vm_file", ty: pointer, bit_offset: 1024, bitfield_bits: 0 };
//! builder.add(Def::Struct { name: "vm_area_struct", bytes: 184, members: &[member] });
//! builder.define(file, Def::Struct { name: "file", bytes: 184, members: &[] });
//! let bytes = builder.finish();
//! assert_eq!(krsic::btf::Btf::parse(bytes).unwrap().name(file), "file");
//! ```
//!
//! Invariants: equal names share one string. Member offsets are written as given, because offsets that CO-RE
//! relocates need not be those of any real kernel.
//!
//! Absent: layout. Nothing here computes an offset or a size.

use std::collections::HashMap;

use super::read::{Kind, Member, Param, TypeId};

/// A type to add; the counterpart of [`Type`](super::Type), with its lists.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "`name` and `bytes` are self-explanatory")]
pub enum Def<'a> {
    /// An integer that uses all its bits.
    Int { name: &'a str, bytes: u32, signed: bool, boolean: bool },
    /// A pointer to the given type.
    Ptr(TypeId),
    /// `element[count]`; `index` is any integer type, which BTF requires and no consumer reads.
    Array { element: TypeId, index: TypeId, count: u32 },
    /// A struct; an empty name makes it anonymous.
    Struct { name: &'a str, bytes: u32, members: &'a [Member<'a>] },
    /// A union; an empty name makes it anonymous.
    Union { name: &'a str, bytes: u32, members: &'a [Member<'a>] },
    /// An enum of at most 4 bytes. Kernels before 6.0 reject the signed flag; libbpf and aya clear it when they
    /// load.
    Enum { name: &'a str, bytes: u32, signed: bool, values: &'a [(&'a str, i64)] },
    /// An enum of 8 bytes (since 6.0).
    Enum64 { name: &'a str, bytes: u32, signed: bool, values: &'a [(&'a str, i64)] },
    /// A forward declaration of a struct or union.
    Fwd { name: &'a str, union: bool },
    /// A typedef: `typedef target name`.
    Typedef { name: &'a str, target: TypeId },
    /// The modifier in `volatile target`.
    Volatile(TypeId),
    /// The modifier in `const target`.
    Const(TypeId),
    /// The modifier in `restrict target`.
    Restrict(TypeId),
    /// A tag such as `user` on a type (since 5.17).
    TypeTag { name: &'a str, target: TypeId },
    /// A function with a prototype.
    Func { name: &'a str, proto: TypeId, linkage: Linkage },
    /// The type of a function.
    FuncProto { ret: TypeId, params: &'a [Param<'a>] },
    /// A variable with its type.
    Var { name: &'a str, ty: TypeId, linkage: Linkage },
    /// The variables of an ELF section, by ascending offset.
    Datasec { name: &'a str, bytes: u32, vars: &'a [SectionVar] },
    /// A floating-point type (since 5.13).
    Float { name: &'a str, bytes: u32 },
}

/// The visibility of a function or a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Visible within its object only.
    Static = 0,
    /// Visible everywhere. The verifier checks a global function separately, for arbitrary arguments.
    Global = 1,
    /// Defined elsewhere, such as in the kernel.
    Extern = 2,
}

/// The place of a variable in a [`Def::Datasec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionVar {
    /// A [`Def::Var`], or a [`Def::Func`] in a section of extern functions.
    pub ty: TypeId,
    /// Offset in bytes from the start of the section.
    pub offset: u32,
    /// Size of the variable in bytes.
    pub bytes: u32,
}

/// BTF under construction: types and strings.
#[derive(Clone, Debug)]
pub struct Builder {
    /// The record of type `i + 1`; empty if it is only reserved.
    records: Vec<Vec<u8>>,
    /// The string section so far.
    strings: Vec<u8>,
    /// Offset in `strings` of each name.
    offsets: HashMap<String, u32>,
    /// Ids of the records added by [`Builder::intern`].
    interned: HashMap<Vec<u8>, TypeId>,
}

impl Builder {
    /// Creates BTF without types other than void.
    #[must_use]
    pub fn new() -> Builder {
        Builder { records: Vec::new(), strings: vec![0], offsets: HashMap::new(), interned: HashMap::new() }
    }

    /// Returns the offset of a string and adds the string if it is new. `.BTF.ext` refers to strings by these
    /// offsets.
    ///
    /// # Panics
    /// If the string contains a NUL, which no BTF name can.
    pub fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(offset) = self.offsets.get(text) {
            return *offset;
        }
        assert!(!text.contains('\0'), "a BTF string ends at its first NUL");
        let offset = u32_len(self.strings.len());
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        self.offsets.insert(text.to_owned(), offset);
        offset
    }

    /// Adds a type and returns its id.
    pub fn add(&mut self, def: Def<'_>) -> TypeId {
        let record = self.record(def);
        self.push(record)
    }

    /// Adds a type unless an identical one was interned before. Only for types whose identity does not matter.
    pub fn intern(&mut self, def: Def<'_>) -> TypeId {
        let record = self.record(def);
        if let Some(id) = self.interned.get(&record) {
            return *id;
        }
        let id = self.push(record.clone());
        self.interned.insert(record, id);
        id
    }

    /// Reserves an id, to refer to a type before its definition.
    pub fn reserve(&mut self) -> TypeId {
        self.push(Vec::new())
    }

    /// Defines a type whose id was reserved.
    ///
    /// # Panics
    /// If the id is not reserved or is already defined.
    pub fn define(&mut self, id: TypeId, def: Def<'_>) {
        let record = self.record(def);
        let slot = (id.0 as usize).checked_sub(1).and_then(|index| self.records.get_mut(index));
        let slot = slot.expect("an id comes from `reserve` of this builder");
        assert!(slot.is_empty(), "a reserved type is defined once");
        *slot = record;
    }

    /// An integer type by its C name, such as `int`; added once.
    pub fn int(&mut self, name: &str, bytes: u32, signed: bool) -> TypeId {
        self.intern(Def::Int { name, bytes, signed, boolean: false })
    }

    /// A pointer type; added once per target.
    pub fn ptr(&mut self, target: TypeId) -> TypeId {
        self.intern(Def::Ptr(target))
    }

    /// An array type indexed by `__ARRAY_SIZE_TYPE__`, as clang emits it.
    pub fn array(&mut self, element: TypeId, count: u32) -> TypeId {
        let index = self.int("__ARRAY_SIZE_TYPE__", 4, false);
        self.intern(Def::Array { element, index, count })
    }

    /// Returns the finished blob.
    ///
    /// # Panics
    /// If a reserved id was never defined.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let type_bytes: usize = self.records.iter().map(Vec::len).sum();
        let mut out = Vec::with_capacity(24 + type_bytes + self.strings.len());
        out.extend_from_slice(&[0x9f, 0xeb, 1, 0]);
        words(&mut out, &[24, 0, u32_len(type_bytes), u32_len(type_bytes), u32_len(self.strings.len())]);
        for (index, record) in self.records.iter().enumerate() {
            assert!(!record.is_empty(), "type {} was reserved and never defined", index + 1);
            out.extend_from_slice(record);
        }
        out.extend_from_slice(&self.strings);
        out
    }

    fn push(&mut self, record: Vec<u8>) -> TypeId {
        self.records.push(record);
        TypeId(u32_len(self.records.len()))
    }

    fn record(&mut self, def: Def<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match def {
            Def::Int { name, bytes, signed, boolean } => {
                self.head(&mut out, name, Kind::Int, false, 0, bytes);
                let encoding = u32::from(signed) | (u32::from(boolean) << 2);
                words(&mut out, &[(encoding << 24) | (bytes * 8)]);
            }
            Def::Ptr(target) => self.head(&mut out, "", Kind::Ptr, false, 0, target.0),
            Def::Array { element, index, count } => {
                self.head(&mut out, "", Kind::Array, false, 0, 0);
                words(&mut out, &[element.0, index.0, count]);
            }
            Def::Struct { name, bytes, members } => self.composite(&mut out, Kind::Struct, name, bytes, members),
            Def::Union { name, bytes, members } => self.composite(&mut out, Kind::Union, name, bytes, members),
            Def::Enum { name, bytes, signed, values } => {
                self.head(&mut out, name, Kind::Enum, signed, values.len(), bytes);
                for (name, value) in values {
                    let name = self.string(name);
                    words(&mut out, &[name, low(*value)]);
                }
            }
            Def::Enum64 { name, bytes, signed, values } => {
                self.head(&mut out, name, Kind::Enum64, signed, values.len(), bytes);
                for (name, value) in values {
                    let name = self.string(name);
                    words(&mut out, &[name, low(*value), low(*value >> 32)]);
                }
            }
            Def::Fwd { name, union } => self.head(&mut out, name, Kind::Fwd, union, 0, 0),
            Def::Typedef { name, target } => self.head(&mut out, name, Kind::Typedef, false, 0, target.0),
            Def::Volatile(target) => self.head(&mut out, "", Kind::Volatile, false, 0, target.0),
            Def::Const(target) => self.head(&mut out, "", Kind::Const, false, 0, target.0),
            Def::Restrict(target) => self.head(&mut out, "", Kind::Restrict, false, 0, target.0),
            Def::TypeTag { name, target } => self.head(&mut out, name, Kind::TypeTag, false, 0, target.0),
            // A function has its linkage where other records have the length of their list.
            Def::Func { name, proto, linkage } => {
                self.head(&mut out, name, Kind::Func, false, linkage as usize, proto.0);
            }
            Def::FuncProto { ret, params } => {
                self.head(&mut out, "", Kind::FuncProto, false, params.len(), ret.0);
                for param in params {
                    let name = self.string(param.name);
                    words(&mut out, &[name, param.ty.0]);
                }
            }
            Def::Var { name, ty, linkage } => {
                self.head(&mut out, name, Kind::Var, false, 0, ty.0);
                words(&mut out, &[linkage as u32]);
            }
            Def::Datasec { name, bytes, vars } => {
                self.head(&mut out, name, Kind::Datasec, false, vars.len(), bytes);
                for var in vars {
                    words(&mut out, &[var.ty.0, var.offset, var.bytes]);
                }
            }
            Def::Float { name, bytes } => self.head(&mut out, name, Kind::Float, false, 0, bytes),
        }
        out
    }

    fn composite(&mut self, out: &mut Vec<u8>, kind: Kind, name: &str, bytes: u32, members: &[Member<'_>]) {
        // A single bitfield changes the encoding of all member offsets.
        let bitfields = members.iter().any(|member| member.bitfield_bits != 0);
        self.head(out, name, kind, bitfields, members.len(), bytes);
        for member in members {
            let name = self.string(member.name);
            let offset = if bitfields { (member.bitfield_bits << 24) | member.bit_offset } else { member.bit_offset };
            words(out, &[name, member.ty.0, offset]);
        }
    }

    fn head(&mut self, out: &mut Vec<u8>, name: &str, kind: Kind, flag: bool, count: usize, size_or_type: u32) {
        assert!(count <= usize::from(u16::MAX), "a BTF list holds at most 65535 items");
        let name = self.string(name);
        words(out, &[name, (u32::from(flag) << 31) | ((kind as u32) << 24) | u32_len(count), size_or_type]);
    }
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// The low 32 bits of a value of either sign.
fn low(value: i64) -> u32 {
    u32::try_from(value & 0xffff_ffff).expect("masked to 32 bits")
}

/// Converts a length; BTF lengths and offsets have 32 bits.
fn u32_len(length: usize) -> u32 {
    u32::try_from(length).expect("BTF is smaller than 4 GiB")
}
