//! The picture: the way of the hand, and beside it what came out, with the faults on it, a panel for each run.

use plotters::{coord::types::RangedCoordf64, prelude::*};

use super::{
    super::error::{Error, Result},
    walk::Point,
};

/// Width and height in pixels.
const SIZE: (u32, u32) = (2000, 620);
const TITLE: i32 = 50;
const MARGIN: u32 = 24;
/// Above a panel, for its name.
const HEAD: i32 = 60;
const FONT: &str = "sans-serif";
/// Of the hand, of what came out, of faults: apart from each other also for those who see colours otherwise (Okabe and Ito).
const HAND: RGBColor = RGBColor(170, 170, 170);
const OUT: RGBColor = RGBColor(0, 114, 178);
const FAULT: RGBColor = RGBColor(213, 94, 0);

/// One of the runs.
pub(super) struct Panel {
    /// Its name, in lines.
    pub(super) name: [String; 2],
    /// Where the hand was after each leg.
    pub(super) hand: Vec<Point>,
    /// Where what was read out was after each report.
    pub(super) out: Vec<Point>,
    /// Where that was when a fault struck.
    pub(super) faults: Vec<Point>,
}

/// The picture as SVG.
pub(super) fn svg(title: &str, panels: &[Panel]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, panels).map_err(|e| Error::Wrong(format!("the picture cannot be drawn: {e}")))?;
    Ok(text)
}

fn draw(text: &mut String, title: &str, panels: &[Panel]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, rest) = root.split_vertically(TITLE);
    head.draw(&Text::new(title.to_owned(), (MARGIN as i32, 18), (FONT, 24).into_font().color(&BLACK)))?;
    let range = range(panels);
    for (area, panel) in rest.split_evenly((1, panels.len().max(1))).iter().zip(panels) {
        let (head, body) = area.split_vertically(HEAD);
        for (line, words) in panel.name.iter().enumerate() {
            let place = (MARGIN as i32, 4 + 24 * line as i32);
            head.draw(&Text::new(words.clone(), place, (FONT, 18).into_font().color(&BLACK)))?;
        }
        // on a screen down is more
        let mut chart: ChartContext<'_, _, Cartesian2d<RangedCoordf64, RangedCoordf64>> =
            ChartBuilder::on(&body).margin(MARGIN).build_cartesian_2d(-range..range, range..-range)?;
        let place = |point: &Point| (point[0] as f64, point[1] as f64);
        let line = |points: &[Point]| points.iter().map(place).collect::<Vec<_>>();
        chart.draw_series([PathElement::new(line(&panel.hand), HAND.stroke_width(7))])?;
        chart.draw_series([PathElement::new(line(&panel.out), OUT.stroke_width(2))])?;
        chart.draw_series(panel.faults.iter().map(|point| Circle::new(place(point), 4, FAULT.filled())))?;
    }
    legend(&head)?;
    root.present()?;
    Ok(())
}

fn legend<DB: DrawingBackend>(
    head: &DrawingArea<DB, plotters::coord::Shift>,
) -> std::result::Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let words = |color: &RGBColor| (FONT, 18).into_font().color(color);
    let right = SIZE.0 as i32;
    for (text, left, color) in [("the hand", 420, &HAND), ("what came out", 310, &OUT), ("faults", 140, &FAULT)] {
        head.draw(&Text::new(text, (right - left, 20), words(color)))?;
    }
    Ok(())
}

/// Half of the side of a square that holds everything, and a little more.
fn range(panels: &[Panel]) -> f64 {
    let points = panels.iter().flat_map(|panel| panel.hand.iter().chain(&panel.out));
    let furthest = points.flatten().map(|counts| counts.unsigned_abs()).max().unwrap_or(0);
    furthest.max(1) as f64 * 1.05
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_drawn_and_nothing_is_too() {
        let panel = |name: &str| Panel {
            name: [name.to_owned(), "of it".to_owned()],
            hand: vec![[0, 0], [100, 50]],
            out: vec![[0, 0], [50, 25], [90, 45]],
            faults: vec![[50, 25]],
        };
        let text = svg("a title", &[panel("a panel"), panel("another")]).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert_eq!((text.matches("<circle").count(), text.matches("of it").count()), (2, 2));
        assert!(text.contains("a title") && text.contains("the hand"));
        let nothing = Panel { name: Default::default(), hand: Vec::new(), out: Vec::new(), faults: Vec::new() };
        assert!(svg("none", &[nothing]).is_ok());
    }
}
