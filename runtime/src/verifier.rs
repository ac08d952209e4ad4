//! Explains a rejection by the kernel's verifier in terms of the policy.
//!
//! The verifier's log quotes a line of the policy before the instructions compiled from it (`; text`, or from 6.10 on
//! `; text @ policy.krs:LINE`), so the last quoted line belongs to the rejected instruction.

use std::io;

use krsi_abi::manifest::{Manifest, Rule};

use crate::failure::Failure;

/// The call that replaces an instruction whose CO-RE relocation failed, as in the log: 0xbad2310, as in libbpf.
const FAILED_RELOCATION: &str = "unknown#195896080";

/// The helpers that a kernel in lockdown does not give to programs, with their numbers.
const READS: [&str; 3] = ["bpf_probe_read#4", "bpf_probe_read_kernel#113", "bpf_probe_read_kernel_str#115"];

/// Returns the failure for a verifier log.
pub fn refusal(manifest: &Manifest, hook: &str, error: &io::Error, log: &str, verbose: bool) -> Failure {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        if error.raw_os_error() == Some(libc::EPERM) {
            return Failure::refused("this kernel refuses all LSM programs")
                .note("it returned `EPERM` with an empty log, which the verifier itself never does")
                .help("the host, a container or another security module forbids LSM programs; run `krsi doctor`, or try a virtual machine that you control");
        }
        return Failure::refused(format!("loading the program of `{hook}` failed: {error}"))
            .help("run `krsi doctor` to check the requirements");
    }
    let reason = lines
        .iter()
        .rev()
        .find(|line| {
            !line.starts_with("processed ")
                && !line.starts_with("verification time")
                && !line.starts_with("stack depth")
                && !line.starts_with("insns processed")
        })
        .copied()
        .unwrap_or_default();
    // From btf_distill_func_proto, before 6.0.
    if reason.contains("type STRUCT is unsupported") {
        return Failure::refused(format!("this kernel does not support programs on `{hook}`"))
            .note("an argument of the hook is a struct passed by value, which kernels before 6.0 cannot pass to a program")
            .help("restrict the rules on this hook to newer kernels with `@since(\"6.1\")`, or use another hook");
    }
    // From check_helper_call: in lockdown the kernel has no such helper, `bpf_base_func_proto` in kernel/bpf/helpers.c.
    let withheld = reason.contains("unknown func") || reason.contains("cannot use helper");
    if withheld && READS.iter().any(|helper| reason.contains(helper)) {
        return Failure::refused("this kernel is locked down: no program may read kernel memory")
            .note(format!("reason: {reason}"))
            .note("the mode `confidentiality` of kernel lockdown forbids it, see /sys/kernel/security/lockdown")
            .help("boot with lockdown=integrity or lockdown=none; `krsi doctor` checks it");
    }
    let quoted = lines.iter().rev().find_map(|line| line.strip_prefix("; "));
    let rule = quoted.and_then(|quoted| rule_of(manifest, hook, quoted));
    let place = |rule: &Rule| format!("{}: {}", rule.source, rule.source.text);
    if reason.contains(FAILED_RELOCATION) {
        let subject = rule.map_or("the policy".to_owned(), |rule| format!("rule `{}`", rule.name));
        let failure = Failure::refused(format!("{subject} reads something on `{hook}` that this kernel does not have"));
        return rule
            .map(place)
            .into_iter()
            .fold(failure, Failure::note)
            .help("run `krsic check` on this machine to see what is missing; restrict the rule to newer kernels with `@since(\"...\")`, or build a second policy without it");
    }
    let mut failure = match rule {
        Some(rule) => Failure::refused(format!("the kernel's verifier rejects rule `{}` on `{hook}`", rule.name))
            .note(place(rule)),
        None => Failure::refused(format!("the kernel's verifier rejects the program of `{hook}`")),
    };
    failure = failure.note(format!("reason: {reason}"));
    if verbose {
        failure = lines.iter().fold(failure, |failure, line| failure.note(*line));
    } else {
        failure = failure.help("run the command with `--verbose` to see the complete log of the verifier");
    }
    failure.help(
        "a policy that compiles should load on every kernel that it was checked against; please report this with the policy and the log",
    )
}

