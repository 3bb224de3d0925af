//! Table 6: which settings are in the device still after a recovery. `tests/tables/src/settings` measures.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Options,
    section::{Section, Table},
    tables::{measured, read},
};
use crate::steps::Failure;

#[derive(Debug, Deserialize)]
struct Settings {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    driver: String,
    setting: String,
    way: Way,
    register: String,
    after: BTreeMap<String, Tally>,
    changed_by: Vec<String>,
    after_restart: bool,
    failed: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Way {
    RawForeign,
    RawOwn,
    AtStart,
    Private,
    Class,
}

#[derive(Debug, Deserialize)]
struct Tally {
    kept: u64,
    lost: u64,
    lost_in: Vec<String>,
}

impl Way {
    const ALL: [Way; 5] = [Way::RawForeign, Way::RawOwn, Way::AtStart, Way::Private, Way::Class];

    const fn words(self) -> &'static str {
        match self {
            Way::RawForeign => "raw, a register that the driver does not have",
            Way::RawOwn => "raw, a register that the driver has",
            Way::AtStart => "option of the start",
            Way::Private => "private option, while it runs",
            Way::Class => "class interface",
        }
    }

    /// A driver was told of it: whatever is lost of that is a mistake of ours.
    const fn is_told(self) -> bool {
        matches!(self, Way::AtStart | Way::Private | Way::Class)
    }
}

/// Measures.
pub(super) fn measure(_: &Options) -> Result<Section, Failure> {
    section(measured(["settings"])?)
}

fn section(mut data: Value) -> Result<Section, Failure> {
    let Settings { rows } = read(&data)?;
    if rows.is_empty() {
        return Err(Failure::Output("no setting was tried".to_owned()));
    }
    let headings = [
        "driver",
        "made by",
        "setting",
        "read from",
        "after FGFT: rolled back",
        "after FGFT: restored",
        "after a restart",
        "calls that change it by themselves",
    ];
    let mut table =
        Table::new("In the device's register after a null write in each entry point, at three points of it", headings);
    for row in &rows {
        let after = |rung: &str| row.failed.clone().unwrap_or_else(|| words(row.after.get(rung)));
        table.row([
            row.driver.clone(),
            row.way.words().to_owned(),
            row.setting.clone(),
            row.register.clone(),
            after("abort"),
            after("restore"),
            if row.after_restart { "kept" } else { "lost" }.to_owned(),
            if row.changed_by.is_empty() { "none".to_owned() } else { row.changed_by.join(", ") },
        ]);
    }
    data["against"] = rows.iter().filter_map(against).collect();
    Ok(Section {
        name: "settings",
        title: "Settings after a recovery",
        paragraphs: paragraphs(),
        tables: vec![summary(&rows), table],
        charts: Vec::new(),
        seeds: Vec::new(),
        data,
    })
}

fn words(tally: Option<&Tally>) -> String {
    match tally {
        None => "no such recovery".to_owned(),
        Some(Tally { kept, lost: 0, .. }) => format!("kept, {kept} of {kept}"),
        Some(Tally { kept, lost, lost_in }) => format!("lost, {lost} of {} ({})", kept + lost, lost_in.join(", ")),
    }
}

fn summary(rows: &[Row]) -> Table {
    let headings = ["made by", "settings", "kept by every rollback", "kept by every restore", "kept by a restart"];
    let mut table = Table::new("Of all drivers", headings);
    for way in Way::ALL {
        let of: Vec<&Row> = rows.iter().filter(|row| row.way == way && row.failed.is_none()).collect();
        let kept = |rung: &str| {
            let tried: Vec<&Tally> = of.iter().filter_map(|row| row.after.get(rung)).collect();
            format!("{} of {}", tried.iter().filter(|tally| tally.lost == 0).count(), tried.len())
        };
        let restarted = of.iter().filter(|row| row.after_restart).count();
        let after_restart = format!("{restarted} of {}", of.len());
        table.row([way.words().to_owned(), of.len().to_string(), kept("abort"), kept("restore"), after_restart]);
    }
    table
}

fn paragraphs() -> Vec<String> {
    vec![
        "A setting is made, and then a null write is injected into each entry point of the driver, at its start, middle and end. After each \
         recovery the register of the model is read, by a back door: what driver or framework believe does not count. Then the driver is \
         restarted (rung 3: reset, probe, replay), and the register is read once more. A recovery counts for its rung: *rolled back* (memory \
         and registers back, the journal says which), or *restored* too (the call had written a command, which cannot be written back, so the \
         driver's `restore` brings the device to where its state says). What is lost is made again before the next fault."
            .to_owned(),
        "Entry points whose call changes the setting also when nothing fails (a reset of the chip clears it) are named and not counted: there \
         it is the call and not the recovery."
            .to_owned(),
        "A raw write past the driver to one of its own registers is undone when `restore` writes what the driver's state has: the driver owns that \
         register, and nobody has told it. Registers that it does not have are left alone, in the rollback (the journal has only what the call wrote) and \
         in `restore`; a restart resets the chip, and what nobody was told cannot be replayed. That difference is what the paper's 44 % of drivers \
         with such state is about: restarting loses it."
            .to_owned(),
    ]
}

/// What must not be: settings that a driver was told are lost, or others by a recovery that restarts nothing.
fn against(row: &Row) -> Option<String> {
    let lost: u64 = row.after.values().map(|tally| tally.lost).sum();
    let Row { driver, setting, .. } = row;
    match &row.failed {
        Some(why) => Some(format!("{driver}, {setting}: {why}")),
        None if lost > 0 && row.way != Way::RawOwn => Some(format!("{driver}, {setting}: lost in {lost} recoveries")),
        None if !row.after_restart && row.way.is_told() => Some(format!("{driver}, {setting}: lost in a restart")),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(way: &str, lost: u64, after_restart: bool) -> Value {
        let tally = json!({ "kept": 3, "lost": lost, "lost_in": if lost > 0 { vec!["open"] } else { vec![] } });
        json!({ "driver": "x", "setting": "y", "way": way, "register": "Z", "without": 0, "with": 1, "after": { "restore": tally },
            "changed_by": [], "after_restart": after_restart, "failed": null })
    }

    fn against(row: Value) -> Vec<Value> {
        section(json!({ "rows": [row] })).unwrap().data["against"].as_array().unwrap().clone()
    }

    #[test]
    fn what_is_lost_is_a_row_that_says_lost() {
        let section = section(json!({ "rows": [row("raw-own", 2, false)] })).unwrap();
        let cells = &section.tables[1].rows[0];
        assert_eq!(cells[5], "lost, 2 of 5 (open)");
        assert_eq!((cells[4].as_str(), cells[6].as_str()), ("no such recovery", "lost"));
        assert_eq!(section.tables[0].rows[1][3], "0 of 1");
    }

    #[test]
    fn what_must_not_be_lost_is_against_us() {
        for (way, lost, after_restart, is_wrong) in [
            ("class", 0, true, false),
            ("class", 1, true, true),
            ("at-start", 0, false, true),
            ("raw-foreign", 0, false, false),
            ("raw-foreign", 1, false, true),
            ("raw-own", 1, false, false),
        ] {
            assert_eq!(!against(row(way, lost, after_restart)).is_empty(), is_wrong, "{way}");
        }
    }
}
