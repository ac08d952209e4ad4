//! The process `krsic`: exit codes, output files, and the formats of messages.
//!
//! Exit codes: 0 for a valid policy, 1 for one with errors, 2 for an invalid command line or an I/O error.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const RIGHT: &str = "on file_open when task.uid == 5 deny\n";
const WRONG: &str = "on file_open deny\n  on file_open when task.no_such == 1 deny\n";
/// A policy with the warning `unused-item`.
const DOUBTFUL: &str = "const A = 1\non file_ioctl deny\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            fs::write(folder.path(name), text).expect("a file");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_krsic"));
        command.args(arguments).current_dir(self.0.path()).env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        parts(&self.command(arguments).output().expect("it runs"))
    }

    fn feed(&self, arguments: &[&str], text: &[u8]) -> (Option<i32>, String, String) {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        child.stdin.take().expect("piped").write_all(text).expect("it reads");
        parts(&child.wait_with_output().expect("it ends"))
    }
}

fn parts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn is_object(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

#[test]
fn check_and_its_exit_codes() {
    let folder = Folder::new(&[("right.krs", RIGHT), ("wrong.krs", WRONG), ("doubtful.krs", DOUBTFUL)]);
    assert_eq!(folder.run(&["check", "right.krs"]), (Some(0), String::new(), String::new()));
    let (code, out, err) = folder.run(&["check", "doubtful.krs"]);
    assert!(code == Some(0) && out.is_empty() && err.starts_with("warning[KRS0904]"), "{err}");
    let (code, out, err) = folder.run(&["check", "wrong.krs"]);
    assert!(code == Some(1) && out.is_empty() && err.starts_with("error[KRS0203]"), "{err}");
    assert!(err.ends_with("1 error\n"), "{err}");
    assert_eq!(fs::read_dir(folder.0.path()).expect("a folder").count(), 3, "nothing is written");
}

#[test]
fn invalid_command_lines() {
    let folder = Folder::new(&[("p.krs", RIGHT), ("latin.krs", ""), ("o.krs", "\u{7f}ELF")]);
    fs::write(folder.path("latin.krs"), b"# ok\n# \xe9\n").expect("a file");
    fs::write(folder.path("o.krs"), b"\x7fELF").expect("a file");
    fs::create_dir(folder.path("dir")).expect("a folder");
    for (arguments, part) in [
        (&["check"][..], "FILE"),
        (&["no-such-command"], "no-such-command"),
        (&["check", "--no-such", "p.krs"], "--no-such"),
        (&["check", "missing.krs"], "file `missing.krs` does not exist"),
        (&["check", "dir"], "`dir` is a directory"),
        (&["check", "latin.krs"], "line 2"),
        (&["check", "o.krs"], "`o.krs` is an object"),
        (&["check", "p.krs", "p.krs"], "`p.krs` is given twice"),
        (&["check", "-A", "nothing", "p.krs"], "unknown warning `nothing`"),
        (&["check", "-A", "unused-itm", "p.krs"], "did you mean `unused-item`?"),
        (&["check", "-A", "unused-item", "-D", "KRS0904", "p.krs"], "both allowed and denied"),
        (&["check", "--btf", "missing", "p.krs"], "cannot read `missing`"),
        (&["check", "--btf", "p.krs", "p.krs"], "is not usable BTF"),
        (&["build", "p.krs", "-o", "p.krs"], "overwrite the source `p.krs`"),
        (&["build", "p.krs", "-o", "no/such/p.o"], "cannot write `no/such/p.o`"),
        (&["build", "p.krs", "--name", "a b"], "invalid policy name `a b`"),
        (&["build", "p.krs", "--name", ""], "invalid policy name ``"),
        (&["build", "p.krs", "-Z", "no-such"], "unknown option `-Z no-such`"),
        (&["build", "p.krs", "--emit", "nothing"], "nothing"),
        (&["build", "-"], "-o policy.o"),
        (&["explain", "KRS9999"], "KRS9999"),
    ] {
        let (code, out, err) = folder.run(arguments);
        assert!(code == Some(2) && out.is_empty() && err.contains(part), "{arguments:?}: {code:?} {out} {err}");
    }
}

#[test]
fn build_writes_the_object() {
    let folder = Folder::new(&[("a.krs", RIGHT), ("b.krs", "on file_lock deny\n"), ("wrong.krs", WRONG)]);
    assert_eq!(folder.run(&["build", "a.krs"]).0, Some(0));
    assert!(is_object(&folder.path("a.o")));
    assert_eq!(folder.run(&["build", "a.krs", "b.krs", "-o", "both.o"]).0, Some(0));
    assert!(is_object(&folder.path("both.o")) && !folder.path("b.o").exists());
    let (code, out, _) = folder.run(&["build", "a.krs", "-o", "-"]);
    assert!(code == Some(0) && out.starts_with("\u{7f}ELF"));
    // If the policy is invalid, an existing object is left unchanged and no new one is written.
    fs::write(folder.path("wrong.o"), "old").expect("a file");
    assert_eq!(folder.run(&["build", "wrong.krs"]).0, Some(1));
    assert_eq!(fs::read(folder.path("wrong.o")).expect("a file"), b"old");
    let (code, out, err) = folder.run(&["build", "wrong.krs", "--emit", "hir"]);
    assert!(code == Some(1) && out.is_empty() && err.contains("KRS0203"));
    // The same policy yields the same bytes.
    let first = fs::read(folder.path("a.o")).expect("a file");
    assert_eq!(folder.run(&["build", "a.krs"]).0, Some(0));
    assert_eq!(fs::read(folder.path("a.o")).expect("a file"), first);
    let names: Vec<_> =
        fs::read_dir(folder.0.path()).expect("a folder").map(|entry| entry.expect("readable").file_name()).collect();
    assert_eq!(names.len(), 6, "temporary files are removed: {names:?}");
}

#[test]
fn standard_input() {
    let folder = Folder::new(&[]);
    assert_eq!(folder.feed(&["check", "-"], RIGHT.as_bytes()), (Some(0), String::new(), String::new()));
    let (code, _, err) = folder.feed(&["check", "-", "--message-format", "short"], WRONG.as_bytes());
    assert!(code == Some(1) && err.starts_with("<stdin>:2:26: error[KRS0203]: "), "{err}");
    assert_eq!(folder.feed(&["check", "-"], b"# \xff").0, Some(2));
    assert_eq!(folder.feed(&["build", "-", "-o", "p.o"], RIGHT.as_bytes()).0, Some(0));
    assert!(is_object(&folder.path("p.o")));
}

#[test]
fn stages_are_printed() {
    let folder = Folder::new(&[("p.krs", RIGHT)]);
    for (stage, part) in [
        ("ast", "task"),
        ("hir", "  when (== task.uid 5)\n"),
        ("decision", "task.uid"),
        ("bpf", "p.krs:1:19"),
        ("object", "section lsm/file_open"),
    ] {
        let (code, out, err) = folder.run(&["build", "p.krs", "--emit", stage]);
        assert!(code == Some(0) && out.contains(part) && err.is_empty(), "{stage}: {out} {err}");
        assert!(!folder.path("p.o").exists(), "{stage}");
        assert_eq!(folder.run(&["build", "p.krs", "--emit", stage, "-o", "out.txt"]).0, Some(0));
        assert_eq!(fs::read_to_string(folder.path("out.txt")).expect("a file"), out, "{stage}");
    }
}

#[test]
fn levels_of_warnings() {
    let folder = Folder::new(&[("p.krs", DOUBTFUL)]);
    for (arguments, code, severity) in [
        (&[][..], 0, "warning[KRS0904]"),
        (&["-A", "unused-item"], 0, ""),
        (&["-A", "KRS0904"], 0, ""),
        (&["-A", "warnings"], 0, ""),
        (&["-D", "unused-item"], 1, "error[KRS0904]"),
        (&["-D", "warnings"], 1, "error[KRS0904]"),
        (&["--deny-warnings"], 1, "error[KRS0904]"),
        (&["--deny-warnings", "-A", "unused-item"], 0, ""),
        (&["-D", "warnings", "-A", "unused_item"], 0, ""),
        (&["-A", "warnings", "-D", "unused-item"], 1, "error[KRS0904]"),
        (&["-D", "always-true"], 0, "warning[KRS0904]"),
    ] {
        let (found, _, err) = folder.run(&[&["check", "p.krs"], arguments].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {err}");
        assert!(err.starts_with(severity) && err.is_empty() == severity.is_empty(), "{arguments:?}: {err}");
    }
}

/// All formats report the same place: the error is in the second line, after a two-byte character.
#[test]
fn formats_agree() {
    let folder = Folder::new(&[(
        "p.krs",
        "on file_open deny\non file_open when task.comm == \"é\" and task.no_such == 1 deny\n",
    )]);
    let run = |format: &str| folder.run(&["check", "p.krs", "--message-format", format, "--color", "never"]);
    let (code, out, err) = run("json");
    assert!(code == Some(1) && err.is_empty(), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 1, "{out}");
    let json: serde_json::Value = serde_json::from_str(lines[0]).expect("JSON");
    let span = &json["spans"][0];
    // Columns count characters, offsets bytes: 17 and the line end, then 45 characters and another byte for the
    // `é`.
    assert_eq!((span["line"].as_u64(), span["column"].as_u64()), (Some(2), Some(45)));
    assert_eq!((span["start"].as_u64(), span["end"].as_u64()), (Some(63), Some(70)));
    assert_eq!((span["end_line"].as_u64(), span["end_column"].as_u64()), (Some(2), Some(52)));
    assert_eq!((json["code"].as_str(), json["severity"].as_str()), (Some("KRS0203"), Some("error")));
    assert_eq!((span["primary"].as_bool(), span["file"].as_str()), (Some(true), Some("p.krs")));
    let (code, out, err) = run("short");
    assert!(code == Some(1) && out.is_empty() && err.starts_with("p.krs:2:45: error[KRS0203]: "), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    let (_, _, plain) = run("plain");
    assert!(plain.contains("p.krs:2:45"), "{plain}");
    assert_eq!(json["rendered"].as_str().map(|text| plain.starts_with(text)), Some(true));
    let (_, _, rich) = run("rich");
    assert!(rich.contains("p.krs:2:45") && rich.contains("KRS0203") && !rich.contains('\x1b'), "{rich}");
    let (_, _, colored) = folder.run(&["check", "p.krs", "--message-format", "rich", "--color", "always"]);
    assert!(colored.contains('\x1b'));
}

#[test]
fn used_files_are_relative_to_the_using_file() {
    let folder = Folder::new(&[
        ("main.krs", "use \"sub/part.krs\"\nset s: u32 from \"list.txt\"\non file_open when task.uid in s deny\n"),
        ("list.txt", "1\n2\n"),
    ]);
    fs::create_dir(folder.path("sub")).expect("a folder");
    fs::write(folder.path("sub/part.krs"), "use \"../main.krs\"\non file_lock when task.no_such == 1 deny\n")
        .expect("a file");
    let (code, _, err) = folder.run(&["check", "main.krs", "--message-format", "short"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("sub/part.krs:2:24: error[KRS0203]") && err.contains("KRS0111"), "{err}");
    fs::write(folder.path("sub/part.krs"), "use \"missing.krs\"\non file_lock deny\n").expect("a file");
    let (code, _, err) = folder.run(&["check", "main.krs", "--message-format", "short"]);
    assert!(code == Some(1) && err.starts_with("sub/part.krs:1:5: error[KRS0110]"), "{err}");
    fs::write(folder.path("sub/part.krs"), "on file_lock deny\n").expect("a file");
    assert_eq!(folder.run(&["check", "main.krs"]).0, Some(0));
    fs::remove_file(folder.path("list.txt")).expect("a file");
    let (code, _, err) = folder.run(&["check", "main.krs", "--message-format", "short"]);
    assert!(code == Some(1) && err.starts_with("main.krs:2:17: error[KRS0352]"), "{err}");
}

#[test]
fn help_version_and_explanations() {
    let folder = Folder::new(&[]);
    for arguments in [&["--help"][..], &["--version"], &["check", "--help"], &["build", "-Z", "help"]] {
        let (code, out, err) = folder.run(arguments);
        assert!(code == Some(0) && !out.is_empty() && err.is_empty(), "{arguments:?}: {code:?} {err}");
    }
    let (code, out, _) = folder.run(&["explain", "KRS0203"]);
    assert!(code == Some(0) && out.contains("KRS0203") && out.contains("unknown field"), "{out}");
    for code in ["krs0203", "203", "KRS203"] {
        let found = folder.run(&["explain", code]);
        assert!(found.0 == Some(0) && found.1 == out, "{code}: {found:?}");
    }
    let (code, all, _) = folder.run(&["explain"]);
    assert!(code == Some(0) && all.contains("KRS0001") && all.contains("KRS0913"), "{all}");
}

/// `-Z print-after` names the function and the pass; the form is that of `mir::text`.
#[test]
fn passes_are_printed_timed_and_stopped() {
    let folder = Folder::new(&[("p.krs", RIGHT)]);
    let (code, out, printed) = folder.run(&["build", "p.krs", "-Z", "print-after=lower", "-Z", "print-after=dce"]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(printed.starts_with("; file_open after lower\nb0"), "{printed}");
    assert!(printed.contains("; file_open after dce\nb0") && printed.contains("if v"), "{printed}");
    assert!(is_object(&folder.path("p.o")));

    fs::remove_file(folder.path("p.o")).expect("it was written");
    let (code, out, said) = folder.run(&["build", "p.krs", "-Z", "stop-after=gvn"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(out.starts_with("; file_open after gvn\n") && !folder.path("p.o").exists(), "{out}");

    let (code, _, times) = folder.run(&["build", "p.krs", "-Z", "time-passes", "-Z", "verify-each"]);
    assert_eq!(code, Some(0));
    assert!(times.contains("microseconds") && times.contains("regalloc"), "{times}");

    let (code, _, said) = folder.run(&["build", "p.krs", "-Z", "print-after=gnv"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("unknown pass `gnv`") && said.contains("gvn"), "{said}");
    let (_, help, _) = folder.run(&["build", "-Z", "help"]);
    assert!(help.contains("print-after=PASS") && help.contains("thread-jumps"), "{help}");
}
