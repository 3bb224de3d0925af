//! The picture of a section: its charts below each other, as SVG.

use std::ops::Range;

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::section::{Chart, Group, Line, Scale};
use crate::steps::Failure;

/// Pixels.
const WIDTH: u32 = 1200;
const TITLE: u32 = 48;
/// Of a panel: its heading with the legend, its horizontal axis, a bar, between groups, a panel of lines.
const HEAD: u32 = 64;
const AXIS: u32 = 56;
const BAR: u32 = 20;
const GAP: u32 = 14;
const LINES: u32 = 320;
/// Left of bars, for names.
const NAMES: u32 = 260;
const MARGIN: u32 = 20;
const FONT: &str = "sans-serif";
/// Apart from each other also for those who see colours otherwise (Okabe and Ito).
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(170, 170, 170),
    RGBColor(204, 121, 167),
    RGBColor(181, 137, 0),
];

type Area<'b> = DrawingArea<SVGBackend<'b>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The picture, if there is a chart.
pub(super) fn svg(title: &str, charts: &[Chart]) -> Result<Option<String>, Failure> {
    if charts.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    draw(&mut text, title, charts)
        .map_err(|e| Failure::Output(format!("the picture '{title}' cannot be drawn: {e}")))?;
    Ok(Some(text))
}

fn draw(text: &mut String, title: &str, charts: &[Chart]) -> Drawn {
    let total = TITLE + charts.iter().map(height).sum::<u32>();
    let root = SVGBackend::with_string(text, (WIDTH, total)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, mut rest) = root.split_vertically(TITLE);
    head.draw(&Text::new(title.to_owned(), (MARGIN as i32, 14), (FONT, 24).into_font().color(&BLACK)))?;
    for chart in charts {
        let (panel, below) = rest.split_vertically(height(chart));
        rest = below;
        match chart {
            Chart::Bars { title, unit, scale, series, groups } => bars(&panel, title, unit, *scale, series, groups)?,
            Chart::Lines { title, across, unit, lines } => self::lines(&panel, title, [across, unit], lines)?,
        }
    }
    root.present()?;
    Ok(())
}

fn height(chart: &Chart) -> u32 {
    match chart {
        Chart::Bars { series, groups, .. } => HEAD + AXIS + groups.len() as u32 * (series.len() as u32 * BAR + GAP),
        Chart::Lines { .. } => HEAD + AXIS + LINES,
    }
}

/// A panel's name, and below it what its colours mean; the rest of the panel.
fn head<'b, 'n>(
    panel: &Area<'b>,
    title: &str,
    names: impl Iterator<Item = &'n String>,
) -> Result<Area<'b>, Box<dyn std::error::Error>> {
    let (head, body) = panel.split_vertically(HEAD);
    head.draw(&Text::new(title.to_owned(), (MARGIN as i32, 8), (FONT, 18).into_font().color(&BLACK)))?;
    let mut left = MARGIN as i32;
    for (name, color) in names.zip(COLORS.iter().cycle()) {
        head.draw(&Rectangle::new([(left, 38), (left + 12, 50)], color.filled()))?;
        head.draw(&Text::new(name.clone(), (left + 18, 37), (FONT, 15).into_font().color(&BLACK)))?;
        left += 40 + 8 * name.chars().count() as i32;
    }
    Ok(body)
}

fn bars(panel: &Area<'_>, title: &str, unit: &str, scale: Scale, series: &[String], groups: &[Group]) -> Drawn {
    let body = head(panel, title, series.iter())?;
    let each = f64::from(series.len() as u32 * BAR + GAP);
    let all = each * groups.len() as f64;
    let values = || groups.iter().flat_map(|group| group.values.iter().flatten().copied());
    let at = |value: f64| if scale == Scale::Logarithmic { value.log10() } else { value };
    let range = range(values().filter(|value| scale == Scale::Linear || *value > 0.0).map(at), scale);
    let from = range.start;
    let mut chart: ChartContext<'_, _, Cartesian2d<RangedCoordf64, RangedCoordf64>> = ChartBuilder::on(&body)
        .margin_right(MARGIN * 5)
        .x_label_area_size(AXIS)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(range, all..0.0)?;
    let label = |at: &f64| if scale == Scale::Logarithmic { short(10_f64.powf(*at)) } else { short(*at) };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(8)
        .x_label_formatter(&label)
        .x_desc(unit)
        .label_style((FONT, 14))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let style = |h| (FONT, 14).into_font().color(&BLACK).pos(Pos::new(h, VPos::Center));
    for (nth, group) in groups.iter().enumerate() {
        let top = each * nth as f64 + f64::from(GAP) / 2.0;
        let middle = top + f64::from(series.len() as u32 * BAR) / 2.0;
        let name = EmptyElement::at((from, middle)) + Text::new(group.name.clone(), (-10, 0), style(HPos::Right));
        chart.plotting_area().draw(&name)?;
        for (bar, (value, color)) in group.values.iter().zip(COLORS.iter().cycle()).enumerate() {
            let upper = top + f64::from(bar as u32 * BAR);
            let lower = upper + f64::from(BAR - 3);
            let Some(value) = value else { continue };
            // what is not above 0 has no place on a logarithmic axis: only its figure stands there
            let end = if scale == Scale::Logarithmic && *value <= 0.0 { from } else { at(*value) };
            chart.draw_series([Rectangle::new([(from, upper), (end, lower)], color.filled())])?;
            let figure = EmptyElement::at((end, f64::midpoint(upper, lower)))
                + Text::new(short(*value), (5, 0), style(HPos::Left));
            chart.plotting_area().draw(&figure)?;
        }
    }
    Ok(())
}

