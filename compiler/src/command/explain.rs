//! `krsic explain`: prints the page of a code, or the list of all codes.

use super::{Failure, print};
use crate::diag::code::warning;
use crate::diag::pages;

/// Prints the page of a code, or the list of codes.
pub(super) fn explain(code: Option<&str>) -> Result<u8, Failure> {
    let Some(code) = code else {
        let mut text = String::new();
        for (code, title) in pages::titles() {
            text.push_str(&format!("{code}  {title}\n"));
        }
        print(text.as_bytes())?;
        return Ok(0);
    };
    // A warning can be given by its name.
    let code = warning(code).map_or(code, |found| found.0);
    // `krs203`, `203` and `KRS0203` are equivalent.
    let digits: String = code.chars().filter(char::is_ascii_digit).collect();
    let wanted = format!("KRS{digits:0>4}");
    match pages::page(&wanted) {
        Some(page) => {
            print(page.as_bytes())?;
            Ok(0)
        }
        None => Err(Failure::new(format!("unknown code `{code}`")).help("`krsic explain` lists all codes")),
    }
}
