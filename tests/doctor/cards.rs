//! docs/cards.md, the table of the cards and readers that somebody has reported.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Reports of real cards, and those that were written from what others published.
const FOLDERS: [&str; 2] = ["cards", "published"];

/// docs/cards.md: one row for each report.
#[test]
fn the_table_of_cards_is_made_from_the_reports() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reports = |folder: &str| {
        let files = fs::read_dir(root.join("tests/reports").join(folder));
        let files = files.into_iter().flatten().map(|file| file.unwrap().path());
        let mut files: Vec<PathBuf> = files
            .filter(|file| file.extension().is_some_and(|end| end == "json"))
            .collect();
        files.sort();
        files
    };
    let mut page = String::from(HEAD);
    let real = reports("cards").len();
    writeln!(page, "\n**{real} real cards so far.**\n").unwrap();
    page.push_str(
        "| reader | card | ATR | RSA-PSS | leaving closes it | extended READ | report |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|\n");
    for folder in FOLDERS {
        for file in reports(folder) {
            let report: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
            assert_eq!(
                report.get("source").is_some(),
                folder == "published",
                "{}: only a report that no card made has a source",
                file.display()
            );
            let name = file.file_stem().unwrap().to_str().unwrap();
            writeln!(page, "{}", row(&report, folder, name)).unwrap();
        }
    }
    let path = root.join("docs/cards.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written, page, "UPDATE_GOLDEN=1 writes it anew");
}

fn row(report: &Value, folder: &str, name: &str) -> String {
    let text = |part: &str, key: &str| report[part][key].as_str().unwrap_or("").to_owned();
    let answer = |step: &str| {
        let answers = report["answers"].as_array().unwrap();
        answers.iter().find(|answer| answer["step"] == step)
    };
    let status = |step: &str| answer(step).and_then(|answer| answer["status"].as_str());
    let yes_if = |step: &str, wanted: &str| match status(step) {
        Some(status) if status == wanted => "yes".to_owned(),
        Some(status) => format!("no ({status})"),
        None => "not told".to_owned(),
    };
    let card = format!("{} {}", text("card", "label"), text("card", "model"));
    let origin = match folder {
        "published" => "**no real card**: ",
        _ => "",
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {origin}[{name}](../tests/reports/{folder}/{name}.json) |",
        text("reader", "name"),
        card.trim(),
        text("card", "atr"),
        yes_if("sign-04", "9000"),
        yes_if("sign-after-issuer-domain", "6982"),
        yes_if("read-extended", "9000"),
    )
}

const HEAD: &str = "# Cards and readers

Made by `cargo test --test doctor cards` from the files in `tests/reports`. A report is what `jpki-doctor report` writes; [report.md](report.md)
describes it and [CONTRIBUTING](../CONTRIBUTING.md) says how to add yours. The rows marked **no real card** were written by hand from what others
published ([card.md](card.md)); nobody in this project has held a card. The module is tested on a simulated card made after each of them.
";
