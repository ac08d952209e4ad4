//! `krs-guest bench OBJECT|- ACT...`: measures the cost of an object's programs.
//!
//! The acts are prepared before the object is attached and repeated while it is; for each the kernel's own
//! count of a program's time (`kernel.bpf_stats_enabled`) is divided by its runs. If guest time is a count of
//! instructions (QEMU's `-icount shift=0`), the result is one too. The smallest of several rounds is the
//! result, because interrupts only add to it.
//!
//! ```text
//! load 1234567                 nanoseconds from the object's bytes to its attachment; BTF is read before
//! verified 123                 instructions that the verifier processed; - if the kernel does not report it
//! act mprotect-exec EPERM 812.0 1.0 4321  first result; time of a program, its runs, time of a repetition
//! event mprotect-exec 0000...  each record of the first repetition, without time and ids of the process
//! ```

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use aya::maps::{MapData, RingBuf};
use aya::programs::Lsm;
use aya::{Btf, Ebpf, EbpfLoader};
use rustix::mm::{MprotectFlags, ProtFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::{Page, errno_name};

/// Number of rounds; the first fills the emulator's cache of translated code and is not counted.
const ROUNDS: u32 = 9;

/// An act that is repeated. Dropping it undoes its preparation.
struct Act {
    run: Box<dyn FnMut() -> io::Result<()>>,
    /// Number of repetitions in a round.
    times: u32,
}

/// A process that is killed when this value is dropped.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn act(run: impl FnMut() -> io::Result<()> + 'static) -> Act {
    Act { run: Box::new(run), times: 60 }
}

/// An object in the kernel, attached.
struct Attached {
    ebpf: Ebpf,
    programs: Vec<String>,
    ring: Option<RingBuf<MapData>>,
}

/// Time and runs of all programs so far.
#[derive(Clone, Copy, Default)]
struct Count {
    time_ns: u64,
    runs: u64,
}

impl Attached {
    fn load(path: &str) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let bytes = fs::read(path).map_err(|error| text(&error))?;
        let btf = Btf::from_sys_fs().map_err(|error| text(&error))?;
        let started = Instant::now();
        let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(&bytes).map_err(|error| format!("{error:?}"))?;
        let mut programs: Vec<String> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
        programs.sort();
        for name in &programs {
            let program: &mut Lsm =
                ebpf.program_mut(name).ok_or("no program")?.try_into().map_err(|error| format!("{error:?}"))?;
            program.load(name, &btf).map_err(|error| format!("{name}: {error:?}"))?;
            program.attach().map_err(|error| format!("{name}: {error:?}"))?;
        }
        println!("load {}", started.elapsed().as_nanos());
        let ring = ebpf.take_map("krs_events").map(RingBuf::try_from).transpose().map_err(|error| text(&error))?;
        let attached = Self { ebpf, programs, ring };
        attached.describe()?;
        Ok(attached)
    }

    fn describe(&self) -> Result<(), String> {
        let mut verified = Some(0);
        let (mut slots, mut jited) = (0, 0);
        for name in &self.programs {
            let program = self.ebpf.program(name).ok_or("no program")?;
            let info = program.info().map_err(|error| error.to_string())?;
            verified = verified.and_then(|sum| Some(sum + info.verified_instruction_count()?));
            slots += info.size_translated().unwrap_or(0) / 8;
            jited += info.size_jitted();
        }
        println!("verified {}", verified.map_or_else(|| "-".to_owned(), |sum| sum.to_string()));
        println!("slots {slots}");
        println!("jited {jited}");
        Ok(())
    }

    fn count(&self) -> Result<Count, String> {
        let mut count = Count::default();
        for name in &self.programs {
            let program = self.ebpf.program(name).ok_or("no program")?;
            let fd = program.fd().map_err(|error| error.to_string())?;
            let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
            for line in fs::read_to_string(path).map_err(|error| error.to_string())?.lines() {
                let mut words = line.split_whitespace();
                let (name, number) = (words.next(), words.next().and_then(|number| number.parse::<u64>().ok()));
                match (name, number) {
                    (Some("run_time_ns:"), Some(number)) => count.time_ns += number,
                    (Some("run_cnt:"), Some(number)) => count.runs += number,
                    _ => {}
                }
            }
        }
        Ok(count)
    }

    /// Takes all records out of the buffer.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        if let Some(ring) = &mut self.ring {
            while let Some(record) = ring.next() {
                records.push(record.to_vec());
            }
        }
        records
    }
}

