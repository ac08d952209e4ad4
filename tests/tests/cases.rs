//! Golden cases: `tests/cases/NAME.krs` is compiled for the embedded kernel 6.12, `NAME@5.10.krs` for the one
//! after the `@`. The diagnostics must equal `NAME.diag` (no file: no diagnostics); if `NAME.asm` or
//! `NAME.decision` exists, the assembly or the decision plan must equal it. Files that a case or an example
//! of `docs/errors.md` uses are in `tests/cases/files`.
//!
//! `KRS_UPDATE=1 cargo test -p krs-tests --test cases` writes the goldens. Review the difference afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use krsic::diag::{code, plain};
use krsic::simulate::image::Image;
use krsic::{Options, Source, Stage, kernel};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn options() -> Options<'static> {
    options_of("")
}

/// Returns options for the kernel that a case's name ends with.
fn options_of(name: &str) -> Options<'static> {
    let wanted = name.split_once('@').map_or("6.12", |(_, kernel)| kernel);
    let target = kernel::embedded().iter().find(|kernel| kernel.name == wanted);
    assert!(target.is_some(), "no kernel `{wanted}` for the case `{name}`");
    Options { target, read: Some(&read), ..Options::default() }
}

/// Reads a file that a case names, as if it were next to the case.
fn read(_: &str, path: &str) -> Result<Source, String> {
    let name = path.trim_start_matches("./");
    let text = fs::read_to_string(folder().join("files").join(name)).map_err(|_| "does not exist".to_owned())?;
    Ok(Source { name: name.to_owned(), text })
}

fn stems(ending: &str) -> BTreeSet<String> {
    fs::read_dir(folder())
        .expect("the folder is there")
        .filter_map(|entry| {
            let name = entry.expect("readable").file_name().into_string().expect("UTF-8");
            name.strip_suffix(ending).map(str::to_owned)
        })
        .collect()
}

