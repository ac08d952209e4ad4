//! Plots of the results as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{report, series, work};

const SIZE: (u32, u32) = (900, 480);
const OURS: RGBColor = RGBColor(0x1b, 0x6c, 0xa8);
const CLANG: RGBColor = RGBColor(0xb0, 0xb0, 0xb0);

/// Plots the cost of each act under krsic's program as a fraction of the cost under clang's.
pub fn policies(rows: &[work::Row], path: &Path) -> Result<()> {
    let bars: Vec<(String, f64)> = rows
        .iter()
        .flat_map(|row| {
            row.costs().into_iter().map(|cost| (format!("{}: {}", row.name, cost.act), report::ratio(cost.above)))
        })
        .collect();
    draw_policies(&bars, path).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn draw_policies(bars: &[(String, f64)], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, (SIZE.0, 24 * bars.len() as u32 + 80)).into_drawing_area();
    root.fill(&WHITE)?;
    let most = bars.iter().map(|(_, ratio)| *ratio).fold(1.2, f64::max);
    let names: Vec<&str> = bars.iter().map(|(name, _)| name.as_str()).collect();
    let mut chart = ChartBuilder::on(&root)
        .caption("Cost of a call above an empty program: krs / clang -O2", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(280)
        .build_cartesian_2d(0.0..most, (0..bars.len() as i32).into_segmented())?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(bars.len() + 1)
        .y_label_formatter(&|at| match at {
            SegmentValue::CenterOf(at) => {
                names.get(names.len().wrapping_sub(1 + *at as usize)).copied().unwrap_or("").to_owned()
            }
            _ => String::new(),
        })
        .draw()?;
    chart.draw_series(bars.iter().rev().enumerate().map(|(at, (_, ratio))| {
        let at = at as i32;
        let mut bar = Rectangle::new(
            [(0.0, SegmentValue::Exact(at)), (*ratio, SegmentValue::Exact(at + 1))],
            if *ratio <= 1.0 { OURS.filled() } else { CLANG.filled() },
        );
        bar.set_margin(4, 4, 0, 0);
        bar
    }))?;
    chart.draw_series(LineSeries::new(
        [(1.0, SegmentValue::Exact(0)), (1.0, SegmentValue::Exact(bars.len() as i32))],
        BLACK.stroke_width(1),
    ))?;
    root.present()?;
    Ok(())
}

/// Plots the cost by the number of rules, both on logarithmic axes.
pub fn series(rows: &[series::Row], path: &Path) -> Result<()> {
    draw_series(rows, path).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn draw_series(rows: &[series::Row], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let chains = |row: &series::Row| row.chain.as_ref().and_then(|chain| chain.as_ref().ok().copied());
    let most = rows.iter().flat_map(|row| [row.cost, chains(row)]).flatten().fold(100.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Instructions of a call that fits no rule, by the number of rules (broken lines: a chain in C)",
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d((10.0..100_000.0).log_scale(), (1.0..most * 1.5).log_scale())?;
    chart.configure_mesh().x_desc("rules").y_desc("instructions").draw()?;
    let mut kinds: Vec<&str> = rows.iter().map(|row| row.kind).collect();
    kinds.dedup();
    for (at, kind) in kinds.iter().enumerate() {
        let color = Palette99::pick(at).to_rgba();
        let of_kind = || rows.iter().filter(|row| row.kind == *kind);
        let ours: Vec<(f64, f64)> = of_kind().filter_map(|row| Some((row.rules as f64, row.cost?.max(1.0)))).collect();
        let theirs: Vec<(f64, f64)> =
            of_kind().filter_map(|row| Some((row.rules as f64, chains(row)?.max(1.0)))).collect();
        chart
            .draw_series(LineSeries::new(ours.iter().copied(), color.stroke_width(2)).point_size(3))?
            .label(*kind)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(DashedLineSeries::new(theirs, 4, 4, color.stroke_width(1)))?;
    }
    chart
        .configure_series_labels()
        .border_style(BLACK)
        .background_style(WHITE)
        .position(SeriesLabelPosition::UpperLeft)
        .draw()?;
    root.present()?;
    Ok(())
}
