//! Performs named acts on the kernel and prints the result of each.
//!
//! ```text
//! # krs-guest anon-mprotect-exec file-mprotect-exec
//! anon-mprotect-exec EPERM
//! file-mprotect-exec ok
//! ```
//!
//! Each act makes one call whose result is printed. Its preparation is done in a fresh folder under `/tmp`,
//! and a failure there is reported as such (`setup: ...`). The exit status is 0 whatever the kernel returned,
//! and 2 for an act that is unknown or could not be prepared. `krs-guest` alone lists the acts that need no
//! preparation by the caller, and `krs-guest bench` measures.
//!
//! Further acts have an argument. `connect=ADDRESS`, `listen=ADDRESS` and `send=ADDRESS` use the given
//! address and port. `unix-listen=NAME`, `unix-receive=NAME`, `unix-connect=NAME`, `unix-talk=NAME` and
//! `unix-send=NAME` use a Unix socket, with `@` for the abstract namespace. `module=PATH` loads a module, and
//! `enter=PATH` and `enter-pid=PID` enter namespaces. `open=PATH` and `open-tree=TREE:PATH` open a file, and `deep-run=FOLDER:LEVELS`,
//! `deep-open` and `deep-map` use one whose path is long. Sockets that listen or receive stay open for the acts
//! that follow. `message KIND PEER ADDRESS RECEIVER...` sends one message and prints which socket receives it.
//! `as=UID PROGRAM ARGUMENTS` executes a program as another user, and `kill-after=N PROGRAM ARGUMENTS` kills one at a
//! system call.

