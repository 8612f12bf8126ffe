//! The command line. Parses and explains, opens nothing.

use std::{error::Error, fmt, fmt::Write, path::PathBuf, time::Duration};

use jpki_card_simulator::{Misbehaviour, Profile, like::Like, reader::Timing};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    Help,
    Serve(Options),
    Control { socket: PathBuf, command: String },
}

/// The options of `serve`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Where vpcd listens, `HOST:PORT`.
    pub(crate) vpcd: String,
    pub(crate) control: PathBuf,
    pub(crate) state: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) export: Option<PathBuf>,
    pub(crate) timing: Timing,
    pub(crate) cards: Vec<(String, Profile)>,
    /// Start without a card in the reader.
    pub(crate) empty: bool,
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UsageError(String);

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Result<Self, UsageError> {
        if words.iter().any(|word| word == "--help" || word == "-h") {
            return Ok(Self::Help);
        }
        match words {
            [] => Err(UsageError("say what to do: serve, ctl or --help".into())),
            [verb, rest @ ..] if verb == "serve" => Options::parse(rest).map(Self::Serve),
            [verb, socket, command @ ..] if verb == "ctl" && !command.is_empty() => {
                Ok(Self::Control {
                    socket: socket.into(),
                    command: command.join(" "),
                })
            }
            [verb, ..] if verb == "ctl" => Err(UsageError("ctl wants SOCKET and a COMMAND".into())),
            [verb, ..] => Err(UsageError(format!("'{verb}' is neither serve nor ctl"))),
        }
    }
}

impl Options {
    fn parse(words: &[String]) -> Result<Self, UsageError> {
        let (mut vpcd, mut control, mut measured) = (None, None, None);
        let mut options = Self {
            vpcd: String::new(),
            control: PathBuf::new(),
            state: None,
            log: None,
            export: None,
            timing: Timing::default(),
            cards: Vec::new(),
            empty: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--empty" {
                options.empty = true;
                continue;
            }
            if !VALUED.contains(&word.as_str()) {
                return Err(UsageError(format!("there is no option '{word}'")));
            }
            let value = words
                .next()
                .ok_or_else(|| UsageError(format!("{word} wants a value")))?;
            match word.as_str() {
                "--vpcd" => vpcd = Some(value.clone()),
                "--control" => control = Some(value.into()),
                "--state" => options.state = Some(value.into()),
                "--log" => options.log = Some(value.into()),
                "--export" => options.export = Some(value.into()),
                "--timing" => measured = Some(timing(value)?),
                "--like" => {
                    let like = like(value)?;
                    let text = format!("like={}", like.options);
                    options.cards.push(card(&text, &options.cards)?);
                    options.timing = like.timing;
                }
                _ => options.cards.push(card(value, &options.cards)?),
            }
        }
        if options.cards.is_empty() {
            return Err(UsageError("at least one --card or --like is needed".into()));
        }
        options.timing = measured.unwrap_or(options.timing);
        options.vpcd = vpcd.ok_or_else(|| UsageError("--vpcd is needed".into()))?;
        options.control = control.ok_or_else(|| UsageError("--control is needed".into()))?;
        Ok(options)
    }
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from(USAGE);
    let table = |text: &mut String, title: &str, rows: &[(&str, &str)]| {
        let _ = writeln!(text, "\n{title}");
        for (word, meaning) in rows {
            let _ = writeln!(text, "  {word:<34}{meaning}");
        }
    };
    table(&mut text, "PROFILE", Profile::NAMES);
    table(&mut text, "OPTION", Profile::OPTIONS);
    let _ = writeln!(text, "\nKIND of misbehaviour");
    for names in Misbehaviour::NAMES.chunks(3) {
        let _ = writeln!(text, "  {}", names.join(", "));
    }
    text
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (--help tells more)", self.0)
    }
}

impl Error for UsageError {}

/// What a report asks for.
fn like(path: &str) -> Result<Like, UsageError> {
    let error = |reason: String| UsageError(format!("--like {path}: {reason}"));
    let text = std::fs::read_to_string(path).map_err(|reason| error(reason.to_string()))?;
    Like::from_report(&text).map_err(|reason| error(reason.to_string()))
}

