//! Tests of the pages: types of arguments and derived values, fields, members, lists of kernels.

use super::*;

fn with<T>(work: impl FnOnce(&mut Reference<'_>) -> T) -> T {
    let library = Library::read();
    let items = items(&library);
    work(&mut Reference::new(&library, &items, None))
}

#[test]
fn hook_page_has_refined_types() {
    with(|reference| {
        let page = reference.hook("file_mprotect").expect("it is a hook");
        assert_eq!(page.signature(), "file_mprotect(vma: *vm_area_struct, reqprot: Prot, prot: Prot)");
        assert_eq!((page.acts, page.usable_on().len()), (Acts::Deny, kernel::NAMES.len()));
        assert!(page.summary.starts_with("Before mprotect(2)"), "{}", page.summary);
        assert!(reference.hook("bpf_lsm_file_open").is_none() && reference.hook("").is_none());
    });
}

#[test]
fn hook_page_lists_missing_arguments() {
    with(|reference| {
        let page = reference.hook("path_rename").expect("it is a hook");
        let flags = page.parameters.iter().find(|parameter| parameter.name == "flags").expect("newer kernels have it");
        assert_eq!((flags.ty.as_str(), &flags.missing_on[..]), ("Rename", &["5.10".to_owned()][..]));
        let chown = reference.hook("path_chown").expect("it is a hook");
        assert_eq!(span_of(&chown.usable_on()), "6.1+");
        assert_eq!(reference.hook_called("exec"), Some("bprm_check_security"));
    });
}

#[test]
fn derived_values_have_types() {
    with(|reference| {
        let page = reference.hook("path_unlink").expect("it is a hook");
        assert_eq!((page.values[0].name.as_str(), page.values[0].ty.as_str()), ("path", "path"));
        let connect = reference.hook("socket_connect").expect("it is a hook");
        assert_eq!(connect.values[0].ty, "end");
    });
}

#[test]
fn struct_page_has_view_and_fields() {
    with(|reference| {
        let page = reference.type_page("file").expect("it is a struct");
        let of = |name: &str| page.view.iter().find(|field| field.name == name).map(|field| field.ty.as_str());
        assert_eq!(
            (of("path"), of("mode"), of("inode"), of("name")),
            (Some("path"), Some("Fmode"), Some("*inode"), Some("str"))
        );
        let of = |name: &str| page.fields.iter().find(|field| field.name == name);
        assert_eq!(of("f_flags").map(|field| field.ty.as_str()), Some("u32"));
        assert!(page.view.iter().all(|field| field.ty != "?"), "{:#?}", page.view);
        let task = reference.type_page("task_struct").expect("it is a struct");
        let state = task.fields.iter().find(|field| field.name == "state").expect("5.10 has it");
        assert!(state.missing_on.contains(&"7.2".to_owned()) && !state.missing_on.contains(&"5.10".to_owned()));
    });
}

#[test]
fn member_names_are_valid_in_policies() {
    with(|reference| {
        let prot = reference.type_page("Prot").expect("the library has it");
        let exec = prot.members.iter().find(|member| member.name == "EXEC").expect("a bit");
        assert_eq!((exec.value, exec.anywhere.as_str()), (4, "PROT_EXEC"));
        let mode = reference.type_page("Mode").expect("the library has it");
        assert_eq!(mode.members[0].anywhere, "S_IFMT");
        let lockdown = reference.type_page("lockdown_reason").expect("the kernel has it");
        assert!(lockdown.kind == TypeKind::Enum && lockdown.members.iter().any(|member| !member.missing_on.is_empty()));
        let def = reference.type_page("anonymous").expect("the library has it");
        assert_eq!(
            (def.signature.as_str(), def.body.as_deref()),
            ("def anonymous(vma: vm_area_struct): bool", Some("vma.file == null"))
        );
        assert!(reference.type_page("no_such_type").is_none());
    });
}

#[test]
fn kernel_lists_are_abbreviated() {
    let names = |names: &[&str]| span_of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(names(&kernel::NAMES), "all");
    assert_eq!((names(&["6.12", "6.18", "7.2"]), names(&["5.10", "6.1"])), ("6.12+".to_owned(), "5.10-6.1".to_owned()));
    assert_eq!(
        (names(&["5.10"]), names(&["6.1", "6.18"]), names(&[])),
        ("5.10".to_owned(), "6.1 6.18".to_owned(), "none".to_owned())
    );
}