mod bench;
mod drive;
mod kill;
mod messages;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::{self as unix_net, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::fs::{Mode, XattrFlags};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

mod labels;

/// Reason for the failure of an act.
enum Failure {
    /// The tested call itself failed.
    Refused(io::Error),
    /// A step of the preparation failed.
    Setup(io::Error),
}

type Outcome = Result<(), Failure>;

/// An act with its name.
struct Act {
    name: &'static str,
    doc: &'static str,
    /// Performs the act; its argument is an empty folder for this act only.
    run: fn(&Path) -> Outcome,
}

const fn act(name: &'static str, doc: &'static str, run: fn(&Path) -> Outcome) -> Act {
    Act { name, doc, run }
}

const ACTS: &[Act] = &[
    act("anon-mmap", "map a page that no file backs", |_| map_anonymous(ProtFlags::READ).map(drop)),
    act("anon-mmap-exec", "map such a page executable", |_| map_anonymous(ProtFlags::READ | ProtFlags::EXEC).map(drop)),
    act("anon-mprotect-exec", "make such a page executable", |_| {
        let page = map_anonymous(ProtFlags::READ | ProtFlags::WRITE).or_else(setup)?;
        page.protect(MprotectFlags::READ | MprotectFlags::EXEC)
    }),
    act("thread-mprotect-exec", "the same in a second thread; process and thread are in /tmp/krs-guest-thread", |_| {
        let thread = std::thread::spawn(|| {
            let ids = format!("{} {}\n", std::process::id(), rustix::thread::gettid().as_raw_nonzero());
            fs::write("/tmp/krs-guest-thread", ids).map_err(Failure::Setup)?;
            let page = map_anonymous(ProtFlags::READ | ProtFlags::WRITE).or_else(setup)?;
            page.protect(MprotectFlags::READ | MprotectFlags::EXEC)
        });
        thread.join().unwrap_or(Err(Failure::Setup(io::Error::other("the thread died"))))
    }),
    act("anon-mprotect-read", "make such a page read-only", |_| {
        let page = map_anonymous(ProtFlags::READ | ProtFlags::WRITE).or_else(setup)?;
        page.protect(MprotectFlags::READ)
    }),
    act("file-mmap", "map a page of a file", |folder| map_file(folder).map(drop)),
    act("file-mprotect-exec", "make a page of a file executable", |folder| {
        let page = map_file(folder).or_else(setup)?;
        page.protect(MprotectFlags::READ | MprotectFlags::EXEC)
    }),
    act("open", "open a file for reading", |folder| {
        let file = existing(folder)?;
        refused(File::open(file))
    }),
    act("open-write", "open a file for writing", |folder| {
        let file = existing(folder)?;
        refused(File::options().write(true).open(file))
    }),
    act("create", "create a file", |folder| refused(File::create(folder.join("new")))),
    act("unlink", "remove a file", |folder| {
        let file = existing(folder)?;
        refused(fs::remove_file(file))
    }),
    act("mkdir", "make a folder", |folder| refused(fs::create_dir(folder.join("folder")))),
    act("rmdir", "remove a folder", |folder| {
        fs::create_dir(folder.join("folder")).map_err(Failure::Setup)?;
        refused(fs::remove_dir(folder.join("folder")))
    }),
    act("rename", "rename a file", |folder| {
        let file = existing(folder)?;
        refused(fs::rename(file, folder.join("renamed")))
    }),
    act("link", "make a hard link", |folder| {
        let file = existing(folder)?;
        refused(fs::hard_link(file, folder.join("linked")))
    }),
    act("symlink", "make a symbolic link", |folder| refused(symlink("/nowhere", folder.join("link")))),
    act("chmod", "change a file's mode", |folder| {
        let file = existing(folder)?;
        refused(fs::set_permissions(file, fs::Permissions::from_mode(0o600)))
    }),
    act("chown", "change a file's owner", |folder| {
        let file = existing(folder)?;
        refused(chown(file, Some(1), Some(1)))
    }),
    act("truncate", "cut a file to nothing", |folder| {
        let file = File::options().write(true).open(existing(folder)?).map_err(Failure::Setup)?;
        refused(file.set_len(0))
    }),
    act("stat", "ask for a file's attributes", |folder| {
        let file = existing(folder)?;
        refused(fs::metadata(file))
    }),
    act("setxattr", "set an extended attribute", |folder| {
        let file = existing(folder)?;
        refused(rustix::fs::setxattr(&file, "trusted.krs", b"1", XattrFlags::empty()))
    }),
    act("mknod", "make a named pipe", |folder| {
        let mode = Mode::from_raw_mode(0o600);
        let pipe = folder.join("pipe");
        refused(rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0))
    }),
    act("lock", "lock a file", |folder| {
        let file = File::open(existing(folder)?).map_err(Failure::Setup)?;
        refused(rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared))
    }),
    act("ioctl", "ask a file for the bytes it has ready (FIONREAD)", |folder| {
        let file = File::open(existing(folder)?).map_err(Failure::Setup)?;
        refused(rustix::io::ioctl_fionread(&file))
    }),
    act("exec", "run a program", |_| refused(Command::new("/bin/true").status())),
    act("exec-deleted", "run a program that was removed from its folder", |folder| {
        let program = folder.join("true");
        fs::copy("/bin/true", &program).map_err(Failure::Setup)?;
        let open = File::open(&program).map_err(Failure::Setup)?;
        fs::remove_file(program).map_err(Failure::Setup)?;
        exec_open(&open)
    }),
    act("exec-memfd", "run a program that was never in a folder", |_| {
        let memory = rustix::fs::memfd_create("krs", rustix::fs::MemfdFlags::empty());
        let mut memory = File::from(memory.map_err(|error| Failure::Setup(error.into()))?);
        let mut program = File::open("/bin/true").map_err(Failure::Setup)?;
        io::copy(&mut program, &mut memory).map_err(Failure::Setup)?;
        exec_open(&memory)
    }),
    act("memfd-map-exec", "map code that was never in a folder", |_| {
        let memory = rustix::fs::memfd_create("krs", rustix::fs::MemfdFlags::empty());
        let memory = File::from(memory.map_err(|error| Failure::Setup(error.into()))?);
        memory.set_len(PAGE_BYTES as u64).map_err(Failure::Setup)?;
        map_open(&memory, ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE).map(drop)
    }),
    act("write-exec-map", "map a page that is writable and executable", |_| {
        map_anonymous(ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC).map(drop)
    }),
    act("write-exec-protect", "make a page writable and executable", |_| {
        let page = map_anonymous(ProtFlags::READ | ProtFlags::WRITE).or_else(setup)?;
        page.protect(MprotectFlags::READ | MprotectFlags::WRITE | MprotectFlags::EXEC)
    }),
    act("heap-exec", "make a page of the heap executable", |_| {
        // Small enough to come from the heap, large enough to contain a whole page.
        page_within(&vec![0u8; 4 * PAGE_BYTES])
    }),
    act("stack-exec", "make a page of the stack executable", |_| {
        // A constant would be placed in the program's read-only data.
        page_within(&std::hint::black_box([0u8; 4 * PAGE_BYTES]))
    }),
    act("io-uring", "make rings for io_uring and map them", |_| {
        let mut params = rustix::io_uring::io_uring_params::default();
        #[expect(unsafe_code, reason = "without flags the kernel only writes to the parameters")]
        let ring = unsafe { rustix::io_uring::io_uring_setup(4, &mut params) };
        let ring = File::from(ring.map_err(|error| Failure::Refused(error.into()))?);
        map_open(&ring, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED).map(drop)
    }),
    act("userfaultfd", "make a userfaultfd and begin to use it", |_| {
        #[expect(unsafe_code, reason = "no memory is registered with it")]
        let file = unsafe { rustix::mm::userfaultfd(rustix::mm::UserfaultfdFlags::CLOEXEC) };
        let file = file.map_err(|error| Failure::Refused(error.into()))?;
        let mut api = UffdioApi { api: 0xaa, features: 0, ioctls: 0 };
        #[expect(unsafe_code, reason = "UFFDIO_API reads and writes these three numbers")]
        let said = unsafe { rustix::ioctl::ioctl(file, rustix::ioctl::Updater::<0xc018_aa3f, _>::new(&mut api)) };
        refused(said)
    }),
    act("init-module", "give the kernel a module from memory", |_| {
        refused(rustix::system::init_module(&[0; PAGE_BYTES], c""))
    }),
    act("root-by-capability", "become root with CAP_SETUID alone", |_| {
        // In a separate thread, because user ids are per thread.
        std::thread::spawn(root_by_capability)
            .join()
            .unwrap_or(Err(Failure::Setup(io::Error::other("the thread died"))))
    }),
    act("fork", "start a thread", |_| refused(std::thread::Builder::new().spawn(|| ()))),
    act("setuid", "become another user", |_| {
        let nobody = rustix::process::Uid::from_raw(65534);
        let root = rustix::process::Uid::ROOT;
        let result = rustix::thread::set_thread_res_uid(nobody, nobody, root);
        // Restore the user for the acts that follow.
        let back = rustix::thread::set_thread_res_uid(root, root, root);
        refused(result)?;
        back.map_err(|error| Failure::Setup(error.into()))
    }),
    act("kill", "ask whether init may be signalled", |_| {
        refused(rustix::process::test_kill_process(rustix::process::Pid::INIT))
    }),
    act("ptrace", "open another process's memory", |_| {
        let mut child = Command::new("/bin/sleep").arg("10").spawn().map_err(Failure::Setup)?;
        // The child shares this process's memory until exec_mmap() of fs/exec.c, and no hook is called for an
        // access to a task's own memory; it takes its name after that. vfork(2) returns before.
        let comm = format!("/proc/{}/comm", child.id());
        while fs::read_to_string(&comm).map_err(Failure::Setup)?.trim_end() != "sleep" {
            std::thread::yield_now();
        }
        let result = File::open(format!("/proc/{}/mem", child.id()));
        child.kill().and_then(|()| child.wait()).map_err(Failure::Setup)?;
        refused(result)
    }),
    act("prctl", "rename this thread (PR_SET_NAME)", |_| refused(rustix::thread::set_name(c"krs-guest"))),
    act("setnice", "change this process's priority", |_| refused(rustix::process::setpriority_process(None, 5))),
    act("setrlimit", "change a resource limit", |_| {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        refused(rustix::process::setrlimit(rustix::process::Resource::Nofile, limit))
    }),
    act("mount", "mount a file system", |folder| {
        let flags = rustix::mount::MountFlags::empty();
        refused(rustix::mount::mount("none", folder, "tmpfs", flags, None))?;
        rustix::mount::unmount(folder, rustix::mount::UnmountFlags::empty())
            .map_err(|error| Failure::Setup(error.into()))
    }),
    act("socket", "make a UDP socket and bind it", |_| refused(UdpSocket::bind("127.0.0.1:0"))),
    act("listen", "listen on a TCP port", |_| refused(TcpListener::bind("127.0.0.1:0"))),
    act("connect", "connect to a TCP port", |_| {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::Setup)?;
        let address = listener.local_addr().map_err(Failure::Setup)?;
        refused(TcpStream::connect(address))
    }),
    act("unix-listen", "listen on a socket in the file system", |folder| {
        refused(UnixListener::bind(folder.join("socket")))
    }),
    act("pipe", "make a pipe", |_| refused(io::pipe())),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [first, program, arguments @ ..] = &wanted[..]
        && let Some(user) = first.strip_prefix("as=")
    {
        return become_user(user, program, arguments);
    }
    if let [first, program, arguments @ ..] = &wanted[..]
        && let Some(count) = first.strip_prefix("kill-after=")
    {
        return kill::after(count, program, arguments);
    }
    if wanted.is_empty() {
        // The acts of `labels` need files that their cases create.
        for act in ACTS {
            println!("{:20} {}", act.name, act.doc);
        }
        return ExitCode::SUCCESS;
    }
    if let [first, file] = &wanted[..]
        && first == "drive"
    {
        return drive::run(file);
    }
    if wanted[0] == "message" {
        return if messages::message(&wanted[1..]) { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    if wanted[0] == "bench" {
        return match bench::run(&wanted[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("error {error}");
                ExitCode::from(2)
            }
        };
    }
    let mut code = ExitCode::SUCCESS;
    for name in &wanted {
        // Each act has its own folder, so that only its tested call can fail.
        let folder = std::env::temp_dir().join(format!("krs-guest-{}-{name}", std::process::id()));
        let outcome = match ACTS.iter().chain(labels::ACTS).find(|act| act.name == *name) {
            _ if ["module=", "enter=", "enter-pid="].iter().any(|act| name.starts_with(act)) => enter(name),
            _ if name.starts_with("unix-") && name.contains('=') => unix(name),
            _ if name.starts_with("deep-") => deep(name),
            _ if name.starts_with("open=") || name.starts_with("open-tree=") => open(name),
            _ if name.contains('=') => network(name),
            // Without permissions for others, by which policies distinguish the folders that acts create from
            // this one.
            Some(act) => fs::DirBuilder::new()
                .mode(0o700)
                .create(&folder)
                .map_err(Failure::Setup)
                .and_then(|()| (act.run)(&folder)),
            None => Err(Failure::Setup(io::Error::other("no such act"))),
        };
        match outcome {
            Ok(()) => println!("{name} ok"),
            Err(Failure::Refused(error)) => println!("{name} {}", errno_name(&error)),
            Err(Failure::Setup(error)) => {
                println!("{name} setup: {error}");
                code = ExitCode::from(2);
            }
        }
        // A policy may deny this, too; the remaining folder is in memory only.
        fs::remove_dir_all(&folder).ok();
    }
    code
}

/// Performs `module=PATH` (finit_module), `enter=/proc/1/ns/mnt`, or `enter-pid=1` (setns of all namespaces
/// that it can enter).
fn enter(text: &str) -> Outcome {
    let (act, what) = text.split_once('=').unwrap_or((text, ""));
    match act {
        "module" => {
            let file = File::open(what).map_err(Failure::Setup)?;
            refused(rustix::system::finit_module(file, c"", 0))
        }
        "enter" => {
            let file = File::open(what).map_err(Failure::Refused)?;
            refused(rustix::thread::move_into_link_name_space(file.as_fd(), None))
        }
        _ => {
            let pid = what.parse().ok().and_then(rustix::process::Pid::from_raw);
            let pid = pid.ok_or_else(|| Failure::Setup(io::Error::other("no number of a process")))?;
            let flags = rustix::process::PidfdFlags::empty();
            let process = rustix::process::pidfd_open(pid, flags).map_err(|error| Failure::Setup(error.into()))?;
            let all = rustix::thread::ThreadNameSpaceType::NETWORK
                | rustix::thread::ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME;
            refused(rustix::thread::move_into_thread_name_spaces(process.as_fd(), all))
        }
    }
}

/// Performs `open=/srv/keys/k`, or `open-tree=/srv:keys/k`: opens a file through a copy of a tree that is mounted
/// nowhere.
fn open(text: &str) -> Outcome {
    use rustix::mount::OpenTreeFlags;
    let (act, path) = text.split_once('=').unwrap_or((text, ""));
    if act == "open" {
        return refused(File::open(path));
    }
    let (tree, path) = path.split_once(':').ok_or_else(|| Failure::Setup(io::Error::other("no path in the tree")))?;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, tree, OpenTreeFlags::OPEN_TREE_CLONE);
    let tree = tree.map_err(|error| Failure::Setup(error.into()))?;
    refused(rustix::fs::openat(tree, path, rustix::fs::OFlags::RDONLY, Mode::empty()))
}