/// Compares with a golden, or writes it. Returns an error if they differ.
fn golden(path: &Path, found: &str) -> Result<(), String> {
    if krs_tests::golden::update() {
        if found.is_empty() {
            let _ = fs::remove_file(path);
        } else {
            fs::write(path, found).map_err(|error| error.to_string())?;
        }
        return Ok(());
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    Err(format!("{}\n--- expected\n{expected}\n--- found\n{found}", path.display()))
}

#[test]
fn cases_say_what_they_said() {
    let mut wrong = Vec::new();
    for name in stems(".krs") {
        let path = folder().join(format!("{name}.krs"));
        let text = fs::read_to_string(&path).expect("readable");
        let files = [Source { name: format!("{name}.krs"), text }];
        let outcome = krsic::check(&files, &options_of(&name));
        let said = plain::print(&outcome.diagnostics, &outcome.sources);
        wrong.extend(golden(&folder().join(format!("{name}.diag")), &said).err());
        for (ending, stage) in [("decision", Stage::Decision), ("asm", Stage::Bpf)] {
            let emitted = folder().join(format!("{name}.{ending}"));
            if emitted.exists() {
                let outcome = krsic::emit(&files, &options_of(&name), stage);
                wrong.extend(golden(&emitted, &outcome.value.unwrap_or_default()).err());
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nif the new text is better, write it with KRS_UPDATE=1 and read the difference",
        wrong.join("\n")
    );
}

#[test]
fn no_golden_is_without_its_case() {
    let cases = stems(".krs");
    for ending in [".diag", ".asm", ".decision"] {
        for name in stems(ending) {
            assert!(cases.contains(&name), "{name}{ending} has no {name}.krs");
        }
    }
}

#[test]
fn every_code_has_a_case() {
    let said: String = stems(".diag")
        .iter()
        .map(|name| fs::read_to_string(folder().join(format!("{name}.diag"))).expect("readable"))
        .collect();
    let missing: Vec<&str> = code::CODES
        .iter()
        .map(|(code, _)| code.0)
        .chain(krs_grammar::error::CODES.iter().map(|(code, _)| *code))
        // Their policies would be thousands of lines; the tests below generate them.
        .filter(|code| ![code::PROGRAM_TOO_LARGE.0, code::TABLES_TOO_LARGE.0].contains(code))
        .filter(|code| !said.contains(code))
        .collect();
    assert!(missing.is_empty(), "no case shows {}", missing.join(", "));
}

#[test]
fn a_hook_with_many_rules_is_split() {
    // A bit test takes 28 instructions: 400 rules take about 11 000 of the 16 000 that one program may have.
    for (count, split) in [(400, false), (1500, true)] {
        let rule = |at: u32| format!("on file_open when file.f_flags & {} deny\n", 2 * at + 1);
        let text = (1..=count).map(rule).collect();
        let built = krsic::build(&[Source { name: "many.krs".into(), text }], &options());
        let built = built.value.expect("what is too much for one program is in several");
        let kernel = kernel::embedded().last().expect("some kernel is embedded");
        let manifest = Image::new(&built.object, kernel).expect("a loader would take it").manifest;
        assert_eq!(manifest.programs.len(), 1);
        assert_eq!(!manifest.programs[0].parts.is_empty(), split, "{count} rules: {:?}", manifest.programs);
    }
}

#[test]
fn a_rule_that_fits_into_no_program_is_refused() {
    let small = "on file_open when task.uid == 1 deny\n";
    // Seven texts, of which a program can hold six.
    let texts = ["task.exe", "task.cgroup", "file.path", "task.parent.exe", "task.parent.cgroup"];
    let asked = |of: &[&str]| of.iter().map(|text| format!("{text} like \"*/a/*b\"")).collect::<Vec<_>>().join(" and ");
    let all = [&texts[..], &["task.parent.parent.exe", "task.parent.parent.cgroup"]].concat();
    let rule = format!("on file_open when {} deny EACCES\n", asked(&all));
    let check = |text: String| krsic::check(&[Source { name: "large.krs".into(), text }], &options());
    let refused = check([small, &rule, small].concat());
    let errors: Vec<_> = refused.diagnostics.iter().filter(|one| one.code == code::PROGRAM_TOO_LARGE).collect();
    let [error] = errors[..] else { panic!("{:?}", refused.diagnostics) };
    assert_eq!(error.primary.span.start as usize, small.len(), "it is the second");
    assert!(refused.value.is_none() && error.primary.text.contains("too large for one program"), "{error:?}");
    // Two rules can be split into two programs.
    let apart = [asked(&all[..4]), asked(&all[4..])].map(|asked| format!("on file_open when {asked} deny EACCES\n"));
    assert!(check([small, &apart[0], &apart[1]].concat()).value.is_some());
}

#[test]
fn tables_that_no_map_holds_are_refused_in_words() {
    let row = |at: u32| format!("(0x{at:x}0123456789, 0x{at:x}, 0x{at:x}0000)");
    let set = |name: &str, from: u32| {
        let rows: Vec<String> = (from..from + 100_000).map(row).collect();
        format!("set {name}: (u64, u64, u64) = {{ {} }}\n", rows.join(", "))
    };
    let rule = |name: &str| format!("on file_open when (task.uid as u64, task.gid as u64, 1 as u64) in {name} deny\n");
    let text = [set("one", 1), set("two", 200_000), rule("one"), rule("two")].concat();
    let outcome = krsic::check(&[Source { name: "tables.krs".into(), text }], &options());
    let said: Vec<_> = outcome.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(said, [code::TABLES_TOO_LARGE], "{:?}", outcome.diagnostics.first());
}

/// Every page of `krsic explain` has an example that is rejected with its code, and a correct one.
#[test]
fn pages_tell_the_truth() {
    for (code, title) in
        code::CODES.iter().map(|(code, title)| (code.0, *title)).chain(krs_grammar::error::CODES.iter().copied())
    {
        let page = krsic::diag::pages::page(code).unwrap_or_else(|| panic!("docs/errors.md has no section on {code}"));
        assert!(page.starts_with(&format!("## {code}: {title}\n")), "the title of {code} is {title:?}");
        let examples = |kind: &str| {
            let fence = format!("```krs,{kind}\n");
            page.split(fence.as_str())
                .skip(1)
                .filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()))
                .collect::<Vec<_>>()
        };
        if [code::PROGRAM_TOO_LARGE.0, code::TABLES_TOO_LARGE.0].contains(&code) {
            continue;
        }
        let (wrong, right) = (examples("wrong"), examples("right"));
        assert!(!wrong.is_empty() && !right.is_empty(), "{code} needs a wrong and a right example");
        let said = |text: &str| {
            let outcome = krsic::check(&[Source { name: "example.krs".into(), text: text.to_owned() }], &options());
            outcome.diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect::<Vec<_>>()
        };
        for text in wrong {
            assert!(said(&text).contains(&code), "{code} is not what this gets: {:?}\n{text}", said(&text));
        }
        for text in right {
            let mut said = said(&text);
            // Most examples define an item only for illustration; one page is about unused items.
            said.retain(|other| *other != code::UNUSED_ITEM.0 || code == code::UNUSED_ITEM.0);
            assert!(said.is_empty(), "{code}: the right example gets {said:?}\n{text}");
        }
    }
}
