//! Tests of `krsic hooks` and `krsic types` as commands.

use std::process::{Command, Output};

fn krsic(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_krsic")).args(arguments).output().expect("cargo built the command")
}

fn stdout_of(arguments: &[&str]) -> String {
    let output = krsic(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

#[test]
fn hooks_are_listed_found_and_described() {
    let all = stdout_of(&["hooks"]);
    assert!(all.lines().count() > 250 && all.contains("\nfile_open "), "{all}");
    assert!(!all.contains('\x1b'), "no colour");
    let some = stdout_of(&["hooks", "mmap"]);
    assert!(some.lines().count() >= 3 && some.lines().skip(1).all(|line| line.contains("mmap")), "{some}");
    let old = stdout_of(&["hooks", "--on", "5.10", "--deny"]);
    assert!(!old.contains("\nuserns_create ") && !old.contains("\ntask_free ") && old.contains("\nfile_open "));
    let one = stdout_of(&["hooks", "path_rename"]);
    assert!(one.contains("flags: Rename") && one.contains("not on 5.10") && one.contains("old_path: path"), "{one}");
    assert_eq!(stdout_of(&["hooks", "exec"]), stdout_of(&["hooks", "bprm_check_security"]));
}

#[test]
fn types_are_listed_found_and_described() {
    assert!(stdout_of(&["types"]).contains("\nProt "));
    let file = stdout_of(&["types", "file"]);
    assert!(file.contains("mode    Fmode") && file.contains("f_mode"), "{file}");
    assert!(stdout_of(&["types", "Prot"]).contains("PROT_EXEC"));
    assert!(stdout_of(&["types", "anonymous"]).starts_with("def anonymous(vma: vm_area_struct): bool\n"));
    assert!(stdout_of(&["types", "lockdown_reason"]).contains("LOCKDOWN_KEXEC"));
}

#[test]
fn json_has_one_object_per_line() {
    for arguments in
        [&["hooks", "--format", "json"][..], &["types", "--format", "json"], &["hooks", "bpf", "--format", "json"]]
    {
        for line in stdout_of(arguments).lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect(line);
            assert!(value["name"].is_string(), "{line}");
        }
    }
}

#[test]
fn unknown_names_are_reported_with_a_remedy() {
    for (arguments, part) in [
        (&["hooks", "fil_open"][..], "did you mean `file_open`?"),
        (&["hooks", "security_file_open"], "without its prefix: `file_open`"),
        (&["hooks", "--on", "4.4"], "the known kernels are 5.10"),
        (&["types", "vm_aera_struct"], "did you mean `vm_area_struct`?"),
        (&["types", "--btf", "/dev/null"], "is not usable BTF"),
    ] {
        let output = krsic(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(part), "{arguments:?}: {text}");
    }
}

/// A rule with `@since` does not exempt other rules from the requirements of the target kernel.
#[test]
fn since_does_not_exempt_other_rules() {
    let old = krsic::kernel::embedded().iter().find(|kernel| kernel.name == "5.10");
    let check = |text: &str| {
        let files = [krsic::Source { name: "p.krs".into(), text: text.into() }];
        krsic::check(&files, &krsic::Options { target: old, ..krsic::Options::default() }).value.is_some()
    };
    let newer = "@since(\"6.1\") on userns_create unless task.uid == 0 deny\n";
    assert!(check(newer));
    assert!(!check("on userns_create deny"));
    assert!(!check(&format!("{newer}on uring_cmd deny")));
    assert!(check(&format!("where task.uid != 5 {{ {newer} }} on file_open when file.path == \"/x\" deny")));
}