/// Performs `deep-run=/tmp:18`: executes a program by its relative path, 18 folders of 250 bytes below `/tmp`, or
/// opens it (`deep-open`) or maps it executable (`deep-map`).
fn deep(text: &str) -> Outcome {
    use rustix::fs::{CWD, OFlags, mkdirat, openat};
    let setup = |error: rustix::io::Errno| Failure::Setup(error.into());
    let (act, place) = text.split_once('=').unwrap_or((text, ""));
    let (top, count) = place.split_once(':').unwrap_or((place, "1"));
    let count: u32 = count.parse().map_err(|_| Failure::Setup(io::Error::other("no number of folders")))?;
    let name = "d".repeat(250);
    let mut folder = openat(CWD, top, OFlags::DIRECTORY, Mode::empty()).map_err(setup)?;
    for _ in 0..count {
        match mkdirat(&folder, &name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(setup(error)),
        }
        folder = openat(&folder, &name, OFlags::DIRECTORY, Mode::empty()).map_err(setup)?;
    }
    rustix::process::fchdir(&folder).map_err(setup)?;
    if !fs::exists("prog").map_err(Failure::Setup)? {
        fs::copy("/bin/busybox", "prog").map_err(Failure::Setup)?;
    }
    match act {
        "deep-run" => refused(Command::new("./prog").arg0("true").status()),
        "deep-map" => {
            let file = File::open("prog").map_err(Failure::Setup)?;
            map_open(&file, ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE).map(drop)
        }
        _ => refused(File::options().write(true).open("prog")),
    }
}

