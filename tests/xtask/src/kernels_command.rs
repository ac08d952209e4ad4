//! `cargo xtask kernels`: generates the kernels that the compiler embeds. For each it prints
//!
//! ```text
//! 6.12   4722487 bytes of BTF, cut to 363095, packed in 223053   linux-image-6.12.117+... 6.12.117-1 trixie
//! ```
//!
//! The task writes `NAME.btf.lz4` for each kernel, and `VERSIONS`, the packages they come from. The same
//! packages give the same bytes: `--check` generates them again, writes nothing and fails if they differ from
//! those in the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use krsic::btf::Btf;
use krsic::kernel::{Kernel, NAMES, cut};

use crate::{host, kernel};

/// Arguments of `cargo xtask kernels`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Compare with the files in the tree, and write nothing.
    #[arg(long)]
    check: bool,
}

/// Generates the embedded kernels, or compares them with those in the tree.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = host::repository().join("compiler/src/kernel/embedded");
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut versions = String::new();
    for name in NAMES {
        let [kernel] = kernel::select(name)?[..] else {
            anyhow::bail!("one test kernel is named {name}");
        };
        let image = kernel.image()?;
        let packed = make(name, &image.btf).with_context(|| image.package.clone())?;
        println!("{}", image.package);
        versions.push_str(&format!("{name} {}\n", image.package));
        files.push((folder.join(format!("{name}.btf.lz4")), packed));
    }
    files.push((folder.join("VERSIONS"), versions.into_bytes()));
    if arguments.check {
        return Ok(compare(&files));
    }
    for (path, bytes) in &files {
        fs::write(path, bytes).with_context(|| path.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the packed kernel, and prints its sizes.
fn make(name: &str, path: &Path) -> Result<Vec<u8>> {
    let whole = Kernel::new(name, Btf::open(fs::read(path).with_context(|| path.display().to_string())?)?);
    let bytes = cut::cut(&whole.btf);
    let packed = lz4_flex::block::compress_prepend_size(&bytes);
    // The bytes that the compiler will read are compared with the kernel they were cut from.
    let unpacked = lz4_flex::block::decompress_size_prepended(&packed)?;
    ensure!(unpacked == bytes, "the packed kernel unpacks to other bytes");
    let cut = Kernel::new(name, Btf::parse(unpacked)?);
    ensure!(cut.hook_names().eq(whole.hook_names()), "the cut has other hooks than the kernel");
    for hook in whole.hook_names() {
        let args = |kernel: &Kernel| -> Vec<(String, u32)> {
            let hook = kernel.hook(hook);
            let args = hook.iter().flat_map(|hook| &hook.args);
            args.map(|arg| (arg.name.to_owned(), arg.slot)).collect()
        };
        ensure!(args(&cut) == args(&whole), "the cut has other arguments of `{hook}` than the kernel");
    }
    print!("{name:<6} {} bytes of BTF, cut to {}, packed in {}   ", whole.btf.bytes().len(), bytes.len(), packed.len());
    Ok(packed)
}

fn compare(files: &[(PathBuf, Vec<u8>)]) -> ExitCode {
    let mut differ = false;
    for (path, bytes) in files {
        if fs::read(path).ok().as_ref() != Some(bytes) {
            eprintln!("{} is another: `cargo xtask kernels` writes it anew", path.display());
            differ = true;
        }
    }
    ExitCode::from(u8::from(differ))
}
