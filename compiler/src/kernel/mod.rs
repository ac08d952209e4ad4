//! The kernel that a policy targets: its hooks, their arguments, and the limits on BPF programs there.
//!
//! Everything comes from the kernel's BTF, except for the few facts that BTF does not contain ([`disabled`],
//! [`sleepable`]).
//!
//! ```text
//! [9001] FUNC 'bpf_lsm_mmap_file'            a hook `mmap_file`: `union security_list_options` has that member
//!   arg  file     slot 0  PTR 'file'         named `file__nullable` in BTF
//!   arg  reqprot  slot 1  INT 'unsigned long'
//!   ret  int                                 0, or a negative errno
//! [9002] FUNC 'bpf_lsm_is_sleepable_hook'    not a hook: the union has no such member
//! ```
//!
//! Invariants: a [`Hook`] describes one kernel only; an argument's slot counts 8-byte words of the context, in
//! which a struct passed by value can take two.
//!
//! Absent: the meaning of a hook, which `stdlib/` documents.

pub mod cut;
pub mod disabled;
mod embedded;
pub mod sleepable;

use std::fmt;
use std::sync::OnceLock;

use krsi_abi::renamed;

use crate::btf::{Btf, Kind, Type, TypeId};

pub use disabled::Disabled;
pub use embedded::{NAMES, embedded};

/// The name prefix of the kernel functions that represent hooks.
const PREFIX: &str = "bpf_lsm_";

/// The union with one member per hook.
const HOOK_LIST: &str = "security_list_options";

/// The suffix that the kernel gives an argument that may be null in programs.
const NULLABLE: &str = "__nullable";

/// Hooks with a Boolean result; source: `bool_lsm_hooks` in `kernel/bpf/bpf_lsm.c`.
pub(crate) const BOOL_HOOKS: [&str; 3] = ["audit_rule_known", "inode_xattr_skipcap", "xfrm_state_pol_flow_match"];

/// Hooks on whose error the kernel executes `BUG_ON`: `security_skb_classify_flow` in `security/security.c`.
pub const BUGS_ON_ERROR: [&str; 1] = ["xfrm_decode_session"];

/// A kernel, described by its types.
pub struct Kernel {
    /// The release of an embedded kernel (`6.12`), `the running kernel`, or the name of a file.
    pub name: String,
    /// BTF of the kernel.
    pub btf: Btf,
    index: OnceLock<Index>,
}

/// The functions with [`PREFIX`], each list sorted by name.
struct Index {
    /// The union named [`HOOK_LIST`], or void.
    list: TypeId,
    hooks: Vec<TypeId>,
    others: Vec<TypeId>,
    /// True if programs may attach to functions with struct arguments.
    struct_args: bool,
}

/// A hook of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook<'k> {
    /// Name without the prefix: `file_open`.
    pub name: &'k str,
    /// Prototype of the function in the kernel's BTF.
    pub proto: TypeId,
    /// Arguments in the order of the prototype.
    pub args: Vec<Arg<'k>>,
    /// The return type of a program on this hook.
    pub ret: Ret,
    /// True if an argument is a struct passed by value and the kernel does not support such hooks (before 6.0).
    pub by_value: bool,
}

impl Hook<'_> {
    /// Returns the argument with this name.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&Arg<'_>> {
        self.args.iter().find(|arg| arg.name == name)
    }
}

/// An argument of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg<'k> {
    /// Name in the kernel, without the `__nullable` suffix.
    pub name: &'k str,
    /// Type in the kernel's BTF.
    pub ty: TypeId,
    /// Index of its first 8-byte word in the context.
    pub slot: u32,
    /// True if the kernel marks the argument as nullable. An unmarked pointer may be null, too.
    pub nullable: bool,
    /// The reason why programs may not load it, if any.
    pub problem: Option<Problem>,
}

/// The reason why the verifier rejects the load of an argument (`btf_ctx_access` in `kernel/bpf/btf.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A pointer to a type other than a struct, an integer or void, most often another pointer.
    Pointee,
    /// A pointer to `const void`, on kernels before about 6.18.
    ConstVoid,
    /// A pointer to an integer other than a plain `char`, on kernels before 5.17.
    IntegerPointee,
    /// A floating-point number or another type without an integer value.
    NoValue,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Pointee => "the kernel lets BPF load a pointer only if it points to a struct, an integer or void",
            Problem::ConstVoid => "kernels before 6.18 do not let BPF load a pointer to `const void`",
            Problem::IntegerPointee => {
                "kernels as old as this let BPF load a pointer only if it points to a struct, a `char` or void"
            }
            Problem::NoValue => "it has no value that BPF could load",
        })
    }
}

/// The result of a hook's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// No result: the hook only observes.
    Void,
    /// An errno: 0, or a negative number.
    Int,
    /// A Boolean: 0 or 1.
    Bool,
}

impl Ret {
    /// The results that the verifier accepts since 6.12, `None` for a void hook; see `bpf_lsm_get_retval_range`
    /// in `kernel/bpf/bpf_lsm.c`.
    #[must_use]
    pub fn range(self) -> Option<std::ops::RangeInclusive<i32>> {
        match self {
            Ret::Void => None,
            Ret::Int => Some(-4095..=0),
            Ret::Bool => Some(0..=1),
        }
    }
}

