//! The standard library, the examples and the code of the reference, checked against every embedded kernel.
//!
//! The library is expanded only where a policy uses it. The tests therefore generate policies that use all of
//! it: each parameter of each described hook, each field of each view, each definition.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use krs_grammar::ast::{FileId, HookKind, HookParam, ItemKind, View};
use krsic::btf::Kind;
use krsic::diag::{Code, Severity, code};
use krsic::hir::type_names::TypeNames;
use krsic::kernel::{self, Kernel};
use krsic::reference::{Acts, Library, Reference, items};
use krsic::{Options, Outcome, Source};

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn on(kernel: &Kernel) -> Options<'_> {
    Options { target: Some(kernel), ..Options::default() }
}

/// Returns the errors of an outcome, with their codes.
fn errors<T>(outcome: &Outcome<T>) -> Vec<(Code, String)> {
    outcome
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| {
            let span = diagnostic.primary.span;
            let (line, _) = outcome.sources.position(span);
            let text = outcome.sources.line(span.file, line);
            let notes = diagnostic.notes.join("; ");
            (diagnostic.code, format!("{}: {} {notes} in `{text}`", diagnostic.code, diagnostic.message))
        })
        .collect()
}

fn library() -> Vec<ItemKind> {
    krsic::stdlib::FILES
        .iter()
        .flat_map(|(_, text)| krs_grammar::parse(FileId(0), text).file.items)
        .map(|item| item.kind)
        .collect()
}

fn hooks() -> BTreeMap<String, Vec<HookParam>> {
    library()
        .into_iter()
        .filter_map(|item| match item {
            ItemKind::Hook(hook) => match hook.kind {
                HookKind::Describe { params, .. } => Some((hook.name.name, params)),
                HookKind::Alias(_) => None,
            },
            _ => None,
        })
        .collect()
}

#[test]
fn every_file_of_the_library_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stdlib");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder is part of the source tree")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    let embedded: BTreeSet<String> =
        krsic::stdlib::FILES.iter().map(|(name, _)| name.trim_start_matches("std/").to_owned()).collect();
    assert_eq!(there, embedded);
}

/// Compiled as a policy, the library has its own types, constants and definitions checked.
#[test]
fn the_library_is_sound_as_a_policy() {
    let files: Vec<Source> = krsic::stdlib::FILES.iter().map(|(name, text)| source(name, text)).collect();
    for kernel in kernel::embedded() {
        let outcome = krsic::check(&files, &on(kernel));
        assert!(errors(&outcome).is_empty(), "{}: {:#?}", kernel.name, errors(&outcome));
    }
}

/// The description of a hook lists exactly the arguments that some kernel has, and some kernel has the hook.
#[test]
fn descriptions_list_the_arguments_of_all_kernels() {
    for (hook, params) in hooks() {
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut kernels = 0;
        for kernel in kernel::embedded() {
            let Some(found) = kernel.hook(&hook) else {
                continue;
            };
            kernels += 1;
            known.extend(found.args.iter().map(|arg| arg.name.to_owned()));
            for arg in found.args.iter().filter(|arg| arg.nullable) {
                let param = params.iter().find(|param| param.name.name == arg.name);
                assert!(
                    param.is_some_and(|param| param.nullable),
                    "{} says that `{}` of `{hook}` may be null",
                    kernel.name,
                    arg.name
                );
            }
        }
        assert!(kernels > 0, "no kernel has the hook `{hook}`");
        let listed: BTreeSet<String> = params.into_iter().map(|param| param.name.name).collect();
        assert_eq!(listed, known, "the parameters of `{hook}`");
    }
}