/// Finds the rule that a quoted line belongs to.
fn rule_of<'m>(manifest: &'m Manifest, hook: &str, quoted: &str) -> Option<&'m Rule> {
    let of_hook =
        |rule: &&Rule| manifest.programs.get(rule.program as usize).is_some_and(|program| program.hook == hook);
    if let Some((_, place)) = quoted.rsplit_once(" @ ")
        && let Some((file, line)) = place.rsplit_once(':')
        && let Ok(line) = line.parse::<u32>()
    {
        // A rule can span lines: take the last one that begins at or before the line. The kernel quotes the
        // file name without its folder.
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        return manifest
            .rules
            .iter()
            .filter(of_hook)
            .filter(|rule| name(&rule.source.file) == name(file) && rule.source.line <= line)
            .max_by_key(|rule| rule.source.line);
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = words(quoted);
    manifest
        .rules
        .iter()
        .filter(of_hook)
        .find(|rule| rule.source.text.contains(&quoted) || quoted.contains(&rule.source.text))
}

#[cfg(test)]
mod tests {
    use krsi_abi::manifest::{Program, Source};

    use super::*;

    fn manifest() -> Manifest {
        let rule = |name: &str, line, text: &str| Rule {
            name: name.into(),
            source: Source { file: "dir/p.krs".into(), line, column: 1, text: text.into() },
            deny: Some(1),
            ..Rule::default()
        };
        Manifest {
            policy: "p".into(),
            programs: vec![Program {
                hook: "file_open".into(),
                section: "lsm/file_open".into(),
                instructions: 2,
                ..Program::default()
            }],
            rules: vec![rule("first", 1, "on file_open when a deny"), rule("second", 3, "on file_open when b deny")],
            ..Manifest::default()
        }
    }

    #[test]
    fn a_log_is_mapped_to_the_rejected_rule() {
        let error = io::Error::from_raw_os_error(libc::EACCES);
        for log in [
            "0: R1=ctx()\n; on file_open when a deny @ p.krs:1\n1: (79)\n; when b deny @ p.krs:4\n2: (61) r0\nR1 invalid mem access\nprocessed 3 insns",
            "; on file_open when a deny\n1: (79)\n; on file_open when b deny\n2: (61) r0\nR1 invalid mem access\nprocessed 3 insns",
        ] {
            let failure = refusal(&manifest(), "file_open", &error, log, false).to_string();
            assert!(failure.contains("rule `second`") && failure.contains("R1 invalid mem access"), "{failure}");
            assert!(!failure.contains("(79)"), "{failure}");
        }
    }

    #[test]
    fn an_unsupported_hook_is_not_reported_as_a_bug() {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        let log = "The function bpf_lsm_file_open arg1 type STRUCT is unsupported.\nprocessed 0 insns (limit 1000000)";
        let failure = refusal(&manifest(), "file_open", &error, log, false).to_string();
        assert!(
            failure.contains("does not support programs on `file_open`") && failure.contains("@since"),
            "{failure}"
        );
        assert!(!failure.contains("report"), "{failure}");
    }

    #[test]
    fn a_missing_field_is_not_reported_as_a_bug() {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        let log = "0: (79)\n; on file_open when b deny @ p.krs:3\n66: (85) call unknown#195896080\n\
            invalid func unknown#195896080\ninsns processed 434+0+0+0\nprocessed 434 insns (limit 1000000)";
        let failure = refusal(&manifest(), "file_open", &error, log, false).to_string();
        assert!(
            failure.contains("rule `second` reads something on `file_open` that this kernel does not have"),
            "{failure}"
        );
        assert!(failure.contains("@since") && !failure.contains("report"), "{failure}");
    }

