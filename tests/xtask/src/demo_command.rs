//! `cargo xtask demo`: shows one line of krs, from its source to a kernel that denies a call. The kernel runs
//! in a guest, and this machine is left unchanged.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::host;
use crate::tools::{Profile, Tools};
use crate::vm::{self, GuestEnd, GuestSpec};

/// Show a policy at work: build both tools, compile the policy of the README, boot a stock Debian kernel and
/// load the policy there.
#[derive(clap::Args)]
pub struct Arguments {
    /// Kernel to boot: 5.10, 6.1, 6.12, 6.18 or 7.2.
    #[arg(long, default_value = "6.12", value_name = "VERSION")]
    kernel: String,
}

const POLICY: &str = "examples/no-anonymous-exec.krs";

/// Steps of the guest: a remark and a command each.
const STEPS: &[(&str, &str)] = &[
    ("Before: any program may make anonymous memory executable.", "krs-guest anon-mprotect-exec"),
    ("Load the policy. The command ends, the policy stays.", "krsi load no-anonymous-exec.o"),
    ("The same call again.", "krs-guest anon-mprotect-exec"),
    ("Memory that a file stands behind passes: that is how programs load their code.", "krs-guest file-mprotect-exec"),
    ("What the kernel has recorded.", "krsi events"),
    ("What is loaded.", "krsi show no-anonymous-exec"),
    ("Unload it, and everything is as before.", "krsi unload no-anonymous-exec"),
    ("", "krs-guest anon-mprotect-exec"),
];

/// Runs the `demo` task.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    println!("== Building krsic and krsi");
    let tools = Tools::build(Profile::Release)?;
    let scratch = tempfile::Builder::new().prefix("krs-demo-").tempdir()?;
    let source = host::repository().join(POLICY);
    // The file is named without its folder, as in a user's own folder.
    let krsic = || {
        let mut command = Command::new(&tools.krsic);
        command.current_dir(host::repository().join("examples")).args(["build", "no-anonymous-exec.krs"]);
        command
    };
    let object = scratch.path().join("no-anonymous-exec.o");

    println!("\n== The policy, {POLICY}\n");
    let text = std::fs::read_to_string(&source).with_context(|| format!("cannot read {POLICY}"))?;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        println!("    {line}");
    }
    println!("\n$ krsic build no-anonymous-exec.krs --emit bpf\n");
    let assembly = host::run(krsic().args(["--emit", "bpf"]))?;
    for line in String::from_utf8_lossy(&assembly).lines() {
        println!("    {line}");
    }
    host::run(krsic().arg("-o").arg(&object))?;

    let image = crate::single(&arguments.kernel)?.image()?;
    println!("\n== Booting Debian's kernel {} ({}) in QEMU", image.version, image.package);
    let mut script = String::new();
    for (remark, command) in STEPS {
        if !remark.is_empty() {
            script.push_str(&format!("printf '\\n%s\\n' {}\n", vm::quote(&format!("# {remark}"))));
        }
        // The shell's exit status is that of the last command: a denied call of `krs-guest` is the result
        // shown here.
        script.push_str(&format!("echo {}; {command}\n", vm::quote(&format!("$ {command}"))));
    }
    let mut spec = GuestSpec::new(script);
    spec.silence = Duration::from_secs(120);
    spec.files = tools.guest_files();
    spec.files.push((object, "root/no-anonymous-exec.o".to_owned()));
    let result = vm::run(&image, &spec, &mut vm::to_stdout)?;
    if let Some(failure) = result.failure() {
        eprintln!("error: Linux {}: {failure}", image.version);
        return Ok(ExitCode::FAILURE);
    }
    let denied = result.output.contains("anon-mprotect-exec EPERM") && result.output.contains("denied EPERM");
    if result.end != GuestEnd::Exit(0) || !denied {
        eprintln!("error: the call was not denied and recorded");
        return Ok(ExitCode::FAILURE);
    }
    println!("\nThe kernel refused the call and recorded it. The policy itself: one line.");
    println!("On a kernel of your own that runs BPF LSM: krsic build policy.krs && sudo krsi load policy.o");
    Ok(ExitCode::SUCCESS)
}
