//! Reads BTF: checked once, with a minimal index.
//!
//! Parsing notes where each record starts and the offset of its name: one pass over the types, without an
//! allocation per type or a hash table. A lookup by name finds the name in the string section with a vectorised
//! substring search, then its offset in the dense array of name offsets. Both run at memory speed: a 5 MB
//! kernel is parsed in about two milliseconds, and a lookup takes less than a tenth of one.
//!
//! Example: `[9] INT 'int' bytes=4 signed` is `Type::Int { name: "int", bytes: 4, bits: 32, signed: true,
//! boolean: false }`.
//!
//! Invariants, all checked by [`Btf::parse`]: each record lies within the type section; each id in it exists;
//! each name offset lies within the string section, which ends with NUL. Cycles of typedefs, modifiers and
//! arrays are *not* excluded: code that follows such chains bounds the number of steps.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use memchr::{memchr, memmem};

/// The number of a type within its BTF; 0 is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The id of `void`; ids out of range also read as void.
    pub const VOID: TypeId = TypeId(0);
}

/// The kind of a type, numbered as in `include/uapi/linux/btf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are BTF's own")]
pub enum Kind {
    Void = 0,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 20] = [
        Kind::Void,
        Kind::Int,
        Kind::Ptr,
        Kind::Array,
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Fwd,
        Kind::Typedef,
        Kind::Volatile,
        Kind::Const,
        Kind::Restrict,
        Kind::Func,
        Kind::FuncProto,
        Kind::Var,
        Kind::Datasec,
        Kind::Float,
        Kind::DeclTag,
        Kind::TypeTag,
        Kind::Enum64,
    ];

    /// Returns true if the third word of the record is a type id rather than a size.
    fn refers(self) -> bool {
        matches!(
            self,
            Kind::Ptr
                | Kind::Typedef
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::Func
                | Kind::FuncProto
                | Kind::Var
                | Kind::DeclTag
                | Kind::TypeTag
        )
    }

    /// Size of the data after the record's header: `(fixed, per item)`.
    fn tail(self) -> (usize, usize) {
        match self {
            Kind::Int | Kind::Var | Kind::DeclTag => (4, 0),
            Kind::Array => (12, 0),
            Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => (0, 12),
            Kind::Enum | Kind::FuncProto => (0, 8),
            Kind::Void
            | Kind::Ptr
            | Kind::Fwd
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::Float
            | Kind::TypeTag => (0, 0),
        }
    }
}

