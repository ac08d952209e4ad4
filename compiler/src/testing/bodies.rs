//! Assertions on bodies before and after a pass, in the text form.
//!
//! ```text
//! becomes("b0: w12 = w11 ..", widen_moves::run, "b0: v12 = v11 ..")
//! ```
//!
//! Absent: single cases of passes, which `tests/filetests` has. Tables of operators and tests of a part of a
//! pass use this module.

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
