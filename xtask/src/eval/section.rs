//! What a section of the evaluation says, without how it is written down.

use serde_json::Value;

/// One table of the evaluation, with all that belongs to it.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name on the command line and of its files: small letters.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What was measured and how, and what a reader must know to judge it; what was not measured, too.
    pub(super) paragraphs: Vec<String>,
    pub(super) tables: Vec<Table>,
    /// Panels of the section's picture, from top to bottom. None: there is no picture.
    pub(super) charts: Vec<Chart>,
    /// What all random choices of this section were made from.
    pub(super) seeds: Vec<u64>,
    /// Every raw figure, with its unit in its key.
    pub(super) data: Value,
}

/// A table: `rows` have as many cells as there are headings.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) headings: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<'a>(caption: impl Into<String>, headings: impl IntoIterator<Item = &'a str>) -> Table {
        let headings = headings.into_iter().map(str::to_owned).collect();
        Table { caption: caption.into(), headings, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

/// A panel of a picture.
#[derive(Debug)]
pub(super) enum Chart {
    /// Bars side by side, a group for each thing that is compared.
    Bars { title: String, unit: String, scale: Scale, series: Vec<String>, groups: Vec<Group> },
    /// Lines over the same horizontal axis.
    #[allow(dead_code, reason = "for sections with something over time: memory, long")]
    Lines { title: String, across: String, unit: String, lines: Vec<Line> },
}

/// Bars that stand together: one for each of the chart's series, `None` where there is no figure.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) values: Vec<Option<f64>>,
}

/// A line's points, from left to right.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// How long a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// As much as its figure, from 0 on.
    Linear,
    /// By powers of ten, of figures above 0.
    Logarithmic,
}
