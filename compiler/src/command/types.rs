//! `krsic types`: lists types and definitions, or describes one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Failure, print, target};
use crate::hir::suggest::did_you_mean;
use crate::reference::{Library, Reference, TypeKind, TypePage, items};

/// Arguments of the `types` command.
#[derive(Args)]
pub(super) struct Types {
    /// Name or substring of a type or definition; lists every described one if omitted
    name: Option<String>,
    /// Include the kernel with these types (raw BTF, or ELF with .BTF)
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// Format of the output
    #[arg(long, value_enum, default_value_t = TypeFormat::Text, value_name = "FORMAT")]
    format: TypeFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TypeFormat {
    /// Plain text for people
    Text,
    /// One JSON object per type and line
    Json,
}

/// Prints the selected types, or describes the one with exactly that name.
pub(super) fn types(types: &Types) -> Result<u8, Failure> {
    let library = Library::read();
    let items = items(&library);
    let kernel = match &types.btf {
        Some(path) => target(Some(path))?,
        None => None,
    };
    let mut reference = Reference::new(&library, &items, kernel.as_ref());
    let exact = types.name.as_deref().and_then(|name| reference.type_page(name));
    let (one, pages) = match (exact, types.name.as_deref()) {
        (Some(page), _) => (true, vec![page]),
        (None, None) => {
            let names = reference.library_types();
            (false, names.into_iter().filter_map(|name| reference.type_page(name)).collect())
        }
        (None, Some(part)) => {
            let lower = part.to_ascii_lowercase();
            let names = reference.type_names();
            let found = names.iter().filter(|name| name.to_ascii_lowercase().contains(&lower));
            let pages: Vec<TypePage> = found.filter_map(|name| reference.type_page(name)).collect();
            if pages.is_empty() {
                let help = did_you_mean(part, names)
                    .unwrap_or_else(|| "`krsic types` lists everything that is described".to_owned());
                return Err(Failure::new(format!("no type name contains `{part}`")).help(help));
            }
            (false, pages)
        }
    };
    let text = match types.format {
        TypeFormat::Json => pages.iter().map(super::json_line).collect(),
        TypeFormat::Text if one => page(&pages[0]),
        TypeFormat::Text => list(&pages),
    };
    print(text.as_bytes())?;
    Ok(0)
}

fn list(pages: &[TypePage]) -> String {
    let name = pages.iter().map(|page| page.name.len()).max().unwrap_or(0);
    let mut out = format!("{:name$}  {:6}  WHAT\n", "NAME", "KIND");
    for page in pages {
        let line = format!("{:name$}  {:6}  {}", page.name, page.kind.name(), page.summary);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn page(page: &TypePage) -> String {
    let mut out = format!("{}\n", page.signature);
    if let Some(body) = &page.body {
        out.push_str(&format!("  = {body}\n"));
    }
    if !page.doc.is_empty() {
        out.push('\n');
        super::indent(&mut out, &page.doc);
    }
    if !page.missing_on.is_empty() {
        out.push_str(&format!("\n  Not on {}.\n", page.missing_on.join(", ")));
    }
    if !page.members.is_empty() {
        members(&mut out, page);
    }
    if !page.view.is_empty() {
        out.push_str("\nfields of the standard library\n");
        let rows = page.view.iter().map(|field| {
            let mut more = format!("= {}", field.expands_to);
            if !field.doc.is_empty() {
                more.push_str(&format!("    # {}", field.doc));
            }
            (field.name.as_str(), field.ty.as_str(), more)
        });
        columns(&mut out, rows.collect());
    }
    if !page.fields.is_empty() {
        out.push_str("\nfields of the kernel\n");
        let rows = page.fields.iter().map(|field| {
            let lacking = if field.missing_on.is_empty() {
                String::new()
            } else {
                format!("# not on {}", field.missing_on.join(", "))
            };
            (field.name.as_str(), field.ty.as_str(), lacking)
        });
        columns(&mut out, rows.collect());
    }
    if let Some(file) = &page.file {
        out.push_str(&format!("\ndescribed in stdlib/{file}\n"));
    }
    out
}

fn members(out: &mut String, page: &TypePage) {
    out.push_str(match page.kind {
        TypeKind::Flags => "\nbits\n",
        _ => "\nvalues\n",
    });
    let value = |value: i64| match page.kind {
        TypeKind::Flags => format!("{value:#x}"),
        // A large value is a magic number made of bytes.
        _ if value > 0xffff => format!("{value:#x}"),
        _ => value.to_string(),
    };
    let rows: Vec<(String, String, String)> = page
        .members
        .iter()
        .map(|member| {
            let mut notes = Vec::new();
            if member.anywhere != member.name {
                notes.push(member.anywhere.clone());
            }
            if !member.missing_on.is_empty() {
                notes.push(format!("# not on {}", member.missing_on.join(", ")));
            }
            if !member.doc.is_empty() {
                notes.push(format!("# {}", member.doc));
            }
            (member.name.clone(), value(member.value), notes.join("    "))
        })
        .collect();
    columns(out, rows.iter().map(|(name, value, more)| (name.as_str(), value.as_str(), more.clone())).collect());
}

fn columns(out: &mut String, rows: Vec<(&str, &str, String)>) {
    let first = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    // A single long type does not push the last column to the right.
    let second = rows.iter().map(|row| row.1.len()).filter(|width| *width <= 24).max().unwrap_or(0);
    for (name, ty, more) in rows {
        out.push_str(format!("  {name:first$}  {ty:second$}  {more}").trim_end());
        out.push('\n');
    }
}
