//! Reduces a kernel's BTF to the types that are reachable from hooks.
//!
//! It keeps the functions `bpf_lsm_*`, all types reachable from their arguments and from `task_struct`, and a
//! few types by name ([`ROOTS`]). A vmlinux BTF of 4.7 MB shrinks to 360 KB.
//!
//! ```text
//! PTR -> STRUCT 'file'                    kept, with all its members
//! PTR -> FUNC_PROTO                       becomes a pointer to void: programs read nothing through it
//! UNION 'security_list_options' members   become pointers to void: only their names matter
//! FUNC without the prefix                 dropped
//! ```
//!
//! Invariants: the output depends only on the input BTF; it contains every type that it refers to, and every
//! struct, union and enum in it has all its members, offsets and values. Type ids differ from those of the
//! input.

use std::collections::VecDeque;

use crate::btf::{Btf, Builder, Def, Kind, Linkage, Member, Param, Type, TypeId};

/// The struct that shows whether programs may attach to functions with struct arguments.
pub(super) const FUNCTION_MODEL: &str = "btf_func_model";

/// Further roots: the current task, the struct that extends the `sock` of a Unix socket, the ids of the helper
/// functions, and the struct that reveals verifier support.
const ROOTS: [(Kind, &str); 4] = [
    (Kind::Struct, "task_struct"),
    (Kind::Struct, "unix_sock"),
    (Kind::Enum, "bpf_func_id"),
    (Kind::Struct, FUNCTION_MODEL),
];

/// Maximum nesting of pointers, arrays, typedefs and modifiers in one declaration.
const DEPTH_MAX: usize = 64;

/// Returns the reduced BTF.
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
    /// New id of each type, by its id in `btf`.
    ids: Vec<Option<TypeId>>,
    /// Structs and unions whose members are not copied yet: `(id in btf, new id)`.
    queue: VecDeque<(TypeId, TypeId)>,
    /// Nesting depth of [`Cut::take`].
    depth: usize,
}

impl Cut<'_> {
    /// Copies the hooks with their prototypes, and the union that distinguishes them from other functions with
    /// the prefix.
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
            // Functions that are not hooks keep only their names, so that they can be distinguished here as
            // well.
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

    /// Returns the new id of a type, and copies the type if it is new. Structs are only reserved here, so that
    /// the recursion is as deep as one declaration.
    fn take(&mut self, id: TypeId) -> TypeId {
        let btf = self.btf;
        if id == TypeId::VOID {
            return id;
        }
        if let Some(known) = self.ids[id.0 as usize] {
            return known;
        }
        // Only a cycle without a struct, which C cannot express, is that deep.
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
                // If the kernel defines the type elsewhere, the definition is kept for lookups by name.
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
