//! Table 3: what it takes to write such a driver, in lines, counted from the source as it is.

use std::{fs, path::Path};

use serde::Serialize;
use serde_json::json;

use super::{
    Options, paper,
    section::{Chart, Group, Scale, Section, Table},
    source::Source,
};
use crate::{guest::workspace, steps::Failure};

/// Functions that stop a device and bring it back, whoever calls them too: what the published work moved out of suspend and resume. For a
/// new driver: its own names for them.
const RESTORES: [&str; 8] =
    ["quiesce", "restore", "resume", "in_step", "is_in_step", "set_right", "stop_astray", "bring_back"];
/// The one of that name that belongs to a packet of a mouse.
const NOT_HERE: [(&str, &str); 1] = [("packet.rs", "is_in_step")];
/// Attributes that say how the state lies in memory.
const LAYOUT: [&str; 3] = ["FromBytes", "repr", "zerocopy"];

/// What is counted of a driver.
#[derive(Debug, Default, Serialize)]
struct Counted {
    driver: &'static str,
    /// Lines with code.
    lines: usize,
    /// Of those: of regs.rs, with the names of bits; of the map in it; and registers in the map.
    registers: usize,
    map: usize,
    in_map: usize,
    /// Functions that stop and restore the device; those that check the state; second versions of entry points.
    restore: usize,
    check: usize,
    alternates: usize,
    /// Attributes on the state; and places to inject faults, which recovery does not need.
    layout: usize,
    places: usize,
}

/// Counts; nothing of it is quicker in a short run.
pub(super) fn measure(_: &Options) -> Result<Section, Failure> {
    let all = paper::RECOVERY.iter().map(|published| counted(published.driver, &sources(published.driver)?));
    let all: Vec<Counted> = all.collect::<Result<_, _>>()?;
    let headings = [
        "driver",
        "lines of code",
        "of them: registers, with their bits",
        "register map: lines (registers)",
        "quiesce and restore",
        "check",
        "second versions",
        "for recovery alone, of all",
        "attributes on the state",
        "places to inject faults",
    ];
    let mut table = Table::new("Lines of code", headings);
    for one in &all {
        let added = one.restore + one.check + one.alternates;
        table.row([
            one.driver.to_owned(),
            one.lines.to_string(),
            one.registers.to_string(),
            format!("{} ({})", one.map, one.in_map),
            one.restore.to_string(),
            one.check.to_string(),
            one.alternates.to_string(),
            format!("{added} ({:.0} %)", 100.0 * added as f64 / one.lines as f64),
            one.layout.to_string(),
            one.places.to_string(),
        ]);
    }
    let (least, most) = paper::MOVED;
    let paragraphs = vec![
        "Counted from `drivers/*/src`. A line counts if there is code on it: not blank lines, comments, and tests. A line with nothing but a \
         string is none."
            .to_owned(),
        format!(
            "*Quiesce and restore* are the functions {} with signature and braces, places to inject faults among them, also where other entry \
             points call them; what they call and any driver needs (start, stop, write the address) is not in it. *Check* is the function of \
             that name in each file. *Second versions* are `alternate.rs`: they are not needed to recover, but for faults that come again each \
             time. *Attributes* are `derive` with FromBytes, `zerocopy` and `repr`: all that a driver says of its state for the sake of images. There \
             is no other annotation: the kinds of registers are in the map, a word each.",
            RESTORES.map(|name| format!("`{name}`")).join(", ")
        ),
        format!(
            "Beside it, of another system and language: {}: {least} to {most} lines a driver moved from suspend and resume into checkpoint and \
             restore. Its annotations of drivers and kernel headers are for a generator of marshalling code, which is not needed here, since a driver's state is \
             one plain value and its class hands it plain arguments. Where ours is more: a driver here looks whether a chip is where the \
             state has it, so that it need not be reset.",
            paper::FGFT
        ),
    ];
    let groups = all.iter().map(|one| Group {
        name: one.driver.to_owned(),
        values: [one.restore, one.check, one.alternates, one.layout].map(|lines| Some(lines as f64)).to_vec(),
    });
    let chart = Chart::Bars {
        title: "Lines for recovery".to_owned(),
        unit: "lines".to_owned(),
        scale: Scale::Linear,
        series: ["quiesce and restore", "check", "second versions", "attributes"].map(str::to_owned).to_vec(),
        groups: groups.collect(),
    };
    let (tables, charts, data) = (vec![table], vec![chart], json!({ "drivers": all }));
    Ok(Section { name: "effort", title: "Effort", paragraphs, tables, charts, seeds: Vec::new(), data })
}

/// Files of a driver: name and text.
fn sources(driver: &str) -> Result<Vec<(String, String)>, Failure> {
    let folder = workspace().join("drivers").join(driver).join("src");
    let io = |path: &Path| {
        let doing = format!("read {}", path.display());
        move |source| Failure::Io { doing, source }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(io(&folder))? {
        let path = entry.map_err(io(&folder))?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(&path).map_err(io(&path))?));
        }
    }
    Ok(files)
}

fn counted(driver: &'static str, files: &[(String, String)]) -> Result<Counted, Failure> {
    let mut all = Counted { driver, ..Counted::default() };
    for (name, text) in files {
        let source = Source::new(text);
        all.lines += source.lines();
        all.layout += source.attributes(&LAYOUT);
        all.places += source.calls("point");
        match name.as_str() {
            "alternate.rs" => all.alternates += source.lines(),
            "regs.rs" => {
                all.registers += source.lines();
                all.map += source.macro_call("register_map");
                all.in_map += source.macro_entries("register_map");
            }
            _ => {
                let is_here = |function: &&str| !NOT_HERE.contains(&(name.as_str(), *function));
                all.restore += RESTORES.iter().copied().filter(is_here).map(|f| source.function(f)).sum::<usize>();
                all.check += source.function("check");
            }
        }
    }
    let wrong = [("code", all.lines), ("registers", all.in_map), ("restore", all.restore), ("check", all.check)];
    match wrong.into_iter().find(|(_, count)| *count == 0) {
        Some((what, _)) => Err(Failure::Output(format!("drivers/{driver} has no {what}: the rules do not fit it"))),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_driver_has_what_is_counted() {
        for published in &paper::RECOVERY {
            let counted = counted(published.driver, &sources(published.driver).unwrap()).unwrap();
            assert!(counted.alternates > 0 && counted.layout > 0 && counted.places > 0, "{counted:?}");
            assert!(counted.map < counted.registers && counted.registers < counted.lines, "{counted:?}");
        }
        assert!(counted("nothing", &[]).is_err());
    }
}
