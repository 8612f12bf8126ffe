//! The figures as Markdown for people and as JSON for programs.
//! It computes ratios. It measures nothing.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::card::Timing;
use crate::meter::Cost;

/// One row: the same thing done by three.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// In JSON.
    pub name: &'static str,
    /// In the table.
    pub title: &'static str,
    /// This module.
    pub ours: Option<Cost>,
    /// OpenSC; `None`: it cannot.
    pub opensc: Option<Cost>,
    /// Only what the card demands; `None`: there is no such program.
    pub floor: Option<Cost>,
}

/// A table in Markdown for one timing model.
pub fn table(timing: Timing, rows: &[Row]) -> String {
    let mut text = format!(
        "Timing `{}`: {} ms for each APDU, {} µs for each byte, {} ms for each signature.\n\n",
        timing.name, timing.apdu, timing.byte, timing.signature
    );
    text.push_str(
        "| | jpki-pkcs11: APDUs | bytes | ms | OpenSC: APDUs | bytes | ms | floor: APDUs | bytes | ms | ms / floor | ms / OpenSC |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            row.title,
            figures(row.ours.as_ref()),
            figures(row.opensc.as_ref()),
            figures(row.floor.as_ref()),
            ratio(row.ours.as_ref(), row.floor.as_ref()),
            ratio(row.ours.as_ref(), row.opensc.as_ref()),
        );
    }
    text
}

/// The same for programs.
pub fn json(rows: &[Row]) -> Value {
    let cost = |cost: &Option<Cost>| cost.as_ref().map(Cost::to_json);
    let rows: Map<String, Value> = rows
        .iter()
        .map(|row| {
            let value = json!({
                "ours": cost(&row.ours), "opensc": cost(&row.opensc), "floor": cost(&row.floor),
            });
            (row.name.to_owned(), value)
        })
        .collect();
    Value::Object(rows)
}

fn figures(cost: Option<&Cost>) -> String {
    match cost {
        Some(cost) => format!(
            "{} | {:.0} | {}",
            cost.apdus,
            cost.bytes,
            milliseconds(cost.ms)
        ),
        None => "– | – | –".to_owned(),
    }
}

fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

fn ratio(of: Option<&Cost>, to: Option<&Cost>) -> String {
    match (of, to) {
        (Some(of), Some(to)) => format!("{:.2}", of.ms / to.ms),
        _ => "–".to_owned(),
    }
}
