//! From the model to cells. Nothing is asked and nothing changed here.

mod columns;
mod detail;
mod format;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

use super::input::KEYS;
use super::model::{Device, Model};
use super::summary::{Summary, Tone};
use crate::complaint::in_a_line;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// Lines of devices that stay above the details.
const ABOVE: u16 = 4;
/// Lines of details that leave room for all devices.
const BELOW: u16 = 12;

fn toned(tone: Tone) -> Style {
    match tone {
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Unknown => DIM,
        Tone::Limited => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

/// All of it, into an area of any size: how many lines of the details there are to be scrolled away.
pub(super) fn screen(model: &Model, area: Rect, to: &mut Buffer) -> usize {
    if area.is_empty() {
        return 0;
    }
    let rows = model.rows();
    let selected = model.selected(&rows);
    title(model, &rows, part(area, 0, 1), to);
    // the last line is for the keys, if there is one to spare
    let keys = u16::from(area.height > 4);
    let body = part(area, 1, area.height.saturating_sub(1 + keys));
    if keys > 0 {
        let hints = "q quit  up/down select  Enter details  s sort  p pause  ? help";
        Line::styled(hints, DIM).render(part(area, area.height - 1, 1), to);
    }
    let shown = selected.filter(|_| model.detail);
    let lines = columns::table(&rows, selected, body.width.into());
    // details get what the devices leave, and where that is little all but a few lines
    let all = lines.len() as u16;
    let devices = match shown {
        None => body.height,
        Some(_) if all + BELOW <= body.height => all,
        Some(_) => all.min(ABOVE.min(body.height / 3)),
    };
    list(lines, selected, part(body, 0, devices), to);
    let most = shown.map_or(0, |at| {
        let (device, summary) = &rows[at];
        details(model.scrolled, device, summary, part(body, devices, body.height - devices), to)
    });
    if model.help {
        help(area, to);
    }
    most
}

/// The devices, and details of one of them, as lines of text.
pub(super) fn text(model: &Model, detail: bool) -> String {
    let rows = model.rows();
    let mut lines = columns::table(&rows, None, usize::MAX);
    if let Some((device, summary)) = rows.first().filter(|_| detail) {
        lines.push(Line::default());
        lines.extend(detail::lines(device, summary));
    }
    // a name or a reason is somebody else's text: nothing in it may move the cursor
    lines.into_iter().map(|line| in_a_line(line.to_string().trim_end()) + "\n").collect()
}

/// Lines of an area.
fn part(area: Rect, from: u16, height: u16) -> Rect {
    let from = from.min(area.height);
    Rect { y: area.y + from, height: height.min(area.height - from), ..area }
}

fn title(model: &Model, rows: &[(&Device, Summary)], area: Rect, to: &mut Buffer) {
    let worst = rows.iter().map(|(_, summary)| summary.state.tone).max().unwrap_or(Tone::Unknown);
    let faults: u64 = rows.iter().map(|(_, summary)| summary.faults).sum();
    let devices = if rows.len() == 1 { "1 device".to_owned() } else { format!("{} devices", rows.len()) };
    let mut spans = vec![
        Span::styled("udrvctl top", BOLD),
        Span::raw("  "),
        Span::styled(devices, toned(worst)),
        Span::raw(format!(", {faults} faults  ")),
        Span::styled(format!("by {}", model.sort.name()), DIM),
    ];
    if model.paused {
        spans.push(Span::styled("  paused", toned(Tone::Limited)));
    }
    Line::from(spans).render(area, to);
}

/// The heading stays; of the devices those around the selected one are shown.
fn list(mut lines: Vec<Line<'static>>, selected: Option<usize>, area: Rect, to: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    if lines.len() == 1 {
        lines.push(Line::styled("no udrvd runs", DIM));
    }
    let devices = lines.split_off(1);
    let room = usize::from(area.height - 1);
    let first = selected.map_or(0, |at| (at + 1).saturating_sub(room));
    lines.extend(devices.into_iter().skip(first).take(room));
    Paragraph::new(lines).render(area, to);
}

fn details(scrolled: usize, device: &Device, summary: &Summary, area: Rect, to: &mut Buffer) -> usize {
    if area.is_empty() {
        return 0;
    }
    let name = summary.device.as_ref().filter(|device| **device != summary.name);
    let name = name.map_or(summary.name.clone(), |device| format!("{} ({device})", summary.name));
    let block = Block::bordered().title(Span::styled(format!(" {name} "), BOLD)).border_style(DIM);
    let inside = block.inner(area);
    block.render(area, to);
    let lines = detail::lines(device, summary);
    // whoever scrolls beyond the end sees the end
    let most = lines.len().saturating_sub(inside.height.into());
    let lines: Vec<Line<'_>> = lines.into_iter().skip(scrolled.min(most)).take(inside.height.into()).collect();
    Paragraph::new(lines).render(inside, to);
    most
}

fn help(area: Rect, to: &mut Buffer) {
    let mut lines: Vec<Line<'_>> = KEYS
        .iter()
        .map(|(key, does)| Line::from(vec![Span::styled(format!("{key:<14}"), BOLD), Span::raw(*does)]))
        .collect();
    lines.push(Line::default());
    let columns = [
        ("in, out", "a second: frames and bytes, samples, reports"),
        ("lost", "frames; xruns; bytes of no use"),
        ("by rung", "calls aborted / restored / restarted"),
        ("median, worst", "from a fault to the end of its recovery"),
        ("save", "saving the state, for a call"),
    ];
    lines.extend(
        columns.iter().map(|(key, is)| Line::from(vec![Span::styled(format!("{key:<14}"), BOLD), Span::raw(*is)])),
    );
    let size = (64.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let window = Rect {
        x: area.x + (area.width - size.0) / 2,
        y: area.y + (area.height - size.1) / 2,
        width: size.0,
        height: size.1,
    };
    Clear.render(window, to);
    Paragraph::new(lines).block(Block::bordered().title(" keys and columns ")).render(window, to);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::top::input::Action;
    use crate::top::testing::busy_model;

    /// What a terminal of that size shows.
    fn shown(model: &Model, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let draw = |frame: &mut ratatui::Frame<'_>| {
            screen(model, frame.area(), frame.buffer_mut());
        };
        terminal.draw(draw).unwrap();
        let buffer = terminal.backend().buffer();
        let cells = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| cells(y).trim_end().to_owned()).collect()
    }

    fn line<'a>(lines: &'a [String], word: &str) -> &'a str {
        lines.iter().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {lines:#?}"))
    }

    #[test]
    fn a_wide_terminal_shows_all_of_each_device() {
        let lines = shown(&busy_model(), 200, 20);
        assert_eq!(lines[0], "udrvctl top  3 devices, 2 faults  by name");
        let card = line(&lines, "model:rtl8139");
        for part in ["rtl8139", "works", "8.0k   12.0 MB/s", "4.0k", "2/0/0", "poll, 2 s", "5.0 us", "210 ns", "3 s"] {
            assert!(card.contains(part), "{part} in {card}");
        }
        assert!(line(&lines, "model:ens1371").contains("48k frames/s") && line(&lines, "ens1371").contains("6 xruns"));
        assert!(line(&lines, "model:psmouse").contains("does not answer"));
        assert!(lines[19].starts_with("q quit"));
    }

    #[test]
    fn details_are_entry_points_and_faults_and_can_be_scrolled() {
        let mut model = busy_model();
        model.act(Action::Select(2));
        model.act(Action::Open);
        let lines = shown(&model, 130, 40);
        assert!(line(&lines, "model:rtl8139 ─").starts_with('┌'));
        let poll = line(&lines, "│poll ");
        for part in ["yes", "1.0k", "2000", "750 ns", "210 ns", "page-fault 2"] {
            assert!(poll.contains(part), "{part} in {poll}");
        }
        assert!(line(&lines, "│#2").contains("page-fault: write to address 0"));
        assert!(line(&lines, "faults    2: 2 abort").contains("5.0 us worst of the last 2"));
        let before = shown(&model, 130, 16);
        model.act(Action::Scroll(10));
        let after = shown(&model, 130, 16);
        assert!(after != before && after.iter().any(|line| line.contains("│#1")), "{after:#?}");
        model.act(Action::Scroll(isize::MAX));
        assert_eq!(shown(&model, 130, 16), after, "there is no more");
    }

    #[test]
    fn any_size_can_be_drawn_and_the_selected_device_is_in_sight() {
        let mut model = busy_model();
        for (detail, help) in [(false, false), (true, false), (true, true)] {
            (model.detail, model.help) = (detail, help);
            let widths = [0, 1, 2, 3, 5, 8, 13, 20, 40, 80, 139, 200];
            for (width, height) in
                widths.into_iter().flat_map(|width| [0, 1, 2, 3, 4, 5, 7, 12, 24, 60].map(|h| (width, h)))
            {
                for selected in [isize::MIN, isize::MAX] {
                    model.act(Action::Select(selected));
                    shown(&model, width, height);
                }
            }
        }
        (model.detail, model.help) = (false, false);
        model.act(Action::Select(isize::MAX));
        let lines = shown(&model, 20, 3);
        assert!(lines[2].starts_with("model:rtl8139"), "{lines:?}");
    }

    #[test]
    fn where_nobody_runs_it_says_so() {
        let lines = shown(&Model::new(&[]), 80, 5);
        assert!(lines[2].contains("no udrvd runs"), "{lines:?}");
    }

    #[test]
    fn text_is_plain_and_has_all_columns() {
        let mut model = busy_model();
        model.hear(model.now, "model:psmouse", crate::top::ask::Heard::Refused("\x1b[2Jno\nway".into()));
        model.act(Action::Sort);
        let text = text(&model, true);
        assert!(!text.contains('\x1b') && text.starts_with("device"), "{text}");
        assert!(text.contains("[2Jno"), "{text}");
        assert!(text.lines().next().unwrap().ends_with("save      up"), "{text}");
    }
}
