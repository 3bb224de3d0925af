//! The picture: the tone around one fault, three times. Protected it goes on; with a restart there is a short silence; without protection
//! there is one until another udrvd plays.

use plotters::{coord::types::RangedCoordf64, prelude::*};

use super::{
    error::{Error, Result},
    figures::ms,
    material::{Frame, RATE, SILENCE},
};

/// Width and height in pixels.
const SIZE: (u32, u32) = (1600, 900);
const TITLE: i32 = 50;
/// Above a panel, for its name.
const HEAD: u32 = 44;
/// Left of the axes, for numbers; right of them.
const LEFT: u32 = 80;
const RIGHT: u32 = 30;
const FONT: &str = "sans-serif";
/// What is shown, milliseconds from the fault: until the next one at the soonest.
const FROM: f64 = -20.0;
const TO: f64 = 60.0;
const LOUDEST: f64 = 20_000.0;
/// Of faults, of silence, of the tone: apart from each other also for those who see colours otherwise (Okabe and Ito).
const FAULT: RGBColor = RGBColor(213, 94, 0);
const QUIET: RGBColor = RGBColor(240, 200, 80);
const WAVE: RGBColor = RGBColor(40, 80, 140);

/// One of the three.
pub(super) struct Panel<'a> {
    pub(super) name: String,
    /// What was recorded, and where in it the fault struck.
    pub(super) tape: &'a [Frame],
    pub(super) fault: usize,
}

/// The picture as SVG.
pub(super) fn svg(title: &str, panels: &[Panel<'_>]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, panels).map_err(|e| Error::Wrong(format!("the picture cannot be drawn: {e}")))?;
    Ok(text)
}

fn draw(text: &mut String, title: &str, panels: &[Panel<'_>]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, rest) = root.split_vertically(TITLE);
    head.draw(&Text::new(title.to_owned(), (LEFT as i32, 18), (FONT, 24).into_font().color(&BLACK)))?;
    for (area, panel) in rest.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let words = (FONT, 18).into_font();
        area.draw(&Text::new(panel.name.clone(), (LEFT as i32, HEAD as i32 - 26), words.color(&WAVE)))?;
        let mut chart: ChartContext<'_, _, Cartesian2d<RangedCoordf64, RangedCoordf64>> = ChartBuilder::on(area)
            .set_label_area_size(LabelAreaPosition::Left, LEFT)
            .x_label_area_size(34)
            .margin_right(RIGHT)
            .margin_top(HEAD)
            .build_cartesian_2d(FROM..TO, -LOUDEST..LOUDEST)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .x_labels(16)
            .y_labels(5)
            .x_label_formatter(&|x| format!("{x:.0} ms"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .label_style((FONT, 15).into_font())
            .draw()?;
        let silences = silences(panel).into_iter();
        chart.draw_series(
            silences.map(|(from, to)| Rectangle::new([(from, -LOUDEST), (to, LOUDEST)], QUIET.mix(0.5).filled())),
        )?;
        chart.draw_series([PathElement::new(wave(panel).collect::<Vec<_>>(), WAVE)])?;
        chart.draw_series([PathElement::new([(0.0, -LOUDEST), (0.0, LOUDEST)], FAULT.stroke_width(2))])?;
        let label = (FONT, 16).into_font().color(&FAULT);
        chart.draw_series([Text::new("the fault", (0.6, LOUDEST * 0.95), label)])?;
    }
    root.present()?;
    Ok(())
}

/// The frames that are shown, with their times.
fn shown(panel: &Panel<'_>) -> impl Iterator<Item = (f64, Frame)> {
    let frames = |ms: f64| (ms.abs() * f64::from(RATE) / 1e3) as usize;
    let (from, to) = (panel.fault.saturating_sub(frames(FROM)), panel.fault + frames(TO));
    let part = panel.tape.get(from..to.min(panel.tape.len())).unwrap_or_default();
    let fault = panel.fault;
    part.iter()
        .enumerate()
        .map(move |(i, frame)| ((i + from) as f64 - fault as f64, *frame))
        .map(|(at, frame)| (at * 1e3 / f64::from(RATE), frame))
}

fn wave(panel: &Panel<'_>) -> impl Iterator<Item = (f64, f64)> {
    shown(panel).map(|(at, [left, _])| (at, f64::from(left)))
}

/// Times of silence.
fn silences(panel: &Panel<'_>) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = Vec::new();
    let frame_time = ms(1);
    for (at, frame) in shown(panel).filter(|(_, frame)| *frame == SILENCE) {
        debug_assert_eq!(frame, SILENCE);
        match all.last_mut() {
            Some((_, end)) if at - *end < frame_time => *end = at + frame_time,
            _ => all.push((at, at + frame_time)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::material::frame;
    use super::*;

    #[test]
    fn silence_is_shown_where_it_is() {
        let mut tape: Vec<Frame> = (0..9600).map(frame).collect();
        tape[4800..5280].fill(SILENCE);
        let panel = |fault| Panel { name: "a panel".to_owned(), tape: &tape, fault };
        let all = silences(&panel(4320));
        assert!(all.len() == 1 && (all[0].0 - 10.0).abs() < 0.01 && (all[0].1 - 20.0).abs() < 0.05, "{all:?}");
        assert_eq!((silences(&panel(0)).len(), wave(&panel(0)).count()), (0, 2880));
        let text = svg("a title", &[panel(4320), panel(9599), panel(20_000)]).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert_eq!(text.matches("the fault").count(), 3);
        assert!(text.contains("a title") && text.contains("a panel"));
    }
}