/// Names become file names, so they are plain words.
fn card(text: &str, known: &[(String, Profile)]) -> Result<(String, Profile), UsageError> {
    let error = |reason: String| UsageError(format!("--card {text}: {reason}"));
    let (name, profile) = text
        .split_once('=')
        .ok_or_else(|| error("NAME=PROFILE is wanted".into()))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(error("a name is made of letters, digits, - and _".into()));
    }
    if known.iter().any(|(other, _)| other == name) {
        return Err(error("there is such a card already".into()));
    }
    let profile = Profile::parse(profile).map_err(|reason| error(reason.to_string()))?;
    Ok((name.to_owned(), profile))
}

pub(crate) fn timing(text: &str) -> Result<Timing, UsageError> {
    let numbers: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[apdu_ms, byte_us, rsa_ms]) => Ok(Timing {
            apdu: Duration::from_millis(apdu_ms),
            byte: Duration::from_micros(byte_us),
            signature: Duration::from_millis(rsa_ms),
        }),
        _ => Err(UsageError(format!(
            "--timing {text}: APDU_MS,BYTE_US,RSA_MS is wanted, for example 15,20,600"
        ))),
    }
}

const VALUED: &[&str] = &[
    "--vpcd",
    "--control",
    "--state",
    "--log",
    "--export",
    "--timing",
    "--card",
    "--like",
];

const USAGE: &str = "\
A JPKI card, simulated from published text, behind pcscd's vpcd driver.

jpki-card-simulator serve --vpcd HOST:PORT --control SOCKET --card NAME=PROFILE[,OPTION[=VALUE]]... [--card ...] [--like FILE]
  --vpcd HOST:PORT    where pcscd's vpcd driver listens; waits until it does
  --control SOCKET    Unix socket for commands
  --card NAME=...     a card of the deck; the first one is in the reader at the start
  --like FILE         a card called like, made after a report of jpki-doctor, with its timing unless --timing says another
  --empty             start with an empty reader
  --state DIR         keep keys, certificates and PIN counters there; they win over --card the next time
  --export DIR        write auth-ca.pem, sign-ca.pem, NAME-auth.pem, NAME-auth.der, NAME-sign.pem, NAME-sign.der
  --log FILE          write what happens, - is the standard output; PINs are asterisks
  --timing A,B,R      A ms for each APDU, B microseconds for each byte, R ms for each signature

jpki-card-simulator ctl SOCKET COMMAND...
  Prints the answer; exit code 0 if it begins with ok, 1 if it begins with error.
  status                     insert [NAME]            remove
  swap NAME                  remove, wait until pcscd saw it, insert
  swap-silent NAME           another card in the same connection
  counters [NAME]            verified                 apdus            reset-count
  misbehave N KIND [ARG]     at the N-th APDU from now; 1 is the next
  clear                      forget the misbehaviours
  timing A,B,R               log-mark TEXT            quit
";

#[cfg(test)]
mod tests {
    use super::{Arguments, help};

    fn parse(line: &str) -> Result<Arguments, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_line() {
        let line = "serve --vpcd 127.0.0.1:35963 --control /tmp/c --card a=plastic --card b=child,auth-tries=1 \
                    --timing 15,20,600 --log - --empty";
        let Ok(Arguments::Serve(options)) = parse(line) else {
            panic!("{:?}", parse(line));
        };
        assert_eq!(options.cards.len(), 2);
        assert_eq!(options.cards[1].1.auth_tries, 1);
        assert_eq!(options.timing.signature.as_millis(), 600);
        assert!(options.empty);
    }

    #[test]
    fn errors_name_the_word() {
        for (line, part) in [
            ("", "say what to do"),
            ("run", "'run'"),
            ("ctl /tmp/c", "COMMAND"),
            ("serve --vpcd", "--vpcd wants a value"),
            ("serve --fast", "'--fast'"),
            (
                "serve --card a=plastic --control /tmp/c",
                "--vpcd is needed",
            ),
            ("serve --vpcd h:1 --control /tmp/c", "at least one --card"),
            ("serve --like /nowhere", "/nowhere"),
            ("serve --card a=gold", "'gold'"),
            ("serve --card a/b=plastic", "letters, digits"),
            ("serve --card a=plastic --card a=plastic", "already"),
            ("serve --timing 1,2", "APDU_MS,BYTE_US,RSA_MS"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn help_is_found_anywhere() {
        assert_eq!(parse("serve --help"), Ok(Arguments::Help));
        assert!(help().contains("endless-61"));
    }
}
