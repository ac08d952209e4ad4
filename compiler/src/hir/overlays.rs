//! Fields that cannot be read like any other: those that a verifier takes for others, and those of many widths.
//!
//! A verifier does not know which field a program means, only bytes so far behind a pointer to a struct. It takes the first
//! member that they touch, and of a union that is the first one:
//!
//! ```text
//! struct sk_buff { union { struct sock *sk; int ip_defrag_offset; }; ... }      24: refused, not all of a pointer
//! struct inode { union { struct pipe_inode_info *i_pipe; struct cdev *i_cdev; }; ... }    a pointer to the wrong struct
//! ```
//!
//! The first cannot be loaded, the second loads and leads elsewhere. Both are read by copying instead, for which an
//! address is a number. One known kernel that takes a field for another is enough, since the program is for all.
//!
//! A copy takes as many bytes as it is told. Where an unsigned field is wider on one kernel than on another, a loader fits
//! the width of a load; that of a copy is asked for. The word that a bitfield is in no loader fits, so where kernels differ in that
//! it is copied; so it is where the word holds a field that is none, over which verifiers let nobody load. That a kernel which
//! is not known has the word that all known ones have, the loader of policies sees to ([`words`]).
//!
//! [`walk`] is `btf_struct_walk` of `kernel/bpf/btf.c` as 5.10 has it; later kernels refuse nothing that it admits.
//!
//! Absent: fields that the lowering reads of its own accord, none of which is so (the kernel matrix loads them all).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::kernels::{self, Need};
use super::{Access, Policy, RuleId, Shape, Step, place};
use crate::btf::{self, Btf, Kind, Type, TypeId};
use crate::kernel::{self, Kernel};

/// How a field must be read that cannot be read like any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Some verifier takes it for another.
    pub overlay: Option<Overlay>,
    /// It is wider on one kernel than on another.
    pub uneven: bool,
}

/// What comes of it that a verifier takes a field for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overlay {
    /// It can be loaded, but what it points to cannot.
    Number,
    /// It cannot be loaded.
    Refused,
}

/// The fields of a policy that are so, on any known kernel or the one that it was checked against.
#[must_use]
pub fn find(policy: &Policy, checked: &Kernel) -> BTreeMap<Access, Reading> {
    let all = || kernel::embedded().iter().chain([checked]);
    let reading = |access: &Access| {
        let fields = all().filter_map(|kernel| Some((&kernel.btf, Field::locate(&kernel.btf, access)?)));
        let fields: Vec<(&Btf, Field)> = fields.collect();
        let widths: BTreeSet<u32> = fields.iter().filter_map(|(btf, field)| width(btf, field)).collect();
        let overlay = fields.iter().filter_map(|(btf, field)| overlay(btf, field)).max();
        let uneven = widths.len() > 1;
        let bits = word(access).is_some();
        Reading { overlay: if bits && uneven { Some(Overlay::Refused) } else { overlay }, uneven }
    };
    let readings = accesses(policy).into_iter().map(|(access, _)| (access.clone(), reading(access)));
    readings.filter(|(_, reading)| *reading != Reading::default()).collect()
}

/// Bitfields that are read by words as wide as known kernels have them, with a rule that does: the field and the word's bytes.
pub fn words(policy: &Policy) -> impl Iterator<Item = (&Access, u32, RuleId)> {
    let asked = |access| policy.readings.get(access).is_some_and(|reading| reading.uneven);
    let fields = accesses(policy).into_iter().filter(move |(access, _)| !asked(access));
    fields.filter_map(|(access, rule)| Some((access, word(access)?, rule)))
}

/// The bytes of the word that a bitfield is in, as it is declared where the policy was checked; nothing of other fields.
fn word(access: &Access) -> Option<u32> {
    match access.steps.last()? {
        Step::Field { shape: Shape::Bits { bytes, .. }, .. } => Some(*bytes),
        _ => None,
    }
}

/// The fields that rules read, each with the first of them.
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

