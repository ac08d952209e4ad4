//! The standard library and the examples as text: they parse, and each hook documents the effect of a deny.

use std::path::{Path, PathBuf};

use krs_grammar::ast::{FileId, HookKind, ItemKind};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is part of the source tree")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "krs"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("it is UTF-8");
            (path, text)
        })
        .collect()
}

#[test]
fn all_of_it_parses() {
    for (path, text) in sources("stdlib").into_iter().chain(sources("examples")) {
        let parsed = krs_grammar::parse(FileId(0), &text);
        assert!(parsed.errors.is_empty(), "{}: {:?}", path.display(), parsed.errors);
        assert!(!parsed.file.items.is_empty(), "{} is empty", path.display());
    }
}

#[test]
fn every_item_of_the_library_is_documented_and_there_once() {
    let mut seen = std::collections::BTreeMap::new();
    for (path, text) in sources("stdlib") {
        for item in krs_grammar::parse(FileId(0), &text).file.items {
            let (kind, name) = match &item.kind {
                ItemKind::Flags(names) | ItemKind::Enum(names) => ("type", &names.name.name),
                ItemKind::View(view) => ("view", &view.target.name),
                ItemKind::Hook(hook) => ("hook", &hook.name.name),
                ItemKind::Def(def) => ("def", &def.name.name),
                ItemKind::Const(item) => ("const", &item.name.name),
                other => panic!("{}: the library holds no {other:?}", path.display()),
            };
            let doc = item.doc.as_deref().unwrap_or_default();
            assert!(
                doc.ends_with(['.', ')']),
                "{}: say what the {kind} `{name}` is, in `##` lines before it",
                path.display()
            );
            if let ItemKind::Hook(hook) = &item.kind
                && matches!(hook.kind, HookKind::Describe { .. })
            {
                assert!(
                    ["deny", "denied", "denial", "measurement"].iter().any(|word| doc.contains(word)),
                    "{}: say what a deny on `{name}` does",
                    path.display()
                );
            }
            if let Some(before) = seen.insert((kind, name.clone()), path.clone()) {
                panic!("the {kind} `{name}` is in {} and in {}", before.display(), path.display());
            }
        }
    }
    assert!(seen.keys().filter(|(kind, _)| *kind == "hook").count() > 150);
}

#[test]
fn lines_fit_a_terminal() {
    for (path, text) in sources("stdlib").into_iter().chain(sources("examples")) {
        for (number, line) in text.lines().enumerate() {
            assert!(line.chars().count() <= 120, "{}:{}", path.display(), number + 1);
        }
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}: one new line at the end", path.display());
    }
}

#[test]
fn examples_say_what_they_are_for() {
    for (path, text) in sources("examples") {
        assert!(text.starts_with("# "), "{} begins with a comment", path.display());
    }
    let (_, demo) = sources("examples")
        .into_iter()
        .find(|(path, _)| path.ends_with("no-anonymous-exec.krs"))
        .expect("the policy of the README");
    assert!(demo.contains("\non file_mprotect when prot & EXEC and vma.file == null deny audit\n"));
}
