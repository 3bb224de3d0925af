//! A terminal's cells as an SVG drawing: text that can be read at any size, selected and compared.

use std::fmt::Write;

use udrv_terminal::vt100::{Cell, Color, Screen};

/// Of a cell, and of the type in it, pixels.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 16.5;
const TYPE: f64 = 14.0;
/// Around the cells.
const MARGIN: f64 = 14.0;
/// Above them: the window's bar.
const BAR: f64 = 30.0;

const BACKGROUND: &str = "#11151c";
const FOREGROUND: &str = "#d7dce4";
/// The sixteen colours of terminals, so that each can be read on [`BACKGROUND`].
const COLORS: [&str; 16] = [
    "#3b4252", "#f0717b", "#8fd18a", "#e8c872", "#7aa9f0", "#c792d8", "#75c9d6", "#d7dce4", "#6b7689", "#ff8a93",
    "#a9e3a4", "#f5dc96", "#9bc1fa", "#dcaeea", "#97dee9", "#ffffff",
];

/// How a run of characters looks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    color: String,
    behind: Option<String>,
    bold: bool,
    dim: bool,
}

/// A drawing of the first `rows` rows of a screen; `title` stands in the bar.
pub(super) fn of(screen: &Screen, rows: u16, title: &str) -> String {
    let columns = screen.size().1.get();
    let (width, height) = (f64::from(columns) * WIDTH + 2.0 * MARGIN, f64::from(rows) * HEIGHT + 2.0 * MARGIN + BAR);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace\" \
         font-size=\"{TYPE}\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (nth, color) in [COLORS[1], COLORS[3], COLORS[2]].iter().enumerate() {
        let x = MARGIN + 6.0 + 18.0 * nth as f64;
        line(&mut out, format_args!("<circle cx=\"{x}\" cy=\"{}\" r=\"5.5\" fill=\"{color}\"/>", BAR / 2.0 + 3.0));
    }
    let (middle, base) = (width / 2.0, BAR / 2.0 + 8.0);
    line(
        &mut out,
        format_args!(
            "<text x=\"{middle:.0}\" y=\"{base}\" text-anchor=\"middle\" fill=\"#8a93a3\">{}</text>",
            escaped(title)
        ),
    );
    for row in 0..rows {
        let y = BAR + MARGIN + f64::from(row) * HEIGHT;
        for (column, cells, text, look) in runs(screen, row) {
            let (x, wide) = (MARGIN + f64::from(column) * WIDTH, f64::from(cells) * WIDTH);
            if let Some(behind) = &look.behind {
                line(
                    &mut out,
                    format_args!(
                        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{HEIGHT}\" fill=\"{behind}\"/>"
                    ),
                );
            }
            let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
            let faint = if look.dim { " opacity=\"0.62\"" } else { "" };
            // whatever type there is: as wide as its cells
            line(
                &mut out,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                     fill=\"{}\"{weight}{faint} xml:space=\"preserve\">{}</text>",
                    y + HEIGHT - 4.0,
                    look.color,
                    escaped(&text)
                ),
            );
        }
    }
    out + "</svg>\n"
}

/// Runs of cells that look the same: the first column, how many cells, the text. Blank ones are left out.
fn runs(screen: &Screen, row: u16) -> Vec<(u16, u16, String, Look)> {
    let mut runs: Vec<(u16, u16, String, Look)> = Vec::new();
    for column in 0..screen.size().1.get() {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else { continue };
        let (look, width) = (look(cell), if cell.is_wide() { 2 } else { 1 });
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some((from, cells, run, same)) if *same == look && *from + *cells == column => {
                *cells += width;
                run.push_str(text);
            }
            _ => runs.push((column, width, text.to_owned(), look)),
        }
    }
    for (from, cells, text, look) in &mut runs {
        if look.behind.is_none() {
            let (blank, kept) = (text.len() - text.trim_start_matches(' ').len(), text.trim_end_matches(' ').len());
            *cells -= (text.len() - kept) as u16;
            *text = text[..kept].to_owned();
            if !text.is_empty() {
                (*from, *cells, *text) = (*from + blank as u16, *cells - blank as u16, text[blank..].to_owned());
            }
        }
    }
    runs.retain(|(_, _, text, look)| !text.is_empty() || look.behind.is_some());
    runs
}

fn look(cell: &Cell) -> Look {
    let named = |color: Color| match color {
        Color::Default => None,
        Color::Idx(n) => Some(COLORS.get(usize::from(n)).copied().unwrap_or(FOREGROUND).to_owned()),
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
    };
    let (front, back) = (named(cell.fgcolor()), named(cell.bgcolor()));
    let (color, behind) = if cell.inverse() {
        (back.unwrap_or_else(|| BACKGROUND.to_owned()), Some(front.unwrap_or_else(|| FOREGROUND.to_owned())))
    } else {
        (front.unwrap_or_else(|| FOREGROUND.to_owned()), back)
    };
    Look { color, behind, bold: cell.bold(), dim: cell.dim() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // a String takes everything
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use udrv_terminal::vt100::Parser;

    use super::*;

    #[test]
    fn cells_that_look_the_same_are_one_text_at_their_place() {
        let [rows, columns] = [3, 20].map(|cells| std::num::NonZeroU16::new(cells).unwrap());
        let mut parser = Parser::new(rows, columns, 0);
        parser.process(b"  a<b   \x1b[1;31mbad\x1b[0m\r\n\x1b[7m on \x1b[0m\r\n\x1b[2mfaint\x1b[0m");
        let svg = of(parser.screen(), 3, "x & y");
        for part in [
            "x &amp; y",
            ">a&lt;b</text>",
            &format!("x=\"{:.1}\"", MARGIN + 2.0 * WIDTH),
            &format!("textLength=\"{:.1}\"", 3.0 * WIDTH),
            "fill=\"#f0717b\" font-weight=\"bold\" xml:space=\"preserve\">bad<",
            "> on </text>",
            "opacity",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert_eq!(svg.matches("<text").count(), 5, "the title too: {svg}");
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
    }
}