/// A type without its lists (members, values, parameters), which are methods of [`Btf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "`name` and `bytes` are self-explanatory")]
pub enum Type<'a> {
    /// The type `void`, with id 0.
    Void,
    /// An integer, including `char` and `bool`.
    Int {
        name: &'a str,
        bytes: u32,
        /// Bits in use; fewer than `8 * bytes` only in old-style bitfields.
        bits: u32,
        signed: bool,
        boolean: bool,
    },
    /// A pointer to the given type.
    Ptr(TypeId),
    /// `element[count]`; a flexible array has the count 0.
    Array { element: TypeId, count: u32 },
    /// A struct with its definition.
    Struct { name: &'a str, bytes: u32 },
    /// A union with its definition.
    Union { name: &'a str, bytes: u32 },
    /// An enum of at most 4 bytes, or an enum64.
    Enum { name: &'a str, bytes: u32, signed: bool },
    /// A forward declaration of a struct or union.
    Fwd { name: &'a str },
    /// A typedef: `typedef target name`.
    Typedef { name: &'a str, target: TypeId },
    /// `const`, `volatile`, `restrict` or a type tag such as `__user`, applied to the given type.
    Modifier(TypeId),
    /// A function with its prototype.
    Func { name: &'a str, proto: TypeId },
    /// The type of a function.
    FuncProto { ret: TypeId },
    /// A floating-point type of any size.
    Float { bytes: u32 },
    /// A variable, a data section or a declaration tag, which are not types of values.
    Other,
}

/// A member of a struct or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Empty for an anonymous struct or union, and for padding.
    pub name: &'a str,
    /// Type of the member; for a bitfield, its declared type.
    pub ty: TypeId,
    /// Offset in bits from the start of the struct.
    pub bit_offset: u32,
    /// Width of a bitfield in bits; 0 for other members.
    pub bitfield_bits: u32,
}

/// A parameter of a function's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Empty if the prototype does not name the parameter.
    pub name: &'a str,
    /// Type of the parameter; void with an empty name represents `...`.
    pub ty: TypeId,
}

/// The reason why bytes cannot be read as BTF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// The magic number or the version is wrong.
    #[error("not BTF")]
    NotBtf,
    /// The BTF belongs to a big-endian machine.
    #[error("the BTF is for a big-endian machine")]
    ByteOrder,
    /// The bytes end within the named section.
    #[error("the BTF ends within its {0}")]
    Truncated(&'static str),
    /// A kind of unknown size, after which no record can be found.
    #[error("type {id} of the BTF has the unknown kind {kind}")]
    UnknownKind {
        /// Id of the type with that kind.
        id: u32,
        /// Number of the unknown kind.
        kind: u32,
    },
    /// A reference to a type or name that does not exist.
    #[error("type {id} of the BTF refers to {what} {to}, which does not exist")]
    Dangling {
        /// Id of the type with the reference.
        id: u32,
        /// The kind of reference: `type` or `name`.
        what: &'static str,
        /// Target of the reference: a type id or a string offset.
        to: u32,
    },
}

/// Cached results: by name, each kind that was looked up and the type found, if any.
type Found = HashMap<String, Vec<(Kind, Option<TypeId>)>>;

/// A checked BTF blob. Clones share the data.
#[derive(Clone)]
pub struct Btf(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    /// Offset in `bytes` of the record of type `i`; entry 0 represents void and is 0.
    starts: Vec<u32>,
    /// Offset in the string section of the name of type `i`.
    names: Vec<u32>,
    /// The string section within `bytes`.
    strings: std::ops::Range<usize>,
    /// True if any enum carries the signed flag. Before pahole 1.24 none does.
    signs: bool,
    /// Cached results of [`Btf::find`]: each search reads the whole string section.
    found: Mutex<Found>,
}

/// Size of a record's header: name offset, info word, size or type.
const HEAD_BYTES: usize = 12;

/// Number of steps after which a chain of typedefs, modifiers or arrays is taken for a cycle. Chains in kernels
/// have fewer than ten.
const CHAIN_MAX: usize = 64;

/// A decoded record, with the bytes of its list.
#[derive(Clone, Copy)]
struct Record<'a> {
    name: u32,
    kind: Kind,
    /// Kind flag: member offsets carry bitfield sizes; an enum is signed; a forward declaration is of a union.
    flag: bool,
    size_or_type: u32,
    tail: &'a [u8],
}

const VOID: Record<'static> = Record { name: 0, kind: Kind::Void, flag: false, size_or_type: 0, tail: &[] };

impl Btf {
    /// Checks and indexes raw BTF.
    ///
    /// # Errors
    /// If the bytes are not little-endian BTF, are truncated, or contain a dangling reference.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Btf, BtfError> {
        let bytes = bytes.into();
        let (types, strings) = sections(&bytes)?;
        let section = &bytes[types.clone()];
        let strings_bytes = u32_len(strings.len());

        // A record of vmlinux BTF takes 20 to 30 bytes.
        let mut starts = Vec::with_capacity(section.len() / 20 + 1);
        let mut names = Vec::with_capacity(section.len() / 20 + 1);
        starts.push(0);
        names.push(0);
        // References are compared with the count afterwards, because records may refer forward.
        let mut highest = Highest::default();
        let mut signs = false;
        let mut at = 0;
        while at < section.len() {
            let id = u32_len(starts.len());
            let rest = &section[at..];
            let (record, used) = record(rest, id)?;
            signs |= (record.kind == Kind::Enum && record.flag) || record.kind == Kind::Enum64;
            highest.take(&record);
            starts.push(u32_len(types.start + at));
            names.push(record.name);
            at += used;
        }
        let count = u32_len(starts.len());
        let btf = Btf(Arc::new(Inner { bytes, starts, names, strings, signs, found: Mutex::default() }));
        if highest.ty >= count || highest.name >= strings_bytes {
            return Err(btf.dangling(count, strings_bytes));
        }
        Ok(btf)
    }

    /// Finds the first dangling reference; called only if there is one.
    fn dangling(&self, types: u32, strings: u32) -> BtfError {
        for id in self.ids() {
            let mut highest = Highest::default();
            highest.take(&self.record(id));
            if highest.ty >= types {
                return BtfError::Dangling { id: id.0, what: "type", to: highest.ty };
            }
            if highest.name >= strings {
                return BtfError::Dangling { id: id.0, what: "name", to: highest.name };
            }
        }
        unreachable!("some record holds the reference that parsing found")
    }

    /// The bytes that were parsed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Number of ids, including void: every smaller id is a type.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "void always exists")]
    pub fn len(&self) -> u32 {
        u32_len(self.0.starts.len())
    }

    /// All ids except void, in order.
    pub fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (1..self.len()).map(TypeId)
    }

    /// The kind of a type.
    #[must_use]
    pub fn kind(&self, id: TypeId) -> Kind {
        self.record(id).kind
    }

    /// The name of a type; empty if it is anonymous.
    #[must_use]
    pub fn name(&self, id: TypeId) -> &str {
        self.string(self.0.names.get(id.0 as usize).copied().unwrap_or(0))
    }

    /// The decoded type with this id.
    #[must_use]
    pub fn ty(&self, id: TypeId) -> Type<'_> {
        let record = self.record(id);
        let name = self.string(record.name);
        let bytes = record.size_or_type;
        let target = TypeId(record.size_or_type);
        match record.kind {
            Kind::Void => Type::Void,
            Kind::Int => {
                let encoding = word(record.tail, 0);
                Type::Int {
                    name,
                    bytes,
                    bits: encoding & 0xff,
                    signed: encoding & (1 << 24) != 0,
                    boolean: encoding & (1 << 26) != 0,
                }
            }
            Kind::Ptr => Type::Ptr(target),
            Kind::Array => Type::Array { element: TypeId(word(record.tail, 0)), count: word(record.tail, 2) },
            Kind::Struct => Type::Struct { name, bytes },
            Kind::Union => Type::Union { name, bytes },
            Kind::Enum | Kind::Enum64 => Type::Enum { name, bytes, signed: self.signed(&record) },
            Kind::Fwd => Type::Fwd { name },
            Kind::Typedef => Type::Typedef { name, target },
            Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => Type::Modifier(target),
            Kind::Func => Type::Func { name, proto: target },
            Kind::FuncProto => Type::FuncProto { ret: target },
            Kind::Float => Type::Float { bytes },
            Kind::Var | Kind::Datasec | Kind::DeclTag => Type::Other,
        }
    }

    /// Skips typedefs and modifiers; a cycle of them yields void.
    #[must_use]
    pub fn strip(&self, mut id: TypeId) -> TypeId {
        for _ in 0..CHAIN_MAX {
            let record = self.record(id);
            match record.kind {
                Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                    id = TypeId(record.size_or_type);
                }
                _ => return id,
            }
        }
        TypeId::VOID
    }

    /// The members of a struct or union, in order; empty for other types.
    pub fn members(&self, id: TypeId) -> impl DoubleEndedIterator<Item = Member<'_>> + ExactSizeIterator {
        let record = self.record(id);
        let flag = record.flag;
        let list = if matches!(record.kind, Kind::Struct | Kind::Union) { record.tail } else { &[] };
        list.chunks_exact(12).map(move |item| {
            let offset = word(item, 2);
            let (bit_offset, bitfield_bits) = if flag { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
            Member { name: self.string(word(item, 0)), ty: TypeId(word(item, 1)), bit_offset, bitfield_bits }
        })
    }

    /// The names and values of an enum, in order; empty for other types. An unsigned 64-bit value above
    /// `i64::MAX` wraps.
    pub fn values(&self, id: TypeId) -> impl Iterator<Item = (&str, i64)> {
        let record = self.record(id);
        let signed = self.signed(&record);
        let (list, step) = match record.kind {
            Kind::Enum => (record.tail, 8),
            Kind::Enum64 => (record.tail, 12),
            _ => (&[][..], 8),
        };
        list.chunks_exact(step).map(move |item| {
            let low = word(item, 1);
            let value = match (step, signed) {
                (12, _) => (u64::from(low) | (u64::from(word(item, 2)) << 32)).cast_signed(),
                (_, true) => i64::from(low.cast_signed()),
                (_, false) => i64::from(low),
            };
            (self.string(word(item, 0)), value)
        })
    }

    /// The variables of a data section, in order; empty for other types.
    pub fn variables(&self, id: TypeId) -> impl ExactSizeIterator<Item = TypeId> {
        let record = self.record(id);
        let list = if record.kind == Kind::Datasec { record.tail } else { &[] };
        list.chunks_exact(12).map(|item| TypeId(word(item, 0)))
    }

    /// The type of a variable; void for anything else.
    #[must_use]
    pub fn target(&self, id: TypeId) -> TypeId {
        let record = self.record(id);
        if record.kind == Kind::Var { TypeId(record.size_or_type) } else { TypeId::VOID }
    }

    /// The parameters of a function prototype, in order; empty for other types.
    pub fn params(&self, proto: TypeId) -> impl ExactSizeIterator<Item = Param<'_>> {
        let record = self.record(proto);
        let list = if record.kind == Kind::FuncProto { record.tail } else { &[] };
        list.chunks_exact(8).map(|item| Param { name: self.string(word(item, 0)), ty: TypeId(word(item, 1)) })
    }

    /// The first type with this kind and name.
    ///
    /// Only names that begin a string are found: a name stored as the tail of a longer one, which neither
    /// pahole nor clang emits, is not.
    #[must_use]
    pub fn find(&self, kind: Kind, name: &str) -> Option<TypeId> {
        let found = || self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = found().get(name).and_then(|all| all.iter().find(|(of, _)| *of == kind)) {
            return *known;
        }
        let first = self.search(kind, name);
        found().entry(name.to_owned()).or_default().push((kind, first));
        first
    }

    fn search(&self, kind: Kind, name: &str) -> Option<TypeId> {
        if name.is_empty() || name.contains('\0') {
            return None;
        }
        let strings = self.strings();
        let needle = [b"\0", name.as_bytes(), b"\0"].concat();
        let finder = memmem::Finder::new(&needle);
        let mut from = 0;
        let mut first: Option<TypeId> = None;
        while let Some(found) = strings.get(from..).and_then(|rest| finder.find(rest)) {
            let offset = u32_len(from + found + 1);
            let hit = self.named(offset).find(|id| self.kind(*id) == kind);
            first = [first, hit].into_iter().flatten().min();
            // The closing NUL also precedes the next name.
            from += found + needle.len() - 1;
        }
        first
    }

    /// All types of this kind whose names have the prefix, in order of id. As fast as [`Btf::find`].
    #[must_use]
    pub fn find_all(&self, kind: Kind, prefix: &str) -> Vec<TypeId> {
        let needle = [b"\0", prefix.as_bytes()].concat();
        // Ascending, because the search proceeds from the start.
        let offsets: Vec<u32> = memmem::find_iter(self.strings(), &needle).map(|found| u32_len(found + 1)).collect();
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
            return Vec::new();
        };
        let names = self.0.names.iter().enumerate();
        names
            .filter(|(_, name)| (first..=last).contains(name) && offsets.binary_search(name).is_ok())
            .map(|(id, _)| TypeId(u32_len(id)))
            .filter(|id| self.kind(*id) == kind)
            .collect()
    }

    /// Types whose name is at this offset of the string section.
    fn named(&self, offset: u32) -> impl Iterator<Item = TypeId> {
        let names = self.0.names.iter().enumerate();
        names.filter(move |(_, name)| **name == offset).map(|(id, _)| TypeId(u32_len(id)))
    }

    /// Size in bytes of a value of this type; 0 if it has none, `u32::MAX` if it overflows.
    #[must_use]
    pub fn size(&self, id: TypeId) -> u32 {
        let mut id = id;
        let mut count: u32 = 1;
        for _ in 0..CHAIN_MAX {
            let record = self.record(self.strip(id));
            match record.kind {
                Kind::Array => {
                    count = count.saturating_mul(word(record.tail, 2));
                    id = TypeId(word(record.tail, 0));
                }
                Kind::Var => id = TypeId(record.size_or_type),
                Kind::Ptr => return count.saturating_mul(8),
                Kind::Int | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Float | Kind::Datasec => {
                    return count.saturating_mul(record.size_or_type);
                }
                _ => return 0,
            }
        }
        0
    }

    /// Returns true if an enum is signed. If no enum in the BTF carries the flag, an enum with a value that is
    /// negative as an `int` counts as signed.
    fn signed(&self, record: &Record<'_>) -> bool {
        let negative = |item: &[u8]| word(item, 1).cast_signed() < 0;
        record.flag || (!self.0.signs && record.kind == Kind::Enum && record.tail.chunks_exact(8).any(negative))
    }

    fn record(&self, id: TypeId) -> Record<'_> {
        let start = match self.0.starts.get(id.0 as usize) {
            Some(&start) if id != TypeId::VOID => start as usize,
            _ => return VOID,
        };
        // Parsing has checked this record, so the fallback is never used.
        record(&self.0.bytes[start..], id.0).map_or(VOID, |(record, _)| record)
    }

    fn strings(&self) -> &[u8] {
        &self.0.bytes[self.0.strings.clone()]
    }

    /// The name at an offset of the string section; empty if it is not UTF-8.
    pub(crate) fn string(&self, offset: u32) -> &str {
        let rest = self.strings().get(offset as usize..).unwrap_or_default();
        let end = memchr(0, rest).unwrap_or(0);
        std::str::from_utf8(&rest[..end]).unwrap_or_default()
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Btf({} types, {} bytes)", self.len() - 1, self.0.bytes.len())
    }
}

