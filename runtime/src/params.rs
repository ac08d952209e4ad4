//! Parameters set at load time: `krsi load --set min_uid=2000`.
//!
//! Each parameter takes 8 bytes of the object's constants, at the offset in the manifest. The constants are
//! frozen before the programs are loaded, so the verifier knows the values and removes branches that they rule
//! out.

use krsi_abi::CONSTANTS_SECTION;
use krsi_abi::manifest::{Manifest, Param, Ty};
use krsi_abi::value;

use crate::failure::Failure;
use crate::object::Object;

impl Object {
    /// Sets parameters, each given as `name=value`.
    pub fn set(&mut self, settings: &[String]) -> Result<(), Failure> {
        let mut seen: Vec<&str> = Vec::new();
        for setting in settings {
            let Some((name, text)) = setting.split_once('=') else {
                return Err(Failure::usage(format!("`{setting}` has no value")).help("write `--set NAME=VALUE`"));
            };
            let (name, text) = (name.trim(), text.trim());
            if seen.contains(&name) {
                return Err(Failure::usage(format!("`{name}` is set twice")).help("set each parameter once"));
            }
            seen.push(name);
            let Some(param) = self.manifest.params.iter().find(|param| param.name == name) else {
                return Err(unknown(&self.manifest, name));
            };
            let value = parse(&self.manifest, param, text)?;
            let at = param.offset;
            self.set_word(at, value)?;
        }
        Ok(())
    }

    /// Writes 8 bytes to the constants.
    pub fn set_word(&mut self, at: u32, value: u64) -> Result<(), Failure> {
        self.write(CONSTANTS_SECTION, at, &value.to_le_bytes())
    }
}

fn unknown(manifest: &Manifest, name: &str) -> Failure {
    let failure = Failure::usage(format!("the policy has no parameter `{name}`"));
    if manifest.params.is_empty() {
        return failure.help("it has no parameters; the source declares them with `param NAME: TYPE = VALUE`");
    }
    failure.suggest(name, manifest.params.iter().map(|param| param.name.as_str()))
}

fn parse(manifest: &Manifest, param: &Param, text: &str) -> Result<u64, Failure> {
    let name = &param.name;
    match param.ty {
        Ty::Bool => {
            match text {
                "true" => Ok(1),
                "false" => Ok(0),
                _ => Err(Failure::usage(format!("`{text}` is not a valid value of `{name}`"))
                    .help("write `true` or `false`")),
            }
        }
        _ => Ok(number(manifest, &param.ty, text, &format!("value of `{name}`"))? as u64),
    }
}

/// Parses a number of a type; `what` names it in messages: `` value of `port` ``.
pub fn number(manifest: &Manifest, ty: &Ty, text: &str, what: &str) -> Result<i128, Failure> {
    let (bytes, signed, names) = match *ty {
        Ty::Int { bytes, signed } => (bytes, signed, None),
        Ty::Names { names, bytes, signed } => (bytes, signed, manifest.names.get(names as usize)),
        _ => {
            return Err(Failure::usage(format!("`{text}` is not a valid {what}"))
                .help("use a `krsi` at least as new as the `krsic` that built the policy"));
        }
    };
    let (flags, members) = names.map_or((false, &[][..]), |names| (names.flags, names.members.as_slice()));
    let number = value::named(text, flags, members).map_err(|part| {
        let failure = Failure::usage(format!("`{part}` is not a valid {what}"));
        match names {
            None => failure.help("write an integer: `1000`, `0x2a`, `-1`"),
            Some(names) => {
                let known: Vec<&str> = names.members.iter().map(|(name, _)| name.as_str()).take(16).collect();
                let form = if names.flags { "names joined by `|`" } else { "a name" };
                failure.help(format!("a `{}` is a number or {form}: {}", names.name, known.join(", ")))
            }
        }
    })?;
    let bits = 8 * bytes;
    let (low, high) =
        if signed { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) };
    if number < low || number > high {
        return Err(
            Failure::usage(format!("`{text}` is not a valid {what}")).help(format!("the range is {low} to {high}"))
        );
    }
    Ok(number)
}