fn lines(panel: &Area<'_>, title: &str, [across, unit]: [&str; 2], lines: &[Line]) -> Drawn {
    let body = head(panel, title, lines.iter().map(|line| &line.name))?;
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let (x, y) = (range(points().map(|p| p.0), Scale::Linear), range(points().map(|p| p.1), Scale::Linear));
    let mut chart: ChartContext<'_, _, Cartesian2d<RangedCoordf64, RangedCoordf64>> = ChartBuilder::on(&body)
        .margin_right(MARGIN * 2)
        .x_label_area_size(AXIS)
        .y_label_area_size(NAMES / 2)
        .build_cartesian_2d(x, y)?;
    let label = |at: &f64| short(*at);
    chart
        .configure_mesh()
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .x_desc(across)
        .y_desc(unit)
        .label_style((FONT, 14))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (line, color) in lines.iter().zip(COLORS.iter().cycle()) {
        chart.draw_series([PathElement::new(line.points.clone(), color.stroke_width(2))])?;
    }
    Ok(())
}

/// From 0, or from the power of ten below the least, to a little above the most.
fn range(values: impl Iterator<Item = f64>, scale: Scale) -> Range<f64> {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    values.filter(|value| value.is_finite()).for_each(|value| (least, most) = (least.min(value), most.max(value)));
    match scale {
        _ if least > most => 0.0..1.0,
        Scale::Linear => least.min(0.0)..(most.max(0.0) * 1.05).max(f64::MIN_POSITIVE),
        // the least bar has a length too
        Scale::Logarithmic => (least - 0.3).floor()..(most + 0.1).ceil(),
    }
}

/// Three digits, and thousands by letters.
fn short(value: f64) -> String {
    let (value, letter) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{letter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let all = [0.0, 0.0125, 1.5, 12.0, 123.4, 9_999.0, 12_345.0, 2.5e6].map(short);
        assert_eq!(all, ["0", "0.013", "1.5", "12", "123", "9999", "12.3k", "2.5M"]);
    }

    #[test]
    fn what_is_given_is_drawn_and_nothing_is_too() {
        let group = |name: &str, values: [Option<f64>; 2]| Group { name: name.to_owned(), values: values.to_vec() };
        let groups = vec![group("one", [Some(1.0), Some(1000.0)]), group("two", [Some(0.0), None])];
        let series = vec!["ours".to_owned(), "theirs".to_owned()];
        let (title, unit) = ("times".to_owned(), "us".to_owned());
        let bars = Chart::Bars { title, unit, scale: Scale::Logarithmic, series, groups };
        let line = Line { name: "memory".to_owned(), points: vec![(0.0, 1.0), (1.0, 2.0)] };
        let (across, unit) = ("seconds".to_owned(), "MiB".to_owned());
        let lines = Chart::Lines { title: "long".to_owned(), across, unit, lines: vec![line] };
        let text = svg("A picture", &[bars, lines]).unwrap().unwrap();
        for part in ["A picture", "times", "ours", "theirs", "one", "two", "1000", "memory", "seconds", "MiB"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(svg("none", &[]).unwrap(), None);
        let nothing =
            Chart::Lines { title: String::new(), across: String::new(), unit: String::new(), lines: Vec::new() };
        assert!(svg("nothing", &[nothing]).unwrap().is_some());
    }
}