/// The documentation of a hook states when the kernel calls it, the effect of `deny`, and the kernels that
/// have it.
#[test]
fn every_hook_is_told_of_whole() {
    let library = Library::read();
    let items = items(&library);
    let mut reference = Reference::new(&library, &items, None);
    let mut wrong = Vec::new();
    for page in reference.all_hooks() {
        let mut lacks = |what: &str| wrong.push(format!("`{}`: {what}", page.name));
        let doc = page.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        let first = doc.split(' ').next().unwrap_or("");
        if !["Before", "After", "When", "Whenever"].contains(&first) {
            lacks("the docs begin with the time of the call: Before, After, When, Whenever");
        }
        let told = match page.acts {
            Acts::Deny => doc.contains("A denial ") || doc.contains("After a denial "),
            Acts::Observe => doc.contains("Cannot deny"),
            Acts::Answer => doc.contains("yes or no"),
        };
        if !told {
            lacks(
                "the docs state the effect of `deny`: `A denial ...`, `Cannot deny`, or that the hook answers yes or no",
            );
        }
        let versions = doc.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|word| {
            let word = word.trim_matches('.');
            word.split_once('.').is_some_and(|(major, minor)| !major.is_empty() && minor.parse::<u8>().is_ok())
        });
        if page.usable_on().len() < kernel::NAMES.len() && versions.count() == 0 {
            lacks("the docs state the kernels that have it: `Since 6.1.`");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each parameter can be read, or the compiler explains why BPF cannot read it.
#[test]
fn every_parameter_can_be_recorded() {
    let hooks = hooks();
    for kernel in kernel::embedded() {
        let mut text = String::new();
        for (hook, params) in &hooks {
            let Some(found) = kernel.hook(hook) else {
                continue;
            };
            if kernel.disabled(hook).is_some() {
                continue;
            }
            for param in params.iter().filter(|param| found.arg(&param.name.name).is_some()) {
                let _ = writeln!(text, "on {hook} audit {{ {} }}", param.name.name);
            }
        }
        let outcome = krsic::check(&[source("all.krs", &text)], &on(kernel));
        let wrong: Vec<_> = errors(&outcome)
            .into_iter()
            .filter(|(found, _)| ![code::UNREADABLE_ARGUMENT, code::UNBINDABLE_ARGUMENT].contains(found))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", kernel.name);
    }
}

/// Each field of a view can be read on every kernel that has its struct.
#[test]
fn every_view_can_be_read() {
    let library = Library::read();
    let items = items(&library);
    for kernel in kernel::embedded() {
        let mut words = TypeNames::new(&items, kernel);
        for item in self::library() {
            let ItemKind::View(view) = item else { continue };
            let kinds = [Kind::Struct, Kind::Union];
            let Some(of) = kinds.into_iter().find_map(|kind| kernel.btf.find(kind, &view.target.name)) else {
                assert_ne!(kernel.name, "7.2", "no kernel has `{}`", view.target.name);
                continue;
            };
            // The borrow of a view must live as long as `words`.
            let view: &'static View = Box::leak(Box::new(view));
            for field in &view.fields {
                let word = words.view(of, field);
                assert!(word.is_ok(), "{}: {}.{}: {word:?}", kernel.name, view.target.name, field.name.name);
            }
        }
    }
}

fn examples() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut files: Vec<Source> = std::fs::read_dir(folder)
        .expect("the folder is part of the source tree")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "krs"))
        .map(|path| {
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("it is UTF-8");
            source(&name, &text)
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// Each example builds for every kernel, without diagnostics for the newest. On an older kernel that lacks
/// the hook of a rule with `@since`, the only errors are about that hook.
#[test]
fn examples_build_for_every_kernel() {
    for example in examples() {
        for kernel in kernel::embedded() {
            let outcome = krsic::build(std::slice::from_ref(&example), &on(kernel));
            let name = (example.name.as_str(), kernel.name.as_str());
            if example.text.contains("@since") && name.1 == "5.10" {
                assert!(errors(&outcome).iter().all(|(found, _)| *found == code::UNKNOWN_HOOK), "{name:?}");
                continue;
            }
            assert!(outcome.diagnostics.is_empty(), "{name:?}: {:#?}", outcome.diagnostics);
            let built = outcome.value.expect("there was no error");
            assert!(built.instructions > 0 && built.object.starts_with(b"\x7fELF"));
        }
    }
}

/// All examples together build one object, as the reference promises.
#[test]
fn examples_build_together() {
    let outcome = krsic::build(&examples(), &Options::default());
    assert!(errors(&outcome).is_empty(), "{:#?}", errors(&outcome));
}

/// One object with rules on about two hundred hooks, for the guests to load; no kernel lacks any of them.
#[test]
fn the_policy_on_every_hook_builds_for_every_kernel() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/every-hook.krs");
    let text = std::fs::read_to_string(path).expect("it is part of the source tree");
    for kernel in kernel::embedded() {
        let mut outcome = krsic::build(&[source("every-hook.krs", &text)], &on(kernel));
        // The policy records every readable value, including addresses, and tests each without regard to others.
        let unrelated = [code::KERNEL_ADDRESS, code::LATE_DENY, code::MOUNT_TYPE];
        outcome.diagnostics.retain(|diagnostic| !unrelated.contains(&diagnostic.code));
        assert!(outcome.diagnostics.is_empty(), "{}: {:#?}", kernel.name, outcome.diagnostics);
    }
}

/// The code of the reference compiles, each block separately.
#[test]
fn code_in_the_reference_compiles() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let page = std::fs::read_to_string(page).expect("the reference is part of the source tree");
    let blocks: Vec<&str> =
        page.split("```krs\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() >= 4);
    for block in blocks {
        let outcome = krsic::build(&[source("reference.krs", block)], &Options::default());
        assert!(errors(&outcome).is_empty(), "{block}\n{:#?}", errors(&outcome));
    }
}

#[test]
fn what_is_there_anyway_may_be_named() {
    let outcome = krsic::check(&[source("std.krs", "use std.net")], &Options::default());
    assert!(errors(&outcome).is_empty(), "what is there anyway may be named");
}
