//! Paths to fields of kernel types, by name, so that a loader can find them on any kernel.
//!
//! ```text
//! inode.i_uid.val            Access { root: "inode", steps: [Field i_uid, Field val] }
//! task_struct.comm[0]        Access { root: "task_struct", steps: [Field comm, Index 0] }
//! ```
//!
//! Invariant: an access has at least one step; anonymous structs and unions are not steps.
//!
//! Absent: offsets, which differ between kernels and are written by the loader (CO-RE).

use std::fmt;

/// A field of a kernel type, by name, so that it can be found on any kernel: `inode.i_uid.val`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Access {
    /// True for a struct, false for a union.
    pub is_struct: bool,
    /// Tag of the root type.
    pub root: String,
    /// Steps from the root to the field, at least one. Anonymous structs and unions are left out.
    pub steps: Vec<Step>,
}

/// One step of an access.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Into a field of a struct or union.
    Field {
        /// Name of the field.
        name: String,
        /// Type of the field.
        shape: Shape,
    },
    /// To an element of an array.
    Index(u32),
}

/// The part of a field's type that a loader compares.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// An integer or `bool`.
    Int {
        /// 1, 2, 4 or 8.
        bytes: u32,
        /// True for two's complement numbers.
        signed: bool,
    },
    /// Some bits of an integer.
    Bits {
        /// Width of the declared type in bytes.
        bytes: u32,
        /// True for two's complement numbers.
        signed: bool,
        /// Width of the bitfield in bits.
        bits: u32,
        /// Tag of the enum that the declared type is, if it is one.
        of: Option<String>,
    },
    /// An enum with its tag.
    Enum {
        /// Tag of the enum, which loaders compare.
        name: String,
        /// 1, 2, 4 or 8.
        bytes: u32,
    },
    /// A pointer to anything.
    Pointer,
    /// An embedded struct; the next step goes into it.
    Struct,
    /// An embedded union; the next step goes into it.
    Union,
    /// An array of equal elements.
    Array {
        /// Shape of an element.
        element: Box<Shape>,
        /// Number of elements of the array.
        count: u32,
    },
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for step in &self.steps {
            match step {
                Step::Field { name, .. } => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
