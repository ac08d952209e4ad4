//! An allow-list of network addresses that also denies sockets without one.
//!
//! ```text
//! on socket_connect unless dst.ip in "10.0.0.0/8" deny        # denies Unix sockets: syslog, D-Bus
//! ```
//!
//! The address of a Unix socket is unknown, so the exemption does not apply to it.

use crate::diag::{Diagnostic, code};
use crate::hir::walk::{any_part, values};
use crate::hir::{Cond, EndpointField, Policy, Value, ValueKind};

use super::{atoms, within};

/// Hooks that sockets of all families call.
const ALL_FAMILIES: [(&str, &str); 3] = [("socket_connect", "dst"), ("socket_sendmsg", "dst"), ("socket_bind", "src")];

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in policy.rules.iter().filter(|rule| rule.deny.is_some()) {
        let hook = &policy.hooks[rule.hook.index()].name;
        let Some((_, end)) = ALL_FAMILIES.iter().find(|(name, _)| name == hook) else { continue };
        let Some(unless) = &rule.unless else { continue };
        let addresses = |cond: &Cond| reads(cond, &|field| field != EndpointField::Family);
        // A rule that tests the family or an address in `when` says which sockets it is about, as does an
        // exemption by family.
        let chosen = rule.when.as_ref().is_some_and(|when| reads(when, &|_| true))
            || reads(unless, &|field| field == EndpointField::Family);
        if chosen || !addresses(unless) {
            continue;
        }
        found.push(
            Diagnostic::warning(
                code::FAMILIES,
                within(rule, unless),
                "this exemption never applies to sockets without an address, such as Unix sockets",
            )
            .label("unknown for other families")
            .note("the rule denies syslog, D-Bus and name services, which use Unix sockets")
            .help(format!("limit the rule to the Internet: `when {end}.family in {{ INET, INET6 }}`")),
        );
    }
}

/// Returns true if a condition reads a property of an endpoint.
fn reads(cond: &Cond, wanted: &dyn Fn(EndpointField) -> bool) -> bool {
    let mut found = false;
    atoms(cond, &mut |atom| found |= values(&atom.kind).any(|value| is_endpoint(value, wanted)));
    found
}

fn is_endpoint(value: &Value, wanted: &dyn Fn(EndpointField) -> bool) -> bool {
    any_part(value, &|part| matches!(part.kind, ValueKind::Endpoint(_, field) if wanted(field)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn lists_that_leave_out_unix_sockets_are_found() {
        for rule in [
            "on socket_connect unless dst.ip in { \"10.0.0.0/8\", \"127.0.0.0/8\" } deny",
            "on socket_connect when task.uid == 5 unless dst.port == 443 deny",
            "on socket_sendmsg unless dst.ip == \"10.0.0.1\" or task.uid == 0 deny",
            "on socket_bind unless src.port >= 1024 deny",
        ] {
            assert_eq!(codes(rule), ["KRS0918"], "{rule}");
        }
    }

    #[test]
    fn rules_about_one_family_are_left_alone() {
        for rule in [
            "on socket_connect when dst.family in { INET, INET6 } unless dst.ip in \"10.0.0.0/8\" deny",
            "on socket_connect when dst.port == 25 unless dst.ip in \"10.0.0.0/8\" deny",
            "on socket_connect when not (dst.ip in \"10.0.0.0/8\") deny",
            "on socket_connect unless dst.ip in \"10.0.0.0/8\" or dst.family == UNIX deny",
            "on socket_connect unless task.uid == 0 deny",
            "on socket_connect unless dst.ip in \"10.0.0.0/8\" audit",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