/// Formats a parameter's value as in krs.
pub fn show(manifest: &Manifest, param: &Param, value: u64) -> String {
    match param.ty {
        Ty::Bool => (value != 0).to_string(),
        Ty::Names { names, bytes, signed } => match manifest.names.get(names as usize) {
            Some(names) => crate::decode::name(names, value.cast_signed(), 8 * bytes, signed),
            None => value.to_string(),
        },
        Ty::Int { signed: true, .. } => value.cast_signed().to_string(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use krsi_abi::manifest::Names;

    fn manifest() -> Manifest {
        let param = |name: &str, ty| Param { name: name.into(), ty, offset: 0, default: 0 };
        let prot = Names { name: "Prot".into(), flags: true, members: vec![("READ".into(), 1), ("EXEC".into(), 4)] };
        Manifest {
            names: vec![prot],
            params: vec![
                param("port", Ty::Int { bytes: 2, signed: false }),
                param("least", Ty::Int { bytes: 4, signed: true }),
                param("on", Ty::Bool),
                param("prot", Ty::Names { names: 0, bytes: 8, signed: false }),
            ],
            ..Manifest::default()
        }
    }

    #[test]
    fn values_are_read_by_their_type() {
        let manifest = manifest();
        let read = |at: usize, text: &str| parse(&manifest, &manifest.params[at], text).map_err(|why| why.to_string());
        assert_eq!(read(0, "65535"), Ok(65535));
        assert!(read(0, "65536").is_err_and(|why| why.contains("the range is 0 to 65535")));
        assert!(read(0, "many").is_err_and(|why| why.contains("`many` is not a valid value of `port`")));
        assert_eq!(read(1, "-1"), Ok(u64::MAX));
        assert_eq!((read(2, "true"), read(2, "false")), (Ok(1), Ok(0)));
        assert!(read(2, "1").is_err());
        assert_eq!(read(3, "READ|EXEC"), Ok(5));
        assert!(read(3, "WRIET").is_err_and(|why| why.contains("READ, EXEC")));
        assert_eq!(show(&manifest, &manifest.params[1], u64::MAX), "-1");
    }

    #[test]
    fn bounds_of_every_width() {
        let manifest = Manifest::default();
        for (bytes, signed, low, high) in [
            (1, false, "0", "255"),
            (1, true, "-128", "127"),
            (2, false, "0", "65535"),
            (2, true, "-32768", "32767"),
            (4, false, "0", "4294967295"),
            (4, true, "-2147483648", "2147483647"),
            (8, false, "0", "18446744073709551615"),
            (8, true, "-9223372036854775808", "9223372036854775807"),
        ] {
            let read = |text: &str| number(&manifest, &Ty::Int { bytes, signed }, text, "x").map_err(|why| why.help);
            let range = vec![format!("the range is {low} to {high}")];
            let [low, high]: [i128; 2] = [low, high].map(|text| text.parse().expect("a number"));
            assert_eq!((read(&low.to_string()), read(&high.to_string())), (Ok(low), Ok(high)));
            assert_eq!(read(&(low - 1).to_string()), Err(range.clone()));
            // A number of more than 64 bits is not parsed as an integer.
            if high < i128::from(u64::MAX) {
                assert_eq!(read(&(high + 1).to_string()), Err(range));
            }
        }
    }

    #[test]
    fn values_print_as_in_the_policy() {
        let manifest = manifest();
        let shown = |at: usize, value| show(&manifest, &manifest.params[at], value);
        assert_eq!(shown(0, 65535), "65535");
        assert_eq!(shown(1, (-5i64).cast_unsigned()), "-5");
        assert_eq!((shown(2, 0), shown(2, 1)), ("false".into(), "true".into()));
        assert_eq!((shown(3, 5), shown(3, 9)), ("READ|EXEC".into(), "READ|0x8".into()));
        let lost = Param { ty: Ty::Names { names: 9, bytes: 8, signed: false }, ..manifest.params[3].clone() };
        assert_eq!(show(&manifest, &lost, 5), "5");
    }

    #[test]
    fn invalid_values() {
        let manifest = manifest();
        let read = |ty: &Ty, text: &str| number(&manifest, ty, text, "value of `x`").expect_err(text).to_string();
        let names = Ty::Names { names: 0, bytes: 8, signed: false };
        assert!(read(&names, "READ|x").contains("a `Prot` is a number or names joined by `|`: READ, EXEC"));
        assert!(read(&Ty::Pointer, "1").contains("use a `krsi` at least as new"));
        assert!(read(&Ty::Int { bytes: 2, signed: false }, "-").contains("write an integer"));
        let unknown = |name: &str| unknown(&manifest, name).to_string();
        assert_eq!(unknown("prt"), "error: the policy has no parameter `prt`\n  help: did you mean `port`?\n");
        assert!(super::unknown(&Manifest::default(), "x").to_string().contains("it has no parameters"));
    }
}
