//! Describes a typed policy and its programs in the manifest ([`krsi_abi::manifest`]) that the object contains.

use std::collections::BTreeMap;

use krsi_abi::manifest::{
    Audit, BitfieldLoad, Field, File, Label, Limit, Literal, Manifest, Names, Need, Param, Part, Program, Rule, RuleId,
    Set, Since, Source, Ty,
};

use crate::bpf::Code;
use crate::hir::{self, Policy, walk};
use crate::hir::{aliasing, since};
use crate::limits;
use crate::mir::lower::event_layout;
use crate::object;
use crate::source::Sources;

/// The most literals of a manifest; the loader resolves each.
const LITERALS_MAX: usize = 1000;

/// The paths that file paths are compared with.
fn literals(policy: &Policy) -> Vec<Literal> {
    // A rule on several hooks is there once for each.
    let mut found: BTreeMap<(&[u8], &str), u32> = BTreeMap::new();
    for (rule, at) in policy.rules.iter().zip(0..) {
        for cond in rule.when.iter().chain(&rule.unless) {
            walk::each_in_cond(cond, &mut |atom| {
                let hir::AtomKind::Text { value, test } = &atom.kind else { return };
                let is_path = matches!(&value.kind, hir::ValueKind::Text(text)
                    if matches!(**text, hir::TextSource::Path { .. }));
                let texts = match test {
                    hir::TextTest::OneOf(texts) => texts.as_slice(),
                    hir::TextTest::Under(directory) => std::slice::from_ref(directory),
                    _ => return,
                };
                let absolute = texts.iter().filter(|text| is_path && text.starts_with(b"/"));
                absolute.for_each(|text| _ = found.entry((text, &rule.name)).or_insert(at));
            });
        }
    }
    let texts = found.into_iter().filter_map(|((text, _), rule)| Some((String::from_utf8(text.to_vec()).ok()?, rule)));
    texts.take(LITERALS_MAX).map(|(path, rule)| Literal { path, rule: RuleId(rule) }).collect()
}

/// Builds the manifest of a policy.
#[must_use]
pub fn manifest(policy: &Policy, code: &Code, kernels: Vec<String>, sources: &Sources) -> Manifest {
    // Only types with values that some event or parameter prints.
    let mut used: Vec<hir::NamesId> = Vec::new();
    let rules = policy
        .rules
        .iter()
        .map(|rule| Rule {
            name: rule.name.clone(),
            doc: rule.doc.clone(),
            program: rule.hook.0,
            source: source(sources, rule.span),
            deny: rule.errno(),
            audit: rule.audit.as_ref().map(|audit| self::audit(audit, &mut used)),
            kill: rule.kill.as_ref().map(|kill| kill.name.clone()),
            severity: rule.attributes.severity.clone(),
            tags: rule.attributes.tags.clone(),
            id: rule.attributes.id.clone(),
            permissive: rule.attributes.permissive,
            since: rule.since.as_ref().map(|since| needs(policy, since)),
        })
        .collect();
    let params = policy
        .params
        .iter()
        .enumerate()
        .map(|(at, param)| Param {
            name: param.name.clone(),
            ty: ty(param.ty, &mut used),
            offset: 8 * at as u32,
            default: param.default as u64,
        })
        .collect();
    let files = policy.files.iter().zip(0..);
    let files = files.map(|(path, at)| File { path: path.clone(), offset: code.data.files + 16 * at }).collect();
    let sets = policy.sets.iter().filter_map(|set| self::set(set, &mut used)).collect();
    let names = used
        .iter()
        .map(|id| {
            let names = &policy.names[id.index()];
            Names { name: names.name.clone(), flags: names.flags, members: names.members.clone() }
        })
        .collect();
    let programs = code
        .programs
        .chunk_by(|a, b| a.hook == b.hook)
        .map(|programs| {
            let hook = &programs[0].hook;
            let (mut instructions, mut arguments) = (0, Vec::new());
            for program in programs {
                arguments.extend(program.arguments.iter().cloned().map(|mut load| {
                    load.instruction += instructions;
                    load
                }));
                instructions += program.insns.len() as u32;
            }
            Program {
                hook: hook.clone(),
                section: object::lower::section(hook),
                instructions,
                parts: programs[1..].iter().map(|program| program.name.clone()).collect(),
                keeps: policy.hooks.iter().any(|known| known.name == *hook && known.maintains_labels),
                arguments,
            }
        })
        .collect();
    Manifest {
        producer: concat!("krsic ", env!("CARGO_PKG_VERSION")).to_owned(),
        policy: policy.name.clone(),
        programs,
        rules,
        names,
        kernels,
        params,
        files,
        literals: literals(policy),
        sets,
        unreadable: code.data.unreadable,
        limited: code.data.limited,
        words: aliasing::words(policy)
            .map(|(field, bytes, rule)| BitfieldLoad {
                rule: RuleId(rule.0),
                of: field.root.clone(),
                path: path(field),
                bytes,
            })
            .collect(),
        labels: policy
            .labels
            .iter()
            .map(|label| Label { name: label.name.clone(), on: label.on, inherit: label.inherit })
            .collect(),
        labels_lost: code.data.labels_lost,
    }
}

