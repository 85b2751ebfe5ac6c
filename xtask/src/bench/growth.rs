//! How the cost of a unit grows with streams, entries and sessions: tables and plots.

use std::fmt::Write;

use plotters::prelude::*;

use super::report::short;
use super::rows::LISTED;
use super::servers::{self, Running};
use super::{Figure, Shot, shoot};
use crate::run::root;

/// Where the plots go.
const FOLDER: &str = "crates/ftp-conformance/benchmarks";

/// One curve of one server.
struct Curve {
    server: String,
    points: Vec<(f64, f64)>,
}

/// One plot.
struct Plot {
    file: &'static str,
    title: &'static str,
    across: &'static str,
    curves: Vec<Curve>,
}

/// Measures and draws everything; the section of the document.
pub(super) fn growth(running: &[Running], duration: f64) -> Result<String, String> {
    std::fs::create_dir_all(root().join(FOLDER)).map_err(|error| error.to_string())?;
    let both: Vec<&Running> = running.iter().filter(|server| !server.is_peer()).collect();
    let mut out = String::new();
    for plot in [streams(&both, duration)?, entries(&both, duration)?, sessions(&both, duration)?] {
        draw(&plot)?;
        out += &section(&plot);
    }
    Ok(out)
}

fn curve(
    server: &Running,
    steps: &[usize],
    point: impl Fn(usize) -> Result<f64, String>,
) -> Result<Curve, String> {
    let points: Result<Vec<(f64, f64)>, String> =
        steps.iter().map(|step| Ok((*step as f64, point(*step)?))).collect();
    println!("growth: {}", server.name);
    Ok(Curve { server: server.name.clone(), points: points? })
}

fn figure(server: &Running, shot: &Shot<'_>, figure: Figure) -> Result<f64, String> {
    let figures = shoot(server, shot).map_err(|error| format!("{} {}: {error}", server.name, shot.case))?;
    figure.of(&figures).ok_or_else(|| format!("{} {}: no such figure", server.name, shot.case))
}

fn streams(servers: &[&Running], duration: f64) -> Result<Plot, String> {
    let mut curves = Vec::new();
    for server in servers {
        curves.push(curve(server, &[1, 2, 4, 8, 16, 32, 64], |streams| {
            let (case, security) = ("get", "explicit");
            let shot = Shot { case, security, streams, count: 1, duration, path: None };
            figure(server, &shot, Figure::CpuPerGib)
        })?);
    }
    let title = "Downloads over TLS: CPU s per GiB";
    Ok(Plot { file: "streams.svg", title, across: "streams", curves })
}

fn entries(servers: &[&Running], duration: f64) -> Result<Plot, String> {
    let steps = [1000, 10_000, 100_000, 1_000_000];
    let mut curves: Vec<Curve> = Vec::new();
    for server in servers {
        let listed = server.folder.path().join("tester").join(LISTED);
        // Anew, because there are more by now than the first step has.
        std::fs::remove_dir_all(listed).map_err(|error| error.to_string())?;
        curves.push(curve(server, &steps, |count| {
            server.fill(count)?;
            let (case, security) = ("list", "plain");
            let shot = Shot { case, security, streams: 1, count, duration, path: Some(LISTED) };
            Ok(figure(server, &shot, Figure::CpuPerUnit)? * 1000.0 / count as f64)
        })?);
    }
    Ok(Plot { file: "entries.svg", title: "LIST: CPU µs per entry", across: "entries", curves })
}

fn sessions(running: &[&Running], duration: f64) -> Result<Plot, String> {
    let mut curves = Vec::new();
    for server in running {
        curves.push(curve(server, &[10, 100, 1000, 10_000], |count| {
            let (case, security) = ("idle", "plain");
            let shot = Shot { case, security, streams: 1, count, duration, path: None };
            // Memory that earlier cases have taken would hide what sessions take.
            figure(&servers::start(&server.name)?, &shot, Figure::Memory)
        })?);
    }
    let title = "Idle sessions: KiB (PSS) each";
    Ok(Plot { file: "sessions.svg", title, across: "sessions", curves })
}

/// The numbers of a plot, and the plot.
fn section(plot: &Plot) -> String {
    let steps: Vec<String> = plot
        .curves
        .first()
        .map(|curve| curve.points.iter().map(|(step, _)| format!("{step}")).collect())
        .unwrap_or_default();
    let mut out = format!("### {}\n\n| {} | {} |\n", plot.title, plot.across, steps.join(" | "));
    out += &format!("|---|{}\n", "---|".repeat(steps.len()));
    for curve in &plot.curves {
        let values: Vec<String> = curve.points.iter().map(|(_, value)| short(*value)).collect();
        let _infallible = writeln!(out, "| {} | {} |", curve.server, values.join(" | "));
    }
    out + &format!("\n![{}](benchmarks/{})\n\n", plot.title, plot.file)
}

fn draw(plot: &Plot) -> Result<(), String> {
    let file = root().join(FOLDER).join(plot.file);
    try_draw(plot, &file).map_err(|error| format!("{}: {error}", file.display()))
}

fn try_draw(plot: &Plot, file: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(file, (720, 360)).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || plot.curves.iter().flat_map(|curve| &curve.points);
    let left = points().map(|(step, _)| *step).fold(f64::INFINITY, f64::min);
    let right = points().map(|(step, _)| *step).fold(1.0, f64::max);
    let top = points().map(|(_, value)| *value).fold(0.0, f64::max) * 1.2;
    let mut chart = ChartBuilder::on(&area)
        .caption(plot.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d((left..right).log_scale(), 0.0..top)?;
    chart.configure_mesh().x_desc(plot.across).light_line_style(TRANSPARENT).draw()?;
    for (curve, color) in plot.curves.iter().zip([RGBColor(120, 120, 120), RGBColor(0, 90, 180)]) {
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), color.stroke_width(2)).point_size(3))?
            .label(&curve.server)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE).draw()?;
    area.present()?;
    Ok(())
}