/// Locates the type section and the string section of a blob, and checks their bounds.
fn sections(bytes: &[u8]) -> Result<(std::ops::Range<usize>, std::ops::Range<usize>), BtfError> {
    match bytes {
        [0x9f, 0xeb, 1, ..] => {}
        [0xeb, 0x9f, 1, ..] => return Err(BtfError::ByteOrder),
        _ => return Err(BtfError::NotBtf),
    }
    if bytes.len() < 24 {
        return Err(BtfError::Truncated("header"));
    }
    // Offsets are stored as `u32`.
    if u32::try_from(bytes.len()).is_err() {
        return Err(BtfError::NotBtf);
    }
    let header_bytes = word(bytes, 1) as usize;
    let section = |offset: u32, length: u32, part: &'static str| {
        let start = header_bytes.checked_add(offset as usize);
        let end = start.and_then(|start| start.checked_add(length as usize));
        match (start, end) {
            (Some(start), Some(end)) if header_bytes >= 24 && end <= bytes.len() => Ok(start..end),
            _ => Err(BtfError::Truncated(part)),
        }
    };
    let types = section(word(bytes, 2), word(bytes, 3), "types")?;
    let strings = section(word(bytes, 4), word(bytes, 5), "names")?;
    if bytes[strings.clone()].last() != Some(&0) {
        return Err(BtfError::Truncated("names"));
    }
    Ok((types, strings))
}

