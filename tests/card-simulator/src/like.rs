//! A card like one that somebody has examined: a report of `jpki-doctor report` becomes options of a [`Profile`](crate::Profile) and a
//! [`Timing`]. What a report does not tell stays as the plastic card has it. `docs/report.md` describes the file.

use std::{error::Error, fmt, time::Duration};

use serde_json::{Map, Value};

use crate::reader::Timing;

/// The version of the file's shape that is understood.
const FORMAT: u64 = 1;

/// What a report tells of a card.
#[derive(Debug, Clone, PartialEq)]
pub struct Like {
    /// A text for [`Profile::parse`](crate::Profile::parse).
    pub options: String,
    /// How long the card, its reader and the way between them took.
    pub timing: Timing,
}

/// The text is no report, or one of another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownReport(String);

impl fmt::Display for UnknownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no report of jpki-doctor: {}", self.0)
    }
}

impl Error for UnknownReport {}

impl Like {
    /// Reads a report.
    ///
    /// # Errors
    ///
    /// [`UnknownReport`]; what is missing in a report is none.
    pub fn from_report(text: &str) -> Result<Self, UnknownReport> {
        let report: Value =
            serde_json::from_str(text).map_err(|error| UnknownReport(error.to_string()))?;
        if report.get("format").and_then(Value::as_u64) != Some(FORMAT) {
            return Err(UnknownReport(format!("it is not of format {FORMAT}")));
        }
        let answers = report.get("answers").and_then(Value::as_array);
        let answers = answers.ok_or_else(|| UnknownReport("it has no answers".into()))?;
        let steps = Steps(answers.iter().filter_map(Value::as_object).collect());
        let card = report.get("card").and_then(Value::as_object);
        Ok(Self {
            options: options(card, &steps),
            timing: steps.timing(),
        })
    }
}

/// The answers, by their steps.
struct Steps<'a>(Vec<&'a Map<String, Value>>);

impl Steps<'_> {
    fn get(&self, step: &str, key: &str) -> Option<&Value> {
        let found = self
            .0
            .iter()
            .find(|answer| answer.get("step").and_then(Value::as_str) == Some(step));
        found?.get(key)
    }

    fn word(&self, step: &str, key: &str) -> &str {
        word(self.get(step, key)).unwrap_or_default()
    }

    fn number(&self, step: &str, key: &str) -> Option<u64> {
        self.get(step, key)?.as_u64()
    }

    fn status(&self, step: &str) -> &str {
        self.word(step, "status")
    }

    /// It was asked, and answered otherwise.
    fn is_not(&self, step: &str, status: &str) -> bool {
        !matches!(self.status(step), "" | "error") && self.status(step) != status
    }

    /// In seconds.
    fn time(&self, step: &str) -> Option<f64> {
        Some(self.get(step, "milliseconds")?.as_f64()? / 1000.0)
    }

    fn timing(&self) -> Timing {
        let apdu = self.time("query-auth").unwrap_or_default();
        let byte = match (self.time("read-1"), self.time("read-256")) {
            (Some(one), Some(many)) => ((many - one) / 255.0).max(0.0),
            _ => 0.0,
        };
        let signature = self.time("sign-00").map_or(0.0, |time| time - apdu);
        let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Timing {
            apdu: duration(apdu),
            byte: duration(byte),
            signature: duration(signature),
        }
    }
}

/// A text. One with a comma would be more than the value of one option.
fn word(value: Option<&Value>) -> Option<&str> {
    value?.as_str().filter(|text| !text.contains(','))
}

/// The options that make a plastic card answer like this one.
fn options(card: Option<&Map<String, Value>>, steps: &Steps<'_>) -> String {
    let text = |key| word(card.and_then(|card| card.get(key)));
    let known = |key| text(key).filter(|text| *text != "unknown");
    let base = match text("label") {
        Some("JPKIAPICCTOKEN") => "juki",
        _ => "plastic",
    };
    let mut all = vec![base.to_owned()];
    let mut add = |option: String| all.push(option);
    match text("atr") {
        // A reader that shows the card's own number in its place, which the report leaves out.
        Some(atr) if atr.contains("..") => add("atr=random".into()),
        Some("") | None => {}
        Some(atr) => add(format!("atr={atr}")),
    }
    for key in ["label", "model"] {
        if let Some(text) = known(key) {
            add(format!("{key}={text}"));
        }
    }
    match (
        steps.status("select-jpki-fci"),
        steps.number("select-jpki-fci", "length"),
    ) {
        ("9000", Some(length)) => add(format!("fci={}", length.min(255))),
        ("", _) => {}
        _ => add("fci=0".into()),
    }
    for (holds, option) in [
        (
            steps.status("first-command") == "6F00",
            "first-command-fails",
        ),
        (
            steps.is_not("select-issuer-domain", "9000"),
            "no-security-domain",
        ),
        (
            steps.is_not("select-common", "9000"),
            "no-other-applications",
        ),
        (steps.status("select-0001") == "6A82", "no-sign-certificate"),
        (steps.is_not("select-0006", "9000"), "no-token-information"),
        (steps.is_not("select-0008", "9000"), "no-presence-file"),
        (
            steps.status("read-000A") == "6982",
            "gated-auth-certificate",
        ),
        (steps.is_not("read-extended", "9000"), "no-extended-reads"),
        (steps.is_not("challenge-8", "9000"), "no-challenge"),
        (
            steps.is_not("read-short-identifier", "9000"),
            "no-short-identifiers",
        ),
        (
            steps.status("query-five-bytes").starts_with("63C"),
            "five-byte-query",
        ),
        (
            steps.status("query-auth-verified") == "9000",
            "query-tells-verified",
        ),
        (steps.is_not("sign-04", "9000"), "raw-scheme-only"),
        (
            steps.word("sign-00", "verifies") == "no",
            "wrong-signatures",
        ),
        (
            steps.status("sign-after-reset") == "6982",
            "warm-reset-clears",
        ),
        (
            steps.status("sign-after-issuer-domain") == "9000",
            "leaving-keeps",
        ),
    ] {
        if holds {
            add(option.into());
        }
    }
    if steps.status("select-0001") == "9000"
        && steps.word("read-0008", "signature-certificate") == "00"
    {
        // The file is there and holds no certificate.
        add("no-sign-certificate,absent=blank".into());
    }
    tries(steps, "query-auth", "auth-tries", &mut add);
    tries(steps, "query-sign", "sign-tries", &mut add);
    reading(steps, &mut add);
    if let Some(salt) = steps.number("sign-04", "salt") {
        add(format!("pss-salt={salt}"));
    }
    all.join(",")
}

