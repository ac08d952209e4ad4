//! Access modes: fields that an ordinary load cannot read on every known kernel.
//!
//! A verifier does not know which field a load means. It sees an offset from a pointer to a struct and takes
//! the first member that covers it, which for a union is the first one:
//!
//! ```text
//! struct sk_buff { union { struct sock *sk; int ip_defrag_offset; }; ... }
//!     a 4-byte load of ip_defrag_offset is refused: it reads a part of the pointer `sk`
//! struct inode { union { struct pipe_inode_info *i_pipe; struct cdev *i_cdev; }; ... }
//!     a load of i_cdev yields a pointer to struct pipe_inode_info
//! ```
//!
//! The first program is rejected, the second loads but follows the pointer as the wrong type. Both fields are
//! read with `bpf_probe_read_kernel` instead, for which an address is a scalar. One known kernel whose
//! verifier confuses the fields is enough, since the same program runs on all of them.
//!
//! Widths are the second reason. CO-RE adjusts the width of a load of an unsigned integer, but not the size
//! argument of a copy, so that size is relocated. CO-RE does not adjust the width of the load that contains a
//! bitfield either: where known kernels differ in it, the bitfield is copied. It is also copied where the
//! containing word overlaps an ordinary field, since verifiers refuse such a load. The loader checks that a
//! kernel unknown to the compiler has the same words ([`words`]).
//!
//! [`walk`] follows `btf_struct_walk` in `kernel/bpf/btf.c` of 5.10. Later kernels accept everything that it
//! accepts.
//!
//! Absent: fields that code generation reads on its own account. None of them is affected; the kernel matrix
//! loads them all.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::kernels::{self, Need};
use super::{Access, Policy, RuleId, Shape, Step, place};
use crate::btf::{self, Btf, Kind, Type, TypeId};
use crate::kernel::{self, Kernel};

/// Restrictions on reading a field. The default is an ordinary load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessMode {
    /// Some verifier takes the field for another one.
    pub aliasing: Option<Aliasing>,
    /// The width differs between kernels.
    pub uneven: bool,
}

/// The consequence of a verifier taking a field for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aliasing {
    /// The load is accepted but its result must be treated as a scalar: the verifier assigns it another type.
    Number,
    /// The load is refused.
    Refused,
}

/// Finds the fields of a policy that need another access mode than the default, on any known kernel or on the
/// one that the policy was checked against.
#[must_use]
pub fn find(policy: &Policy, checked: &Kernel) -> BTreeMap<Access, AccessMode> {
    let all = || kernel::embedded().iter().chain([checked]);
    let mode = |access: &Access| {
        let fields = all().filter_map(|kernel| Some((&kernel.btf, Field::locate(&kernel.btf, access)?)));
        let fields: Vec<(&Btf, Field)> = fields.collect();
        let widths: BTreeSet<u32> = fields.iter().filter_map(|(btf, field)| width(btf, field)).collect();
        let aliasing = fields.iter().filter_map(|(btf, field)| aliasing(btf, field)).max();
        let uneven = widths.len() > 1;
        let bits = word(access).is_some();
        AccessMode { aliasing: if bits && uneven { Some(Aliasing::Refused) } else { aliasing }, uneven }
    };
    let modes = accesses(policy).into_iter().map(|(access, _)| (access.clone(), mode(access)));
    modes.filter(|(_, mode)| *mode != AccessMode::default()).collect()
}

/// Returns the bitfields that are read by a load whose width is fixed at compile time, each with that width
/// in bytes and a rule that reads it.
pub fn words(policy: &Policy) -> impl Iterator<Item = (&Access, u32, RuleId)> {
    let copied = |access| policy.access_modes.get(access).is_some_and(|mode| mode.uneven);
    let fields = accesses(policy).into_iter().filter(move |(access, _)| !copied(access));
    fields.filter_map(|(access, rule)| Some((access, word(access)?, rule)))
}

/// Returns the bytes of the declared type of a bitfield on the checked kernel; `None` for other fields.
fn word(access: &Access) -> Option<u32> {
    match access.steps.last()? {
        Step::Field { shape: Shape::Bits { bytes, .. }, .. } => Some(*bytes),
        _ => None,
    }
}

