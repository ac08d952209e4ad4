//! Support for tests of passes: assertions on the text form, an interpreter, and random programs.
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
//!     widen_moves::run,
//!     "b0: v11 = r1
//!          v12 = v11
//!          w12 += 1
//!          r0 = v12
//!          exit",
//! );
//! ```
//!
//! Absent: the tests of the passes, which are in their modules.

use crate::driver;
use crate::mir::Body;
use crate::mir::text::{parse, print};
use crate::optimise::Optimise;

/// Asserts that a pass transforms one body into another.
#[track_caller]
pub fn becomes<R>(before: &str, pass: impl FnOnce(&mut Body) -> R, after: &str) {
    let mut code = parse(before);
    let _ = pass(&mut code);
    let (found, wanted) = (print(&code), print(&parse(after)));
    assert!(found == wanted, "before:\n{before}\n\nfound:\n{found}\nwanted:\n{wanted}");
}

/// Runs passes of the driver by name until none of them requests another round.
pub fn rounds(names: &[&str], body: &mut Body) {
    loop {
        let mut again = false;
        for name in names {
            let pass = driver::find(name).expect("the driver has the pass");
            again |= pass.run(body, Optimise::default()).expect("it needs no stack");
        }
        if !again {
            return;
        }
    }
}

/// Asserts that a pass does not change a body.
#[track_caller]
pub fn stays<R>(before: &str, pass: impl FnOnce(&mut Body) -> R) {
    becomes(before, pass, before);
}
