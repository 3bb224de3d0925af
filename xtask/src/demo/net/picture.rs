//! The timeline: both streams' throughput over time, and every fault where it struck.
//!
//! Six lanes at the top, one a kind of fault, with a mark for each; they are the legend. A thin line of the mark's
//! colour goes down through both streams.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    error::{Error, Result},
    figures::Figures,
    plan::FAULTS,
    streams::BUCKET,
};

/// Width and height in pixels.
const SIZE: (u32, u32) = (1600, 900);
const TITLE: i32 = 56;
const LANES: i32 = 180;
/// Above a stream, for its name.
const HEAD: u32 = 40;
/// Left of the axes: names of lanes and numbers; right of them.
const LEFT: u32 = 150;
const RIGHT: u32 = 30;
const FONT: &str = "sans-serif";
/// Of the faults, in their order: apart from each other also for those who see colours otherwise (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(181, 137, 0),
    RGBColor(60, 60, 60),
];
const STREAM: RGBColor = RGBColor(40, 80, 140);

/// A panel of this picture.
type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Area<'b> = DrawingArea<SVGBackend<'b>, Shift>;

/// The picture as SVG. `throughput` is bytes by [`BUCKET`], up and down.
pub(super) fn svg(figures: &Figures, throughput: &[Vec<u64>; 2]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, figures, throughput).map_err(|e| Error::Wrong(format!("the timeline cannot be drawn: {e}")))?;
    Ok(text)
}

fn draw(
    text: &mut String,
    figures: &Figures,
    throughput: &[Vec<u64>; 2],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (title, rest) = root.split_vertically(TITLE);
    let (lanes, streams) = rest.split_vertically(LANES);
    let panels = streams.split_evenly((2, 1));

    let mbit_s = throughput.each_ref().map(|buckets| rates(buckets));
    let longest = throughput.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let seconds = longest as f64 * BUCKET.as_secs_f64();

    let recovered = figures.faults.iter().filter(|f| f.recovered).count();
    let words = format!(
        "{recovered} of {} driver faults recovered under two TCP streams ({}, {})",
        figures.run.planned, figures.run.endpoint, figures.run.isolation
    );
    title.draw(&Text::new(words, (LEFT as i32, 20), (FONT, 24).into_font().color(&BLACK)))?;
    draw_lanes(&lanes, figures, seconds)?;
    for ((area, rates), name) in panels.iter().zip(&mbit_s).zip(["upload", "download"]) {
        draw_stream(area, figures, rates, name, seconds)?;
    }
    root.present()?;
    Ok(())
}

/// Mbit/s of each bucket, at its middle.
fn rates(buckets: &[u64]) -> Vec<(f64, f64)> {
    let width = BUCKET.as_secs_f64();
    let rate = |(index, bytes): (usize, &u64)| ((index as f64 + 0.5) * width, *bytes as f64 * 8.0 / 1e6 / width);
    buckets.iter().enumerate().map(rate).collect()
}

fn draw_lanes(area: &Area<'_>, figures: &Figures, seconds: f64) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut panel: Panel<'_, '_> = ChartBuilder::on(area)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .margin_right(RIGHT)
        .build_cartesian_2d(0.0..seconds, FAULTS.len() as f64..0.0)?;
    for (lane, (name, colour)) in FAULTS.iter().zip(COLOURS).enumerate() {
        let y = lane as f64 + 0.5;
        panel.draw_series([PathElement::new([(0.0, y), (seconds, y)], BLACK.mix(0.1))])?;
        let of_kind = figures.faults.iter().filter(|f| f.fault == *name);
        panel.draw_series(of_kind.map(|f| {
            let style = if f.recovered { colour.filled() } else { colour.stroke_width(2) };
            Circle::new((f.class.at_s, y), 5, style)
        }))?;
        // the panel's place in the picture, less the area's own
        let (x, y) = panel.backend_coord(&(0.0, y));
        let (left, top) = area.get_base_pixel();
        let style = (FONT, 17).into_font().color(&colour).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(*name, (x - left - 14, y - top), style))?;
    }
    Ok(())
}

fn draw_stream(
    area: &Area<'_>,
    figures: &Figures,
    rates: &[(f64, f64)],
    name: &str,
    seconds: f64,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let highest = rates.iter().map(|(_, rate)| *rate).fold(100.0, f64::max);
    let mut panel: Panel<'_, '_> = ChartBuilder::on(area)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .x_label_area_size(44)
        .margin_right(RIGHT)
        .margin_top(HEAD)
        .build_cartesian_2d(0.0..seconds, 0.0..highest * 1.05)?;
    let words = format!("{name}, Mbit/s of payload");
    area.draw(&Text::new(words, (LEFT as i32, HEAD as i32 - 24), (FONT, 17).into_font().color(&STREAM)))?;
    let axis = (FONT, 16).into_font();
    panel
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_labels(16)
        .y_labels(6)
        .x_label_formatter(&|x| format!("{x:.1} s"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(axis)
        .draw()?;
    for fault in &figures.faults {
        let colour = FAULTS.iter().zip(COLOURS).find(|(name, _)| **name == fault.fault).map_or(BLACK, |(_, c)| c);
        panel.draw_series([PathElement::new(
            [(fault.class.at_s, 0.0), (fault.class.at_s, highest * 1.05)],
            colour.mix(0.45),
        )])?;
    }
    panel.draw_series(AreaSeries::new(rates.iter().copied(), 0.0, STREAM.mix(0.15)).border_style(STREAM))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn rates_are_bits_over_time() {
        assert_eq!(rates(&[250_000, 0]), [(0.01, 100.0), (0.03, 0.0)]);
    }

    #[test]
    fn every_fault_has_a_mark() {
        let text = svg(&figures(), &[vec![250_000; 100], vec![250_000; 90]]).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert_eq!(text.matches("<circle").count(), 4);
        assert!(text.contains("stack-overflow") && text.contains("download, Mbit/s of payload"));
        // nothing moved, no fault struck: still a picture
        let empty = super::super::figures::Figures { faults: Vec::new(), ..figures() };
        svg(&empty, &[vec![], vec![]]).unwrap();
    }
}