    #[test]
    fn an_empty_log_is_not_a_rejection_of_the_policy() {
        let error = io::Error::from_raw_os_error(libc::EPERM);
        let failure = refusal(&manifest(), "file_open", &error, "", false).to_string();
        assert!(failure.contains("refuses all LSM programs"), "{failure}");
    }

    /// Both wordings of the verifier: until 6.9, and since.
    #[test]
    fn lockdown_is_not_reported_as_a_bug() {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        for reason in [
            "unknown func bpf_probe_read_kernel#113",
            "program of this type cannot use helper bpf_probe_read_kernel_str#115",
        ] {
            let log = format!("; on file_open when a deny\n5: (85) call bpf_probe_read_kernel#113\n{reason}\n");
            let failure = refusal(&manifest(), "file_open", &error, &log, false).to_string();
            assert!(failure.starts_with("error: this kernel is locked down"), "{failure}");
            assert!(!failure.contains("please report"), "{failure}");
        }
        let log = "5: (85) call bpf_probe_read_kernel#113\nR1 type=scalar expected=fp\n";
        assert!(refusal(&manifest(), "file_open", &error, log, false).to_string().contains("please report"));
    }

    /// The reason is the last line of the log that is not part of the statistics.
    #[test]
    fn statistics_are_not_the_reason() {
        let error = io::Error::from_raw_os_error(libc::EACCES);
        let log = "; on file_open when a deny\nR1 invalid mem access\nverification time 9 usec\nstack depth 8\n\
            insns processed 3\nprocessed 3 insns\n\n";
        let text = |verbose| refusal(&manifest(), "file_open", &error, log, verbose).to_string();
        assert!(text(false).contains("note: reason: R1 invalid mem access\n"), "{}", text(false));
        assert!(text(false).contains("with `--verbose` to see") && !text(false).contains("stack depth"));
        // With `--verbose`, each line of the log is a note.
        assert!(text(true).contains("note: stack depth 8\n") && text(true).contains("note: processed 3 insns\n"));
        assert!(!text(true).contains("--verbose"));
        assert!(text(false).contains("  note: dir/p.krs:1:1: on file_open when a deny\n"), "{}", text(false));
    }

    #[test]
    fn quoted_lines_are_mapped_to_rules() {
        let mut manifest = manifest();
        let found = |manifest: &Manifest, hook: &str, quoted: &str| {
            rule_of(manifest, hook, quoted).map(|rule| rule.name.clone())
        };
        for (quoted, rule) in [
            ("x @ p.krs:1", Some("first")),
            ("x @ p.krs:2", Some("first")),
            ("x @ p.krs:3", Some("second")),
            ("x @ other.krs:3", None),
            ("x @ p.krs:0", None),
            // Without a line number, the quoted text is matched against the rules' text.
            ("on file_open when b deny", Some("second")),
            ("when   b\tdeny", Some("second")),
            ("  on file_open when a deny  # comment", Some("first")),
            ("on bpf deny", None),
            // Not a line number after the colon, so the whole line is text.
            ("x @ p.krs:one", None),
        ] {
            assert_eq!(found(&manifest, "file_open", quoted).as_deref(), rule, "{quoted}");
            assert_eq!(found(&manifest, "bpf", quoted), None);
        }
        manifest.programs[0].hook = "bpf".into();
        assert_eq!(found(&manifest, "bpf", "x @ p.krs:1").as_deref(), Some("first"));
    }

    #[test]
    fn rejections_without_a_rule() {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        let text = |log| refusal(&manifest(), "file_open", &error, log, false).to_string();
        let failure = text("0: (79)\nback-edge from insn 3 to 1");
        assert!(failure.starts_with("error: the kernel's verifier rejects the program of `file_open`\n"), "{failure}");
        assert!(failure.contains("note: reason: back-edge from insn 3 to 1"), "{failure}");
        assert!(text("call unknown#195896080").starts_with("error: the policy reads something on `file_open` that"));
        // No log and another errno: the error text of the kernel.
        let failure = text("  \n");
        assert!(failure.starts_with("error: loading the program of `file_open` failed: Invalid argument"), "{failure}");
    }
}
