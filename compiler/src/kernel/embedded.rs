//! The kernels that come with the compiler, for machines that have no BTF of their own to check against and for the question
//! where else a policy can be loaded.
//!
//! Each is the BTF of a Debian kernel, cut down by [`cut`](super::cut), packed as one LZ4 block behind its size. `VERSIONS`
//! beside them records the packages. `cargo xtask kernels` makes all of it anew; same packages, same bytes.

use std::sync::LazyLock;

use super::Kernel;
use crate::btf::Btf;

/// The names of the embedded kernels, oldest first.
pub const NAMES: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.2"];

/// In the order of [`NAMES`].
const PACKED: [&[u8]; NAMES.len()] = [
    include_bytes!("embedded/5.10.btf.lz4"),
    include_bytes!("embedded/6.1.btf.lz4"),
    include_bytes!("embedded/6.12.btf.lz4"),
    include_bytes!("embedded/6.18.btf.lz4"),
    include_bytes!("embedded/7.2.btf.lz4"),
];

/// The embedded kernels in the order of [`NAMES`]; unpacked when first asked for, in about two milliseconds.
#[must_use]
pub fn embedded() -> &'static [Kernel] {
    static KERNELS: LazyLock<Vec<Kernel>> =
        LazyLock::new(|| NAMES.into_iter().zip(PACKED).map(|(name, packed)| open(name, packed)).collect());
    &KERNELS
}

fn open(name: &str, packed: &[u8]) -> Kernel {
    let bytes = lz4_flex::block::decompress_size_prepended(packed).expect("the build embeds what the task packed");
    let btf = Btf::parse(bytes).expect("the task checked what it packed");
    Kernel::new(name, btf)
}
