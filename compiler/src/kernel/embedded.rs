//! The kernels that ship with the compiler: `6.12`, for example, is the BTF of Debian's 6.12. They replace the
//! running kernel on machines without BTF, and show on which other kernels a policy can be loaded.
//!
//! Each is the BTF of a Debian kernel, reduced by [`cut`](super::cut) and stored as its size followed by one
//! LZ4 block. `VERSIONS` records the packages. `cargo xtask kernels` regenerates everything; the same packages
//! yield the same bytes.

use std::sync::LazyLock;

use super::Kernel;
use crate::btf::Btf;

/// Names of the embedded kernels, the oldest first.
pub const NAMES: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.2"];

/// The compressed BTF, in the order of [`NAMES`].
const PACKED: [&[u8]; NAMES.len()] = [
    include_bytes!("embedded/5.10.btf.lz4"),
    include_bytes!("embedded/6.1.btf.lz4"),
    include_bytes!("embedded/6.12.btf.lz4"),
    include_bytes!("embedded/6.18.btf.lz4"),
    include_bytes!("embedded/7.2.btf.lz4"),
];

/// The embedded kernels in the order of [`NAMES`]; decompressed on first use, in about two milliseconds.
#[must_use]
pub fn embedded() -> &'static [Kernel] {
    static KERNELS: LazyLock<Vec<Kernel>> =
        LazyLock::new(|| NAMES.into_iter().zip(PACKED).map(|(name, packed)| open(name, packed)).collect());
    &KERNELS
}

fn open(name: &str, packed: &[u8]) -> Kernel {
    let bytes = lz4_flex::block::decompress_size_prepended(packed).expect("`cargo xtask kernels` wrote this block");
    let btf = Btf::parse(bytes).expect("`cargo xtask kernels` checked the BTF");
    Kernel::new(name, btf)
}