fn needs(policy: &Policy, since: &since::Since) -> Since {
    let needs = since.needs.iter().map(|part| match part.clone() {
        since::Feature::Hook(hook) => Need::Hook(hook),
        since::Feature::Argument { hook, name } => Need::Argument { hook, name },
        since::Feature::Enumerator { of, name } => Need::Enumerator { of, name },
        since::Feature::Field(access) => Need::Field { path: path(&access), of: access.root },
    });
    Since {
        version: (since.version.major, since.version.minor),
        needs: needs.collect(),
        by_number: since.by_number,
        switch: 8 * (policy.params.len() as u32 + since.switch),
    }
}

/// Names of the fields on an access path.
fn path(access: &hir::Access) -> Vec<String> {
    let names = access.steps.iter().filter_map(|step| match step {
        hir::Step::Field { name, .. } => Some(name.clone()),
        hir::Step::Index(_) => None,
    });
    names.collect()
}

fn source(sources: &Sources, span: krs_grammar::ast::Span) -> Source {
    let (line, column) = sources.position(span);
    let text = sources.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
    Source { file: sources.name(span.file).to_owned(), line, column, text }
}

fn set(set: &hir::Set, used: &mut Vec<hir::NamesId>) -> Option<Set> {
    let (Some(name), hir::Members::Dynamic { max }) = (&set.name, &set.members) else { return None };
    let part = |part: &hir::Column| match *part {
        hir::Column::Int(int) => Part::Number(ty(hir::Ty::Int(int), used)),
        hir::Column::Ip => Part::Ip,
        hir::Column::Network => Part::Cidr,
        hir::Column::Text { path: false } => Part::Str,
        hir::Column::Text { path: true } => Part::Path,
    };
    Some(Set { name: name.clone(), parts: set.columns.iter().map(part).collect(), max: *max })
}

fn audit(audit: &hir::Audit, used: &mut Vec<hir::NamesId>) -> Audit {
    let layout = event_layout::layout(audit);
    let fields = audit
        .fields
        .iter()
        .zip(&layout.offsets)
        .map(|(field, &offset)| Field { name: field.name.clone(), ty: ty(field.value.ty, used), offset })
        .collect();
    let limit =
        audit.limit.map(|limit| Limit { count: limit.count, per: limit.per, offset: krsi_abi::event::HEADER_BYTES });
    Audit { message: audit.message.clone(), fields, bytes: layout.bytes, limit }
}

fn ty(ty: hir::Ty, used: &mut Vec<hir::NamesId>) -> Ty {
    match ty {
        hir::Ty::Int(hir::Int { bytes, signed, names: None }) => Ty::Int { bytes, signed },
        hir::Ty::Int(hir::Int { bytes, signed, names: Some(id) }) => {
            let names = used.iter().position(|known| *known == id).unwrap_or_else(|| {
                used.push(id);
                used.len() - 1
            });
            Ty::Names { names: names as u32, bytes, signed }
        }
        hir::Ty::Bool => Ty::Bool,
        hir::Ty::Ptr(_) => Ty::Pointer,
        hir::Ty::Ip => Ty::Ip,
        hir::Ty::Str { bytes } => Ty::Str { bytes },
        hir::Ty::Text { .. } => Ty::Str { bytes: limits::TEXT_BYTES },
    }
}