/// Runs the benchmark, and prints its results.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (object, names) = arguments.split_first().ok_or("bench OBJECT|- ACT...")?;
    // Kernels before 5.11 count maps against the limit of locked memory.
    let _ = rustix::process::setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
    let folder = std::env::temp_dir().join(format!("krs-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut acts = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let folder = folder.join(at.to_string());
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        acts.push((name, prepare(name, &folder).map_err(|error| format!("{name}: {error}"))?));
    }
    let mut attached = if object == "-" { None } else { Some(Attached::load(object)?) };
    for (name, act) in &mut acts {
        if let Some(attached) = &mut attached {
            attached.drain();
        }
        let first = match (act.run)() {
            Ok(()) => "ok".to_owned(),
            Err(error) => errno_name(&error),
        };
        for record in attached.as_mut().map(Attached::drain).unwrap_or_default() {
            print_record(name, &record);
        }
        let (mut program, mut whole, mut runs) = (f64::INFINITY, f64::INFINITY, 0.0);
        for round in 0..ROUNDS {
            let before = attached.as_ref().map_or(Ok(Count::default()), Attached::count)?;
            let started = Instant::now();
            for _ in 0..act.times {
                (act.run)().ok();
            }
            let elapsed = started.elapsed().as_nanos() as f64;
            let after = attached.as_ref().map_or(Ok(Count::default()), Attached::count)?;
            if let Some(attached) = &mut attached {
                attached.drain();
            }
            if round == 0 {
                continue;
            }
            let times = f64::from(act.times);
            whole = whole.min(elapsed / times);
            if after.runs > before.runs {
                runs = (after.runs - before.runs) as f64 / times;
                program = program.min((after.time_ns - before.time_ns) as f64 / (after.runs - before.runs) as f64);
            }
        }
        println!("act {name} {first} {program:.1} {runs:.1} {whole:.0}");
    }
    fs::remove_dir_all(&folder).ok();
    Ok(())
}

/// Prints a record without the parts that differ between runs: time, process, cgroup.
fn print_record(name: &str, record: &[u8]) {
    print!("event {name} ");
    for byte in record[16..24].iter().chain(&record[32..]) {
        print!("{byte:02x}");
    }
    println!();
}

