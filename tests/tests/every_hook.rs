//! Policies on every hook that the library describes, for the kernel matrix to load and exercise.
//! `docs/hooks.md` is also generated here, from the same pages.
//!
//! `tests/policies/every-hook.krs` has two rules on each hook that all known kernels have; the part after its
//! last heading is written by hand. `tests/matrix/every-hook/kernels/7.2.krs` has rules on the hooks that 7.2
//! has and another kernel lacks.
//!
//! `KRS_UPDATE=1 cargo test -p krs-tests --test every_hook` writes the policies. Review the difference
//! afterwards.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use krsic::diag::code;
use krsic::kernel::{self, Kernel};
use krsic::reference::{Acts, HookPage, Library, Parameter, Reference, TypePage, items, markdown};
use krsic::{Options, Source};

/// Heading of the common policy's hand-written part.
const BY_HAND: &str = "# Hooks whose arguments are numbers, text or unions.";

const HEAD: &str =
    "# Two rules on each hook that the standard library describes and that every kernel from 5.10 to 7.2 has.
#
# The first reads the first and the last plain field behind each pointer, with no test for null but those that the
# hook's description asks for: a description that wrongly says \"never null\" shows as a kernel oops when this policy is
# loaded and the machine is put to work. The second denies what user 65533 does, whom no machine has.

";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Returns true if all known kernels have a hook, as most other kernels then do, too. InfiniBand is excluded:
/// many kernels lack it, possibly including the one that the common policy is compiled on.
fn is_common(hook: &HookPage) -> bool {
    hook.usable_on().len() == kernel::NAMES.len() && !hook.name.starts_with("ib_")
}

fn common_path() -> PathBuf {
    folder().join("policies/every-hook.krs")
}

fn own_path(kernel: &str) -> PathBuf {
    folder().join(format!("matrix/every-hook/kernels/{kernel}.krs"))
}

/// Cache of the pages of structs.
struct Pages<'r, 'a> {
    reference: &'r mut Reference<'a>,
    known: HashMap<String, Option<Rc<TypePage>>>,
}

impl Pages<'_, '_> {
    fn of(&mut self, name: &str) -> Option<Rc<TypePage>> {
        let reference = &mut *self.reference;
        self.known.entry(name.to_owned()).or_insert_with(|| reference.type_page(name).map(Rc::new)).clone()
    }
}

