//! The value of a pinned map with one element: a manifest, counters, constants or modes.
//!
//! In unit tests, a plain file replaces the pin and its content the value. Absent: the meaning of the bytes.

use std::path::{Path, PathBuf};

use crate::failure::{self, Failure};

#[cfg(not(test))]
mod pinned {
    use std::io;
    use std::os::fd::AsFd;
    use std::path::Path;

    use aya::maps::MapData;

    use crate::failure::{self, Failure};
    use crate::sys;

    pub struct Value(MapData);

    pub fn open(pin: &Path) -> Result<Value, Failure> {
        MapData::from_pin(pin).map(Value).map_err(|error| failure::at(pin, "open", error))
    }

    impl Value {
        pub fn bytes(&self, pin: &Path) -> Result<usize, Failure> {
            let info = self.0.info().map_err(|error| failure::at(pin, "read", error))?;
            Ok(info.value_size() as usize)
        }

        pub fn read(&self, bytes: usize) -> io::Result<Vec<u8>> {
            sys::first_element(self.0.fd().as_fd(), bytes)
        }

        pub fn write(&self, value: &[u8]) -> io::Result<()> {
            sys::set_first_element(self.0.fd().as_fd(), value)
        }
    }
}

/// An open map with one element.
pub struct Value {
    map: pinned::Value,
    pin: PathBuf,
    bytes: usize,
}

impl Value {
    /// Opens the map pinned at `pin`.
    pub fn open(pin: &Path) -> Result<Value, Failure> {
        let map = pinned::open(pin)?;
        let bytes = map.bytes(pin)?;
        Ok(Value { map, pin: pin.to_owned(), bytes })
    }

    /// Reads the value of the map.
    pub fn read(&self) -> Result<Vec<u8>, Failure> {
        self.map.read(self.bytes).map_err(|error| failure::at(&self.pin, "read", error))
    }

    /// Writes the value of the map by one system call.
    pub fn write(&self, value: &[u8]) -> Result<(), Failure> {
        if self.bytes != value.len() {
            return Err(failure::at(&self.pin, "write", "it belongs to another policy"));
        }
        self.map.write(value).map_err(|error| failure::at(&self.pin, "write", error))
    }
}

/// Reads the value of the map pinned at `pin`.
pub fn read(pin: &Path) -> Result<Vec<u8>, Failure> {
    Value::open(pin)?.read()
}

#[cfg(test)]
mod pinned {
    use std::path::{Path, PathBuf};
    use std::{fs, io};

    use crate::failure::{self, Failure};

    pub struct Value(PathBuf);

    pub fn open(pin: &Path) -> Result<Value, Failure> {
        fs::File::open(pin).map_err(|error| failure::at(pin, "open", error))?;
        Ok(Value(pin.to_owned()))
    }

    impl Value {
        pub fn bytes(&self, pin: &Path) -> Result<usize, Failure> {
            let metadata = fs::metadata(&self.0).map_err(|error| failure::at(pin, "read", error))?;
            Ok(metadata.len() as usize)
        }

        pub fn read(&self, bytes: usize) -> io::Result<Vec<u8>> {
            Ok(fs::read(&self.0)?[..bytes].to_vec())
        }

        pub fn write(&self, value: &[u8]) -> io::Result<()> {
            fs::write(&self.0, value)
        }
    }
}