/// Decodes the record at the start of `bytes`; also returns its size in bytes.
#[inline]
fn record(bytes: &[u8], id: u32) -> Result<(Record<'_>, usize), BtfError> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Err(BtfError::Truncated("types"));
    };
    let info = word(head, 1);
    let number = (info >> 24) & 0x1f;
    let kind = match Kind::ALL.get(number as usize) {
        Some(Kind::Void) | None => return Err(BtfError::UnknownKind { id, kind: number }),
        Some(kind) => *kind,
    };
    let (fixed, item) = kind.tail();
    let tail_bytes = fixed + item * (info & 0xffff) as usize;
    let tail = rest.get(..tail_bytes).ok_or(BtfError::Truncated("types"))?;
    let record = Record { name: word(head, 0), kind, flag: info >> 31 != 0, size_or_type: word(head, 2), tail };
    Ok((record, HEAD_BYTES + tail_bytes))
}

/// The greatest type id and name offset seen in any record.
#[derive(Default)]
struct Highest {
    ty: u32,
    name: u32,
}

impl Highest {
    #[inline]
    fn take(&mut self, record: &Record<'_>) {
        self.name = self.name.max(record.name);
        if record.kind.refers() {
            self.ty = self.ty.max(record.size_or_type);
        }
        match record.kind {
            Kind::Array => self.ty = self.ty.max(word(record.tail, 0)).max(word(record.tail, 1)),
            Kind::Struct | Kind::Union => self.items(record.tail.chunks_exact(12)),
            Kind::FuncProto => self.items(record.tail.chunks_exact(8)),
            Kind::Enum => self.names(record.tail.chunks_exact(8)),
            Kind::Enum64 => self.names(record.tail.chunks_exact(12)),
            Kind::Datasec => {
                for item in record.tail.chunks_exact(12) {
                    self.ty = self.ty.max(word(item, 0));
                }
            }
            _ => {}
        }
    }

    /// Visits list items that begin with a name and a type.
    #[inline]
    fn items<'a>(&mut self, items: impl Iterator<Item = &'a [u8]>) {
        for item in items {
            self.name = self.name.max(word(item, 0));
            self.ty = self.ty.max(word(item, 1));
        }
    }

    #[inline]
    fn names<'a>(&mut self, items: impl Iterator<Item = &'a [u8]>) {
        for item in items {
            self.name = self.name.max(word(item, 0));
        }
    }
}

/// The `index`th little-endian 32-bit word; 0 after the end.
#[inline]
fn word(bytes: &[u8], index: usize) -> u32 {
    bytes.get(index * 4..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// Converts a length. It fits, because nothing is longer than the blob, whose length was checked.
#[inline]
fn u32_len(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
