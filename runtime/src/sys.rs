//! bpf(2) for maps whose value size is known only at run time, which `aya` does not support.
//!
//! Both functions access element 0 of an array map. All `unsafe` code of the crate is here.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Command `BPF_MAP_LOOKUP_ELEM` of bpf(2).
const MAP_LOOKUP_ELEM: libc::c_long = 1;
/// Command `BPF_MAP_UPDATE_ELEM` of bpf(2).
const MAP_UPDATE_ELEM: libc::c_long = 2;

/// The members of `union bpf_attr` that these commands read; source: `include/uapi/linux/bpf.h`.
#[repr(C)]
struct Attributes {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Reads element 0 of an array map with values of `bytes` bytes.
pub fn first_element(map: BorrowedFd<'_>, bytes: usize) -> io::Result<Vec<u8>> {
    let mut value = vec![0u8; bytes];
    element(MAP_LOOKUP_ELEM, map, &mut value)?;
    Ok(value)
}

/// Writes element 0 of an array map whose value size is `value.len()`.
pub fn set_first_element(map: BorrowedFd<'_>, value: &[u8]) -> io::Result<()> {
    element(MAP_UPDATE_ELEM, map, &mut value.to_vec())
}

fn element(command: libc::c_long, map: BorrowedFd<'_>, value: &mut [u8]) -> io::Result<()> {
    let key = 0u32;
    let attributes = Attributes {
        map_fd: map.as_raw_fd().cast_unsigned(),
        padding: 0,
        key: (&raw const key) as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    let size = size_of::<Attributes>();
    #[expect(
        unsafe_code,
        reason = "the kernel reads 4 bytes at `key` and `size` at `attributes`, and reads or writes the map's value size, which \
                  callers take from the kernel's own description of this map, at `value`; all live until the call returns"
    )]
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const attributes, size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