impl Kernel {
    /// Creates a kernel with these types. Messages refer to it by `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, btf: Btf) -> Kernel {
        Kernel { name: name.into(), btf, index: OnceLock::new() }
    }

    /// Returns the hook with this name or, if the kernel lacks it, with an older name of the same hook;
    /// disabled hooks included.
    #[must_use]
    pub fn hook(&self, name: &str) -> Option<Hook<'_>> {
        let function = renamed::names(name).find_map(|name| self.position(&self.index().hooks, name))?;
        let Type::Func { name, proto } = self.btf.ty(function) else {
            return None;
        };
        let name = name.strip_prefix(PREFIX)?;
        let modern = self.index().struct_args;
        let mut slot = 0;
        let args = self.btf.params(proto).map(|param| {
            let words = self.btf.size(param.ty).div_ceil(8).max(1);
            let (name, nullable) = match param.name.strip_suffix(NULLABLE) {
                Some(bare) => (bare, true),
                None => (param.name, false),
            };
            let arg = Arg { name, ty: param.ty, slot, nullable, problem: self.problem(param.ty, modern) };
            slot = slot.saturating_add(words);
            arg
        });
        let args: Vec<_> = args.collect();
        let by_value = !modern && args.iter().any(|arg| self.is_struct(arg.ty));
        let ret = match self.btf.ty(proto) {
            Type::FuncProto { ret } if self.btf.strip(ret) == TypeId::VOID => Ret::Void,
            _ if BOOL_HOOKS.contains(&name) => Ret::Bool,
            _ => Ret::Int,
        };
        Some(Hook { name, proto, args, ret, by_value })
    }

    /// Returns true if the kernel has the hook under this or an older name.
    #[must_use]
    pub fn has_hook(&self, name: &str) -> bool {
        renamed::names(name).any(|name| self.position(&self.index().hooks, name).is_some())
    }

    /// The kernel's names of all hooks, sorted.
    pub fn hook_names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.index().hooks.iter().map(|id| self.bare(*id))
    }

    /// Returns true if `bpf_lsm_NAME` is a function of the kernel but not a hook.
    #[must_use]
    pub fn is_helper_function(&self, name: &str) -> bool {
        self.position(&self.index().others, name).is_some()
    }

    /// Returns true if the union of all hooks has this member. A loader can test the same on the running
    /// kernel, with CO-RE.
    #[must_use]
    pub fn has_member(&self, hook: &str) -> bool {
        self.btf.members(self.index().list).any(|member| member.name == hook)
    }

    /// The reason why the kernel accepts no program on the hook, if any.
    #[must_use]
    pub fn disabled(&self, hook: &str) -> Option<Disabled> {
        let hook = self.hook(hook)?;
        disabled::disabled(self, &hook)
    }

    fn problem(&self, ty: TypeId, modern: bool) -> Option<Problem> {
        match self.btf.ty(self.btf.strip(ty)) {
            Type::Int { .. } | Type::Enum { .. } | Type::Struct { .. } | Type::Union { .. } => None,
            Type::Ptr(target) => match self.btf.ty(self.btf.strip(target)) {
                Type::Struct { .. } | Type::Union { .. } => None,
                // Measured: `const void *` is rejected up to 6.12 and accepted on 6.18. The hook was added
                // between the two.
                Type::Void if target == TypeId::VOID || self.has_member("uring_allowed") => None,
                Type::Void => Some(Problem::ConstVoid),
                Type::Int { .. } if modern || self.is_plain_char(target) => None,
                Type::Int { .. } => Some(Problem::IntegerPointee),
                _ => Some(Problem::Pointee),
            },
            _ => Some(Problem::NoValue),
        }
    }

    /// Returns true for a one-byte integer with at most one `const`, the only modifier that `is_string_ptr`
    /// skips before 5.17.
    fn is_plain_char(&self, mut ty: TypeId) -> bool {
        if self.btf.kind(ty) == Kind::Const
            && let Type::Modifier(target) = self.btf.ty(ty)
        {
            ty = target;
        }
        matches!(self.btf.ty(ty), Type::Int { bytes: 1, .. })
    }

    fn is_struct(&self, ty: TypeId) -> bool {
        matches!(self.btf.kind(self.btf.strip(ty)), Kind::Struct | Kind::Union)
    }

    /// The name of a function without [`PREFIX`].
    fn bare(&self, function: TypeId) -> &str {
        let name = self.btf.name(function);
        name.strip_prefix(PREFIX).unwrap_or(name)
    }

    fn position(&self, functions: &[TypeId], name: &str) -> Option<TypeId> {
        let found = functions.binary_search_by(|id| self.bare(*id).cmp(name));
        found.ok().map(|index| functions[index])
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let list = hook_list(&self.btf).unwrap_or_default();
            let mut members: Vec<&str> = self.btf.members(list).map(|member| member.name).collect();
            members.sort_unstable();
            let mut functions = self.btf.find_all(Kind::Func, PREFIX);
            // The sort is stable, so that the first of several functions with one name is kept.
            functions.sort_by_key(|id| self.bare(*id));
            functions.dedup_by_key(|id| self.bare(*id));
            let (hooks, others) = functions.into_iter().partition(|id| members.binary_search(&self.bare(*id)).is_ok());
            Index { list, hooks, others, struct_args: struct_args(&self.btf) }
        })
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({}, {:?})", self.name, self.btf)
    }
}

/// Returns true if programs may attach to functions with struct arguments: since 6.0, where `btf_func_model`
/// has `arg_flags`.
fn struct_args(btf: &Btf) -> bool {
    let model = btf.find(Kind::Struct, cut::FUNCTION_MODEL);
    model.is_some_and(|model| btf.members(model).any(|member| member.name == "arg_flags"))
}

/// The union with one member per hook.
fn hook_list(btf: &Btf) -> Option<TypeId> {
    btf.find(Kind::Union, HOOK_LIST)
}

#[cfg(test)]
mod tests;
