//! Converts between sets of labels and the contents of their maps; [`krsi_abi::labels`] describes the format.

use krsi_abi::labels::Object;
use krsi_abi::manifest::Label;

use super::maps::Map;
use super::memory::Memory;
use crate::hir::eval::{Entry, Labels};

/// Names of the labels on a kind of object, in the order of their bytes.
fn names(labels: &[Label], on: Object) -> Vec<&str> {
    labels.iter().filter(|label| label.on == on).map(|label| label.name.as_str()).collect()
}

/// Writes labels into their maps.
///
/// # Errors
/// If a map does not accept them.
pub fn fill(maps: &mut [Map], declared: &[Label], labels: &Labels, memory: &mut Memory) -> Result<(), String> {
    for on in Object::ALL {
        let Some(map) = maps.iter_mut().find(|map| map.declared.name == on.map()) else { continue };
        let names = names(declared, on);
        for ((_, key), entry) in labels.entries.iter().filter(|((of, _), _)| *of == on) {
            let mut value = vec![0; names.len().next_multiple_of(8)];
            for (byte, name) in value.iter_mut().zip(&names) {
                *byte = u8::from(entry.labels.contains(*name));
            }
            if on == Object::Task {
                value.extend(entry.former.to_le_bytes());
            }
            let key = key.map(u64::to_le_bytes).concat();
            let result = map.update(memory, &key[..on.key_bytes() as usize], &value, 0);
            result.map_err(|errno| format!("{} does not take a label: {errno}", on.map()))?;
        }
        if labels.full {
            map.close();
        }
    }
    Ok(())
}

/// Reads the labels from their maps.
///
/// # Errors
/// If a byte is neither 0 nor 1.
pub fn read(maps: &[Map], declared: &[Label], memory: &Memory) -> Result<Labels, String> {
    let mut labels = Labels::default();
    for on in Object::ALL {
        let Some(map) = maps.iter().find(|map| map.declared.name == on.map()) else { continue };
        let names = names(declared, on);
        for (key, at) in map.entries() {
            let value = memory.peek(at, map.declared.value).ok_or("a value was released")?;
            let mut entry = Entry::default();
            for (byte, name) in value.iter().zip(&names) {
                match byte {
                    0 => {}
                    1 => drop(entry.labels.insert((*name).to_owned())),
                    other => return Err(format!("`{name}` is {other}")),
                }
            }
            let word = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
            if on == Object::Task {
                entry.former = word(&value[names.len().next_multiple_of(8)..]);
            }
            labels.entries.insert((on, [word(key), word(&key[8..])]), entry);
        }
    }
    Ok(labels)
}
