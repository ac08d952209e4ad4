//! `kill-after=N PROGRAM ARGUMENTS`: runs a program and kills it right after its Nth system call that changes the state
//! of pins, maps or programs, before it can do anything else.
//!
//! ```text
//! # krs-guest kill-after=40 krsi load policy.o
//! killed after 40: bpf 6
//! ```
//!
//! A program that ends before is reported with its status: `ended after 38: 0`. With N = 0 it is not killed, and the name
//! of each such call is printed: `1 mkdir`. Only x86-64.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

/// Commands of bpf(2) that change what outlives the process: elements of maps, pins, and links. Source:
/// `include/uapi/linux/bpf.h`.
const CHANGES: [u64; 7] = [2, 3, 6, 17, 28, 29, 34];

/// Returns the name of a call that changes state.
fn changes(registers: &libc::user_regs_struct) -> Option<String> {
    let number = libc::c_long::try_from(registers.orig_rax).ok()?;
    Some(match number {
        libc::SYS_bpf if CHANGES.contains(&registers.rdi) => format!("bpf {}", registers.rdi),
        libc::SYS_mkdir | libc::SYS_mkdirat => "mkdir".to_owned(),
        libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => "rename".to_owned(),
        libc::SYS_unlink | libc::SYS_unlinkat => "unlink".to_owned(),
        libc::SYS_rmdir => "rmdir".to_owned(),
        _ => return None,
    })
}

/// Makes one call of ptrace(2).
fn ptrace(request: libc::c_uint, pid: libc::pid_t, data: *mut libc::user_regs_struct) -> bool {
    #[expect(
        unsafe_code,
        reason = "the request reads or writes at most the registers at `data`, which the caller owns, or ignores it"
    )]
    let result = unsafe { libc::ptrace(request, pid, std::ptr::null_mut::<libc::c_void>(), data) };
    result == 0
}

/// Waits until the process stops or ends, and returns its status.
fn wait(pid: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    #[expect(unsafe_code, reason = "the kernel writes the status and nothing else")]
    unsafe {
        libc::waitpid(pid, &raw mut status, libc::__WALL)
    };
    status
}

/// Runs the program and kills it after the given number of changes.
pub fn after(count: &str, program: &str, arguments: &[String]) -> ExitCode {
    let Ok(limit) = count.parse::<u32>() else {
        println!("kill-after={count} setup: no number");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(unsafe_code, reason = "the child makes one system call before it executes the program")]
    unsafe {
        command.pre_exec(|| match ptrace(libc::PTRACE_TRACEME, 0, std::ptr::null_mut()) {
            true => Ok(()),
            false => Err(std::io::Error::last_os_error()),
        });
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("kill-after={count} setup: {error}");
            return ExitCode::from(2);
        }
    };
    let pid = child.id().cast_signed();
    let (mut done, mut entered) = (0, false);
    // The first stop is the one of execve(2).
    wait(pid);
    loop {
        ptrace(libc::PTRACE_SYSCALL, pid, std::ptr::null_mut());
        let status = wait(pid);
        if libc::WIFEXITED(status) {
            println!("ended after {done}: {}", libc::WEXITSTATUS(status));
            return ExitCode::SUCCESS;
        }
        if libc::WIFSIGNALED(status) {
            println!("ended after {done}: signal {}", libc::WTERMSIG(status));
            return ExitCode::SUCCESS;
        }
        if libc::WSTOPSIG(status) != libc::SIGTRAP {
            continue;
        }
        entered = !entered;
        let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::zeroed();
        ptrace(libc::PTRACE_GETREGS, pid, registers.as_mut_ptr());
        #[expect(unsafe_code, reason = "the structure has only integers, which are valid as zeros too")]
        let registers = unsafe { registers.assume_init() };
        // A call that failed has changed nothing.
        let Some(name) = changes(&registers).filter(|_| !entered && registers.rax.cast_signed() >= 0) else { continue };
        done += 1;
        if limit == 0 {
            println!("{done} {name}");
        }
        if done == limit {
            #[expect(unsafe_code, reason = "the process is a child that has not been waited for")]
            unsafe {
                libc::kill(pid, libc::SIGKILL)
            };
            wait(pid);
            println!("killed after {done}: {name}");
            return ExitCode::SUCCESS;
        }
    }
}