/// Returns the fields that rules read, each with the first rule that does.
fn accesses(policy: &Policy) -> Vec<(&Access, RuleId)> {
    let (mut found, mut needs, mut of_rule) = (Vec::new(), Vec::new(), Vec::new());
    let mut known = HashSet::new();
    for rule in 0..policy.rules.len() {
        kernels::needs(policy, rule, &mut needs);
        for (need, _) in needs.drain(..) {
            match need {
                Need::Field(access) => of_rule.push(access),
                Need::AnyOf(values) => values.iter().for_each(|value| value.accesses(&mut of_rule)),
                _ => {}
            }
        }
        let new = of_rule.drain(..).filter(|access| known.insert(*access));
        found.extend(new.map(|access| (access, RuleId(rule as u32))));
    }
    found
}

/// Returns the bytes of an integer on one kernel, or of the word that contains a bitfield.
fn width(btf: &Btf, field: &Field) -> Option<u32> {
    if field.bits > 0 {
        return Some(field.word(btf).1);
    }
    match btf.ty(btf.strip(field.ty)) {
        Type::Int { bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// Returns the consequence on one kernel, or `None` if its verifier identifies the field correctly.
fn aliasing(btf: &Btf, field: &Field) -> Option<Aliasing> {
    let target = match btf.ty(btf.strip(field.ty)) {
        Type::Ptr(target) => place::definition(btf, target),
        _ => None,
    };
    for (offset, bytes) in field.loads(btf) {
        match (walk(btf, field.root, offset, bytes), target) {
            (None, _) => return Some(Aliasing::Refused),
            (Some(Found::Pointer(to)), Some(target)) if to == target => {}
            // The field is a pointer to a struct and the verifier does not see one. (Pointers to other types
            // are never followed.)
            (Some(_), Some(_)) => return Some(Aliasing::Number),
            (Some(_), None) => {}
        }
    }
    None
}

/// The layout of a field on one kernel.
struct Field {
    /// The struct or union that the offset is relative to.
    root: TypeId,
    /// Offset from it in bits.
    bit: u32,
    /// Width of a bitfield in bits; 0 for other fields.
    bits: u32,
    /// Declared type in BTF.
    ty: TypeId,
}

impl Field {
    fn locate(btf: &Btf, access: &Access) -> Option<Field> {
        let root = btf.find(if access.is_struct { Kind::Struct } else { Kind::Union }, &access.root)?;
        let mut at = Field { root, bit: 0, bits: 0, ty: root };
        for step in &access.steps {
            match step {
                Step::Field { name, .. } => {
                    let found = btf::field(btf, at.ty, name)?;
                    let bit = at.bit.checked_add(found.bit_offset)?;
                    at = Field { root, bit, bits: found.bitfield_bits, ty: found.ty };
                }
                Step::Index(index) => {
                    let Type::Array { element, .. } = btf.ty(btf.strip(at.ty)) else { return None };
                    let bit = btf.size(element).checked_mul(8)?.checked_mul(*index)?;
                    at = Field { root, bit: at.bit.checked_add(bit)?, bits: 0, ty: element };
                }
            }
        }
        Some(at)
    }

    /// Returns offset and bytes of the smallest aligned word that contains a bitfield, computed as libbpf does.
    fn word(&self, btf: &Btf) -> (u32, u32) {
        let mut bytes = btf.size(self.ty).max(1);
        let start = |bytes| self.bit / 8 / bytes * bytes;
        while self.bit + self.bits - 8 * start(bytes) > 8 * bytes && bytes < 8 {
            bytes *= 2;
        }
        (start(bytes), bytes)
    }

    /// Returns offset and bytes of every load that code generation may emit for the field.
    fn loads(&self, btf: &Btf) -> Vec<(u32, u32)> {
        let bytes = btf.size(self.ty);
        if self.bits > 0 {
            return vec![self.word(btf)];
        }
        let start = self.bit / 8;
        match btf.ty(btf.strip(self.ty)) {
            // Strings are compared word by word, and their tails by smaller loads.
            Type::Array { .. } => {
                let each = |at| [8, 4, 2, 1].into_iter().filter(move |size| at % size == 0 && at + size <= bytes);
                (0..bytes).flat_map(|at| each(at).map(move |size| (start + at, size))).collect()
            }
            _ => vec![(start, bytes)],
        }
    }
}

/// The type that a verifier assigns to the result of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Scalar,
    /// A pointer to a struct or union.
    Pointer(TypeId),
}

/// Returns the type that a verifier assigns to `bytes` bytes at an offset of a struct; `None` if it refuses
/// the load.
fn walk(btf: &Btf, mut of: TypeId, mut offset: u32, bytes: u32) -> Option<Found> {
    // Bounds the nesting depth of structs.
    for _ in 0..64 {
        (of, offset) = match step(btf, btf.strip(of), offset, bytes)? {
            Next::Into(inner, offset) => (inner, offset),
            Next::Found(found) => return Some(found),
        };
    }
    None
}

enum Next {
    Found(Found),
    /// Continue in an embedded struct, at an offset in it.
    Into(TypeId, u32),
}

fn step(btf: &Btf, of: TypeId, offset: u32, bytes: u32) -> Option<Next> {
    let end = offset.checked_add(bytes)?;
    if end > btf.size(of) {
        // Beyond the end there may be elements of a flexible array member.
        let last = btf.members(of).next_back()?;
        let Type::Array { element, count: 0 } = btf.ty(btf.strip(last.ty)) else { return None };
        let within = offset.checked_sub(last.bit_offset / 8)?.checked_rem(btf.size(element))?;
        return composite(btf, element).then_some(Next::Into(element, within));
    }
    for member in btf.members(of) {
        let start = member.bit_offset / 8;
        if end <= start {
            break;
        }
        if member.bitfield_bits > 0 {
            // A bitfield counts only if the load covers all of it.
            if offset <= start && (member.bit_offset + member.bitfield_bits).div_ceil(8) <= end {
                return Some(Next::Found(Found::Scalar));
            }
            continue;
        }
        if offset < start {
            break;
        }
        let member_end = start.checked_add(btf.size(member.ty))?;
        if offset >= member_end {
            continue;
        }
        let mut ty = btf.strip(member.ty);
        while let Type::Array { element, .. } = btf.ty(ty) {
            ty = btf.strip(element);
        }
        let element = (offset - start) / btf.size(ty) * btf.size(ty);
        let within = offset - start - element;
        if composite(btf, ty) {
            return Some(Next::Into(ty, within));
        }
        if let Type::Ptr(target) = btf.ty(ty) {
            if bytes != btf.size(ty) || within != 0 {
                return None;
            }
            let target = btf.strip(target);
            if composite(btf, target) {
                return Some(Next::Found(Found::Pointer(target)));
            }
        }
        return (end <= member_end).then_some(Next::Found(Found::Scalar));
    }
    None
}

fn composite(btf: &Btf, ty: TypeId) -> bool {
    matches!(btf.kind(btf.strip(ty)), Kind::Struct | Kind::Union)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hir::Shape;

    fn read(kernel: &str, root: &str, fields: &[&str]) -> Option<Aliasing> {
        let kernel = kernel::embedded().iter().find(|known| known.name == kernel).unwrap();
        // The shape is irrelevant here.
        let steps = fields.iter().map(|name| Step::Field { name: (*name).to_owned(), shape: Shape::Pointer }).collect();
        let access = Access { is_struct: true, root: root.to_owned(), steps };
        aliasing(&kernel.btf, &Field::locate(&kernel.btf, &access)?)
    }

    #[test]
    fn the_first_member_of_a_union_counts() {
        assert_eq!(read("5.10", "sk_buff", &["ip_defrag_offset"]), Some(Aliasing::Refused));
        assert_eq!(read("5.10", "sk_buff", &["sk"]), None);
        assert_eq!(read("5.10", "inode", &["i_cdev"]), Some(Aliasing::Number));
        assert_eq!(read("5.10", "inode", &["i_pipe"]), None);
        // The union begins with an integer as wide as both addresses.
        assert_eq!(read("5.10", "sock", &["__sk_common", "skc_daddr"]), None);
    }

    /// ```text
    /// struct a { long v; long w; };
    /// struct b { struct a *x; int y; };
    /// struct s {
    ///     union { struct a *p; long n; int half; };      0
    ///     union { long m; struct a *q; };                8
    ///     int few:3; int more:29;                       16
    ///     char text[12];                                20
    ///     struct b inner;                               32
    ///     struct a tail[];                              48
    /// };
    /// ```
    fn sample() -> (Btf, TypeId, TypeId) {
        use crate::btf::{Builder, Def, Member};
        let mut builder = Builder::new();
        let (long, int, char) =
            (builder.int("long", 8, true), builder.int("int", 4, true), builder.int("char", 1, true));
        let member = |name, ty, bit_offset| Member { name, ty, bit_offset, bitfield_bits: 0 };
        let bits = |name, bit_offset, bitfield_bits| Member { name, ty: int, bit_offset, bitfield_bits };
        let a = [member("v", long, 0), member("w", long, 64)];
        let a = builder.add(Def::Struct { name: "a", bytes: 16, members: &a });
        let pointer = builder.ptr(a);
        let b = [member("x", pointer, 0), member("y", int, 64)];
        let b = builder.add(Def::Struct { name: "b", bytes: 16, members: &b });
        let first = [member("p", pointer, 0), member("n", long, 0), member("half", int, 0)];
        let first = builder.add(Def::Union { name: "", bytes: 8, members: &first });
        let second = [member("m", long, 0), member("q", pointer, 0)];
        let second = builder.add(Def::Union { name: "", bytes: 8, members: &second });
        let (text, tail) = (builder.array(char, 12), builder.array(a, 0));
        let members = [
            member("", first, 0),
            member("", second, 64),
            bits("few", 128, 3),
            bits("more", 131, 29),
            member("text", text, 160),
            member("inner", b, 256),
            member("tail", tail, 384),
        ];
        let s = builder.add(Def::Struct { name: "s", bytes: 48, members: &members });
        (Btf::parse(builder.finish()).unwrap(), s, a)
    }

    /// Types that `btf_struct_walk` finds at each offset of a small struct.
    #[test]
    fn what_a_verifier_finds() {
        let (btf, s, a) = sample();
        for (offset, bytes, found) in [
            (0, 8, Some(Found::Pointer(a))),
            // Part of a pointer, or a load that begins within one.
            (0, 4, None),
            (4, 4, None),
            (8, 8, Some(Found::Scalar)),
            (8, 4, Some(Found::Scalar)),
            (12, 4, Some(Found::Scalar)),
            (12, 8, None),
            // Bitfields must be covered completely.
            (16, 4, Some(Found::Scalar)),
            (16, 1, Some(Found::Scalar)),
            (17, 1, None),
            (20, 8, Some(Found::Scalar)),
            (31, 1, Some(Found::Scalar)),
            (28, 8, None),
            (32, 8, Some(Found::Pointer(a))),
            (40, 4, Some(Found::Scalar)),
            (44, 4, None),
            // Elements of the flexible array member.
            (48, 8, Some(Found::Scalar)),
            (72, 8, Some(Found::Scalar)),
            (60, 8, None),
            (46, 4, None),
        ] {
            assert_eq!(walk(&btf, s, offset, bytes), found, "{bytes} bytes at {offset}");
        }
    }

    #[test]
    fn fields_that_a_verifier_takes_for_others() {
        let (btf, ..) = sample();
        let read = |steps: &[&str]| {
            let step = |name: &&str| match name.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Field { name: (*name).to_owned(), shape: Shape::Pointer },
            };
            let access = Access { is_struct: true, root: "s".to_owned(), steps: steps.iter().map(step).collect() };
            aliasing(&btf, &Field::locate(&btf, &access).unwrap())
        };
        for (steps, taken) in [
            (&["p"][..], None),
            (&["n"], None),
            (&["half"], Some(Aliasing::Refused)),
            (&["m"], None),
            (&["q"], Some(Aliasing::Number)),
            (&["few"], None),
            (&["more"], None),
            (&["text"], None),
            (&["text", "11"], None),
            (&["inner", "x"], None),
            (&["inner", "y"], None),
            (&["tail", "1", "w"], None),
        ] {
            assert_eq!(read(steps), taken, "{steps:?}");
        }
        let of = |name: &str| {
            let steps = vec![Step::Field { name: name.to_owned(), shape: Shape::Pointer }];
            Field::locate(&btf, &Access { is_struct: true, root: "s".to_owned(), steps }).unwrap()
        };
        assert_eq!((of("few").word(&btf), of("more").word(&btf)), ((16, 4), (16, 4)));
        assert_eq!((width(&btf, &of("few")), width(&btf, &of("n")), width(&btf, &of("p"))), (Some(4), Some(8), None));
    }
}
