//! The helper functions that programs of krs call. Source: `include/uapi/linux/bpf.h`.

use super::machine::Machine;
use super::maps;
use super::memory::Rights;
use crate::helper;

const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const KTIME_GET_NS: u32 = 5;
const GET_SMP_PROCESSOR_ID: u32 = 8;
const RINGBUF_DISCARD: u32 = 133;

const ENOENT: i64 = 2;
const EFAULT: i64 = 14;

/// Contents of a reserved record before the program writes to it, which are arbitrary.
const STALE: u8 = 0xa5;

/// Calls a helper and returns its result.
///
/// # Errors
/// If the verifier would reject the call.
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
                return Err("the buffer for the name is empty".to_owned());
            }
            let mut name = comm[..count].to_vec();
            name[count - 1] = 0;
            // On 6.1 the helper leaves the bytes after the NUL unchanged; they still count as written.
            let mut all = machine.memory.peek(a, size(b)?).ok_or("the buffer for the name is not mapped")?.to_vec();
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
                    // Only bytes within the given size are read.
                    None => (rest.len() >= count).then(|| rest[..count].to_vec()),
                }
            });
            let Some(mut bytes) = found.filter(|_| count > 0) else {
                machine.memory.write(a, &vec![0; count])?;
                return Ok(errno(EFAULT));
            };
            bytes.truncate(count - 1);
            bytes.push(0);
            // The verifier treats the whole buffer as initialised.
            let mut all = machine.memory.peek(a, count).ok_or("the buffer for the text is not mapped")?.to_vec();
            all[..bytes.len()].copy_from_slice(&bytes);
            machine.memory.write(a, &all)?;
            bytes.len() as u64
        }
        helper::RINGBUF_RESERVE => {
            let map = maps::of_handle(a).filter(|map| machine.maps.get(*map).is_some_and(maps::Map::is_ring_buffer));
            map.ok_or("the map of the record is not a ring buffer")?;
            let count = size(b)?;
            if c != 0 {
                return Err("unknown flags for a ring buffer record".to_owned());
            }
            // Each record has a header of 8 bytes.
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
            let at = machine.reserved.iter().position(|record| *record == a).ok_or("the record was not reserved")?;
            machine.reserved.remove(at);
            let record = machine.memory.remove(a).ok_or("the record was already released")?;
            if number == helper::RINGBUF_SUBMIT {
                machine.events.push(record);
            }
            0
        }
        other => return Err(format!("unsupported helper {other}")),
    })
}

/// Checks a length given by the program.
fn size(count: u64) -> Result<usize, String> {
    usize::try_from(count).ok().filter(|count| *count <= 1 << 20).ok_or_else(|| format!("invalid length {count:#x}"))
}

fn map_and_key(machine: &Machine<'_>, handle: u64, key: u64) -> Result<(usize, Vec<u8>), String> {
    let map = maps::of_handle(handle).filter(|map| *map < machine.maps.len()).ok_or("unknown map")?;
    let key = machine.memory.read(key, machine.maps[map].declared.key)?.to_vec();
    Ok((map, key))
}