/// The argument of UFFDIO_API: `struct uffdio_api`.
#[repr(C)]
struct UffdioApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// Changes from a user whose only capability is CAP_SETUID to root.
fn root_by_capability() -> Outcome {
    use rustix::thread::{CapabilitySet, CapabilitySets};
    let setup = |error: rustix::io::Errno| Failure::Setup(error.into());
    let user = rustix::process::Uid::from_raw(1000);
    let root = rustix::process::Uid::ROOT;
    rustix::thread::set_keep_capabilities(true).map_err(setup)?;
    rustix::thread::set_thread_res_uid(user, user, user).map_err(setup)?;
    let only = CapabilitySet::SETUID;
    let sets = CapabilitySets { effective: only, permitted: only, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).map_err(setup)?;
    refused(rustix::thread::set_thread_res_uid(root, root, root))
}

/// Makes a page inside this memory executable, and reverts it.
fn page_within(memory: &[u8]) -> Outcome {
    let page = Page(memory.as_ptr().map_addr(|at| at.next_multiple_of(PAGE_BYTES)).cast_mut().cast());
    let result = page.protect(MprotectFlags::READ | MprotectFlags::EXEC);
    if result.is_ok() {
        page.protect(MprotectFlags::READ | MprotectFlags::WRITE).or_else(setup)?;
    }
    // The page belongs to the caller.
    std::mem::forget(page);
    result
}

