//! Helpers, as far as programs here call them. Source: `include/uapi/linux/bpf.h`.

use super::machine::Machine;
use super::maps;
use super::memory::Rights;
use crate::bpf::helper;

const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const KTIME_GET_NS: u32 = 5;
const GET_SMP_PROCESSOR_ID: u32 = 8;
const RINGBUF_DISCARD: u32 = 133;

const ENOENT: i64 = 2;
const EFAULT: i64 = 14;

/// What is in a record before anything is written to it: whatever was there before.
const STALE: u8 = 0xa5;

/// Calls a helper; its result.
///
/// # Errors
/// At what the verifier would refuse.
pub fn call(machine: &mut Machine<'_>, number: u32, [a, b, c, d, _]: [u64; 5]) -> Result<u64, String> {
    let errno = |errno: i64| (-errno).cast_unsigned();
    Ok(match number {
        helper::MAP_LOOKUP_ELEM => {
            let (map, key) = map_and_key(machine, a, b)?;
            machine.maps[map].lookup(&key).unwrap_or(0)
        }
        MAP_UPDATE_ELEM => {
            let (map, key) = map_and_key(machine, a, b)?;
            let value = machine.memory.read(c, machine.maps[map].declared.value)?.to_vec();
            match machine.maps[map].update(&mut machine.memory, &key, &value, d) {
                Ok(()) => 0,
                Err(why) => errno(why),
            }
        }
        MAP_DELETE_ELEM => {
            let (map, key) = map_and_key(machine, a, b)?;
            if machine.maps[map].delete(&key) { 0 } else { errno(ENOENT) }
        }
        helper::KTIME_GET_BOOT_NS | KTIME_GET_NS => machine.scene().time_ns,
        GET_SMP_PROCESSOR_ID => 0,
        helper::GET_CURRENT_PID_TGID => {
            let task = &machine.scene().task;
            u64::from(task.tgid) << 32 | u64::from(task.pid)
        }
        helper::GET_CURRENT_UID_GID => {
            let task = &machine.scene().task;
            u64::from(task.gid) << 32 | u64::from(task.uid)
        }
        helper::GET_CURRENT_CGROUP_ID => machine.scene().task.cgroup_id,
        helper::GET_CURRENT_TASK | helper::GET_CURRENT_TASK_BTF => machine.scene().task.address,
        helper::GET_CURRENT_COMM => {
            let comm = machine.scene().task.comm;
            let count = size(b)?.min(comm.len());
            if count == 0 {
                return Err("no room for a name".to_owned());
            }
            let mut name = comm[..count].to_vec();
            name[count - 1] = 0;
            // What is behind the NUL the helper of 6.1 leaves as it was, but it counts as written.
            let mut all = machine.memory.peek(a, size(b)?).ok_or("a name to nowhere")?.to_vec();
            let end = name.iter().position(|byte| *byte == 0).map_or(count, |at| at + 1);
            all[..end].copy_from_slice(&name[..end]);
            machine.memory.write(a, &all)?;
            0
        }
        helper::SEND_SIGNAL => {
            machine.signals.push(a as i32);
            0
        }
        helper::PROBE_READ_KERNEL => {
            let count = size(b)?;
            match machine.memory.peek(c, count).map(<[u8]>::to_vec) {
                Some(bytes) => {
                    machine.memory.write(a, &bytes)?;
                    0
                }
                None => {
                    machine.memory.write(a, &vec![0; count])?;
                    errno(EFAULT)
                }
            }
        }
        helper::PROBE_READ_KERNEL_STR => {
            let count = size(b)?;
            let found = machine.memory.rest(c).and_then(|rest| {
                let end = rest.iter().position(|byte| *byte == 0);
                match end {
                    Some(end) => Some(rest[..end.min(count)].to_vec()),
                    // Only what lies within the room is touched.
                    None => (rest.len() >= count).then(|| rest[..count].to_vec()),
                }
            });
            let Some(mut bytes) = found.filter(|_| count > 0) else {
                machine.memory.write(a, &vec![0; count])?;
                return Ok(errno(EFAULT));
            };
            bytes.truncate(count - 1);
            bytes.push(0);
            // The verifier takes the whole room for written, as it is in the kernel's eyes.
            let mut all = machine.memory.peek(a, count).ok_or("a text to nowhere")?.to_vec();
            all[..bytes.len()].copy_from_slice(&bytes);
            machine.memory.write(a, &all)?;
            bytes.len() as u64
        }
        helper::RINGBUF_RESERVE => {
            let map = maps::of_handle(a).filter(|map| machine.maps.get(*map).is_some_and(maps::Map::is_ring_buffer));
            map.ok_or("a record of no ring buffer")?;
            let count = size(b)?;
            if c != 0 {
                return Err("flags of a record that the kernel does not know".to_owned());
            }
            // Each record has a head of 8 bytes.
            let taken = count.next_multiple_of(8) + 8;
            if taken > machine.ring_buffer_room {
                0
            } else {
                machine.ring_buffer_room -= taken;
                let record = machine.memory.add(vec![STALE; count], Rights::Write, "record");
                machine.reserved.push(record);
                record
            }
        }
        helper::RINGBUF_SUBMIT | RINGBUF_DISCARD => {
            let at = machine.reserved.iter().position(|record| *record == a).ok_or("a record that was not reserved")?;
            machine.reserved.remove(at);
            let record = machine.memory.remove(a).ok_or("a record that is gone")?;
            if number == helper::RINGBUF_SUBMIT {
                machine.events.push(record);
            }
            0
        }
        other => return Err(format!("helper {other}, which is not known here")),
    })
}

/// A length that a program gives.
fn size(count: u64) -> Result<usize, String> {
    usize::try_from(count).ok().filter(|count| *count <= 1 << 20).ok_or_else(|| format!("a length of {count:#x}"))
}

fn map_and_key(machine: &Machine<'_>, handle: u64, key: u64) -> Result<(usize, Vec<u8>), String> {
    let map = maps::of_handle(handle).filter(|map| *map < machine.maps.len()).ok_or("a map that there is not")?;
    let key = machine.memory.read(key, machine.maps[map].declared.key)?.to_vec();
    Ok((map, key))
}
