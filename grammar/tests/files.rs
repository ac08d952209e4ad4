//! The standard library and the examples parse without errors.

use krs_grammar::{ast::FileId, parse};

#[test]
fn shipped_files_parse() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["stdlib", "examples"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let mut count = 0;
        for entry in entries {
            let path = entry.expect("a folder that can be listed").path();
            if path.extension().is_some_and(|e| e == "krs") {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                let parsed = parse(FileId(0), &text);
                let errors: Vec<_> = parsed
                    .errors
                    .iter()
                    .map(|e| {
                        format!(
                            "{}: {} {} at `{}`",
                            path.display(),
                            e.code,
                            e.message,
                            text[..e.span.end as usize].lines().last().unwrap_or("")
                        )
                    })
                    .collect();
                assert!(errors.is_empty(), "{}", errors.join("\n"));
                assert!(!parsed.file.items.is_empty());
                count += 1;
            }
        }
        assert!(count > 10, "{folder} has {count} files");
    }
}
