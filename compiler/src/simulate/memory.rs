//! Memory as a list of regions: byte ranges at distinct addresses with unmapped gaps between them.
//!
//! ```text
//! 0xffff888000001000  object of 232 bytes       kernel: read-only
//! 0xffff888000003000  stack of 512 bytes        read and write; initialisation is tracked per byte
//! ```
//!
//! Addresses are in the upper half of the address space, like the kernel's: negative as signed numbers.
//!
//! Absent: types of the contents.

/// The access rights of programs to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Programs may read it.
    Read,
    /// Programs may read and write it.
    Write,
    /// Programs may write it, and read the bytes that they have written.
    Scratch,
}

#[derive(Clone, Debug)]
struct Region {
    base: u64,
    bytes: Vec<u8>,
    rights: Rights,
    what: &'static str,
    /// For [`Rights::Scratch`], the bytes that are initialised.
    written: Vec<bool>,
}

/// All regions of a machine.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Regions, sorted by address.
    regions: Vec<Region>,
    next: u64,
}

/// Address of the first region.
const BASE: u64 = 0xffff_8880_0000_1000;
/// Size of the unmapped gap between regions in bytes.
const GAP: u64 = 4096;

impl Default for Memory {
    fn default() -> Memory {
        Memory { regions: Vec::new(), next: BASE }
    }
}

impl Memory {
    /// Adds a region and returns its address, a multiple of 64.
    pub fn add(&mut self, bytes: Vec<u8>, rights: Rights, what: &'static str) -> u64 {
        let base = self.next;
        self.next = (base + bytes.len() as u64 + GAP).next_multiple_of(64);
        let written = if rights == Rights::Scratch { vec![false; bytes.len()] } else { Vec::new() };
        self.regions.push(Region { base, bytes, rights, what, written });
        base
    }

    /// Removes the region at an address, which becomes inaccessible, and returns its contents.
    pub fn remove(&mut self, base: u64) -> Option<Vec<u8>> {
        let at = self.regions.binary_search_by_key(&base, |region| region.base).ok()?;
        Some(self.regions.remove(at).bytes)
    }

    fn find(&self, at: u64, count: usize) -> Result<(usize, usize), String> {
        let index = self.regions.partition_point(|region| region.base <= at).wrapping_sub(1);
        let outside = || format!("{count} bytes at {at:#x} are not mapped");
        let region = self.regions.get(index).ok_or_else(outside)?;
        let offset = (at - region.base) as usize;
        match offset.checked_add(count) {
            Some(end) if end <= region.bytes.len() => Ok((index, offset)),
            _ if offset <= region.bytes.len() => Err(format!(
                "{count} bytes at offset {offset} exceed the {} of {} bytes",
                region.what,
                region.bytes.len()
            )),
            _ => Err(outside()),
        }
    }

    /// Returns bytes at an address, regardless of the rights.
    pub fn peek(&self, at: u64, count: usize) -> Option<&[u8]> {
        let (index, offset) = self.find(at, count).ok()?;
        Some(&self.regions[index].bytes[offset..offset + count])
    }

    /// Returns the bytes from an address to the end of its region.
    pub fn rest(&self, at: u64) -> Option<&[u8]> {
        let (index, offset) = self.find(at, 0).ok()?;
        Some(&self.regions[index].bytes[offset..])
    }

    /// Overwrites bytes at an address, regardless of the rights; returns false if they are not mapped.
    pub fn poke(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Ok((index, offset)) = self.find(at, bytes.len()) else { return false };
        self.regions[index].bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        true
    }

    /// Reads bytes with the rights of a program.
    ///
    /// # Errors
    /// If the access is not allowed.
    pub fn read(&self, at: u64, count: usize) -> Result<&[u8], String> {
        let (index, offset) = self.find(at, count)?;
        let region = &self.regions[index];
        if region.rights == Rights::Scratch
            && let Some(unwritten) = region.written[offset..offset + count].iter().position(|written| !written)
        {
            return Err(format!("byte {} of the {} is uninitialised", offset + unwritten, region.what));
        }
        Ok(&region.bytes[offset..offset + count])
    }

    /// Writes bytes with the rights of a program.
    ///
    /// # Errors
    /// If the access is not allowed.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), String> {
        let (index, offset) = self.find(at, bytes.len())?;
        let region = &mut self.regions[index];
        match region.rights {
            Rights::Read => return Err(format!("write to byte {offset} of the read-only {}", region.what)),
            Rights::Write => {}
            Rights::Scratch => region.written[offset..offset + bytes.len()].fill(true),
        }
        region.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_outside_regions_fail() {
        let mut memory = Memory::default();
        let kernel = memory.add(vec![1, 2, 3, 4], Rights::Read, "struct");
        let stack = memory.add(vec![0; 16], Rights::Scratch, "stack");
        assert_eq!(memory.read(kernel + 1, 3), Ok(&[2, 3, 4][..]));
        for (at, count) in [(kernel + 1, 4), (kernel - 1, 1), (kernel + 4, 1), (0, 1), (u64::MAX, 8), (stack + 9, 8)] {
            assert!(memory.read(at, count).is_err(), "{at:#x}");
        }
        assert!(memory.write(kernel, &[0]).is_err());
        assert!(memory.read(stack, 1).is_err_and(|why| why.contains("uninitialised")));
        assert_eq!(memory.write(stack, &[7]), Ok(()));
        assert_eq!(memory.read(stack, 1), Ok(&[7][..]));
        assert!(memory.read(stack, 2).is_err());
        assert!(memory.remove(stack).is_some());
        assert!(memory.read(stack, 1).is_err());
    }
}