/// Prepares the act with this name: `open-write=/etc/passwd`, `kill=15:auditd`.
fn prepare(name: &str, folder: &Path) -> io::Result<Act> {
    let (act_name, rest) = name.split_once('=').unwrap_or((name, ""));
    let number = |text: &str| text.parse::<u64>().map_err(io::Error::other);
    Ok(match act_name {
        "mprotect-read" | "mprotect-exec" => {
            let page = anonymous(ProtFlags::READ | ProtFlags::WRITE)?;
            let flags = if act_name == "mprotect-exec" { MprotectFlags::EXEC } else { MprotectFlags::empty() };
            act(move || raw(page.protect(MprotectFlags::READ | flags)))
        }
        "mprotect-file-exec" => {
            let path = folder.join("page");
            fs::write(&path, "content\n")?;
            let page = file_page(&path, ProtFlags::READ)?;
            act(move || raw(page.protect(MprotectFlags::READ | MprotectFlags::EXEC)))
        }
        "mmap" => act(|| anonymous(ProtFlags::READ).map(drop)),
        "mmap-wx" => act(|| anonymous(ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC).map(drop)),
        "mmap-file-exec" => {
            let path = folder.join("code");
            fs::write(&path, "content\n")?;
            act(move || file_page(&path, ProtFlags::READ | ProtFlags::EXEC).map(drop))
        }
        "exec" => Act { times: 8, ..act(|| Command::new("/bin/true").status().map(drop)) },
        "exec-memfd" => {
            let memory = rustix::fs::memfd_create("krs", rustix::fs::MemfdFlags::empty())?;
            let mut memory = File::from(memory);
            io::copy(&mut File::open("/bin/true")?, &mut memory)?;
            let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
            Act {
                times: 8,
                ..act(move || {
                    let _ = &memory;
                    Command::new(&path).arg0("true").status().map(drop)
                })
            }
        }
        "open-read" => {
            let path = target(rest, folder)?;
            act(move || File::open(&path).map(drop))
        }
        "open-write" => {
            let path = target(rest, folder)?;
            act(move || File::options().append(true).open(&path).map(drop))
        }
        "open-disk" => {
            // The disk does not exist: the hook is called before the kernel looks for it.
            let path = folder.join("disk");
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            let device = rustix::fs::makedev(7, 99);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::BlockDevice, mode, device)?;
            act(move || match File::options().write(true).open(&path) {
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => Ok(()),
                other => other.map(drop),
            })
        }
        "bind" => {
            let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, number(rest)? as u16);
            let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)?;
            act(move || match rustix::net::bind(socket.as_fd(), &address) {
                // The first repetition has bound the socket.
                Err(rustix::io::Errno::INVAL) => Ok(()),
                other => Ok(other?),
            })
        }
        "connect" => {
            let address: std::net::SocketAddr = rest.parse().map_err(io::Error::other)?;
            let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
            act(move || socket.connect(address))
        }
        "look-at" | "ptrace" => {
            let child = sleeper(rest, folder)?;
            let path = format!("/proc/{}/{}", child.0.id(), if act_name == "ptrace" { "mem" } else { "exe" });
            let read = act_name == "look-at";
            act(move || {
                let _ = &child;
                if read { fs::read_link(&path).map(drop) } else { File::open(&path).map(drop) }
            })
        }
        "module" => {
            let name = CString::new(rest)?;
            act(move || {
                if !name.is_empty() {
                    rustix::thread::set_name(&name)?;
                }
                match rustix::system::init_module(&[0; 128], c"") {
                    Err(rustix::io::Errno::NOEXEC | rustix::io::Errno::INVAL) => Ok(()),
                    other => Ok(other?),
                }
            })
        }
        "mount" => {
            let folder = folder.to_owned();
            act(move || {
                let flags = rustix::mount::MountFlags::NOSUID;
                match rustix::mount::mount("none", &folder, "no such file system", flags, None) {
                    Err(rustix::io::Errno::NODEV) => Ok(()),
                    other => Ok(other?),
                }
            })
        }
        "remount" => {
            let place = folder.join("mounted");
            fs::create_dir(&place)?;
            rustix::mount::mount("none", &place, "tmpfs", rustix::mount::MountFlags::NOSUID, None)?;
            act(move || Ok(rustix::mount::mount_remount(&place, rustix::mount::MountFlags::empty(), "")?))
        }
        "setuid" => act(|| {
            // Each repetition changes the id and restores it: the hook is not called if no id changes.
            let (root, nobody) = (rustix::process::Uid::ROOT, rustix::process::Uid::from_raw(65534));
            rustix::thread::set_thread_res_uid(root, nobody, root)?;
            Ok(rustix::thread::set_thread_res_uid(root, root, root)?)
        }),
        "setuid-root" => {
            // A thread that becomes nobody, and tries to become root again.
            let nobody = rustix::process::Uid::from_raw(65534);
            let root = rustix::process::Uid::ROOT;
            act(move || {
                std::thread::spawn(move || {
                    rustix::thread::set_thread_res_uid(nobody, nobody, root)?;
                    Ok(rustix::thread::set_thread_res_uid(root, root, root)?)
                })
                .join()
                .map_err(|_| io::Error::other("the thread panicked"))?
            })
        }
        "kill" => {
            let (signal, name) = rest.split_once(':').unwrap_or((rest, ""));
            let child = sleeper(name, folder)?;
            let pid = Pid::from_raw(child.0.id() as i32).ok_or_else(|| io::Error::other("no pid"))?;
            let signal = number(signal)? as i32;
            act(move || {
                let _ = &child;
                match Signal::from_named_raw(signal) {
                    Some(signal) => Ok(rustix::process::kill_process(pid, signal)?),
                    None => Ok(rustix::process::test_kill_process(pid)?),
                }
            })
        }
        _ => return Err(io::Error::other(format!("no act `{name}` to measure"))),
    })
}

/// Path of a file to open: an absolute path is used as it is, another is relative to the folder.
fn target(name: &str, folder: &Path) -> io::Result<std::path::PathBuf> {
    let path = folder.join(if name.is_empty() { "file" } else { name });
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if !path.exists() {
        fs::write(&path, "content\n")?;
    }
    Ok(path)
}

fn sleeper(name: &str, folder: &Path) -> io::Result<Sleeper> {
    let name = if name.is_empty() { "sleeper" } else { name };
    let program = folder.join(name);
    symlink("/bin/busybox", &program).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })?;
    Ok(Sleeper(Command::new(program).arg0("sleep").arg("600").spawn()?))
}

fn anonymous(prot: ProtFlags) -> io::Result<Page> {
    raw(crate::map_anonymous(prot))
}

fn file_page(path: &Path, prot: ProtFlags) -> io::Result<Page> {
    raw(crate::map_path(path, prot))
}

fn raw<T>(outcome: Result<T, crate::Failure>) -> io::Result<T> {
    outcome.map_err(|failure| match failure {
        crate::Failure::Refused(error) | crate::Failure::Setup(error) => error,
    })
}
