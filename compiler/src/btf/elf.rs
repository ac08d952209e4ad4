//! BTF in files: raw, as in `/sys/kernel/btf/vmlinux`, or in the `.BTF` section of an ELF file such as
//! `vmlinux` or an object.
//!
//! Only that section is copied from an ELF file. Absent: compressed kernels (`vmlinuz`), whose BTF is not
//! accessible.

use object::read::elf::{ElfFile, FileHeader};
use object::{Endianness, Object, ObjectSection, elf};

use super::read::{Btf, BtfError};

/// The reason why a file yields no BTF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The BTF itself is invalid.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The headers of the ELF file are invalid.
    #[error("damaged ELF file: {0}")]
    Elf(String),
    /// A valid ELF file that was built without BTF.
    #[error("the ELF file has no `.BTF` section")]
    NoSection,
}

impl Btf {
    /// Reads raw BTF or an ELF file, depending on the first bytes.
    ///
    /// # Errors
    /// If it is neither, is damaged, or has no `.BTF` section.
    pub fn open(bytes: impl Into<Vec<u8>>) -> Result<Btf, OpenError> {
        let bytes = bytes.into();
        if bytes.starts_with(&elf::ELFMAG) {
            from_elf(&bytes)?.ok_or(OpenError::NoSection)
        } else {
            Ok(Btf::parse(bytes)?)
        }
    }
}

/// The `.BTF` section of an ELF file, if it has one.
///
/// # Errors
/// If the ELF file or the BTF is damaged.
pub fn from_elf(bytes: &[u8]) -> Result<Option<Btf>, OpenError> {
    // The fifth byte is the class: 1 means 32-bit.
    let section = if bytes.get(4) == Some(&elf::ELFCLASS32.0) {
        section::<elf::FileHeader32<Endianness>>(bytes)
    } else {
        section::<elf::FileHeader64<Endianness>>(bytes)
    };
    match section.map_err(|error| OpenError::Elf(error.to_string()))? {
        Some(data) => Ok(Some(Btf::parse(data)?)),
        None => Ok(None),
    }
}

fn section<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> object::Result<Option<&[u8]>> {
    let file = ElfFile::<H>::parse(bytes)?;
    file.section_by_name(".BTF").map(|section| section.data()).transpose()
}
