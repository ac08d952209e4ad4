//! The krsic command.

use std::process::ExitCode;

use krsic::{Options, Source, Stage};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (stage, files): (Option<Stage>, &[String]) = match args.first().map(String::as_str) {
        Some("hir") => (Some(Stage::Hir), &args[1..]),
        Some("ast") => (Some(Stage::Ast), &args[1..]),
        Some("decision") => (Some(Stage::Decision), &args[1..]),
        Some("bpf") => (Some(Stage::Bpf), &args[1..]),
        Some("object") => (Some(Stage::Object), &args[1..]),
        _ => (None, &args[1..]),
    };
    let sources: Vec<Source> =
        files.iter().map(|name| Source { name: name.clone(), text: std::fs::read_to_string(name).unwrap() }).collect();
    let (diagnostics, all) = match stage {
        Some(stage) => {
            let outcome = krsic::emit(&sources, &Options::default(), stage);
            if let Some(text) = outcome.value {
                print!("{text}");
            }
            (outcome.diagnostics, outcome.sources)
        }
        None => {
            let outcome = krsic::build(&sources, &Options::default());
            if let Some(built) = outcome.value {
                std::fs::write(files[0].replace(".krs", ".o"), built.object).unwrap();
            }
            (outcome.diagnostics, outcome.sources)
        }
    };
    for diagnostic in &diagnostics {
        let (line, column) = all.position(diagnostic.primary.span);
        eprintln!(
            "{}:{line}:{column}: {:?}[{}]: {} | {} | {:?} {:?} {:?}",
            all.name(diagnostic.primary.span.file),
            diagnostic.severity,
            diagnostic.code,
            diagnostic.message,
            diagnostic.primary.text,
            diagnostic.secondary.iter().map(|l| &l.text).collect::<Vec<_>>(),
            diagnostic.notes,
            diagnostic.help
        );
    }
    ExitCode::SUCCESS
}
