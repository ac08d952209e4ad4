//! Facts about the embedded kernels, as measured by loading programs on each hook.

use std::collections::HashSet;

use super::*;
use crate::btf::{field, field_names};

fn kernel(name: &str) -> &'static Kernel {
    let found = embedded().iter().find(|kernel| kernel.name == name);
    found.expect("an embedded kernel")
}

#[test]
fn kernels_have_expected_hooks() {
    let counts: Vec<_> = embedded().iter().map(|kernel| kernel.hook_names().len()).collect();
    assert_eq!(counts, [233, 243, 269, 271, 275]);
    for kernel in embedded() {
        for name in kernel.hook_names() {
            assert!(kernel.has_member(name), "{name} on {}", kernel.name);
            assert!(kernel.hook(name).is_some(), "{name} on {}", kernel.name);
        }
    }
}

#[test]
fn other_functions_are_not_hooks() {
    let kernel = kernel("6.12");
    for name in ["verify_prog", "is_sleepable_hook", "func_proto", "init"] {
        assert!(kernel.is_helper_function(name), "{name}");
        assert_eq!(kernel.hook(name), None);
    }
    assert!(!kernel.is_helper_function("file_open"));
    assert!(!kernel.is_helper_function("no_such_hook"));
}

#[test]
fn arguments_have_names_types_and_slots() {
    let kernel = kernel("6.12");
    let hook = kernel.hook("mmap_file").expect("a hook");
    let args: Vec<_> = hook.args.iter().map(|arg| (arg.name, arg.slot)).collect();
    assert_eq!(args, [("file", 0), ("reqprot", 1), ("prot", 2), ("flags", 3)]);
    let Type::Ptr(file) = kernel.btf.ty(kernel.btf.strip(hook.args[0].ty)) else { panic!("a pointer") };
    assert_eq!(kernel.btf.name(kernel.btf.strip(file)), "file");
    assert_eq!(hook.ret, Ret::Int);
}

#[test]
fn nullable_suffix_is_removed() {
    let new = kernel("7.2").hook("mmap_file").expect("a hook");
    assert!(new.arg("file").expect("named as before").nullable);
    let old = kernel("6.12").hook("mmap_file").expect("a hook");
    assert!(!old.arg("file").expect("named so").nullable);
}

#[test]
fn struct_by_value_takes_two_slots() {
    let hook = kernel("6.12").hook("socket_getpeersec_stream").expect("a hook");
    let args: Vec<_> = hook.args.iter().map(|arg| (arg.name, arg.slot)).collect();
    assert_eq!(args, [("sock", 0), ("optval", 1), ("optlen", 3), ("len", 5)]);
}

#[test]
fn hook_results() {
    let kernel = kernel("6.18");
    let ret = |name| kernel.hook(name).map(|hook| hook.ret);
    assert_eq!(ret("task_alloc"), Some(Ret::Int));
    assert_eq!(ret("task_free"), Some(Ret::Void));
    assert_eq!(ret("audit_rule_known"), Some(Ret::Bool));
    assert_eq!(ret("task_free").and_then(Ret::range), None);
    assert_eq!(ret("task_alloc").and_then(Ret::range), Some(-4095..=0));
}

#[test]
fn disabled_hooks() {
    let disabled = |name| kernel(name).hook_names().filter(|hook| kernel(name).disabled(hook).is_some()).count();
    assert_eq!(NAMES.map(disabled), [2, 11, 12, 11, 13]);
    assert_eq!(kernel("5.10").disabled("path_chown"), Some(Disabled::ByValue));
    assert_eq!(kernel("6.1").disabled("path_chown"), None);
    assert!(matches!(kernel("6.12").disabled("getprocattr"), Some(Disabled::Listed(_))));
    assert_eq!(kernel("5.10").disabled("getprocattr"), None);
}

#[test]
fn unknown_kernel_maps_to_most_similar_one() {
    for known in embedded() {
        let other = Kernel::new("running kernel", known.btf.clone());
        assert_eq!(disabled::nearest(&other), known.name);
    }
}

#[test]
fn unreadable_pointers() {
    let problem = |kernel_name, hook, arg| {
        let hook = kernel(kernel_name).hook(hook).expect("a hook");
        hook.arg(arg).expect("an argument").problem
    };
    assert_eq!(problem("6.12", "inode_copy_up", "new"), Some(Problem::Pointee));
    assert_eq!(problem("6.12", "key_permission", "key_ref"), Some(Problem::Pointee));
    assert_eq!(problem("6.12", "kernel_module_request", "kmod_name"), None);
    assert_eq!(problem("6.12", "sk_getsecid", "secid"), None);
    assert_eq!(problem("5.10", "sk_getsecid", "secid"), Some(Problem::IntegerPointee));
    assert_eq!(problem("5.10", "kernel_module_request", "kmod_name"), None);
}

#[test]
fn cut_preserves_reachable_fields() {
    for kernel in embedded() {
        let btf = &kernel.btf;
        let task = btf.find(Kind::Struct, "task_struct").expect("a root");
        let mut at = task;
        for name in ["mm", "exe_file", "f_inode", "i_sb", "s_type", "name"] {
            let found = field(btf, at, name).unwrap_or_else(|| panic!("no `{name}` on {}", kernel.name));
            let Type::Ptr(target) = btf.ty(btf.strip(found.ty)) else { panic!("`{name}` is a pointer") };
            at = btf.strip(target);
        }
        assert!(matches!(btf.ty(at), Type::Int { bytes: 1, .. }), "a string on {}", kernel.name);
        for (kind, name) in [(Kind::Struct, "mount"), (Kind::Struct, "vm_area_struct"), (Kind::Enum, "bpf_func_id")] {
            assert!(btf.find(kind, name).is_some(), "no `{name}` on {}", kernel.name);
        }
    }
}

#[test]
fn fields_of_anonymous_members_are_found() {
    let btf = &kernel("6.12").btf;
    let vma = btf.find(Kind::Struct, "vm_area_struct").expect("a struct");
    let start = field(btf, vma, "vm_start").expect("a field");
    assert_eq!(start.spec(), "0:0:0:0");
    assert_eq!(start.bit_offset, 0);
    assert!(field_names(btf, vma).contains(&"vm_start"));
    assert_eq!(field(btf, vma, "no_such_field"), None);
}

#[test]
fn cut_is_idempotent() {
    for kernel in embedded() {
        let again = crate::btf::Btf::parse(cut::cut(&kernel.btf)).expect("closed");
        assert_eq!(again.len(), kernel.btf.len(), "{}", kernel.name);
        let names = |btf: &Btf| btf.ids().map(|id| btf.name(id).to_owned()).collect::<HashSet<_>>();
        assert_eq!(names(&again), names(&kernel.btf), "{}", kernel.name);
    }
}
