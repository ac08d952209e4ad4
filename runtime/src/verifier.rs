//! A refusal of the kernel's verifier, told in the policy's words.
//!
//! The verifier's log quotes the line of the policy before the instructions made of it (`; text` or, from
//! 6.10 on, `; text @ policy.krs:LINE`). The last quoted line is where it gave up.

use std::io;

use krsi_abi::manifest::{Manifest, Rule};

use crate::failure::Failure;

/// What the loader calls in place of an instruction that reads a field which the kernel has not: 0xbad2310, as libbpf does.
const LACKING: &str = "unknown#195896080";

/// The failure that stands for a log.
pub fn refusal(manifest: &Manifest, hook: &str, error: &io::Error, log: &str, verbose: bool) -> Failure {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        if error.raw_os_error() == Some(libc::EPERM) {
            return Failure::refused("this kernel refuses LSM programs altogether")
                .note("it gave no reason: `EPERM` and an empty log, which the verifier itself never gives")
                .help("a host, a container or another security module forbids it; `krsi doctor` tells what is missing, a virtual machine of your own takes policies");
        }
        return Failure::refused(format!("the kernel does not take the program of `{hook}`: {error}"))
            .help("`krsi doctor` tells what may be missing");
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
        return Failure::refused(format!("this kernel takes no program on `{hook}`"))
            .note("an argument of the hook is a struct passed by value, which kernels before 6.0 cannot hand to a program")
            .help("say in the policy that its rules there are for newer kernels, `@since(\"6.1\")`, or use another hook");
    }
    let quoted = lines.iter().rev().find_map(|line| line.strip_prefix("; "));
    let rule = quoted.and_then(|quoted| rule_of(manifest, hook, quoted));
    let place = |rule: &Rule| format!("{}: {}", rule.source, rule.source.text);
    if reason.contains(LACKING) {
        let what = rule.map_or("the policy".to_owned(), |rule| format!("rule `{}`", rule.name));
        let failure = Failure::refused(format!("{what} reads on `{hook}` what this kernel does not have"));
        return rule
            .map(place)
            .into_iter()
            .fold(failure, Failure::note)
            .help("`krsic check` on this machine says what it is; say that the rule is for newer kernels, `@since(\"...\")`, or build a second policy without it");
    }
    let mut failure = match rule {
        Some(rule) => Failure::refused(format!("the kernel's verifier refuses rule `{}` on `{hook}`", rule.name))
            .note(place(rule)),
        None => Failure::refused(format!("the kernel's verifier refuses the program of `{hook}`")),
    };
    failure = failure.note(format!("its reason: {reason}"));
    if verbose {
        failure = lines.iter().fold(failure, |failure, line| failure.note(*line));
    } else {
        failure = failure.help("`--verbose` shows the verifier's whole log");
    }
    failure.help(
        "what krsic builds should load on every kernel that it names: please report this with the policy and the log",
    )
}

/// The rule that a quoted line belongs to.
fn rule_of<'m>(manifest: &'m Manifest, hook: &str, quoted: &str) -> Option<&'m Rule> {
    let of_hook =
        |rule: &&Rule| manifest.programs.get(rule.program as usize).is_some_and(|program| program.hook == hook);
    if let Some((_, place)) = quoted.rsplit_once(" @ ")
        && let Some((file, line)) = place.rsplit_once(':')
        && let Ok(line) = line.parse::<u32>()
    {
        // A rule may span lines: it is the last one that begins no later. The kernel quotes the file's name without its folder.
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
                parts: vec![],
                keeps: false,
                arguments: vec![],
            }],
            rules: vec![rule("first", 1, "on file_open when a deny"), rule("second", 3, "on file_open when b deny")],
            ..Manifest::default()
        }
    }

    #[test]
    fn a_log_becomes_the_rule_that_it_stopped_in() {
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
    fn a_hook_that_the_kernel_cannot_hand_over_is_no_fault_of_the_policy() {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        let log = "The function bpf_lsm_file_open arg1 type STRUCT is unsupported.\nprocessed 0 insns (limit 1000000)";
        let failure = refusal(&manifest(), "file_open", &error, log, false).to_string();
        assert!(failure.contains("no program on `file_open`") && failure.contains("@since"), "{failure}");
        assert!(!failure.contains("report"), "{failure}");
    }

    #[test]
    fn a_field_that_the_kernel_lacks_is_no_fault_of_the_policy() {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        let log = "0: (79)\n; on file_open when b deny @ p.krs:3\n66: (85) call unknown#195896080\n\
            invalid func unknown#195896080\ninsns processed 434+0+0+0\nprocessed 434 insns (limit 1000000)";
        let failure = refusal(&manifest(), "file_open", &error, log, false).to_string();
        assert!(failure.contains("rule `second` reads on `file_open` what this kernel does not have"), "{failure}");
        assert!(failure.contains("@since") && !failure.contains("report"), "{failure}");
    }

    #[test]
    fn an_empty_log_is_no_verdict_on_the_policy() {
        let error = io::Error::from_raw_os_error(libc::EPERM);
        let failure = refusal(&manifest(), "file_open", &error, "", false).to_string();
        assert!(failure.contains("refuses LSM programs altogether"), "{failure}");
    }

    /// The reason is the last line that is no statistics.
    #[test]
    fn statistics_are_no_reason() {
        let error = io::Error::from_raw_os_error(libc::EACCES);
        let log = "; on file_open when a deny\nR1 invalid mem access\nverification time 9 usec\nstack depth 8\n\
            insns processed 3\nprocessed 3 insns\n\n";
        let text = |verbose| refusal(&manifest(), "file_open", &error, log, verbose).to_string();
        assert!(text(false).contains("note: its reason: R1 invalid mem access\n"), "{}", text(false));
        assert!(text(false).contains("help: `--verbose` shows") && !text(false).contains("stack depth"));
        // The whole log, each line a note.
        assert!(text(true).contains("note: stack depth 8\n") && text(true).contains("note: processed 3 insns\n"));
        assert!(!text(true).contains("--verbose"));
        assert!(text(false).contains("  note: dir/p.krs:1:1: on file_open when a deny\n"), "{}", text(false));
    }

    #[test]
    fn lines_lead_to_rules_of_the_hook() {
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
            // Without a place the text tells, of which a line is a part.
            ("on file_open when b deny", Some("second")),
            ("when   b\tdeny", Some("second")),
            ("  on file_open when a deny  # comment", Some("first")),
            ("on bpf deny", None),
            // No number behind the colon: it is text.
            ("x @ p.krs:one", None),
        ] {
            assert_eq!(found(&manifest, "file_open", quoted).as_deref(), rule, "{quoted}");
            assert_eq!(found(&manifest, "bpf", quoted), None);
        }
        manifest.programs[0].hook = "bpf".into();
        assert_eq!(found(&manifest, "bpf", "x @ p.krs:1").as_deref(), Some("first"));
    }

    #[test]
    fn refusals_without_a_rule() {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        let text = |log| refusal(&manifest(), "file_open", &error, log, false).to_string();
        let failure = text("0: (79)\nback-edge from insn 3 to 1");
        assert!(failure.starts_with("error: the kernel's verifier refuses the program of `file_open`\n"), "{failure}");
        assert!(failure.contains("its reason: back-edge from insn 3 to 1"), "{failure}");
        assert!(text("call unknown#195896080").starts_with("error: the policy reads on `file_open` what"));
        // No log and another error: the kernel's words.
        let failure = text("  \n");
        assert!(
            failure.starts_with("error: the kernel does not take the program of `file_open`: Invalid argument"),
            "{failure}"
        );
    }
}
