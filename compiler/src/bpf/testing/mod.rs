//! Support for tests of passes: virtual-register code as text, an interpreter of it, and random programs.
//!
//! A test states the code before and after one pass:
//!
//! ```text
//! becomes(
//!     "b0: v11 = r1
//!          w12 = w11
//!          w12 += 1
//!          r0 = v12
//!          exit",
//!     peephole::copies,
//!     "b0: v11 = r1
//!          v12 = v11
//!          w12 += 1
//!          r0 = v12
//!          exit",
//! );
//! ```
//!
//! Absent: the passes' own tests, which stand beside the passes; and spans, which the text does not show.

mod pipeline;
pub mod random;
pub mod run;
pub mod text;

use super::vcode::Code;

/// Asserts that a pass turns one program into another.
#[track_caller]
pub fn becomes<R>(before: &str, pass: impl FnOnce(&mut Code) -> R, after: &str) {
    let mut code = text::parse(before);
    let _ = pass(&mut code);
    let (found, wanted) = (text::print(&code), text::print(&text::parse(after)));
    assert!(found == wanted, "before:\n{before}\n\nfound:\n{found}\nwanted:\n{wanted}");
}

/// Asserts that a pass leaves a program as it is.
#[track_caller]
pub fn stays<R>(before: &str, pass: impl FnOnce(&mut Code) -> R) {
    becomes(before, pass, before);
}