fn tries(steps: &Steps<'_>, step: &str, option: &str, add: &mut impl FnMut(String)) {
    match steps.status(step) {
        "6983" | "6984" => {
            add(format!("{option}=0"));
            add(format!("locked-query={}", steps.status(step)));
        }
        status => {
            if let Some(left) = status.strip_prefix("63C") {
                add(format!("{option}={left}"));
            }
        }
    }
}

/// How files end, and in what pieces they come.
fn reading(steps: &Steps<'_>, add: &mut impl FnMut(String)) {
    let first = |part| {
        ["read-000A", "read-000B", "read-0002"]
            .into_iter()
            .map(|step| step.replacen("read", part, 1))
            .find(|step| !steps.status(step).is_empty())
            .unwrap_or_default()
    };
    match steps.status(&first("read-across-end")) {
        "6282" => add("warns-at-end".into()),
        "6B00" => add("refuses-crossing".into()),
        _ => {}
    }
    for (step, option) in [("read-000A", "filler"), ("read-000B", "ca-filler")] {
        let size = steps.number(step, "file-length");
        let value = match steps.word(step, "filler") {
            "00" => "00",
            "FF" | "mixed" => "ff",
            _ => continue,
        };
        if let Some(size) = size {
            add(format!("{option}={value}:{size}"));
        }
    }
    match (
        steps.status("read-256"),
        steps.number("read-256", "length"),
        steps.number("read-256", "largest"),
    ) {
        ("9000", Some(length @ 1..256), _) => add(format!("read-cap={length}")),
        ("6700", _, Some(largest)) => add(format!("read-refuses-above={largest}")),
        _ => {}
    }
    let begins = |step, part: &str| steps.word(step, "first-status").starts_with(part);
    match (
        begins("select-jpki-fci", "61"),
        begins("read-256", "61") || begins("read-1", "61"),
        begins("read-0006", "6C"),
    ) {
        (_, true, _) => add("answers=61".into()),
        (true, false, true) => add("answers=t0".into()),
        (false, false, true) => add("answers=6c".into()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::Like;
    use crate::Profile;

    fn like(answers: &str) -> Like {
        let card = r#""card":{"atr":"3B888001........B381A100..","label":"JPKIAPGPSETOKEN"}"#;
        let report = format!(r#"{{"format":1,{card},"answers":[{answers}]}}"#);
        Like::from_report(&report).unwrap()
    }

    #[test]
    fn what_was_answered_becomes_options() {
        let like = like(
            r#"{"step":"select-issuer-domain","status":"6A82","length":0},
               {"step":"read-000A","status":"9000","length":4,"file-length":3808,"filler":"FF"},
               {"step":"read-across-end-000A","status":"6B00","length":0},
               {"step":"read-extended","not-asked":"reader"},
               {"step":"query-sign","status":"6984","length":0},
               {"step":"query-auth","status":"63C2","length":0,"milliseconds":20.0},
               {"step":"read-1","status":"9000","length":1,"milliseconds":21.0},
               {"step":"read-256","status":"9000","length":256,"milliseconds":46.5}"#,
        );
        let profile = Profile::parse(&like.options).unwrap();
        assert_eq!(profile.label, "JPKIAPGPSETOKEN");
        assert!(!profile.selectable_security_domain && profile.refuses_crossing);
        assert!(profile.extended_reads, "was not asked");
        assert_eq!((profile.auth_tries, profile.sign_tries), (2, 0));
        assert_eq!(like.timing.apdu.as_millis(), 20);
        assert_eq!(like.timing.byte.as_micros(), 100);
        assert!(like.options.contains("filler=ff:3808"), "{}", like.options);
    }

    #[test]
    fn a_value_is_one_option() {
        let report = r#"{"format":1,"card":{"atr":"3B00,auth-tries=1","model":"a,sign-tries=1"},
                         "answers":[{"step":"query-sign","status":"63C5,auth-tries=1"}]}"#;
        assert_eq!(Like::from_report(report).unwrap().options, "plastic");
    }

    #[test]
    fn other_files_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"format":2,"answers":[]}"#,
            r#"{"format":1}"#,
        ] {
            assert!(Like::from_report(text).is_err(), "{text}");
        }
    }
}