/// Runs a program as the user and the group with this id, in place of this one.
fn become_user(user: &str, program: &str, arguments: &[String]) -> ExitCode {
    let Ok(id) = user.parse() else {
        println!("as={user} setup: no number of a user");
        return ExitCode::from(2);
    };
    let error = Command::new(program).args(arguments).gid(id).uid(id).exec();
    println!("as={user} {}", errno_name(&error));
    ExitCode::from(2)
}

/// Performs `connect=10.0.0.1:80`, `listen=[::]:443` or `send=10.0.0.1:53` (one datagram).
fn network(text: &str) -> Outcome {
    let (act, address) = text.split_once('=').unwrap_or((text, ""));
    let address: SocketAddr = address.parse().map_err(|error| Failure::Setup(io::Error::other(error)))?;
    match act {
        "connect" => refused(TcpStream::connect_timeout(&address, Duration::from_secs(2))),
        "listen" => refused(TcpListener::bind(address)),
        "send" => {
            let any: SocketAddr =
                if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
            let socket = UdpSocket::bind(any).map_err(Failure::Setup)?;
            refused(socket.send_to(b"krs", address))
        }
        _ => Err(Failure::Setup(io::Error::other("no such act"))),
    }
}

/// Performs `unix-connect=/run/socket`, `unix-listen=@name` and the like.
fn unix(text: &str) -> Outcome {
    let (act, name) = text.split_once('=').unwrap_or((text, ""));
    let address = match name.strip_prefix('@') {
        Some(name) => unix_net::SocketAddr::from_abstract_name(name),
        None => unix_net::SocketAddr::from_pathname(name),
    };
    let address = address.map_err(Failure::Setup)?;
    let refused_and_kept = |socket: io::Result<std::os::fd::OwnedFd>| match socket {
        // The socket stays open until this program ends.
        Ok(socket) => {
            std::mem::forget(socket);
            Ok(())
        }
        Err(error) => Err(Failure::Refused(error)),
    };
    match act {
        "unix-listen" => refused_and_kept(UnixListener::bind_addr(&address).map(Into::into)),
        "unix-receive" => refused_and_kept(UnixDatagram::bind_addr(&address).map(Into::into)),
        "unix-connect" => refused(UnixStream::connect_addr(&address)),
        "unix-talk" => {
            let mut stream = UnixStream::connect_addr(&address).map_err(Failure::Setup)?;
            refused(stream.write(b"krs"))
        }
        "unix-send" => {
            let socket = UnixDatagram::unbound().map_err(Failure::Setup)?;
            refused(socket.send_to_addr(b"krs", &address))
        }
        _ => Err(Failure::Setup(io::Error::other("no such act"))),
    }
}