/// How wide a number is on one kernel, or the word that a bitfield is in.
fn width(btf: &Btf, field: &Field) -> Option<u32> {
    if field.bits > 0 {
        return Some(field.word(btf).1);
    }
    match btf.ty(btf.strip(field.ty)) {
        Type::Int { bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// What one kernel takes a field for; nothing where it takes it for what it is.
fn overlay(btf: &Btf, field: &Field) -> Option<Overlay> {
    let target = match btf.ty(btf.strip(field.ty)) {
        Type::Ptr(target) => place::definition(btf, target),
        _ => None,
    };
    for (offset, bytes) in field.loads(btf) {
        match (walk(btf, field.root, offset, bytes), target) {
            (None, _) => return Some(Overlay::Refused),
            (Some(Found::Pointer(to)), Some(target)) if to == target => {}
            // Nothing is read through what points to no struct.
            (Some(_), Some(_)) => return Some(Overlay::Number),
            (Some(_), None) => {}
        }
    }
    None
}

/// Where a kernel has a field.
struct Field {
    root: TypeId,
    bit: u32,
    bits: u32,
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

    /// The aligned word that holds all of a bitfield, as loaders have it: where, and how wide.
    fn word(&self, btf: &Btf) -> (u32, u32) {
        let mut bytes = btf.size(self.ty).max(1);
        let start = |bytes| self.bit / 8 / bytes * bytes;
        while self.bit + self.bits - 8 * start(bytes) > 8 * bytes && bytes < 8 {
            bytes *= 2;
        }
        (start(bytes), bytes)
    }

    /// The loads that may be made of it: where, and how wide.
    fn loads(&self, btf: &Btf) -> Vec<(u32, u32)> {
        let bytes = btf.size(self.ty);
        if self.bits > 0 {
            return vec![self.word(btf)];
        }
        let start = self.bit / 8;
        match btf.ty(btf.strip(self.ty)) {
            // Texts are compared by words, and their ends by what is left.
            Type::Array { .. } => {
                let each = |at| [8, 4, 2, 1].into_iter().filter(move |size| at % size == 0 && at + size <= bytes);
                (0..bytes).flat_map(|at| each(at).map(move |size| (start + at, size))).collect()
            }
            _ => vec![(start, bytes)],
        }
    }
}

/// What a verifier finds where a program loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Scalar,
    /// To a struct or union.
    Pointer(TypeId),
}

/// What so many bytes at an offset of a struct are to a verifier; nothing where it refuses to load them.
fn walk(btf: &Btf, mut of: TypeId, mut offset: u32, bytes: u32) -> Option<Found> {
    // Structs hold each other no deeper than this.
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
    /// In the struct there, from that offset of it.
    Into(TypeId, u32),
}

fn step(btf: &Btf, of: TypeId, offset: u32, bytes: u32) -> Option<Next> {
    let end = offset.checked_add(bytes)?;
    if end > btf.size(of) {
        // Behind the end there may be elements of a last array that has no length.
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
            // Loaded whole, or it is not what is loaded.
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

    fn read(kernel: &str, root: &str, fields: &[&str]) -> Option<Overlay> {
        let kernel = kernel::embedded().iter().find(|known| known.name == kernel).unwrap();
        // What shape they have is no matter here.
        let steps = fields.iter().map(|name| Step::Field { name: (*name).to_owned(), shape: Shape::Pointer }).collect();
        let access = Access { is_struct: true, root: root.to_owned(), steps };
        overlay(&kernel.btf, &Field::locate(&kernel.btf, &access)?)
    }

    #[test]
    fn the_first_member_of_a_union_counts() {
        assert_eq!(read("5.10", "sk_buff", &["ip_defrag_offset"]), Some(Overlay::Refused));
        assert_eq!(read("5.10", "sk_buff", &["sk"]), None);
        assert_eq!(read("5.10", "inode", &["i_cdev"]), Some(Overlay::Number));
        assert_eq!(read("5.10", "inode", &["i_pipe"]), None);
        // Its union begins with a number that is as wide as both.
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

    /// What `btf_struct_walk` finds at each place of a small struct.
    #[test]
    fn what_a_verifier_finds() {
        let (btf, s, a) = sample();
        for (offset, bytes, found) in [
            (0, 8, Some(Found::Pointer(a))),
            // A part of a pointer, or one that begins within it.
            (0, 4, None),
            (4, 4, None),
            (8, 8, Some(Found::Scalar)),
            (8, 4, Some(Found::Scalar)),
            (12, 4, Some(Found::Scalar)),
            (12, 8, None),
            // Bitfields are loaded whole.
            (16, 4, Some(Found::Scalar)),
            (16, 1, Some(Found::Scalar)),
            (17, 1, None),
            (20, 8, Some(Found::Scalar)),
            (31, 1, Some(Found::Scalar)),
            (28, 8, None),
            (32, 8, Some(Found::Pointer(a))),
            (40, 4, Some(Found::Scalar)),
            (44, 4, None),
            // Elements of the last array, which says no length.
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
            overlay(&btf, &Field::locate(&btf, &access).unwrap())
        };
        for (steps, taken) in [
            (&["p"][..], None),
            (&["n"], None),
            (&["half"], Some(Overlay::Refused)),
            (&["m"], None),
            (&["q"], Some(Overlay::Number)),
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
