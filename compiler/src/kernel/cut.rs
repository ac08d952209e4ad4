//! Cuts a kernel's BTF down to what hooks can reach.
//!
//! Kept are the functions `bpf_lsm_*`, all types that a walk from their arguments or from `task_struct` can arrive at, and the
//! few that are asked for by name ([`ROOTS`]). A 4.7 MB vmlinux BTF becomes 360 KB.
//!
//! ```text
//! PTR -> STRUCT 'file'                    kept, with all its members
//! PTR -> FUNC_PROTO                       becomes a pointer to void: nothing can be read through it
//! UNION 'security_list_options' members   become pointers to void: their names alone are asked for
//! FUNC without that prefix                dropped
//! ```
//!
//! Invariants: same BTF, same bytes; the result is closed, and every struct, union and enum in it has all its members, offsets and
//! values. Type ids are the cut's own.

use std::collections::VecDeque;

use crate::btf::{Btf, Builder, Def, Kind, Linkage, Member, Param, Type, TypeId};

/// Says whether programs may stand behind functions with struct arguments.
pub(super) const FUNCTION_MODEL: &str = "btf_func_model";

/// Types kept beside those of the hooks: the current task, what a `sock` is the beginning of, the helpers that the kernel
/// has, and what the verifier accepts.
const ROOTS: [(Kind, &str); 4] = [
    (Kind::Struct, "task_struct"),
    (Kind::Struct, "unix_sock"),
    (Kind::Enum, "bpf_func_id"),
    (Kind::Struct, FUNCTION_MODEL),
];

/// Pointers, arrays, typedefs and modifiers that one declaration may pile up.
const DEPTH_MAX: usize = 64;

/// Cuts `btf`.
#[must_use]
pub fn cut(btf: &Btf) -> Vec<u8> {
    let mut cut =
        Cut { btf, builder: Builder::new(), ids: vec![None; btf.len() as usize], queue: VecDeque::new(), depth: 0 };
    cut.hooks();
    for (kind, name) in ROOTS {
        if let Some(id) = btf.find(kind, name) {
            cut.take(id);
        }
    }
    while let Some((from, to)) = cut.queue.pop_front() {
        cut.composite(from, to);
    }
    cut.builder.finish()
}

struct Cut<'a> {
    btf: &'a Btf,
    builder: Builder,
    /// Id in the cut by id in `btf`.
    ids: Vec<Option<TypeId>>,
    /// Structs and unions with an id in the cut whose members are to be taken: `(id in btf, id in cut)`.
    queue: VecDeque<(TypeId, TypeId)>,
    /// Declarations open in [`Cut::take`].
    depth: usize,
}

impl Cut<'_> {
    /// The hooks with their prototypes, and the list that tells them from other functions of that prefix.
    fn hooks(&mut self) {
        let btf = self.btf;
        let list = super::hook_list(btf);
        let pointer = self.builder.ptr(TypeId::VOID);
        if let Some(list) = list {
            let members: Vec<_> = btf.members(list).map(|member| Member { ty: pointer, ..member }).collect();
            self.builder.add(Def::Union { name: btf.name(list), bytes: btf.size(list), members: &members });
        }
        let nothing = self.builder.intern(Def::FuncProto { ret: TypeId::VOID, params: &[] });
        for id in btf.find_all(Kind::Func, super::PREFIX) {
            let Type::Func { name, proto } = btf.ty(id) else {
                continue;
            };
            let hook = name.strip_prefix(super::PREFIX);
            let known = list.is_some_and(|list| btf.members(list).any(|member| Some(member.name) == hook));
            // Of the functions that are no hooks the name alone is kept, so that they are told apart here too.
            let proto = if known { self.proto(proto) } else { nothing };
            self.builder.add(Def::Func { name, proto, linkage: Linkage::Global });
        }
    }

    fn proto(&mut self, proto: TypeId) -> TypeId {
        let btf = self.btf;
        let Type::FuncProto { ret } = btf.ty(proto) else {
            return TypeId::VOID;
        };
        let ret = self.take(ret);
        let params: Vec<_> =
            btf.params(proto).map(|param| Param { name: param.name, ty: self.take(param.ty) }).collect();
        self.builder.intern(Def::FuncProto { ret, params: &params })
    }

    /// The id in the cut of a type, which is taken along if it is new. Structs are only reserved here, so the depth is that of
    /// one declaration.
    fn take(&mut self, id: TypeId) -> TypeId {
        let btf = self.btf;
        if id == TypeId::VOID {
            return id;
        }
        if let Some(known) = self.ids[id.0 as usize] {
            return known;
        }
        // Only a cycle that needs no struct, which C cannot write, gets as deep.
        if self.depth == DEPTH_MAX {
            return TypeId::VOID;
        }
        self.depth += 1;
        let kind = btf.kind(id);
        let taken = match btf.ty(id) {
            Type::Void | Type::Other | Type::Func { .. } | Type::FuncProto { .. } => TypeId::VOID,
            Type::Int { name, bytes, signed, boolean, .. } => {
                self.builder.intern(Def::Int { name, bytes, signed, boolean })
            }
            Type::Float { bytes } => self.builder.intern(Def::Float { name: btf.name(id), bytes }),
            Type::Ptr(target) => {
                let target = self.take(target);
                self.builder.ptr(target)
            }
            Type::Array { element, count } => {
                let element = self.take(element);
                self.builder.array(element, count)
            }
            Type::Struct { .. } | Type::Union { .. } => {
                let to = self.builder.reserve();
                self.queue.push_back((id, to));
                to
            }
            Type::Enum { name, bytes, signed } => {
                let values: Vec<_> = btf.values(id).collect();
                let values = &values[..];
                if kind == Kind::Enum64 {
                    self.builder.add(Def::Enum64 { name, bytes, signed, values })
                } else {
                    self.builder.add(Def::Enum { name, bytes, signed, values })
                }
            }
            Type::Fwd { name } => {
                // Where a definition exists elsewhere in the kernel, a walk goes on there by name.
                let defined = [Kind::Struct, Kind::Union].into_iter().find_map(|kind| btf.find(kind, name));
                if let Some(defined) = defined {
                    self.take(defined);
                }
                let union = defined.is_some_and(|id| btf.kind(id) == Kind::Union);
                self.builder.add(Def::Fwd { name, union })
            }
            Type::Typedef { name, target } => {
                let target = self.take(target);
                self.builder.intern(Def::Typedef { name, target })
            }
            Type::Modifier(target) => {
                let target = self.take(target);
                let def = match kind {
                    Kind::Volatile => Def::Volatile(target),
                    Kind::Restrict => Def::Restrict(target),
                    Kind::TypeTag => Def::TypeTag { name: btf.name(id), target },
                    _ => Def::Const(target),
                };
                self.builder.intern(def)
            }
        };
        self.depth -= 1;
        self.ids[id.0 as usize] = Some(taken);
        taken
    }

    fn composite(&mut self, from: TypeId, to: TypeId) {
        let btf = self.btf;
        let members: Vec<_> = btf.members(from).map(|member| Member { ty: self.take(member.ty), ..member }).collect();
        let (name, bytes, members) = (btf.name(from), btf.size(from), &members[..]);
        let def = match btf.kind(from) {
            Kind::Union => Def::Union { name, bytes, members },
            _ => Def::Struct { name, bytes, members },
        };
        self.builder.define(to, def);
    }
}