/// Name of the errno, as in `<errno.h>`.
fn errno_name(error: &io::Error) -> String {
    let name = match error.raw_os_error() {
        Some(1) => "EPERM",
        Some(2) => "ENOENT",
        Some(3) => "ESRCH",
        Some(5) => "EIO",
        Some(8) => "ENOEXEC",
        Some(11) => "EAGAIN",
        Some(12) => "ENOMEM",
        Some(13) => "EACCES",
        Some(6) => "ENXIO",
        Some(16) => "EBUSY",
        Some(17) => "EEXIST",
        Some(22) => "EINVAL",
        Some(26) => "ETXTBSY",
        Some(18) => "EXDEV",
        Some(25) => "ENOTTY",
        Some(28) => "ENOSPC",
        Some(30) => "EROFS",
        Some(32) => "EPIPE",
        Some(101) => "ENETUNREACH",
        Some(111) => "ECONNREFUSED",
        Some(38) => "ENOSYS",
        Some(95) => "EOPNOTSUPP",
        Some(number) => return format!("errno {number}"),
        None => return error.to_string(),
    };
    name.to_owned()
}

/// Converts the result of the tested call.
fn refused<T, E: Into<io::Error>>(result: Result<T, E>) -> Outcome {
    result.map(drop).map_err(|error| Failure::Refused(error.into()))
}

/// Converts a refusal during preparation to a failed preparation.
fn setup<T>(failure: Failure) -> Result<T, Failure> {
    match failure {
        Failure::Refused(error) | Failure::Setup(error) => Err(Failure::Setup(error)),
    }
}

fn existing(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let file = folder.join("file");
    fs::write(&file, "content\n").map_err(Failure::Setup)?;
    Ok(file)
}

/// A mapping of one page.
struct Page(*mut core::ffi::c_void);

const PAGE_BYTES: usize = 4096;

impl Page {
    fn protect(&self, flags: MprotectFlags) -> Outcome {
        #[expect(unsafe_code, reason = "the page is this value's own and nothing refers into it")]
        let result = unsafe { rustix::mm::mprotect(self.0, PAGE_BYTES, flags) };
        refused(result)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the page is this value's own and nothing refers into it")]
        let result = unsafe { rustix::mm::munmap(self.0, PAGE_BYTES) };
        result.ok();
    }
}

fn map_anonymous(prot: ProtFlags) -> Result<Page, Failure> {
    #[expect(unsafe_code, reason = "a new page at an address that the kernel chooses touches no memory in use")]
    let page = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE_BYTES, prot, MapFlags::PRIVATE) };
    page.map(Page).map_err(|error| Failure::Refused(error.into()))
}

/// Runs a program through its open file.
fn exec_open(file: &File) -> Outcome {
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    refused(Command::new(path).arg0("true").status())
}

fn map_file(folder: &Path) -> Result<Page, Failure> {
    map_path(&existing(folder)?, ProtFlags::READ)
}

fn map_path(path: &Path, prot: ProtFlags) -> Result<Page, Failure> {
    map_open(&File::open(path).map_err(Failure::Setup)?, prot, MapFlags::PRIVATE)
}

fn map_open(file: &File, prot: ProtFlags, flags: MapFlags) -> Result<Page, Failure> {
    #[expect(unsafe_code, reason = "a new page at an address that the kernel chooses touches no memory in use")]
    let page = unsafe { rustix::mm::mmap(std::ptr::null_mut(), PAGE_BYTES, prot, flags, file, 0) };
    page.map(Page).map_err(|error| Failure::Refused(error.into()))
}