/// Returns the first and the last scalar field of a struct that exist on all kernels of `on`.
fn fields(pages: &mut Pages<'_, '_>, of: &str, on: &[String]) -> Vec<String> {
    let Some(page) = pages.of(of) else { return Vec::new() };
    let plain = |ty: &str| {
        ty.starts_with('*') || matches!(ty, "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "bool")
    };
    // A view that converts a number to a text prevents this.
    let viewed = |name: &str| page.view.iter().any(|field| field.name == name && !plain(&field.ty));
    let mut fits = page
        .fields
        .iter()
        .filter(|field| plain(&field.ty) && !field.missing_on.iter().any(|kernel| on.contains(kernel)))
        .filter(|field| !viewed(&field.name))
        .map(|field| field.name.clone());
    let first = fits.next();
    first.into_iter().chain(fits.next_back()).collect()
}

/// Returns the values of an argument that a rule can record on all kernels of `on`.
fn readings(pages: &mut Pages<'_, '_>, parameter: &Parameter, on: &[String]) -> Vec<String> {
    if parameter.unreadable.is_some() || parameter.missing_on.iter().any(|kernel| on.contains(kernel)) {
        return Vec::new();
    }
    match parameter.ty.strip_prefix('*') {
        Some("void") => Vec::new(),
        Some(of) => fields(pages, of, on).into_iter().map(|field| format!("{}.{field}", parameter.name)).collect(),
        // A text is read through a pointer; if that points to user space, the text is unknown.
        None => vec![parameter.name.clone()],
    }
}

/// Returns the two rules on a hook.
fn rules(pages: &mut Pages<'_, '_>, hook: &HookPage, on: &[String]) -> String {
    let read: Vec<String> = hook.parameters.iter().flat_map(|parameter| readings(pages, parameter, on)).collect();
    let mut text = String::new();
    let list = if read.is_empty() { String::new() } else { format!(" {{ {} }}", read.join(", ")) };
    let _ = writeln!(text, "on {}\n  unless task.euid == 65533\n  audit{}", hook.name, broken(&list));
    if hook.acts == Acts::Deny {
        let last = hook.parameters.iter().rev().find_map(|parameter| {
            let name = readings(pages, parameter, on).pop()?;
            let pointer = name.rsplit_once('.').map(|(_, field)| field.to_owned());
            let of = parameter.ty.strip_prefix('*').unwrap_or("");
            let ty = match pointer {
                Some(field) => pages.of(of)?.fields.iter().find(|known| known.name == field)?.ty.clone(),
                None => parameter.ty.clone(),
            };
            let test = match ty.as_str() {
                "bool" => name,
                "str" => format!("{name} == \"x\""),
                ty if ty.starts_with('*') => format!("{name} != null"),
                ty if ty.starts_with(['u', 'i']) => format!("{name} != 0"),
                // Types with names have no common name for zero.
                _ => return None,
            };
            Some(format!(" and {test}"))
        });
        let _ = writeln!(
            text,
            "on {}\n  when task.uid == 65533{}\n  deny EACCES audit",
            hook.name,
            last.unwrap_or_default()
        );
    }
    text
}

/// Wraps a list of fields that exceeds one line.
fn broken(list: &str) -> String {
    let mut out = String::new();
    let mut column = 7;
    for part in list.split_inclusive(", ") {
        if column + part.trim_end().len() > 116 {
            while out.ends_with(' ') {
                out.pop();
            }
            out.push_str("\n    ");
            column = 4;
        }
        out.push_str(part);
        column += part.len();
    }
    out
}

fn common(pages: &mut Pages<'_, '_>, hooks: &[HookPage]) -> String {
    let by_hand = fs::read_to_string(common_path()).expect("it is part of the source tree");
    let (_, by_hand) = by_hand.split_once(BY_HAND).expect("its last heading is there");
    let all = kernel::NAMES.map(str::to_owned);
    let mut text = HEAD.to_owned();
    for hook in hooks {
        if is_common(hook) && !by_hand.contains(&format!("on {}\n", hook.name)) {
            text += &rules(pages, hook, &all);
        }
    }
    format!("{text}\n{BY_HAND}{by_hand}")
}

fn own(pages: &mut Pages<'_, '_>, hooks: &[HookPage], kernel: &Kernel) -> String {
    let mut text = format!(
        "# Two rules on each hook that {} has and that another kernel lacks; as in every-hook.krs.\n\n",
        kernel.name
    );
    let on = [kernel.name.clone()];
    for hook in hooks {
        if !is_common(hook) && hook.usable_on().contains(&kernel.name) {
            text += &rules(pages, hook, &on);
        }
    }
    text
}

/// Every hook that BPF can attach to on some kernel is in one of the policies. The policies are those
/// generated from the library, and build without diagnostics.
#[test]
fn the_policies_are_those_of_the_library() {
    let library = Library::read();
    let items = items(&library);
    let mut reference = Reference::new(&library, &items, None);
    let hooks = reference.all_hooks();
    let described: Vec<&str> = hooks.iter().filter(|page| page.file.is_none()).map(|page| page.name.as_str()).collect();
    assert!(described.is_empty(), "the library does not describe {described:?}");
    let mut pages = Pages { reference: &mut reference, known: HashMap::new() };
    let mut policies = vec![(common_path(), common(&mut pages, &hooks))];
    for kernel in kernel::embedded() {
        policies.push((own_path(&kernel.name), own(&mut pages, &hooks, kernel)));
    }
    policies.push((folder().join("../docs/hooks.md"), markdown::page(&hooks)));
    let update = krs_tests::golden::update();
    for (path, text) in &policies {
        if update {
            fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        }
        let found = fs::read_to_string(path).unwrap_or_default();
        assert!(found == *text, "{}: run with KRS_UPDATE=1 and read the difference", path.display());
    }
    for page in &hooks {
        let on = format!("on {}\n", page.name);
        assert!(policies.iter().any(|(_, text)| text.contains(&on)), "no policy is on `{}`", page.name);
    }
    for kernel in kernel::embedded() {
        let (path, text) = policies.iter().find(|(path, _)| *path == own_path(&kernel.name)).expect("one for each");
        let source = Source { name: path.display().to_string(), text: text.clone() };
        let mut outcome = krsic::build(&[source], &Options { target: Some(kernel), ..Options::default() });
        // The policy records every readable value, and is for one kernel.
        outcome
            .diagnostics
            .retain(|found| ![code::KERNEL_ADDRESS, code::MISSING_ON_KERNEL, code::LATE_DENY].contains(&found.code));
        let words: Vec<_> = outcome
            .diagnostics
            .iter()
            .map(|found| {
                let (line, _) = outcome.sources.position(found.primary.span);
                format!("{line}: {} {} {:?}", found.code, found.message, found.notes)
            })
            .collect();
        assert!(words.is_empty(), "{}: {words:#?}", kernel.name);
    }
}
