//! The kernel that a policy is for: which hooks it has, what their arguments are, and what BPF may do there.
//!
//! All of it is read from the kernel's BTF but the few facts that BTF does not hold ([`disabled`]).
//!
//! ```text
//! [9001] FUNC 'bpf_lsm_mmap_file'            a hook `mmap_file`, since `union security_list_options` has that member
//!   arg  file     slot 0  PTR 'file'         the kernel names it `file__nullable`
//!   arg  reqprot  slot 1  INT 'unsigned long'
//!   ret  int                                 0, or a negative errno
//! [9002] FUNC 'bpf_lsm_is_sleepable_hook'    no hook: the union has no such member
//! ```
//!
//! Invariants: a [`Hook`] describes the kernel it came from and no other; an argument's slot counts 8-byte words of the
//! context, in which a struct passed by value can take two.
//!
//! Absent: positions in policies, which bind arguments by name; what a hook means, which `stdlib/` says.

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

/// What the name of each function begins with that stands for a hook.
const PREFIX: &str = "bpf_lsm_";

/// The union that has a member for each hook.
const HOOK_LIST: &str = "security_list_options";

/// What the kernel appends to the name of an argument that it lets programs see as null.
const NULLABLE: &str = "__nullable";

/// Hooks that answer yes or no; source: `bool_lsm_hooks` in `kernel/bpf/bpf_lsm.c`.
pub(crate) const BOOL_HOOKS: [&str; 3] = ["audit_rule_known", "inode_xattr_skipcap", "xfrm_state_pol_flow_match"];

/// Hooks whose error the kernel takes for a bug of its own, and stops: `security_skb_classify_flow` in `security/security.c`.
pub const BUGS_ON_ERROR: [&str; 1] = ["xfrm_decode_session"];

/// A kernel, known by its types.
pub struct Kernel {
    /// `6.12` of an embedded kernel; else `running kernel` or the name of the file.
    pub name: String,
    /// Its types.
    pub btf: Btf,
    index: OnceLock<Index>,
}

/// The functions of [`PREFIX`], each list sorted by name.
struct Index {
    /// The union of [`HOOK_LIST`], or void.
    list: TypeId,
    hooks: Vec<TypeId>,
    others: Vec<TypeId>,
    /// Whether programs may stand behind functions with struct arguments.
    struct_args: bool,
}

/// A hook as one kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook<'k> {
    /// Without the prefix: `file_open`.
    pub name: &'k str,
    /// The type of the function, in the kernel's BTF.
    pub proto: TypeId,
    /// In the order of the prototype.
    pub args: Vec<Arg<'k>>,
    /// What a program returns.
    pub ret: Ret,
    /// An argument is a struct passed by value and the kernel is too old to take any program on such a hook (before 6.0).
    pub by_value: bool,
}

impl Hook<'_> {
    /// The argument of that name.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&Arg<'_>> {
        self.args.iter().find(|arg| arg.name == name)
    }
}

/// An argument of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg<'k> {
    /// The kernel's name, without a `__nullable` behind it.
    pub name: &'k str,
    /// Its type in the kernel's BTF.
    pub ty: TypeId,
    /// Index of its first 8-byte word in the context.
    pub slot: u32,
    /// The kernel says by the argument's name that it may be null. Without that it may still be.
    pub nullable: bool,
    /// Why a program may not load it, if so.
    pub problem: Option<Problem>,
}

/// Why the verifier refuses to load an argument (`btf_ctx_access` in `kernel/bpf/btf.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A pointer to something that is no struct, integer or void, most often another pointer.
    Pointee,
    /// A pointer to `const void`, on a kernel before 6.18 or so.
    ConstVoid,
    /// A pointer to an integer other than a plain `char`, on a kernel before 5.17.
    IntegerPointee,
    /// A floating-point number or another type without a value.
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

/// What a hook's program returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// Nothing: the hook only observes.
    Void,
    /// 0, or a negative errno.
    Int,
    /// 0 or 1.
    Bool,
}

impl Ret {
    /// The values that the verifier accepts since 6.12, none of a void hook; `bpf_lsm_get_retval_range` in `kernel/bpf/bpf_lsm.c`.
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
    /// A kernel with these types, to be called so in messages.
    #[must_use]
    pub fn new(name: impl Into<String>, btf: Btf) -> Kernel {
        Kernel { name: name.into(), btf, index: OnceLock::new() }
    }

    /// The hook of that name, or of an older name that the kernel has it under; disabled or not.
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

    /// Whether there is a hook of that name, or of an older one of the same hook.
    #[must_use]
    pub fn has_hook(&self, name: &str) -> bool {
        renamed::names(name).any(|name| self.position(&self.index().hooks, name).is_some())
    }

    /// The names of all hooks, as the kernel has them, sorted.
    pub fn hook_names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.index().hooks.iter().map(|id| self.bare(*id))
    }

    /// Whether `bpf_lsm_NAME` is a function of the kernel but no hook.
    #[must_use]
    pub fn is_helper_function(&self, name: &str) -> bool {
        self.position(&self.index().others, name).is_some()
    }

    /// Whether the union of all hooks has that member. A loader can ask the same of the running kernel, by CO-RE.
    #[must_use]
    pub fn has_member(&self, hook: &str) -> bool {
        self.btf.members(self.index().list).any(|member| member.name == hook)
    }

    /// Why the kernel takes no program on that hook, if so.
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
                // Measured: `const void *` is refused up to 6.12 and taken on 6.18. The hook came between the two.
                Type::Void if target == TypeId::VOID || self.has_member("uring_allowed") => None,
                Type::Void => Some(Problem::ConstVoid),
                Type::Int { .. } if modern || self.is_plain_char(target) => None,
                Type::Int { .. } => Some(Problem::IntegerPointee),
                _ => Some(Problem::Pointee),
            },
            _ => Some(Problem::NoValue),
        }
    }

    /// A one-byte integer behind at most one `const`, which is all that `is_string_ptr` before 5.17 looks through.
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

    /// The name of a function without the prefix.
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
            // Stable, so that of two functions of one name the first stays.
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

/// Whether programs may stand behind functions with struct arguments: since 6.0, which gave
/// `btf_func_model` its `arg_flags`.
fn struct_args(btf: &Btf) -> bool {
    let model = btf.find(Kind::Struct, cut::FUNCTION_MODEL);
    model.is_some_and(|model| btf.members(model).any(|member| member.name == "arg_flags"))
}

/// The union that has a member for each hook.
fn hook_list(btf: &Btf) -> Option<TypeId> {
    btf.find(Kind::Union, HOOK_LIST)
}

#[cfg(test)]
mod tests;
