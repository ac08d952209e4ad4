//! Extraction of a kernel's BTF from its `vmlinuz`, without booting it.
//!
//! A `vmlinuz` for x86 is a real-mode header, a stub and a compressed ELF file. The header gives the position
//! of the compressed part (Documentation/arch/x86/boot.rst: `setup_sects`, `payload_offset`,
//! `payload_length`); the first bytes of that part identify the compression; the `.BTF` section of the result
//! is the content of `/sys/kernel/btf/vmlinux` on a running kernel.
//!
//! Absent: parsing of BTF, which `krsic::btf` does.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail, ensure};
use object::{Object as _, ObjectSection as _};

/// Offset in the image: number of 512-byte sectors of the real-mode part, less one.
const SETUP_SECTS: usize = 0x1f1;
/// Offset in the image of the magic `HdrS`.
const HEADER_MAGIC: usize = 0x202;
/// Offset in the image: start of the compressed kernel, counted from the protected-mode part.
const PAYLOAD_OFFSET: usize = 0x248;
/// Offset in the image: length of the compressed kernel, with the 4 bytes of uncompressed size at its end.
const PAYLOAD_LENGTH: usize = 0x24c;
/// Largest unpacked size of one block of LZ4's legacy format.
const LZ4_LEGACY_BLOCK_BYTES: usize = 8 << 20;

/// The `.BTF` section of the kernel in `vmlinuz`.
pub fn btf(vmlinuz: &[u8]) -> Result<Vec<u8>> {
    let elf = decompress(payload(vmlinuz)?)?;
    let elf = object::File::parse(&*elf).context("the unpacked kernel is no ELF")?;
    let section = elf
        .section_by_name(".BTF")
        .context("the kernel has no `.BTF` section: it was built without CONFIG_DEBUG_INFO_BTF")?;
    Ok(section.data()?.to_vec())
}

/// The compressed part of the image.
fn payload(image: &[u8]) -> Result<&[u8]> {
    ensure!(image.get(HEADER_MAGIC..HEADER_MAGIC + 4) == Some(b"HdrS"), "not a Linux kernel image for x86");
    let sectors = match image[SETUP_SECTS] {
        0 => 4, // as boot protocols before 2.0 define it
        n => usize::from(n),
    };
    let begin = (sectors + 1) * 512 + u32_at(image, PAYLOAD_OFFSET)? as usize;
    let length = (u32_at(image, PAYLOAD_LENGTH)? as usize).saturating_sub(4);
    image.get(begin..begin.saturating_add(length)).context("the kernel image ends before its compressed part does")
}

fn decompress(payload: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match payload {
        [0x02, 0x21, 0x4c, 0x18, blocks @ ..] => unpack_lz4_legacy(blocks, &mut out)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            ruzstd::decoding::StreamingDecoder::new(payload)?.read_to_end(&mut out)?;
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            lzma_rust2::XzReader::new(payload, false).read_to_end(&mut out)?;
        }
        _ => bail!(
            "the kernel is compressed in a way that is not known here: it begins with {:02x?}",
            &payload[..payload.len().min(6)]
        ),
    }
    Ok(out)
}

/// Unpacks LZ4 as the kernel's build uses it (`lz4 -l`): after the magic, a length before each block.
fn unpack_lz4_legacy(mut blocks: &[u8], out: &mut Vec<u8>) -> Result<()> {
    while !blocks.is_empty() {
        let length = u32_at(blocks, 0)? as usize;
        let block = blocks.get(4..4 + length).context("the compressed kernel ends within a block")?;
        out.extend(lz4_flex::block::decompress(block, LZ4_LEGACY_BLOCK_BYTES)?);
        blocks = &blocks[4 + length..];
    }
    Ok(())
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).context("the kernel image is cut short")?;
    Ok(u32::from_le_bytes(word))
}
