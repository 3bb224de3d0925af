//! Sections as files: Markdown, SVG, and one JSON object with all that was measured.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{chart, machine::Run, section::Section, section::Table};
use crate::steps::Failure;

/// The file that keeps what was measured. Sections that are measured anew take the place of theirs; the others stay.
const KEPT: &str = "eval.json";

/// What stays of a section.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) title: String,
    pub(super) run: Run,
    /// From its beginning to its end.
    pub(super) seconds: f64,
    pub(super) seeds: Vec<u64>,
    /// Rows of each of its tables.
    pub(super) rows: Vec<usize>,
    pub(super) has_picture: bool,
    pub(super) data: Value,
}

/// All that stays, by the section's name.
pub(super) type All = BTreeMap<String, Kept>;

/// Writes a section's own files, and puts it among what is kept.
pub(super) fn section(folder: &Path, section: &Section, run: Run, seconds: f64) -> Result<(), Failure> {
    fs::create_dir_all(folder)
        .map_err(|source| Failure::Io { doing: format!("create {}", folder.display()), source })?;
    let name = section.name;
    let picture = chart::svg(section.title, &section.charts)?;
    file(folder, &format!("{name}.md"), &markdown(section, &run, seconds, picture.is_some())?)?;
    let has_picture = picture.is_some();
    if let Some(picture) = picture {
        file(folder, &format!("{name}.svg"), &picture)?;
    }
    let mut all = kept(folder)?;
    let (title, rows) = (section.title.to_owned(), section.tables.iter().map(|table| table.rows.len()).collect());
    let (seeds, data) = (section.seeds.clone(), section.data.clone());
    all.insert(name.to_owned(), Kept { title, run, seconds, seeds, rows, has_picture, data });
    let line = |(name, kept): (&String, &Kept)| Ok(format!("{}: {}", json!(name), serde_json::to_string(kept)?));
    let lines: Result<Vec<String>, serde_json::Error> = all.iter().map(line).collect();
    let lines = lines.map_err(|error| Failure::Output(format!("{KEPT}: {error}")))?;
    // a line for each section
    file(folder, KEPT, &format!("{{\n{}\n}}\n", lines.join(",\n")))
}

/// What was measured before, in this folder.
pub(super) fn kept(folder: &Path) -> Result<All, Failure> {
    let path = folder.join(KEPT);
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| Failure::Output(format!("{}: {error}; remove it to begin anew", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(All::new()),
        Err(source) => Err(Failure::Io { doing: format!("read {}", path.display()), source }),
    }
}

/// The list of all sections, `names` in their order; what is not there is named too.
pub(super) fn index(folder: &Path, names: &[&str]) -> Result<(), Failure> {
    let all = kept(folder)?;
    let mut text = String::from(
        "# Evaluation\n\nWritten by `cargo xtask eval`; each page names the machine that it was measured on. `eval.json` has every raw \
         figure.\n\n",
    );
    let mut table = Table::new("", ["Section", "Run", "Date (UTC)", "Commit", "Minutes"]);
    for name in names {
        match all.get(*name) {
            Some(Kept { title, run, seconds, .. }) => table.row([
                format!("[{title}]({name}.md)"),
                if run.quick { "quick" } else { "full" }.to_owned(),
                run.date.clone(),
                run.commit.clone(),
                format!("{:.1}", seconds / 60.0),
            ]),
            None => {
                table.row([format!("{name}: not measured"), String::new(), String::new(), String::new(), String::new()])
            }
        }
    }
    text += &rows_of(&table)?;
    file(folder, "index.md", &text)
}

fn markdown(section: &Section, run: &Run, seconds: f64, has_picture: bool) -> Result<String, Failure> {
    let mut text = format!("# {}\n\n", section.title);
    for paragraph in &section.paragraphs {
        text += &format!("{paragraph}\n\n");
    }
    if has_picture {
        text += &format!("![{}]({}.svg)\n\n", section.title, section.name);
    }
    for table in &section.tables {
        text += &format!("## {}\n\n{}\n", table.caption, rows_of(table)?);
    }
    let seeds = section.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let seeds = if seeds.is_empty() { "nothing is random".to_owned() } else { format!("seed {seeds}") };
    text += &format!(
        "Measured in {seconds:.0} s by `cargo xtask eval{} --only {}`: {}; {seeds}.\n",
        if run.quick { " --quick" } else { "" },
        section.name,
        run.text()
    );
    Ok(text)
}

fn rows_of(table: &Table) -> Result<String, Failure> {
    if let Some(row) = table.rows.iter().find(|row| row.len() != table.headings.len()) {
        return Err(Failure::Output(format!("the table '{}' has a row of another width: {row:?}", table.caption)));
    }
    let line = |cells: &[String]| {
        let cells = cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | ");
        format!("| {cells} |\n")
    };
    let rule = format!("|{}\n", "---|".repeat(table.headings.len()));
    Ok(line(&table.headings) + &rule + &table.rows.iter().map(|row| line(row)).collect::<String>())
}

fn file(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|source| Failure::Io { doing: format!("write {}", path.display()), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Section {
        let mut table = Table::new("a table", ["driver", "figure"]);
        table.row(["x|y", "1.5 us"]);
        Section {
            name: "some",
            title: "Something",
            paragraphs: vec!["How.".to_owned()],
            tables: vec![table],
            charts: Vec::new(),
            seeds: vec![7],
            data: json!({ "x_ns": [1, 2] }),
        }
    }

    #[test]
    fn a_section_is_written_and_one_more_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::here(true).unwrap();
        section(folder.path(), &some(), run.clone(), 1.0).unwrap();
        section(folder.path(), &Section { name: "other", ..some() }, run, 2.0).unwrap();
        index(folder.path(), &["some", "other", "third"]).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let text = read("some.md");
        for part in ["# Something", "How.", "| x\\|y | 1.5 us |", "--quick --only some", "seed 7", "protection keys"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let all = kept(folder.path()).unwrap();
        assert_eq!((all.len(), all["some"].rows[0], &all["some"].data["x_ns"][1]), (2, 1, &Value::from(2)));
        assert!(read("index.md").contains("(some.md)") && read("index.md").contains("third: not measured"));
    }

    #[test]
    fn a_row_that_does_not_fit_its_table_is_an_error() {
        let mut wrong = some();
        wrong.tables[0].row(["alone"]);
        assert!(markdown(&wrong, &Run::here(false).unwrap(), 1.0, false).is_err());
    }
}
