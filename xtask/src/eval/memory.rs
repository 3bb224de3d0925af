//! Table 7: what a driver takes of memory, and what it costs it that its neighbours crash. `tests/tables/src/memory.rs` measures.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Options,
    figures::{digits, time},
    section::{Chart, Group, Scale, Section, Table},
    tables::{Spread, measured, or_none, read},
};
use crate::steps::Failure;

#[derive(Debug, Deserialize)]
struct Measured {
    seed: u64,
    window_ms: u64,
    neighbour_us: u64,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    driver: String,
    unit: String,
    ready: Ready,
    loaded_kib: u64,
    rounds: Vec<[Window; 3]>,
    throughput: Option<Spread>,
    by_cpu: Option<Spread>,
    noise: Option<Spread>,
    recovery_quiet_ns: Option<Spread>,
    recovery_crashing_ns: Option<Spread>,
    recovery_ratio: Option<Spread>,
    ended: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ready {
    memory: Memory,
    before: Process,
    after: Process,
}

#[derive(Debug, Deserialize)]
struct Memory {
    state: u64,
    ledger: u64,
    shadow: u64,
    shadow_used: u64,
    images: u64,
    image: u64,
    arena: u64,
    stack: u64,
    journals: u64,
    dma: u64,
}

#[derive(Debug, Deserialize)]
struct Process {
    rss_kib: u64,
}

#[derive(Debug, Deserialize)]
struct Window {
    crashes: u64,
    missing: u64,
    wrong: u64,
}

/// Measures.
pub(super) fn measure(options: &Options) -> Result<Section, Failure> {
    let (rounds, window) = if options.quick { ("3", "25") } else { ("20", "100") };
    let seed = options.seed.to_string();
    section(measured(["memory", "--rounds", rounds, "--window", window, "--seed", &seed])?)
}

fn section(mut data: Value) -> Result<Section, Failure> {
    let all: Measured = read(&data)?;
    data["against"] = all.rows.iter().filter_map(against).collect();
    let groups = all.rows.iter().map(|row| Group {
        name: row.driver.clone(),
        values: [row.recovery_quiet_ns, row.recovery_crashing_ns].map(|spread| Some(spread?.median / 1e3)).to_vec(),
    });
    let chart = Chart::Bars {
        title: "From fault to the end of its recovery, median".to_owned(),
        unit: "us".to_owned(),
        scale: Scale::Linear,
        series: ["neighbours work", "neighbours crash"].map(str::to_owned).to_vec(),
        groups: groups.collect(),
    };
    Ok(Section {
        name: "memory",
        title: "Memory, and neighbours that crash",
        paragraphs: paragraphs(&all),
        tables: vec![bytes(&all.rows), neighbours(&all.rows)],
        charts: vec![chart],
        seeds: vec![all.seed],
        data,
    })
}

fn bytes(rows: &[Row]) -> Table {
    let headings = [
        "driver",
        "state",
        "ledger",
        "of it shadow (used)",
        "images",
        "arena",
        "stack",
        "journals",
        "for recovery, together",
        "DMA memory",
        "RSS before, KiB",
        "with the device, KiB",
        "after 300 faults, KiB",
    ];
    let mut table = Table::new(
        "Bytes by the engine's own numbers, and resident memory of the process as the kernel has it",
        headings,
    );
    for row in rows {
        let memory = &row.ready.memory;
        table.row([
            row.driver.clone(),
            memory.state.to_string(),
            memory.ledger.to_string(),
            format!("{} ({})", memory.shadow, memory.shadow_used),
            format!("{} x {}", memory.images, memory.image),
            memory.arena.to_string(),
            memory.stack.to_string(),
            memory.journals.to_string(),
            (memory.arena + memory.stack + memory.journals).to_string(),
            memory.dma.to_string(),
            row.ready.before.rss_kib.to_string(),
            row.ready.after.rss_kib.to_string(),
            row.loaded_kib.to_string(),
        ]);
    }
    table
}

fn neighbours(rows: &[Row]) -> Table {
    let headings = [
        "driver",
        "throughput, others crash / work",
        "the same by its processor time",
        "nobody crashes, twice",
        "recovery, others work",
        "recovery, others crash",
        "crash / work, by round",
        "crashes of the others",
        "missing",
        "wrong",
    ];
    let mut table = Table::new(
        "Six drivers at once, one looked at in turn; medians, and what a tenth is below and above",
        headings,
    );
    for row in rows {
        let crashes: u64 = row.rounds.iter().map(|[_, crashing, _]| crashing.crashes).sum();
        let sum = |of: fn(&Window) -> u64| row.rounds.iter().flatten().map(of).sum::<u64>();
        table.row([
            row.driver.clone(),
            or_none(row.throughput, Spread::ratio),
            or_none(row.by_cpu, Spread::ratio),
            or_none(row.noise, Spread::ratio),
            or_none(row.recovery_quiet_ns, Spread::time),
            or_none(row.recovery_crashing_ns, Spread::time),
            or_none(row.recovery_ratio, Spread::ratio),
            crashes.to_string(),
            format!("{} {}", sum(|window| window.missing), row.unit),
            sum(|window| window.wrong).to_string(),
        ]);
    }
    table
}

fn paragraphs(all: &Measured) -> Vec<String> {
    let Measured { window_ms, neighbour_us, .. } = all;
    vec![
        "*State* and *ledger* are what a call may change and a rollback copies back; the ledger holds the shadow of the registers. *Images* are \
         committed copies of both, eight as udrvd has them. The *arena* is the memfd of all these, in whole pages. The *stack* is mapped whole, and in \
         memory as far as it was ever used. *Journals* is all that is noted of a call under way, room for the largest. DMA memory would be there \
         without transactions too. Resident memory is of a process with one device, its model, and whoever uses and judges it: before the \
         device, with it, and when it has kept the 256 fault reports, each with its piece of the stack, that it keeps at most."
            .to_owned(),
        format!(
            "Each driver is in a process of its own, as in udrvd, and all six work without a pause, so they share the processors. One after the other is \
             looked at: a window of {window_ms} ms in which the others work, one in which each of them crashes every {} on average, one in which \
             they work again. The middle is compared with the mean of the two around it; the first over the last says what the \
             machine does by itself. Beside each window is another in which the driver itself crashes, by a null write in an entry point that its work \
             calls: that is where its recoveries are from. Work of the sound card and of the mouse runs on a clock of its own that does not wait; \
             waits of a bus cost nothing here.",
            time(*neighbour_us as f64 * 1e3)
        ),
    ]
}

/// What must not be: a neighbour's crash has reached a driver.
fn against(row: &Row) -> Option<String> {
    let wrong: u64 = row.rounds.iter().flatten().map(|window| window.wrong).sum();
    match &row.ended {
        Some(why) => Some(format!("{} has ended: {why}", row.driver)),
        None if wrong > 0 => Some(format!("{}: {} {} were wrong", row.driver, digits(wrong as f64), row.unit)),
        None if row.rounds.is_empty() => Some(format!("{} was not looked at", row.driver)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(wrong: u64) -> Value {
        let window = |crashes: u64| json!({ "per_second": 1.0, "per_cpu_second": 1.0, "recovery_ns": [5], "crashes": crashes, "missing": 0, "wrong": wrong });
        let spread = json!({ "count": 3, "min": 0.8, "p10": 0.9, "median": 1.0, "p90": 1.1, "max": 1.2 });
        let memory = json!({ "state": 160, "ledger": 1420, "shadow": 512, "shadow_used": 100, "images": 8, "image": 1664, "arena": 32768,
            "stack": 262_144, "journals": 38_656, "dma": 1_179_648 });
        let process = json!({ "rss_kib": 3000, "descriptors": 5 });
        json!({ "seed": 1, "window_ms": 25, "neighbour_us": 2000, "rows": [{ "driver": "x", "unit": "frames", "loaded_kib": 7000,
            "ready": { "memory": memory, "before": process, "after": process },
            "rounds": [[window(0), window(9), window(0)]], "throughput": spread, "by_cpu": spread, "noise": spread,
            "recovery_quiet_ns": spread, "recovery_crashing_ns": null, "recovery_ratio": null, "ended": null }] })
    }

    #[test]
    fn bytes_and_neighbours_are_in_the_tables() {
        let section = section(data(0)).unwrap();
        assert_eq!(section.tables[0].rows[0][8], (32_768 + 262_144 + 38_656).to_string());
        let cells = &section.tables[1].rows[0];
        assert_eq!((cells[1].as_str(), cells[5].as_str(), cells[7].as_str()), ("1.00 (0.90 to 1.10)", "none", "9"));
        assert_eq!(section.data["against"], json!([]));
    }

    #[test]
    fn a_neighbour_s_crash_that_spoils_work_is_against_us() {
        assert_eq!(section(data(1)).unwrap().data["against"].as_array().unwrap().len(), 1);
    }
}
